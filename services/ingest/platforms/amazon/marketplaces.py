"""Amazon's marketplaces: which region's API serves each, in which currency it sells, where its sellers sign in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marketplace:
    """One marketplace. `seller_central` is the host on which its sellers grant access."""

    marketplace_id: str
    country: str
    region: str
    currency: str
    seller_central: str


_EUROPE = "sellercentral-europe.amazon.com"
#: Country | marketplace id | region | currency | Seller Central's host.
_TABLE = (
    ("US", "ATVPDKIKX0DER", "na", "USD", "sellercentral.amazon.com"),
    ("CA", "A2EUQ1WTGCTBG2", "na", "CAD", "sellercentral.amazon.ca"),
    ("MX", "A1AM78C64UM0Y8", "na", "MXN", "sellercentral.amazon.com.mx"),
    ("BR", "A2Q3Y263D00KWC", "na", "BRL", "sellercentral.amazon.com.br"),
    ("UK", "A1F83G8C2ARO7P", "eu", "GBP", _EUROPE),
    ("DE", "A1PA6795UKMFR9", "eu", "EUR", _EUROPE),
    ("FR", "A13V1IB3VIYZZH", "eu", "EUR", _EUROPE),
    ("IT", "APJ6JRA9NG5V4", "eu", "EUR", _EUROPE),
    ("ES", "A1RKKUPIHCS9HS", "eu", "EUR", _EUROPE),
    ("NL", "A1805IZSGTT6HS", "eu", "EUR", "sellercentral.amazon.nl"),
    ("SE", "A2NODRKZP88ZB9", "eu", "SEK", "sellercentral.amazon.se"),
    ("PL", "A1C3SOZRARQ6R3", "eu", "PLN", "sellercentral.amazon.pl"),
    ("BE", "AMEN7PMS3EDWL", "eu", "EUR", "sellercentral.amazon.com.be"),
    ("IE", "A28R8C7NBKEWEA", "eu", "EUR", "sellercentral.amazon.ie"),
    ("TR", "A33AVAJ2PDY3EV", "eu", "TRY", "sellercentral.amazon.com.tr"),
    ("AE", "A2VIGQ35RCS4UG", "eu", "AED", "sellercentral.amazon.ae"),
    ("SA", "A17E79C6D8DWNP", "eu", "SAR", "sellercentral.amazon.sa"),
    ("EG", "ARBP9OOSHTCHU", "eu", "EGP", "sellercentral.amazon.eg"),
    ("ZA", "AE08WJ6YKNBMC", "eu", "ZAR", "sellercentral.amazon.co.za"),
    ("IN", "A21TJRUUN4KGV", "eu", "INR", "sellercentral.amazon.in"),
    ("JP", "A1VC38T7YXB528", "fe", "JPY", "sellercentral.amazon.co.jp"),
    ("AU", "A39IBJ37TRP1C6", "fe", "AUD", "sellercentral.amazon.com.au"),
    ("SG", "A19VAU5U5O7RUS", "fe", "SGD", "sellercentral.amazon.sg"),
)
#: The marketplaces by their id.
MARKETPLACES = {
    marketplace_id: Marketplace(marketplace_id, country, region, currency, host)
    for country, marketplace_id, region, currency, host in _TABLE
}
_BY_COUNTRY = {marketplace.country: marketplace for marketplace in MARKETPLACES.values()}
#: Whose sign-in page a region's sellers get who name no marketplace.
_FIRST = {"na": "US", "eu": "UK", "fe": "JP"}
REGIONS = {"na": "North America", "eu": "Europe", "fe": "Far East"}


def find_marketplace(name: str) -> Marketplace | None:
    """Return the marketplace of an id or a country code, in either case; the United Kingdom is UK or GB."""
    code = name.strip().upper()
    return MARKETPLACES.get(code) or _BY_COUNTRY.get("UK" if code == "GB" else code)


def first_marketplace(region: str) -> Marketplace:
    """Return the marketplace that stands for a region."""
    return _BY_COUNTRY[_FIRST[region]]
