"""Which carrier a parcel is with: by production's word for it, else by the form of its number; pure.

Platforms spell carriers each in their own way: their `tracking.py` knows the spelling by the ids of this table. The
forms of numbers with check digits come from a library; those of consolidators and of the Universal Postal Union's
standard S10 ("LX123456789CN") are here, for production ships with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from tracking_numbers import get_tracking_number

_NUMBER = "{number}"
#: Where a number of no carrier that we know is looked up by whoever wants to.
ANYWHERE = f"https://t.17track.net/en#nums={_NUMBER}"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier: the name that people read, other words that production may use, and where a number is followed."""

    id: str
    name: str
    also: tuple[str, ...] = ()
    url: str = ANYWHERE

    def tracking_url(self, tracking_number: str) -> str:
        """The address at which a parcel is followed."""
        return self.url.replace(_NUMBER, quote(tracking_number, safe=""))


CARRIERS: tuple[Carrier, ...] = (
    Carrier("usps", "USPS", ("United States Postal Service", "US Post"),
            f"https://tools.usps.com/go/TrackConfirmAction?tLabels={_NUMBER}"),
    Carrier("ups", "UPS", ("United Parcel Service",), f"https://www.ups.com/track?tracknum={_NUMBER}"),
    Carrier("ups-mi", "UPS Mail Innovations", ("UPSMI", "UPS MI"), f"https://www.ups-mi.net/packageID/packageid.aspx?pid={_NUMBER}"),
    Carrier("fedex", "FedEx", ("Federal Express", "FedEx Ground", "FedEx Express", "FedEx Home Delivery"),
            f"https://www.fedex.com/fedextrack/?trknbr={_NUMBER}"),
    Carrier("fedex-smartpost", "FedEx SmartPost", ("FedEx Ground Economy",), f"https://www.fedex.com/fedextrack/?trknbr={_NUMBER}"),
    Carrier("dhl", "DHL Express", ("DHL",), f"https://www.dhl.com/en/express/tracking.html?AWB={_NUMBER}"),
    Carrier("dhl-ecommerce", "DHL eCommerce", ("DHL Global Mail", "DHL eCommerce Solutions", "DHLGM"),
            f"https://webtrack.dhlecs.com/?trackingnumber={_NUMBER}"),
    Carrier("dhl-de", "DHL Paket", ("DHL Germany", "DHL Parcel DE"),
            f"https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode={_NUMBER}"),
    Carrier("ontrac", "OnTrac", (), f"https://www.ontrac.com/tracking?number={_NUMBER}"),
    Carrier("lasership", "LaserShip", ("Laser Ship",), f"https://www.ontrac.com/tracking?number={_NUMBER}"),
    Carrier("canada-post", "Canada Post", ("Postes Canada",),
            f"https://www.canadapost-postescanada.ca/track-reperage/en#/details/{_NUMBER}"),
    Carrier("royal-mail", "Royal Mail", (), f"https://www.royalmail.com/track-your-item#/tracking-results/{_NUMBER}"),
    Carrier("evri", "Evri", ("Hermes UK", "Hermes"), f"https://www.evri.com/track/parcel/{_NUMBER}"),
    Carrier("parcelforce", "Parcelforce", ("Parcelforce Worldwide",), f"https://www.parcelforce.com/track-trace?trackNumber={_NUMBER}"),
    Carrier("dpd", "DPD", (), f"https://tracking.dpd.de/parcelstatus?query={_NUMBER}&locale=en_D2"),
    Carrier("gls", "GLS", (), f"https://gls-group.com/track/{_NUMBER}"),
    Carrier("deutsche-post", "Deutsche Post", (), f"https://www.deutschepost.de/de/s/sendungsverfolgung.html?piececode={_NUMBER}"),
    Carrier("la-poste", "Colissimo", ("La Poste",), f"https://www.laposte.fr/outils/suivre-vos-envois?code={_NUMBER}"),
    Carrier("postnl", "PostNL", (), f"https://jouw.postnl.nl/track-and-trace/{_NUMBER}"),
    Carrier("australia-post", "Australia Post", ("AusPost", "Auspost"), f"https://auspost.com.au/mypost/track/#/details/{_NUMBER}"),
    Carrier("new-zealand-post", "New Zealand Post", ("NZ Post",), f"https://www.nzpost.co.nz/tools/tracking?trackid={_NUMBER}"),
    Carrier("japan-post", "Japan Post", (), f"https://trackings.post.japanpost.jp/services/srv/search/direct?searchKind=S004&locale=en&reqCodeNo1={_NUMBER}"),
    Carrier("singapore-post", "Singapore Post", ("SingPost",), f"https://www.singpost.com/track-items?trackingid={_NUMBER}"),
    Carrier("china-post", "China Post", ("China EMS", "EMS"), ANYWHERE),
    Carrier("hongkong-post", "Hongkong Post", ("Hong Kong Post",), f"https://www.hongkongpost.hk/en/mail_tracking/index.html?mail={_NUMBER}"),
    Carrier("vietnam-post", "Vietnam Post", ("VNPost", "VN Post"), ANYWHERE),
    Carrier("yunexpress", "YunExpress", ("Yun Express",), f"https://www.yuntrack.com/parcelTracking?id={_NUMBER}"),
    Carrier("4px", "4PX", ("4PX Express", "4PX Worldwide Express"), f"https://track.4px.com/#/result/0/{_NUMBER}"),
    Carrier("yanwen", "Yanwen", ("Yanwen Express",), f"https://track.yw56.com.cn/en/querydel?nums={_NUMBER}"),
    Carrier("sf-express", "SF Express", ("SF",), f"https://www.sf-express.com/us/en/dynamic_function/waybill/#search/bill-number/{_NUMBER}"),
    Carrier("asendia", "Asendia", ("Asendia USA",), f"https://tracking.asendia.com/tracking/{_NUMBER}"),
    Carrier("osm", "OSM Worldwide", ("OSM",), f"https://www.osmworldwide.com/tracking/?trackingNumbers={_NUMBER}"),
    Carrier("passport", "Passport", ("Passport Shipping",), f"https://track.passportshipping.com/{_NUMBER}"),
)  # fmt: skip
BY_ID = {carrier.id: carrier for carrier in CARRIERS}

