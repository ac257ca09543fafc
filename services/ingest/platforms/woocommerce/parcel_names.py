"""Names carriers as WooCommerce's fulfilments and its tracking plugins do, each in their own way; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.ingest.contract.parcels import Parcel, PushRefused, plain_number
from services.ingest.tracking.carriers import BY_ID

OTHER = "other"
#: Our carriers by the slugs of the core's fulfilments (11.x); "other" is for all else.
PROVIDERS: Mapping[str, str] = {
    "usps": "usps",
    "ups": "ups",
    "fedex": "fedex",
    "dhl": "dhl",
    "ontrac": "lasership-ontrac",
    "lasership": "lasership-ontrac",
    "canada-post": "canada-post",
    "royal-mail": "royal-mail",
    "evri": "evri-hermes",
    "parcelforce": "parcelforce",
    "dpd": "dpd",
    "gls": "gls",
    "deutsche-post": "deutsche-post",
    "la-poste": "la-poste-colissimo",
    "postnl": "postnl",
    "australia-post": "australia-post",
    "new-zealand-post": "new-zealand-post",
}
#: What tracking plugins call carriers beside the names that everybody uses.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "dhl": ("DHL US",),
    "dhl-de": ("DHL Intraship (DE)", "Deutsche Post DHL"),
}


def plugin_name(carrier: str | None, listed: object) -> str | None:
    """Return the provider that the store's plugin lists for a carrier; None where it lists none.

    `listed` is {country: {name: address}}, as the plugin answers.
    """
    if carrier not in BY_ID:
        return None
    names = {_plain(name): name for name in _listed(listed)}
    known = BY_ID[carrier]
    wanted = (known.name, *known.also, *_CALLED.get(known.id, ()))
    return next((names[_plain(name)] for name in wanted if _plain(name) in names), None)


def shown_name(parcel: Parcel) -> str:
    """Return the carrier's name as people read it."""
    return BY_ID[parcel.carrier].name if parcel.carrier in BY_ID else parcel.carrier_name


def written_number(parcel: Parcel) -> str:
    """Return the number as carriers write it; of one that we do not know, signs may be a part of it.

    Raises PushRefused for what is no number.
    """
    if not plain_number(parcel.tracking_number):
        raise PushRefused(
            "seller", "This is no tracking number: add the right one to the order.", code="NUMBER_REFUSED"
        )
    known = parcel.carrier in BY_ID
    return plain_number(parcel.tracking_number) if known else "".join(parcel.tracking_number.split())


def _listed(value: object) -> Iterable[str]:
    countries: Iterable[Any] = value.values() if isinstance(value, dict) else ()
    for names in countries:
        # PHP writes a country without providers as [].
        yield from names if isinstance(names, dict) else ()


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
