"""Confirms parcels by confirmShipment (v0), and reads back what Amazon made of it: a 204 is taken, and no proof.

A package has a reference within its order; the same reference again edits the package. So a parcel has a reference of
its own that nobody else gives, no package of anybody else's is ever written over, and a call that is repeated changes
nothing. And since Amazon refuses what is shipped, cancelled or not to be confirmed, an order need not be read before it
is told, where calls to read by are few: it is read when Amazon refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from services.ingest.contract.parcels import READ_FIRST, Parcel, PushRefused, Shipping
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import AmazonClient, NotSent, RequestRefused, RightMissing
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.packages import (
    OTHER,
    bad_lines,
    iso_of,
    marketplace_of,
    name_of_carrier,
    own_reference,
    package_of,
    reference_of,
    shipping_of,
    units_of,
)
from services.ingest.platforms.amazon.payloads import AmazonDispatch
from services.ingest.platforms.amazon.reading import ORDER_ID, ORDERS
from services.ingest.platforms.amazon.sweeping import INCLUDED, Sweeps
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.limits import PATIENCE

#: What Amazon says where nothing is left to confirm, or it was confirmed by other means.
_NO_PACKAGE = re.compile("packagetoupdate|package to update")
#: Seconds to wait for our turn: more orders may be read at once than be confirmed.
PATIENCE_TO_CONFIRM = 10.0
_CONFIRM = "/orders/v0/orders/{}/shipmentConfirmation"


@dataclass(frozen=True, slots=True)
class _Unread:
    """An order that was not read: what is known of it all the same."""

    order_id: str
    marketplace: str


@dataclass(frozen=True, slots=True)
class _Read:
    """An order that was read, by itself or as a search listed it."""

    order: AmazonDispatch
    listed: bool


class AmazonParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    #: Amazon takes a confirmation with 204, and may show it later, or drop it.
    proves_at_once = False
    replaces = True
    adds_units = True

    def __init__(self, client: AmazonClient, clock: Clock, sweeps: Sweeps) -> None:
        self._client = client
        self._clock = clock
        self._sweeps = sweeps

    async def unread(self, access: Access, parcel: Parcel) -> Shipping | None:
        """See `UnreadWriter`: while few calls to read by are left, those read back by."""
        order_id = parcel.order_external_id
        if parcel.replaces or not parcel.lines or not ORDER_ID.fullmatch(order_id):
            return None
        if (order := self._sweeps.shown(access, order_id)) is not None:
            return shipping_of(order, _Read(order, listed=True))
        marketplace = self._sweeps.place(access, order_id)
        if marketplace is None or not await self._sweeps.saves_calls(access):
            return None
        return Shipping("open", detail=_Unread(order_id, marketplace))

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order's packages, and whether it may be sent."""
        if not ORDER_ID.fullmatch(external_id):
            return None
        listed = await self._sweeps.find(access, external_id)
        order = listed or await self._read_alone(access, external_id)
        return shipping_of(order, _Read(order, listed=listed is not None)) if order else None

    async def _read_alone(self, access: Access, order_id: str) -> AmazonDispatch | None:
        # Where few calls are left, nobody waits in line but who knows that the order must be read.
        waits = self._sweeps.is_refused(access, order_id) or not await self._sweeps.saves_calls(access)
        try:
            order = await self._ask(access, order_id, patience=PATIENCE if waits else 0.0)
        except NotSent:
            if waits:
                raise
            raise self._sweeps.later(access, order_id) from None
        self._sweeps.read_alone(access, order_id, order)
        return order

    async def _ask(self, access: Access, order_id: str, *, patience: float = PATIENCE) -> AmazonDispatch | None:
        """Return the order as it is now; None when Amazon does not have it."""
        path = f"{ORDERS}/{order_id}"
        account = account_of(access.secrets)
        try:
            answer = await self._client.call(
                account, "getOrder", path, query={"includedData": INCLUDED}, patience=patience
            )
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
        read = shipping.detail
        if isinstance(read, _Unread):
            order_id, marketplace, package = read.order_id, read.marketplace, self._unread_package(parcel)
        elif isinstance(read, _Read):
            order_id = read.order.order_id
            marketplace, package = marketplace_of(read.order, access), self._package(read.order, parcel)
        else:
            raise TypeError("the shipping was read by another writer")
        self._sweeps.wrote(access, order_id, parcel.tracking_number)
        try:
            await self._confirm(access, order_id, marketplace, package, name=name_of_carrier(parcel))
        except RequestRefused as refused:
            self._sweeps.refused(access, order_id)
            await self._refused(access, read, refused)
        except PushRefused:
            self._sweeps.refused(access, order_id)
            raise
        # Whatever was asked before this moment does not count.
        self._sweeps.wrote(access, order_id, parcel.tracking_number)
        return str(package["packageReferenceId"])

    async def _refused(self, access: Access, read: _Read | _Unread, refused: RequestRefused) -> NoReturn:
        if isinstance(read, _Unread):
            sentence = "Amazon does not take this confirmation as it is: its order is read first."
            raise PushRefused("wait", sentence, code=READ_FIRST) from refused
        if _NO_PACKAGE.search(refused.words):
            raise await self._found_nothing(access, read.order) from refused
        # What a search showed may be two minutes old: of the order itself it is known what was wrong.
        if read.listed and await self._ask(access, read.order.order_id) != read.order:
            raise _changed() from refused
        _refuse(refused)

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

    def _unread_package(self, parcel: Parcel) -> dict[str, Any]:
        shipped_at = min(parcel.shipped_at, self._clock.now() - self._client.ahead)
        return package_of(parcel, str(own_reference(parcel)), iso_of(shipped_at), parcel.lines)

    def _package(self, order: AmazonDispatch, parcel: Parcel) -> dict[str, Any]:
        return package_of(parcel, reference_of(order, parcel), self._ship_date(order, parcel), units_of(order, parcel))

    def _ship_date(self, order: AmazonDispatch, parcel: Parcel) -> str:
        """Return the time of sending by Amazon's clock: it is to be neither to come nor before the order."""
        now = self._clock.now() - self._client.ahead
        return iso_of(max(min(parcel.shipped_at, now), order.created_time))


def _changed() -> PushRefused:
    return PushRefused("wait", "The order changed on Amazon at this moment.", code="CHANGED")


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
        raise bad_lines() from refused
    if "tracking" in words:
        sentence = "Amazon does not take this tracking number: see that it is whole, and correct it in Seller Central."
        raise PushRefused("seller", sentence, code="NUMBER_REFUSED") from refused
    sentence = "Amazon does not take this confirmation: confirm the shipment in Seller Central."
    raise PushRefused("seller", sentence, code="REFUSED") from refused
