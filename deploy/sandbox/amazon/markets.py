"""Amazon's marketplaces by country code and by id, and amounts as Amazon writes them: decimals in a string."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Region = Literal["na", "eu", "fe"]
REGIONS: tuple[Region, ...] = get_args(Region)
#: Currencies whose smallest unit is not a hundredth: their number of decimals.
_DECIMALS = {"JPY": 0}


@dataclass(frozen=True, slots=True)
class Market:
    """One marketplace; `code` is the seller's word for it ("UK"), `country` the ISO 3166-1 code ("GB")."""

    code: str
    id: str
    region: Region
    country: str
    currency: str
    name: str


def _market(code: str, number: str, region: Region, currency: str, name: str) -> Market:
    return Market(code, number, region, "GB" if code == "UK" else code, currency, name)


MARKETS: tuple[Market, ...] = (
    _market("US", "ATVPDKIKX0DER", "na", "USD", "Amazon.com"),
    _market("CA", "A2EUQ1WTGCTBG2", "na", "CAD", "Amazon.ca"),
    _market("MX", "A1AM78C64UM0Y8", "na", "MXN", "Amazon.com.mx"),
    _market("BR", "A2Q3Y263D00KWC", "na", "BRL", "Amazon.com.br"),
    _market("UK", "A1F83G8C2ARO7P", "eu", "GBP", "Amazon.co.uk"),
    _market("DE", "A1PA6795UKMFR9", "eu", "EUR", "Amazon.de"),
    _market("FR", "A13V1IB3VIYZZH", "eu", "EUR", "Amazon.fr"),
    _market("IT", "APJ6JRA9NG5V4", "eu", "EUR", "Amazon.it"),
    _market("ES", "A1RKKUPIHCS9HS", "eu", "EUR", "Amazon.es"),
    _market("NL", "A1805IZSGTT6HS", "eu", "EUR", "Amazon.nl"),
    _market("SE", "A2NODRKZP88ZB9", "eu", "SEK", "Amazon.se"),
    _market("PL", "A1C3SOZRARQ6R3", "eu", "PLN", "Amazon.pl"),
    _market("BE", "AMEN7PMS3EDWL", "eu", "EUR", "Amazon.com.be"),
    _market("IE", "A28R8C7NBKEWEA", "eu", "EUR", "Amazon.ie"),
    _market("TR", "A33AVAJ2PDY3EV", "eu", "TRY", "Amazon.com.tr"),
    _market("AE", "A2VIGQ35RCS4UG", "eu", "AED", "Amazon.ae"),
    _market("SA", "A17E79C6D8DWNP", "eu", "SAR", "Amazon.sa"),
    _market("EG", "ARBP9OOSHTCHU", "eu", "EGP", "Amazon.eg"),
    _market("ZA", "AE08WJ6YKNBMC", "eu", "ZAR", "Amazon.co.za"),
    _market("IN", "A21TJRUUN4KGV", "eu", "INR", "Amazon.in"),
    _market("JP", "A1VC38T7YXB528", "fe", "JPY", "Amazon.co.jp"),
    _market("AU", "A39IBJ37TRP1C6", "fe", "AUD", "Amazon.com.au"),
    _market("SG", "A19VAU5U5O7RUS", "fe", "SGD", "Amazon.sg"),
)
BY_CODE = {market.code: market for market in MARKETS}
BY_ID = {market.id: market for market in MARKETS}
#: Where a seller sells unless told otherwise; the first is where most of its orders come from.
USUAL: dict[Region, tuple[str, ...]] = {
    "na": ("US", "CA", "MX"),
    "eu": ("DE", "FR", "UK"),
    "fe": ("JP", "AU"),
}


def find_market(text: str) -> Market:
    """The marketplace of this code or id; KeyError when there is none."""
    return BY_ID[text] if text in BY_ID else BY_CODE[text.upper()]


def money(minor: int, currency: str) -> dict[str, str]:
    """Amazon's Money; `minor` is in the currency's smallest unit."""
    decimals = _DECIMALS.get(currency, 2)
    if not decimals:
        return {"amount": str(minor), "currencyCode": currency}
    sign, whole = ("-" if minor < 0 else ""), abs(minor)
    return {"amount": f"{sign}{whole // 100}.{whole % 100:02d}", "currencyCode": currency}
