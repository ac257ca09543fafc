"""Names of countries and states as people write them in files, and what they say of postal codes.

Names are folded: lower case, without accents and signs.
"""

from __future__ import annotations

import re
import unicodedata

from services.ingest.platforms.direct.countries import COUNTRIES, MEANT

#: Codes and names in English, some in their own language, and those of frequent countries in Vietnamese.
_NAMES = """
AD andorra | AE united arab emirates; uae | AF afghanistan | AG antigua and barbuda | AI anguilla | AL albania |
AM armenia | AO angola | AQ antarctica | AR argentina | AS american samoa | AT austria; ao; osterreich |
AU australia; uc | AW aruba | AX aland islands | AZ azerbaijan | BA bosnia and herzegovina | BB barbados |
BD bangladesh | BE belgium; bi | BF burkina faso | BG bulgaria | BH bahrain | BI burundi | BJ benin |
BL saint barthelemy; st barthelemy | BM bermuda | BN brunei | BO bolivia | BQ bonaire; caribbean netherlands |
BR brazil; brasil | BS bahamas | BT bhutan | BV bouvet island | BW botswana | BY belarus | BZ belize | CA canada |
CC cocos islands | CD congo kinshasa; democratic republic of the congo; dr congo | CF central african republic |
CG congo brazzaville; republic of the congo | CH switzerland; thuy si; schweiz | CI cote d ivoire; ivory coast |
CK cook islands | CL chile | CM cameroon | CN china; trung quoc | CO colombia | CR costa rica | CU cuba |
CV cape verde; cabo verde | CW curacao | CX christmas island | CY cyprus | CZ czech republic; czechia; sec |
DE germany; deutschland; duc | DJ djibouti | DK denmark; dan mach | DM dominica | DO dominican republic | DZ algeria |
EC ecuador | EE estonia | EG egypt | EH western sahara | ER eritrea | ES spain; espana; tay ban nha | ET ethiopia |
FI finland; phan lan | FJ fiji | FK falkland islands | FM micronesia | FO faroe islands | FR france; phap | GA gabon |
GB united kingdom; great britain; england; scotland; wales; northern ireland; anh; vuong quoc anh | GD grenada |
GE georgia | GF french guiana | GG guernsey | GH ghana | GI gibraltar | GL greenland | GM gambia | GN guinea |
GP guadeloupe | GQ equatorial guinea | GR greece | GS south georgia | GT guatemala | GU guam | GW guinea bissau |
GY guyana | HK hong kong | HM heard and mcdonald islands | HN honduras | HR croatia | HT haiti | HU hungary |
ID indonesia | IE ireland; republic of ireland; ai len | IL israel | IM isle of man | IN india; an do |
IO british indian ocean territory | IQ iraq | IR iran | IS iceland | IT italy; italia; y | JE jersey | JM jamaica |
JO jordan | JP japan; nhat; nhat ban | KE kenya | KG kyrgyzstan | KH cambodia; campuchia | KI kiribati | KM comoros |
KN saint kitts and nevis; st kitts and nevis | KP north korea; trieu tien |
KR south korea; republic of korea; korea; han quoc | KW kuwait | KY cayman islands | KZ kazakhstan | LA laos; lao |
LB lebanon | LC saint lucia; st lucia | LI liechtenstein | LK sri lanka | LR liberia | LS lesotho | LT lithuania |
LU luxembourg | LV latvia | LY libya | MA morocco | MC monaco | MD moldova; republic of moldova | ME montenegro |
MF saint martin; st martin | MG madagascar | MH marshall islands | MK macedonia; north macedonia | ML mali |
MM myanmar; burma | MN mongolia | MO macao; macau | MP northern mariana islands | MQ martinique | MR mauritania |
MS montserrat | MT malta | MU mauritius | MV maldives | MW malawi | MX mexico | MY malaysia | MZ mozambique |
NA namibia | NC new caledonia | NE niger | NF norfolk island | NG nigeria | NI nicaragua |
NL netherlands; the netherlands; holland; ha lan | NO norway; na uy | NP nepal | NR nauru | NU niue | NZ new zealand |
OM oman | PA panama | PE peru | PF french polynesia | PG papua new guinea | PH philippines | PK pakistan |
PL poland; ba lan | PM st pierre and miquelon; saint pierre and miquelon | PN pitcairn | PR puerto rico |
PS palestine; palestinian territory | PT portugal; bo dao nha | PW palau | PY paraguay | QA qatar | RE reunion |
RO romania | RS serbia | RU russia; russian federation; nga | RW rwanda | SA saudi arabia | SB solomon islands |
SC seychelles | SD sudan | SE sweden; thuy dien | SG singapore | SH saint helena; st helena | SI slovenia |
SJ svalbard and jan mayen islands | SK slovakia | SL sierra leone | SM san marino | SN senegal | SO somalia |
SR suriname | SS south sudan | ST sao tome and principe | SV el salvador | SX sint maarten | SY syria |
SZ swaziland; eswatini | TC turks and caicos islands | TD chad | TF french southern territories | TG togo |
TH thailand; thai lan | TJ tajikistan | TK tokelau | TL timor leste; east timor | TM turkmenistan | TN tunisia |
TO tonga | TR turkey; turkiye; tho nhi ky | TT trinidad and tobago | TV tuvalu | TW taiwan; dai loan | TZ tanzania |
UA ukraine | UG uganda | UM united states minor outlying islands |
US united states; usa; u s a; u s; united states of america; america; my; hoa ky | UY uruguay | UZ uzbekistan |
VA vatican; holy see; vatican city | VC saint vincent and the grenadines; st vincent and the grenadines |
VE venezuela | VG british virgin islands | VI us virgin islands; u s virgin islands | VN viet nam; vietnam |
VU vanuatu | WF wallis and futuna | WS samoa | YE yemen | YT mayotte | ZA south africa | ZM zambia | ZW zimbabwe
"""

