"""Tells ShopBase of parcels: each a fulfillment of an order's own lines, looked for just before it is made.

ShopBase has no key against repeats: what may have taken effect is never sent again before it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing, plain_number
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.shopbase.client import InputRefused, NotTaken, RightMissing, ShopbaseClient, answered
from services.ingest.platforms.shopbase.payloads import ShopbaseParcel, ShopbaseParcelList, ShopbaseShipping
from services.ingest.tracking.carriers import BY_ID, tracking_url_of
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer

#: Parcels that came to nothing, and those that another service has and did not send yet.
_FAILED = frozenset({"cancelled", "error", "failure"})
_UNDER_WAY = frozenset({"pending", "open"})
_PAID_BACK = frozenset({"refunded", "voided"})
_RESTOCKED, _NOT_ELIGIBLE = "restocked", "not_eligible"
_NOTIFY = "notify_customer"
_MOST_PARCELS = 250

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Told:
    """What ShopBase told of an order."""

    order: ShopbaseShipping

    @property
    def parcels(self) -> tuple[ShopbaseParcel, ...]:
        """The parcels that stand."""
        return tuple(parcel for parcel in self.order.fulfillments if parcel.status not in _FAILED)

    @property
    def left(self) -> dict[str, int]:
        """How many units of each line may be put into a parcel."""
        gone = _units(self.parcels)
        return {
            line.id: 0
            if line.fulfillment_status == _NOT_ELIGIBLE
            else max(line.quantity - gone.get(line.id, 0), 0)
            if line.fulfillable_quantity is None
            else line.fulfillable_quantity
            for line in self.order.line_items
        }

    @property
    def elsewhere(self) -> dict[str, int]:
        """How many units of each line another service has taken on."""
        return _units(parcel for parcel in self.parcels if parcel.status in _UNDER_WAY)


class ShopbaseParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    proves_at_once = True
    replaces = True
    #: Nothing says that two parcels may have one number.
    adds_units = False

    def __init__(self, client: ShopbaseClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order, which holds its parcels."""
        if not (external_id.isascii() and external_id.isdecimal()):
            return None
        answer = await self._client.get(access.secrets, f"/orders/{external_id}.json")
        if answer is None:
            return None
        return self._shipping(_Told(_read(ShopbaseShipping, answered(answer).get("order"))))

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Make a fulfillment unless the list has it by now, or change one's number; returns the fulfillment's id."""
        told = shipping.detail
        if not isinstance(told, _Told):
            raise TypeError("the shipping was read by another writer")
        if not plain_number(parcel.tracking_number):
            raise PushRefused("seller", "The parcel has no tracking number that could be shown.", code="NUMBER_REFUSED")
        path = f"/orders/{told.order.id}/fulfillments"
        replaced = _with_number(told.parcels, parcel.replaces or "")
        if replaced is not None:
            body = _tracking(parcel) | {_NOTIFY: parcel.notify_buyer}
            return await self._send(access, told, "PUT", f"{path}/{replaced.id}.json", body)
        body = _fulfillment(told, parcel)
        # The order that was read may have been behind its own list of parcels.
        listed = await self._client.get(access.secrets, f"{path}.json", {"limit": _MOST_PARCELS})
        known = _read(ShopbaseParcelList, answered(listed)).fulfillments if listed else []
        there = _with_number((each for each in known if each.status not in _FAILED), parcel.tracking_number)
        return there.id if there else await self._send(access, told, "POST", f"{path}.json", body)

    async def _send(self, access: Access, told: _Told, method: str, path: str, body: dict[str, Any]) -> str | None:
        try:
            answer = await self._taken(access, method, path, body)
        except InputRefused:
            await self._refuse(access, told)
        except RightMissing as error:
            raise PushRefused(
                "seller",
                "The app may not write this store's orders: link the store again, and grant it write_orders.",
                code="RIGHT_MISSING",
                store_wide=True,
            ) from error
        except NotTaken as error:
            raise PushRefused("wait", "ShopBase takes no more calls for this store now.", code="BUSY") from error
        if answer is None:
            raise PushRefused("wait", "ShopBase does not have this order any more.", code="CONFLICT")
        # The Swagger says that what was created comes bare; all else comes in an object of its name.
        found = answered(answer)
        return _read(ShopbaseParcel, found.get("fulfillment") or found).id

    async def _taken(self, access: Access, method: str, path: str, body: dict[str, Any]) -> HttpAnswer | None:
        """Send it; a new fulfillment's model has no word for who is told, and may be refused for one."""
        try:
            return await self._client.send(access.secrets, method, path, {"fulfillment": body})
        except InputRefused:
            if method != "POST":
                raise
            quiet = {name: value for name, value in body.items() if name != _NOTIFY}
            return await self._client.send(access.secrets, method, path, {"fulfillment": quiet})

    async def _refuse(self, access: Access, told: _Told) -> NoReturn:
        """Say why: what changed since the order was read explains most."""
        again = await self.read(access, told.order.id)
        if again is None or again.detail != told:
            raise PushRefused("wait", "The order is changing on ShopBase at the moment.", code="CONFLICT")
        if told.order.refunds or told.order.financial_status == "partially_refunded":
            raise PushRefused(
                "seller",
                "ShopBase lets nobody fulfil an order with refunded items by an app: mark the rest as fulfilled in "
                "ShopBase, or send the buyer the number.",
                code="REFUNDED",
            )
        raise PushRefused(
            "seller",
            "ShopBase does not take this parcel: mark the items as fulfilled in ShopBase, with its number.",
            code="REFUSED",
        )

    def _shipping(self, told: _Told) -> Shipping:
        order = told.order
        standing = self._standing(told)
        return Shipping(
            standing,
            tuple(_known(told.parcels)),
            until=order.post_purchase_timeout_at if standing == "on_hold" else None,
            left=told.left,
            detail=told,
        )

    def _standing(self, told: _Told) -> Standing:
        order = told.order
        is_paid_back = order.financial_status in _PAID_BACK or order.fulfillment_status == _RESTOCKED
        if order.cancelled_at is not None or is_paid_back:
            return "cancelled"
        timeout = order.post_purchase_timeout_at
        if order.is_in_post_purchase and (timeout is None or timeout > self._clock.now()):
            return "on_hold"
        # What another service has is not done: whoever writes says so.
        return "open" if any(told.left.values()) or told.elsewhere else "shipped"


