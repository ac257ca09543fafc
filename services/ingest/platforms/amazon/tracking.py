"""Confirms parcels by confirmShipment (v0), and reads back what Amazon made of it: a 204 is taken, and no proof.

A package has a reference within its order; the same reference again edits the package. So a parcel's own number is its
reference, no package of anybody else's is ever written over, and a call that is repeated changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, NoReturn

from services.ingest.connector import Access, UnreadablePayload
from services.ingest.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing, plain_number
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import AmazonClient, NotSent, RequestRefused, RightMissing
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.payloads import AmazonDispatch, AmazonDispatchedLine, AmazonPackage
from services.ingest.platforms.amazon.reading import ORDER_ID, ORDERS
from services.ingest.platforms.amazon.sweeping import INCLUDED, Sweeps
from services.ingest.tracking.carriers import BY_ID
from services.kit.clock import Clock
from services.kit.errors import TransientError

OTHER = "Other"
#: Carriers as Seller Central spells them (help page 641): `carrierCode` is exactly that. All others are "Other".
CARRIER_CODES: Mapping[str, str] = {
    "usps": "USPS",
    "ups": "UPS",
    "ups-mi": "UPS Mail Innovations",
    "fedex": "FedEx",
    "fedex-smartpost": "FedEx SmartPost",
    "dhl": "DHL",
    "dhl-ecommerce": "DHL eCommerce",
    "ontrac": "OnTrac",
    "lasership": "Lasership",
    "canada-post": "Canada Post",
    "royal-mail": "Royal Mail",
    "parcelforce": "Parcelforce",
    "gls": "GLS",
    "china-post": "China Post",
    "4px": "4PX",
    "yanwen": "Yanwen",
    "sf-express": "SF Express",
    "singapore-post": "Singapore Post",
}

#: What Amazon says where nothing is left to confirm, or it was confirmed by other means.
_NO_PACKAGE = re.compile("packagetoupdate|package to update")
#: Seconds to wait for our turn: more orders may be read at once than be confirmed.
PATIENCE_TO_CONFIRM = 10.0
_CONFIRM = "/orders/v0/orders/{}/shipmentConfirmation"
#: Amazon confirms these itself, and answers 400 to everybody else.
_CONFIRMED_BY_AMAZON = "FBM_SHIP_PLUS"
_TRANSPARENCY = "TRANSPARENCY"
_CANCELLED = "CANCELLED"
_STANDINGS: Mapping[str, Standing] = {
    "PENDING_AVAILABILITY": "on_hold",
    "PENDING": "on_hold",
    "UNSHIPPED": "open",
    "PARTIALLY_SHIPPED": "open",
    "SHIPPED": "shipped",
    "INVOICE_UNCONFIRMED": "shipped",
    "CANCELLED": "cancelled",
    "UNFULFILLABLE": "exempt",
}
#: Packages of others count from 1 too, as a rule: a parcel whose number is taken goes this much further.
_FURTHER = 1000


class AmazonParcels:
    """See `services.ingest.parcels.ParcelWriter`."""

    #: Amazon takes a confirmation with 204, and may show it later, or drop it.
    proves_at_once = False
    replaces = True

    def __init__(self, client: AmazonClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._sweeps = Sweeps(client, clock)

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order's packages, and whether it may be sent."""
        if not ORDER_ID.fullmatch(external_id):
            return None
        order = await self._sweeps.find(access, external_id) or await self._ask(access, external_id)
        return _shipping(order) if order else None

    async def _ask(self, access: Access, order_id: str) -> AmazonDispatch | None:
        """Return the order as it is now; None when Amazon does not have it."""
        path = f"{ORDERS}/{order_id}"
        account = account_of(access.secrets)
        try:
            answer = await self._client.call(account, "getOrder", path, query={"includedData": INCLUDED})
        except RequestRefused as error:
            raise TransientError(str(error), retry_after=900.0) from error
        if answer is None:
            return None
        try:
            return parsed(AmazonDispatch, answer.get("order"))
        except UnreadablePayload as error:
            raise TransientError(f"Amazon's order cannot be read: {error.path}", retry_after=900.0) from None

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Confirm the parcel, and return the reference that its package has."""
        order = shipping.detail
        if not isinstance(order, AmazonDispatch):
            raise TypeError("the shipping was read by another writer")
        marketplace, package = _marketplace(order, access), self._package(order, parcel)
        listed = self._sweeps.wrote(access, order, parcel.tracking_number)
        try:
            await self._confirm(access, order.order_id, marketplace, package, name=_carrier_name(parcel))
        except RequestRefused as refused:
            self._sweeps.refused(access, order)
            if _NO_PACKAGE.search(refused.words):
                raise await self._found_nothing(access, order) from refused
            # What a search showed may be two minutes old: of the order itself it is known what was wrong.
            if listed and await self._ask(access, order.order_id) != order:
                raise _changed() from refused
            _refuse(refused)
        except PushRefused:
            self._sweeps.refused(access, order)
            raise
        # Whatever was asked before this moment does not count.
        self._sweeps.wrote(access, order, parcel.tracking_number)
        return str(package["packageReferenceId"])

    async def _confirm(
        self, access: Access, order_id: str, marketplace: str, package: Mapping[str, Any], *, name: str
    ) -> None:
        try:
            try:
                await self._call(access, order_id, marketplace, package)
            except RequestRefused as refused:
                # A code that Amazon does not know here: nothing was taken, and any carrier goes by its name.
                if "carrier" not in refused.words or package["carrierCode"] == OTHER:
                    raise
                named = {**package, "carrierCode": OTHER, "carrierName": name}
                await self._call(access, order_id, marketplace, named)
        except NotSent as error:
            sentence = "Amazon takes no more confirmations at this moment: this one has its turn soon."
            raise PushRefused("wait", sentence, code="BUSY") from error
        except RightMissing as error:
            raise PushRefused(
                "seller",
                "Amazon does not let this app confirm shipments: have its role for orders granted, authorize the app "
                "again, and link the store again.",
                code="RIGHT_MISSING",
                store_wide=True,
            ) from error

    async def _call(self, access: Access, order_id: str, marketplace: str, package: Mapping[str, Any]) -> None:
        body = {"marketplaceId": marketplace, "packageDetail": package}
        path = _CONFIRM.format(order_id)
        account = account_of(access.secrets)
        answer = await self._client.call(
            account, "confirmShipment", path, method="POST", body=body, patience=PATIENCE_TO_CONFIRM
        )
        if answer is None:
            raise PushRefused("wait", "Amazon does not find this order at the moment.", code="ORDER_NOT_FOUND")

    async def _found_nothing(self, access: Access, order: AmazonDispatch) -> PushRefused:
        """Return why there was no package to update: the order changed meanwhile, or Amazon does not show why."""
        if await self._ask(access, order.order_id) != order:
            return _changed()
        return PushRefused(
            "seller",
            "Amazon finds nothing to confirm in this order, as where its label was bought through Amazon: look at it "
            "in Seller Central.",
            code="NOTHING_LEFT",
        )

    def _package(self, order: AmazonDispatch, parcel: Parcel) -> dict[str, Any]:
        code = CARRIER_CODES.get(parcel.carrier or "", OTHER)
        package: dict[str, Any] = {
            # Text of digits: since 2026 a JSON number is refused (selling-partner-api-models, issue 5094).
            "packageReferenceId": _reference(order, parcel),
            "carrierCode": code,
            "trackingNumber": parcel.tracking_number.strip(),
            "shipDate": self._ship_date(order, parcel),
            "orderItems": [{"orderItemId": line, "quantity": units} for line, units in _units(order, parcel).items()],
        }
        if code == OTHER:
            package["carrierName"] = _carrier_name(parcel)
        if parcel.service:
            package["shippingMethod"] = parcel.service
        return package

    def _ship_date(self, order: AmazonDispatch, parcel: Parcel) -> str:
        """Return the time of sending by Amazon's clock: it is to be neither to come nor before the order."""
        now = self._clock.now() - self._client.ahead
        moment = max(min(parcel.shipped_at, now), order.created_time)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shipping(order: AmazonDispatch) -> Shipping:
    window = order.fulfillment.ship_by_window
    return Shipping(
        standing=_standing(order),
        parcels=tuple(_known(package) for package in order.packages or () if not _is_cancelled(package)),
        ship_by=window.latest_date_time if window else None,
        detail=order,
    )


