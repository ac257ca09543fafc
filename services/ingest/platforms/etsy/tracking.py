"""Tells Etsy of parcels by createReceiptShipment: each call mails the buyer and adds a shipment, and none is undone.

So the receipt is read just before, and nothing that may have taken effect is done again without reading. A number of a
carrier that Etsy does not know is lost without an error while the receipt becomes "completed": only names of its list
are sent, `other` for all else, as JSON, and the shipments that it answers are looked through for the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Remedy, Shipping, Standing, plain_number
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.etsy.client import RETRY_AFTER, Declined, EtsyClient, NotSent
from services.ingest.platforms.etsy.mapping import is_over, ship_by
from services.ingest.platforms.etsy.payloads import EtsyShipment, EtsyShipments
from services.ingest.platforms.etsy.reading import ReceiptReader, receipt_path
from services.kit.errors import TransientError

#: For every carrier that Etsy does not list: the number is kept, without a link.
OTHER = "other"
#: Our carriers by Etsy's slugs (fulfilment tutorial), its own spelling of the German post included.
CARRIER_NAMES: Mapping[str, str] = {
    "usps": "usps",
    "ups": "ups",
    "fedex": "fedex",
    "dhl": "dhl",
    "dhl-ecommerce": "dhl-global-mail",
    "dhl-de": "dhl-germany",
    "canada-post": "canada-post",
    "royal-mail": "royal-mail",
    "evri": "hermes",
    "dpd": "dpd",
    "gls": "gls",
    "deutsche-post": "deutsch-post",
    "la-poste": "colissimo",
    "postnl": "postnl",
    "australia-post": "australia-post",
    "china-post": "china-post",
    "4px": "4px",
    "yanwen": "yanwen",
    "sf-express": "sf-express",
}
#: Slugs of Etsy's for which we have no carrier of our own, or a wider one, by what production calls them.
OWN_NAMES: Mapping[str, str] = {"austrian post": "austrian-post", "an post": "an-post", "china ems": "china-ems"}
_SCOPE_MISSING = "insufficient_scope"


class EtsyParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    proves_at_once = True
    #: Etsy has no call that changes or takes back a shipment; another number is another one.
    replaces = False
    #: A shipment is of the whole receipt, so nothing is left that could be added.
    adds_units = False

    def __init__(self, client: EtsyClient, reader: ReceiptReader) -> None:
        self._client = client
        self._reader = reader

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the receipt, which holds its shipments."""
        result = await self._reader.receipt(access, external_id)
        if result is None:
            return None
        receipt = _receipt(result)
        try:
            standing = _standing(receipt)
        except UnreadablePayload as error:
            raise _unreadable(error) from None
        return Shipping(standing, tuple(map(_known, receipt.shipments or ())), ship_by=ship_by(receipt))

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Send the number, and return the id of the shipment that shows it.

        Whoever is to be told is not ours to choose: Etsy mails the buyer at each call. A shipment is of the whole
        receipt; which lines are in a parcel cannot be said.
        """
        if shipping.standing == "shipped" and any(known.tracking_number is None for known in shipping.parcels):
            # Marked as shipped without a number, maybe by a call of ours: one more would mail the buyer once more.
            raise _refusal("NUMBER_DROPPED")
        body = {"tracking_code": _number(parcel), "carrier_name": _carrier(parcel)}
        path = f"{receipt_path(access, parcel.order_external_id)}/tracking"
        try:
            reply = await self._client.post(access.secrets["access_token"], path, body)
        except Declined as declined:
            _refuse(declined)
        except NotSent as error:
            raise _refusal("BUSY") from error
        wanted = plain_number(parcel.tracking_number)
        for known in map(_known, reversed(_receipt(reply).shipments or ())):
            if plain_number(known.tracking_number or "") == wanted:
                return known.parcel_id
        raise _refusal("NUMBER_DROPPED")


def _receipt(result: Mapping[str, object]) -> EtsyShipments:
    try:
        return parsed(EtsyShipments, result)
    except UnreadablePayload as error:
        raise _unreadable(error) from None


def _unreadable(error: UnreadablePayload) -> TransientError:
    return TransientError(f"Etsy's receipt cannot be read: {error.path}", retry_after=RETRY_AFTER)


def _known(shipment: EtsyShipment) -> KnownParcel:
    return KnownParcel(shipment.tracking_code or None, shipment.receipt_shipping_id, shipment.carrier_name or None)


def _standing(receipt: EtsyShipments) -> Standing:
    over = is_over(receipt)
    if receipt.is_shipped:
        # What was cancelled after it left is cancelled; what was refunded then is on its way all the same.
        return "cancelled" if over and receipt.status.strip().lower() == "canceled" else "shipped"
    if over:
        return "cancelled"
    if all(line.is_digital for line in receipt.transactions):
        return "exempt"
    return "open" if receipt.is_paid else "on_hold"


def _carrier(parcel: Parcel) -> str:
    named = OWN_NAMES.get(" ".join(parcel.carrier_name.casefold().split()))
    return named or CARRIER_NAMES.get(parcel.carrier or "", OTHER)


def _number(parcel: Parcel) -> str:
    """Return the number as carriers write it; of one that Etsy does not know, signs may be a part of it."""
    if not plain_number(parcel.tracking_number):
        raise _refusal("NUMBER_REFUSED")
    known = _carrier(parcel) != OTHER
    return plain_number(parcel.tracking_number) if known else "".join(parcel.tracking_number.split())


def _refuse(declined: Declined) -> NoReturn:
    match declined.status:
        case 403 if declined.error == _SCOPE_MISSING:
            code = "RIGHT_MISSING"
        case 403:
            code = "TRACKING_NOT_PERMITTED"
        case 404 | 409:
            # Something changed since it was read: the next reading tells.
            code = "CONFLICT"
        case _:
            code = "REFUSED"
    raise _refusal(code) from declined


def _refusal(code: str) -> PushRefused:
    remedy, store_wide, sentence = _REFUSALS[code]
    return PushRefused(remedy, sentence, code=code, store_wide=store_wide)


_DROPPED = (
    "Etsy has the order as shipped and no number with it: add the number in Shop Manager. It is not sent again: "
    "Etsy would mail the buyer once more."
)
#: Who can help, whether it is about all of the store's parcels, and what to do.
_REFUSALS: Mapping[str, tuple[Remedy, bool, str]] = {
    "RIGHT_MISSING": (
        "seller",
        True,
        "Etsy lets this app read orders and not ship them: link the store again, and grant what it asks for.",
    ),
    "TRACKING_NOT_PERMITTED": (
        "seller",
        True,
        "Etsy takes no tracking numbers from new apps of shops in your country: enter them in Shop Manager.",
    ),
    "NUMBER_DROPPED": ("seller", False, _DROPPED),
    "NUMBER_REFUSED": (
        "seller",
        False,
        "This is no tracking number: add the right one in Shop Manager.",
    ),
    "REFUSED": (
        "seller",
        False,
        "Etsy does not take this parcel: mark the order as shipped in Shop Manager, with its number.",
    ),
    "BUSY": ("wait", False, "This app has no calls to Etsy left for the moment: this parcel has its turn later."),
    "CONFLICT": ("wait", False, "The order is changing on Etsy at the moment."),
}