#: The states whose ZIP codes begin with zero, and the first three digits that they have (USPS, Publication 65).
_ZEROS = """
CT connecticut 060-069 | MA massachusetts 010-027 055 | ME maine 039-049 | NH new hampshire 030-038 |
NJ new jersey 070-089 | NY new york 005 063 | PR puerto rico 006-007 009 | RI rhode island 028-029 |
VI virgin islands 008 | VT vermont 050-054 056-059 | AE armed forces europe 090-098
"""

#: Where postal codes have a fixed number of digits, of which the first may be zero.
DIGITS_OF_POSTAL_CODES = {
    **dict.fromkeys(("DE", "ES", "FI", "FR", "IT", "KR", "MX", "MY", "TR", "UA", "US", "PR"), 5),
    **dict.fromkeys(("AU", "DK", "NO"), 4),
    "SG": 6,
}


def folded(text: str) -> str:
    """Return what is compared of a name or a header: letters and digits, without case and accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
        text = "".join(sign for sign in text if not unicodedata.combining(sign))
    return " ".join(_NOT_A_WORD.sub(" ", text.lower()).split())


def country_code(text: str) -> str:
    """Return the code of a country by its code or name; the text itself where it is none that we know."""
    code = text.upper()
    if code in COUNTRIES or code in MEANT:
        return code
    return _CODES.get(folded(text), text)


def state_of_zip(digits: str, state: str) -> bool:
    """Whether a ZIP code of five digits that begins with zero belongs to the state, by code or name."""
    return digits[:3] in _STARTS.get(folded(state), frozenset())


def _numbers(spans: list[str]) -> frozenset[str]:
    found: set[str] = set()
    for span in spans:
        first, _, last = span.partition("-")
        found.update(f"{number:03}" for number in range(int(first), int(last or first) + 1))
    return frozenset(found)


def _starts() -> dict[str, frozenset[str]]:
    found = {}
    for entry in _ZEROS.split("|"):
        words = entry.split()
        spans = [word for word in words if word[0].isdigit()]
        starts = _numbers(spans)
        found[words[0].lower()] = found[" ".join(words[1 : -len(spans)])] = starts
    return found


_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_STARTS = _starts()
_CODES = {name.strip(): entry.split()[0] for entry in _NAMES.split("|") for name in entry.strip()[2:].split(";")}