def _standing(order: AmazonDispatch) -> Standing:
    if order.fulfillment.fulfilled_by == "AMAZON" or _CONFIRMED_BY_AMAZON in (order.programs or ()):
        return "exempt"
    # What the status means we cannot tell where it is new: nothing is confirmed until somebody does.
    standing = _STANDINGS.get(order.fulfillment.fulfillment_status, "on_hold")
    if standing != "open":
        return standing
    if not any(_left(line) for line in order.order_items):
        return "shipped"
    return "exempt" if _has_amazons_labels(order) else "open"


def _has_amazons_labels(order: AmazonDispatch) -> bool:
    """Tell whether all that is left is in packages already: labels that Amazon sold, which it confirms itself."""
    packed = [
        item
        for package in order.packages or ()
        if package.package_status and package.package_status.status == "PENDING"
        for item in package.package_items or ()
    ]
    in_packages = {line.order_item_id: 0 for line in order.order_items}
    for item in packed:
        in_packages[item.order_item_id] = in_packages.get(item.order_item_id, 0) + item.quantity
    return all(in_packages[line.order_item_id] >= _left(line) for line in order.order_items)


def _left(line: AmazonDispatchedLine) -> int:
    counts = line.fulfillment
    if counts is None:
        return line.quantity_ordered
    unsent = line.quantity_ordered - (counts.quantity_fulfilled or 0)
    return max(unsent if counts.quantity_unfulfilled is None else counts.quantity_unfulfilled, 0)


