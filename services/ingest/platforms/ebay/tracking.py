"""Records parcels by createShippingFulfillment: each call is one more parcel and one more mail, and none is undone.

So every answer that is no refusal counts as "perhaps": whoever asks reads the order's parcels before another call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NoReturn

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Remedy, Shipping, Standing
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.ebay.client import (
    DECLINED_WAIT,
    SELL,
    Declined,
    EbayClient,
    NotSent,
    Reply,
    RightMissing,
)
from services.ingest.platforms.ebay.mapping import has_label_of_ebay, is_shipped_by_ebay, ship_by
from services.ingest.platforms.ebay.payloads import EbayOrder, EbayShipment, EbayShipments
from services.ingest.platforms.ebay.reading import NO_SUCH_ORDER, NOT_FOUND, ORDER_ID
from services.kit.clock import Clock
from services.kit.errors import TransientError

OTHER = "Other"
#: Carriers as the Trading API lists them (GeteBayDetails, ShippingCarrierDetails); all others are "Other".
CARRIER_CODES: Mapping[str, str] = {
    "usps": "USPS",
    "ups": "UPS",
    "ups-mi": "UPSMailInnovations",
    "fedex": "FedEx",
    "fedex-smartpost": "FedExSmartPost",
    "dhl": "DHL",
    "dhl-ecommerce": "DHLGlobalMail",
    "dhl-de": "DHLPaket",
    "ontrac": "OnTrac",
    "lasership": "LaserShip",
    "canada-post": "CanadaPost",
    "royal-mail": "RoyalMail",
    "evri": "Evri",
    "parcelforce": "Parcelforce",
    "dpd": "DPD",
    "gls": "GLS",
    "deutsche-post": "DeutschePost",
    "la-poste": "Colissimo",
    "postnl": "PostNL",
    "australia-post": "AustraliaPost",
    "new-zealand-post": "NewZealandPost",
    "japan-post": "JapanPost",
    "singapore-post": "SingaporePost",
    "china-post": "ChinaPost",
    "yunexpress": "YunExpress",
    "4px": "4PX",
    "yanwen": "Yanwen",
    "sf-express": "SFExpress",
    "asendia": "Asendia",
}

#: eBay takes nothing else in a number: no blanks, hyphens or other signs.
_NOT_IN_NUMBERS = re.compile(r"[^0-9A-Za-z]")
#: eBay's numbers of: a bad tracking number or carrier, a bad ship date, a suspended seller, a bad line.
_BAD_PARCEL, _BAD_DATE, _SUSPENDED, _BAD_LINE = 32300, 32500, 32400, 32200
_CONFLICT = 409
_LINE_BY_LINE = (
    "eBay takes parcels of its Global Shipping Program line by line only: mark the lines as shipped in Seller Hub, "
    "each with this number."
)
_SHIPPABLE = frozenset({"PAID", "PARTIALLY_REFUNDED"})


@dataclass(frozen=True, slots=True)
class _Told:
    """What eBay told of an order, and how many units of each line are in parcels."""

    order: EbayOrder
    shipped: Mapping[str, int]

    @property
    def left(self) -> dict[str, int]:
        """How many units of each line are in no parcel yet."""
        return {
            line.id: 0 if line.fulfilment == "FULFILLED" else max(line.quantity - self.shipped.get(line.id, 0), 0)
            for line in self.order.lines
        }


class EbayParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    proves_at_once = True
    #: eBay has no call that changes or takes back a parcel; another number is another parcel.
    replaces = False
    #: A parcel's id is its number: there can be no other under it.
    adds_units = False

    def __init__(self, client: EbayClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order, and then its parcels: what is written meanwhile is seen rather than missed."""
        if not ORDER_ID.fullmatch(external_id):
            return None
        path = f"{SELL}/order/{external_id}"
        found = await self._get(access, path)
        shipments = None if found is None else await self._get(access, f"{path}/shipping_fulfillment")
        if found is None or shipments is None:
            return None
        try:
            return _shipping(parsed(EbayOrder, found), parsed(EbayShipments, shipments).shipments)
        except UnreadablePayload as error:
            raise TransientError(f"eBay's order cannot be read: {error.path}", retry_after=DECLINED_WAIT) from None

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Record the parcel, and return the id that eBay gave it: its number."""
        told = shipping.detail
        if not isinstance(told, _Told):
            raise TypeError("the shipping was read by another writer")
        body = self._fulfillment(told, parcel)
        try:
            reply = await self._record(access, told.order.id, body)
        except Declined as declined:
            _refuse(declined)
        except NotSent as error:
            sentence = "This app has no calls to eBay left for the moment: this parcel has its turn later."
            raise PushRefused("wait", sentence, code="BUSY") from error
        except RightMissing as error:
            raise PushRefused(
                "seller",
                "eBay lets this app read orders and not ship them: link the store again, and grant what it asks for.",
                code="RIGHT_MISSING",
                store_wide=True,
            ) from error
        return reply.location.rstrip("/").rpartition("/")[2] or None

    async def _get(self, access: Access, path: str) -> dict[str, Any] | None:
        try:
            return (await self._client.call("GET", path, token=access.secrets["access_token"])).body
        except Declined as declined:
            if declined.status == NOT_FOUND or NO_SUCH_ORDER in declined.errors:
                return None
            raise

    async def _record(self, access: Access, order_id: str, body: Mapping[str, Any]) -> Reply:
        """Make the call; what eBay refused by itself was not recorded, so it may be said in another way."""
        path = f"{SELL}/order/{order_id}/shipping_fulfillment"
        token = access.secrets["access_token"]
        while True:
            try:
                return await self._client.call("POST", path, token=token, json=body)
            except Declined as declined:
                if _BAD_PARCEL in declined.errors and body["shippingCarrierCode"] != OTHER:
                    body = {**body, "shippingCarrierCode": OTHER}
                elif _BAD_DATE in declined.errors and "shippedDate" in body:
                    # Without a date it is eBay's own present.
                    body = {name: value for name, value in body.items() if name != "shippedDate"}
                else:
                    raise

    def _fulfillment(self, told: _Told, parcel: Parcel) -> dict[str, Any]:
        number = _NOT_IN_NUMBERS.sub("", parcel.tracking_number)
        if not number:
            raise _bad_number()
        moment = max(min(parcel.shipped_at, self._clock.now()), told.order.created_at)
        return {
            "lineItems": [{"lineItemId": line, "quantity": units} for line, units in _units(told, parcel).items()],
            "shippedDate": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "shippingCarrierCode": CARRIER_CODES.get(parcel.carrier or "", OTHER),
            "trackingNumber": number,
        }


def _shipping(order: EbayOrder, shipments: Iterable[EbayShipment]) -> Shipping:
    shipped: dict[str, int] = {}
    parcels = []
    for shipment in shipments:
        lines: dict[str, int] = {}
        for line in shipment.lines:
            lines[line.id] = lines.get(line.id, 0) + line.quantity
            shipped[line.id] = shipped.get(line.id, 0) + line.quantity
        parcels.append(KnownParcel(shipment.number, shipment.id, shipment.carrier, lines))
    told = _Told(order, shipped)
    return Shipping(_standing(told), tuple(parcels), ship_by=ship_by(order), left=told.left, detail=told)


def _standing(told: _Told) -> Standing:
    order = told.order
    if order.cancel.state == "CANCELED" or order.payment == "FULLY_REFUNDED":
        return "cancelled"
    if is_shipped_by_ebay(order) or has_label_of_ebay(order):
        return "exempt"
    if order.fulfilment == "FULFILLED" or not any(told.left.values()):
        return "shipped"
    # While a cancellation is under way the order is not to be shipped; a failed payment may be made good yet.
    if order.cancel.state != "NONE_REQUESTED" or order.payment not in _SHIPPABLE:
        return "on_hold"
    return "open"


def _units(told: _Told, parcel: Parcel) -> dict[str, int]:
    """Return what to record of each line: what is left of it, for it may have become less since it was made.

    Where all of the parcel is in other parcels its number is added to the order beside theirs, which eBay lets us do:
    it takes another's place, is of a second box, or comes after the seller marked the line as shipped.
    """
    bought = {line.id: line.quantity for line in told.order.lines}
    sent = dict(parcel.lines) or bought
    if not sent.keys() & bought.keys():
        raise _refusal(_BAD_LINE)
    for most in (told.left, bought):
        units = {line: min(count, most.get(line, 0)) for line, count in sent.items()}
        if any(units.values()):
            return {line: count for line, count in units.items() if count}
    raise _refusal(_BAD_LINE)


def _bad_number() -> PushRefused:
    return _refusal(_BAD_PARCEL)


def _refuse(declined: Declined) -> NoReturn:
    """Say what eBay means by its numbers."""
    known = next((number for number in _REFUSALS if number in declined.errors), None)
    if known is not None:
        raise _refusal(known) from declined
    if declined.status == _CONFLICT:
        # Something changed since it was read, or is changing: the next reading tells.
        raise PushRefused("wait", "The order is changing on eBay at the moment.", code="CONFLICT") from declined
    sentence = "eBay does not take this parcel: mark the order as shipped in Seller Hub, with its number."
    raise PushRefused("seller", sentence, code="REFUSED") from declined


def _refusal(number: int) -> PushRefused:
    remedy, code, sentence = _REFUSALS[number]
    return PushRefused(remedy, sentence, code=code, store_wide=number == _SUSPENDED)


#: What eBay's numbers mean for a parcel (createShippingFulfillment, response codes).
_REFUSALS: Mapping[int, tuple[Remedy, str, str]] = {
    NO_SUCH_ORDER: ("seller", "ORDER_GONE", "eBay does not have this order any more."),
    _BAD_LINE: (
        "seller",
        "LINES_REFUSED",
        "eBay does not know a line of this parcel: mark it as shipped in Seller Hub.",
    ),
    32210: (
        "seller",
        "LINES_REFUSED",
        "eBay does not take this parcel's lines: mark it as shipped in Seller Hub.",
    ),
    _BAD_PARCEL: (
        "seller",
        "NUMBER_REFUSED",
        "eBay does not take this tracking number, which has letters and digits only: add the right one in Seller Hub.",
    ),
    _SUSPENDED: (
        "seller",
        "ACCOUNT_SUSPENDED",
        "eBay has suspended this account, and takes no shipments of it: settle that with eBay, then try again.",
    ),
    34100: (
        "final",
        "TOO_MANY_NUMBERS",
        "eBay takes no more tracking numbers for this order: send this one to the buyer by message.",
    ),
    34200: ("seller", "GLOBAL_SHIPPING", _LINE_BY_LINE),
    34300: ("seller", "GLOBAL_SHIPPING", _LINE_BY_LINE),
    # The number is there already: the next reading shows it.
    34500: ("wait", "ALREADY_THERE", "eBay has this number already."),
}
