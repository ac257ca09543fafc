"""The carriers whose names Etsy understands, and which of them it lists for a country."""

from __future__ import annotations

#: Slugs from the fulfilment tutorial's list (an excerpt of about 250), with the names Etsy displays.
CARRIERS: dict[str, str] = {
    "usps": "USPS",
    "ups": "UPS",
    "fedex": "FedEx",
    "dhl": "DHL Express",
    "dhl-germany": "DHL",
    "dhl-global-mail": "DHL Global Mail",
    "royal-mail": "Royal Mail",
    "canada-post": "Canada Post",
    "australia-post": "Australia Post",
    "austrian-post": "Austrian Post",
    "an-post": "An Post",
    "deutsch-post": "Deutsche Post",
    "postnl": "PostNL",
    "colissimo": "Colissimo",
    "dpd": "DPD",
    "gls": "GLS",
    "hermes": "Hermes",
    "china-post": "China Post",
    "china-ems": "China EMS",
    "yanwen": "Yanwen",
    "4px": "4PX",
    "sf-express": "SF Express",
    "other": "Other",
}
_BY_COUNTRY: dict[str, tuple[str, ...]] = {
    "US": ("usps", "ups", "fedex", "dhl", "dhl-global-mail"),
    "CA": ("canada-post", "ups", "fedex", "dhl"),
    "GB": ("royal-mail", "hermes", "dpd", "dhl"),
    "DE": ("dhl-germany", "deutsch-post", "dpd", "gls", "hermes"),
    "FR": ("colissimo", "dpd", "gls", "dhl"),
    "AU": ("australia-post", "dhl", "fedex"),
}
_ELSEWHERE = ("dhl", "ups", "fedex", "other")
_NAMES = {name.casefold() for name in CARRIERS.values()}


def is_known(carrier: str) -> bool:
    """Whether Etsy links tracking of this carrier; it takes a slug or a displayed name."""
    return carrier in CARRIERS or carrier.casefold() in _NAMES


def shipping_carriers(country: str) -> dict[str, object]:
    """The reply of getShippingCarriers for an origin country."""
    slugs = _BY_COUNTRY.get(country.upper(), _ELSEWHERE)
    numbers = {slug: number for number, slug in enumerate(CARRIERS, start=1)}
    return {
        "count": len(slugs),
        "results": [
            {
                "shipping_carrier_id": numbers[slug],
                "name": CARRIERS[slug],
                "domestic_classes": [{"mail_class_key": f"{slug}-standard", "name": "Standard"}],
                "international_classes": [{"mail_class_key": f"{slug}-international", "name": "International"}],
            }
            for slug in slugs
        ],
    }