def _is_cancelled(package: AmazonPackage) -> bool:
    return package.package_status is not None and package.package_status.status == _CANCELLED


def _known(package: AmazonPackage) -> KnownParcel:
    lines = {item.order_item_id: item.quantity for item in package.package_items or ()}
    return KnownParcel(package.tracking_number, package.package_reference_id, package.carrier, lines or None)


def _reference(order: AmazonDispatch, parcel: Parcel) -> str:
    """Return the reference of the package that is replaced, or one that no other package has."""
    replaced = _replaced(order, parcel)
    if replaced is not None:
        return replaced.package_reference_id
    taken = {package.package_reference_id.lstrip("0") for package in order.packages or ()}
    number = parcel.number
    while str(number) in taken:
        number += _FURTHER
    return str(number)


def _replaced(order: AmazonDispatch, parcel: Parcel) -> AmazonPackage | None:
    wanted = plain_number(parcel.replaces or "")
    for package in order.packages or ():
        if wanted and plain_number(package.tracking_number or "") == wanted and not _is_cancelled(package):
            return package
    return None


def _units(order: AmazonDispatch, parcel: Parcel) -> dict[str, int]:
    """Return what to confirm of each line: never more than is left, for it may have become less since it was made."""
    replaced = _replaced(order, parcel)
    held = {item.order_item_id: item.quantity for item in (replaced.package_items if replaced else None) or ()}
    left = {line.order_item_id: _left(line) + held.get(line.order_item_id, 0) for line in order.order_items}
    sent = dict(parcel.lines) or held or left
    if not sent.keys() & left.keys():
        raise _bad_lines()
    units = {line: min(sent[line], left.get(line, 0)) for line in sent if min(sent[line], left.get(line, 0)) > 0}
    if not units:
        raise _nothing_left()
    if any(_TRANSPARENCY in (line.programs or ()) for line in order.order_items if line.order_item_id in units):
        raise PushRefused(
            "seller",
            "Amazon wants the Transparency code of each unit with this confirmation: confirm the shipment in Seller "
            "Central and enter the codes there.",
            code="TRANSPARENCY_CODES",
        )
    return units


def _carrier_name(parcel: Parcel) -> str:
    known = BY_ID.get(parcel.carrier or "")
    return parcel.carrier_name.strip() or (known.name if known else OTHER)


def _marketplace(order: AmazonDispatch, access: Access) -> str:
    told = order.sales_channel.marketplace_id if order.sales_channel else None
    chosen = [name for name in access.secrets.get("marketplaces", "").split(",") if name]
    if not told and len(chosen) != 1:
        raise PushRefused(
            "seller",
            "Amazon does not say in which marketplace this order was made: confirm it in Seller Central.",
            code="MARKETPLACE_UNKNOWN",
        )
    return told or chosen[0]


def _changed() -> PushRefused:
    return PushRefused("wait", "The order changed on Amazon at this moment.", code="CHANGED")


def _bad_lines() -> PushRefused:
    sentence = "Amazon does not take the lines of this parcel: confirm it in Seller Central."
    return PushRefused("seller", sentence, code="LINES_REFUSED")


def _nothing_left() -> PushRefused:
    return PushRefused(
        "final",
        "Nothing of this parcel is left to confirm on Amazon: it was confirmed by other means. If the number is "
        "missing there, edit the shipment in Seller Central.",
        code="SHIPPED_BY_HAND",
    )


def _refuse(refused: RequestRefused) -> NoReturn:
    """Say what Amazon means; all its refusals here have one code, and only words tell them apart."""
    words = refused.words
    if "transparency" in words:
        sentence = "Amazon wants the Transparency codes of this parcel's units: confirm it in Seller Central."
        raise PushRefused("seller", sentence, code="TRANSPARENCY_CODES") from refused
    if "ship plus" in words or "ship_plus" in words:
        sentence = "Amazon confirms orders of this program itself."
        raise PushRefused("final", sentence, code="CONFIRMED_BY_AMAZON") from refused
    if "orderitem" in words or "quantity" in words:
        raise _bad_lines() from refused
    if "tracking" in words:
        sentence = "Amazon does not take this tracking number: see that it is whole, and correct it in Seller Central."
        raise PushRefused("seller", sentence, code="NUMBER_REFUSED") from refused
    sentence = "Amazon does not take this confirmation: confirm the shipment in Seller Central."
    raise PushRefused("seller", sentence, code="REFUSED") from refused