#: The library's words, which are ours, for carriers that are in the table.
_LIBRARY = frozenset({"dhl", "fedex", "ontrac", "ups", "usps"})
#: Forms that the library does not know. Each is told apart by letters, not by a mere number of digits.
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(form), carrier)
    for form, carrier in (
        (r"YT[0-9]{16}", "yunexpress"),
        (r"4PX[0-9]{13}CN", "4px"),
        (r"(?:GM|LX|RX)[0-9]{16,20}", "dhl-ecommerce"),
        (r"JJD[0-9]{16,20}", "dhl-de"),
        (r"(?:YW|UG|UF|UJ)[0-9]{9}YP", "yanwen"),
        (r"SF[0-9]{13}", "sf-express"),
        (r"MI[0-9]{6}[A-Z0-9]{8,22}", "ups-mi"),
    )
)
#: UPU S10: service, eight digits, a check digit, and the country of the post that took it.
_S10 = re.compile(r"[A-Z]{2}([0-9]{8})([0-9])([A-Z]{2})")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_POSTS = {
    "US": "usps", "CA": "canada-post", "GB": "royal-mail", "DE": "deutsche-post", "FR": "la-poste", "NL": "postnl",
    "AU": "australia-post", "NZ": "new-zealand-post", "JP": "japan-post", "SG": "singapore-post", "CN": "china-post",
    "HK": "hongkong-post", "VN": "vietnam-post",
}  # fmt: skip


def carrier_of(name: str, tracking_number: str) -> Carrier | None:
    """The carrier that production names, else the one whose numbers look like this; None when neither tells.

    A service behind the carrier's name ("USPS First Class") does not hide it.
    """
    return _by_name(name) or _by_number(tracking_number)


def tracking_url_of(carrier: Carrier | None, tracking_number: str, *, told: str | None) -> str:
    """Where the parcel is followed: as production told, else as the carrier has it, else where any number is."""
    if told:
        return told
    return carrier.tracking_url(tracking_number) if carrier else ANYWHERE.replace(_NUMBER, quote(tracking_number))


def _by_name(name: str) -> Carrier | None:
    said = _plain(name)
    if not said:
        return None
    if said in _NAMES:
        return BY_ID[_NAMES[said]]
    # The longest name first: "DHL eCommerce Parcel" is not "DHL".
    return next((BY_ID[_NAMES[known]] for known in _LONGEST_FIRST if said.startswith(known)), None)


def _by_number(tracking_number: str) -> Carrier | None:
    number = "".join(sign for sign in tracking_number.upper() if sign.isalnum())
    for form, carrier in _FORMS:
        if form.fullmatch(number):
            return BY_ID[carrier]
    if (post := _S10.fullmatch(number)) is not None and _s10_checks(post[1], int(post[2])):
        return BY_ID.get(_POSTS.get(post[3], ""))
    found = get_tracking_number(number)
    return BY_ID[found.courier.code] if found and found.courier.code in _LIBRARY else None


def _s10_checks(digits: str, check: int) -> bool:
    """Tell whether the check digit is right (UPU S10, annex A)."""
    left = 11 - sum(weight * int(digit) for weight, digit in zip(_S10_WEIGHTS, digits, strict=True)) % 11
    return check == {10: 0, 11: 5}.get(left, left)


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


_NAMES = {_plain(word): carrier.id for carrier in CARRIERS for word in (carrier.id, carrier.name, *carrier.also)}
#: Short words would be found at the beginning of others' names.
_LONGEST_FIRST = sorted((word for word in _NAMES if len(word) >= 3), key=len, reverse=True)  # noqa: PLR2004