def _units(parcels: Iterable[ShopbaseParcel]) -> dict[str, int]:
    found: dict[str, int] = {}
    for parcel in parcels:
        for line in parcel.line_items:
            found[line.id or ""] = found.get(line.id or "", 0) + (line.quantity or 0)
    return {line: units for line, units in found.items() if units}


def _known(parcels: Iterable[ShopbaseParcel]) -> Iterable[KnownParcel]:
    for parcel in parcels:
        lines = _units([parcel])
        for number in parcel.numbers or (None,):
            yield KnownParcel(number, parcel.id, parcel.tracking_company, lines)


def _with_number(parcels: Iterable[ShopbaseParcel], number: str) -> ShopbaseParcel | None:
    wanted = plain_number(number)
    return next((each for each in parcels if wanted and wanted in map(plain_number, each.numbers)), None)


def _tracking(parcel: Parcel) -> dict[str, str]:
    """Return the number with its carrier: ShopBase takes any name, and the address that shows it."""
    carrier = BY_ID.get(parcel.carrier or "")
    return {
        "tracking_number": parcel.tracking_number,
        "tracking_company": carrier.name if carrier else parcel.carrier_name.strip(),
        "tracking_url": tracking_url_of(carrier, parcel.tracking_number, told=parcel.tracking_url),
    }


def _fulfillment(told: _Told, parcel: Parcel) -> dict[str, Any]:
    """Return what to make: the order's own line ids, and never more units than are left."""
    left = told.left
    sent: Mapping[str, int] = parcel.lines or left
    units = {line: min(count, left.get(line, 0)) for line, count in sent.items()}
    lines = [{"id": int(line), "quantity": count} for line, count in units.items() if count > 0]
    if not lines:
        raise _nothing_to_ship(told, sent)
    return {"line_items": lines, "service": "manual", _NOTIFY: parcel.notify_buyer} | _tracking(parcel)


def _nothing_to_ship(told: _Told, sent: Mapping[str, int]) -> PushRefused:
    if not sent.keys() & told.left.keys():
        return PushRefused(
            "seller",
            "ShopBase does not know the items of this parcel: mark the order as fulfilled there, with the number.",
            code="LINES_REFUSED",
        )
    if sent.keys() & told.elsewhere.keys():
        return PushRefused(
            "seller",
            "Another service has taken these items on in ShopBase: cancel its fulfillment there and try again, or add "
            "the number to it.",
            code="WITH_ANOTHER",
        )
    return PushRefused(
        "final",
        "Nothing of this parcel is left to ship on ShopBase: it was marked as fulfilled by other means. If the number "
        "is missing there, add it to the fulfillment.",
        code="SHIPPED_BY_HAND",
    )


def _read(model: type[M], value: object) -> M:
    try:
        return parsed(model, value)
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's answer cannot be read: {error.path}", retry_after=1.0) from None
