"""What happens to orders after they were made: the seller and the buyer act, subscribers are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from deploy.sandbox.people import is_deliverable
from deploy.sandbox.shopify.announcing import Announcer
from deploy.sandbox.shopify.bodies import refund_body
from deploy.sandbox.shopify.event_bodies import edited_body, hold_released_body, placed_on_hold_body
from deploy.sandbox.shopify.fulfilling import add_fulfillment
from deploy.sandbox.shopify.making import line_for_sku
from deploy.sandbox.shopify.world import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Hold,
    Ids,
    Line,
    Location,
    Order,
    Refund,
    Tracking,
)
from deploy.sandbox.standin import ControlError

_ADDRESS_FIELDS = {"name", "company", "line1", "line2", "city", "region", "zip", "country", "phone"}


@dataclass(frozen=True, slots=True)
class Change:
    """One control request on one order, and what carrying it out needs."""

    order: Order
    asked: Mapping[str, Any]
    now: datetime
    ids: Ids
    announcer: Announcer

    def done(self, *topics: str) -> None:
        """Record the change and announce it."""
        self.order.store.touch(self.order, self.now)
        self.announcer.order_events(self.order, *topics, "ORDERS_UPDATED")


def change_order(change: Change) -> None:
    """Carry out `change.asked["action"]`; ControlError if there is no such action or it cannot be done."""
    act = _ACTIONS.get(str(change.asked.get("action")))
    if act is None:
        raise ControlError(f"action must be one of {', '.join(sorted(_ACTIONS))}")
    if change.order.deleted:
        raise ControlError("the order is deleted", status=404)
    act(change)


def _pay(change: Change) -> None:
    if change.order.paid:
        raise ControlError("the order is paid already", status=409)
    change.order.financial = "PAID"
    change.done("ORDERS_PAID")


def _cancel(change: Change) -> None:
    order = change.order
    if order.cancelled_at is not None:
        raise ControlError("the order is cancelled already", status=409)
    order.cancelled_at = change.now.replace(microsecond=0)
    order.cancel_reason = str(change.asked.get("reason", "customer")).upper()
    was_paid = order.paid
    left = {line.id: line.unfulfilled for line in order.lines}
    _take_units(order, left)
    if was_paid:
        order.financial = "REFUNDED"
        order.refunds.append(_refund_of(change, left))
    else:
        order.financial = "VOIDED"
    for part in order.fulfillment_orders:
        if part.status != "CLOSED":
            part.status = "CLOSED"
            part.holds.clear()
    change.done("ORDERS_CANCELLED")


def _refund(change: Change) -> None:
    order = change.order
    if not order.paid:
        raise ControlError("only a paid order can be refunded", status=409)
    asked = change.asked.get("lines")
    units = {line.id: line.current for line in order.lines} if asked is None else _units(order, asked)
    refund = _refund_of(change, units)
    _take_units(order, units)
    order.refunds.append(refund)
    order.financial = "PARTIALLY_REFUNDED" if any(line.current for line in order.lines) else "REFUNDED"
    change.announcer.event(order.store, "REFUNDS_CREATE", refund_body(order, refund))
    change.done()


def _edit(change: Change) -> None:
    order = change.order
    added: dict[int, int] = {}
    removed: dict[int, int] = {}
    for entry in change.asked.get("add", ()):
        line = line_for_sku(str(entry["sku"]), int(entry.get("quantity", 1)), currency=order.currency, ids=change.ids)
        order.lines.append(line)
        _plan(order, line, change)
        added[line.id] = line.quantity
    for line_id, wanted in _units(order, change.asked.get("quantities", {}), limit=False).items():
        _set_quantity(order, line_id, wanted, added=added, removed=removed)
    order.edited = True
    body = edited_body(order, added=added, removed=removed, at=change.now)
    change.announcer.event(order.store, "ORDERS_EDITED", body)
    change.done()


def _set_quantity(order: Order, line_id: int, wanted: int, *, added: dict[int, int], removed: dict[int, int]) -> None:
    line = next(line for line in order.lines if line.id == line_id)
    difference = wanted - line.current
    if difference < 0:
        _take_units(order, {line_id: -difference})
        removed[line_id] = -difference
    elif difference > 0:
        line.quantity += difference
        line.current += difference
        for entry in _entries(order, line):
            entry.total += difference
            entry.remaining += difference
        added[line_id] = difference


def _change_address(change: Change) -> None:
    order = change.order
    asked = change.asked.get("address") or {}
    if order.address is None or not isinstance(asked, dict) or set(asked) - _ADDRESS_FIELDS:
        raise ControlError(f"address takes {', '.join(sorted(_ADDRESS_FIELDS))}")
    order.address = replace(order.address, **asked)
    order.address_valid = is_deliverable(order.address)
    change.done()


def _delete(change: Change) -> None:
    order = change.order
    order.store.delete(order)
    change.announcer.event(order.store, "ORDERS_DELETE", {"id": order.id})


def _hold(change: Change) -> None:
    """`lines` (all if absent) are not to be shipped for now; a part of a fulfilment order becomes one of its own."""
    reason = str(change.asked.get("reason", "OTHER")).upper()
    parts = change.order.fulfillment_orders
    if "lines" in change.asked:
        parts = _split(change, _units(change.order, change.asked["lines"]))
    for part in parts:
        if part.fulfillable:
            part.status = "ON_HOLD"
            part.holds.append(Hold(change.ids.next(), reason, str(change.asked.get("notes", ""))))
            change.announcer.event(change.order.store, "FULFILLMENT_ORDERS_PLACED_ON_HOLD", placed_on_hold_body(part))
    change.done()


def _release_hold(change: Change) -> None:
    """What is held, or scheduled for later, may be shipped."""
    for part in change.order.fulfillment_orders:
        if part.status == "ON_HOLD":
            change.announcer.event(change.order.store, "FULFILLMENT_ORDERS_HOLD_RELEASED", hold_released_body(part))
        if part.status in {"ON_HOLD", "SCHEDULED"}:
            part.status = "OPEN"
            part.holds.clear()
    change.done()


def _schedule(change: Change) -> None:
    """Nothing may be shipped for `seconds`; `release_hold` ends that, here as there."""
    at = change.now.replace(microsecond=0) + timedelta(seconds=float(change.asked.get("seconds", 3600)))
    for part in change.order.fulfillment_orders:
        if part.fulfillable:
            part.status, part.fulfill_at = "SCHEDULED", at
    change.done()


def _promise(change: Change) -> None:
    """All of it is to be shipped within `seconds`."""
    at = change.now.replace(microsecond=0) + timedelta(seconds=float(change.asked.get("seconds", 86_400)))
    for part in change.order.fulfillment_orders:
        part.fulfill_by = at
    change.done()


def _move(change: Change) -> None:
    """`lines` (all if absent) are to leave from another place, with `service` a fulfilment service's: new ids."""
    order, asked = change.order, change.asked.get("lines")
    units = {line.id: line.unfulfilled for line in order.lines} if asked is None else _units(order, asked)
    place = Location(change.ids.next(), "Another location", order.store.country, bool(change.asked.get("service")))
    _split(change, units, place)
    change.done()


def _split(change: Change, units: Mapping[int, int], place: Location | None = None) -> list[FulfillmentOrder]:
    """Give units of lines to fulfilment orders of their own, maybe elsewhere, and return those."""
    made = []
    for part in [part for part in change.order.fulfillment_orders if part.fulfillable]:
        moved = [entry for entry in part.lines if entry.remaining and units.get(entry.line.id)]
        if moved:
            made.append(_move_lines(part, moved, units, place or part.location, change))
    return made


def _move_lines(
    part: FulfillmentOrder,
    moved: list[FulfillmentOrderLine],
    units: Mapping[int, int],
    place: Location,
    change: Change,
) -> FulfillmentOrder:
    """Give lines to a new fulfilment order, and return it; what stays behind gets new ids, too."""
    stays: list[FulfillmentOrderLine] = []
    goes: list[FulfillmentOrderLine] = []
    for entry in part.lines:
        count = min(units.get(entry.line.id, 0), entry.remaining) if entry in moved else 0
        if count:
            goes.append(FulfillmentOrderLine(change.ids.next(), entry.line, count, count))
        if rest := entry.remaining - count:
            stays.append(FulfillmentOrderLine(change.ids.next(), entry.line, rest, rest))
        entry.total -= entry.remaining
        entry.remaining = 0
    part.status = "CLOSED"
    for lines, location in ((stays, part.location), (goes, place)):
        if lines:
            new = FulfillmentOrder(change.ids.next(), part.order, lines, change.now, change.now, location)
            part.order.fulfillment_orders.append(new)
            part.order.store.fulfillment_orders[new.id] = new
    return part.order.fulfillment_orders[-1]


def _ship(change: Change) -> None:
    """The seller marks as shipped what remains, by hand, with `company` and `number` if they have them."""
    order = change.order
    tracking = (
        [Tracking(change.asked.get("company"), str(change.asked["number"]), None)] if "number" in change.asked else []
    )
    ready = [part for part in order.fulfillment_orders if part.fulfillable]
    if not ready:
        raise ControlError("nothing may be shipped", status=409)
    for part in ready:
        chosen = [(entry, entry.remaining) for entry in part.lines if entry.remaining]
        sent = add_fulfillment(order, chosen, tracking, now=change.now, ids=change.ids, by_hand=True)
        change.announcer.fulfillment_event(sent, "FULFILLMENTS_CREATE")
    complete = order.fulfillment_status == "FULFILLED"
    change.done("ORDERS_FULFILLED" if complete else "ORDERS_PARTIALLY_FULFILLED")


def _flag_risk(change: Change) -> None:
    change.order.risk = str(change.asked.get("level", "HIGH")).upper()
    change.done()


def _note(change: Change) -> None:
    """A change that matters to nobody who makes things: it only moves updatedAt."""
    change.order.note = str(change.asked.get("note", ""))
    change.done()


_ACTIONS: dict[str, Callable[[Change], None]] = {
    "pay": _pay,
    "cancel": _cancel,
    "refund": _refund,
    "edit": _edit,
    "address": _change_address,
    "delete": _delete,
    "hold": _hold,
    "release_hold": _release_hold,
    "schedule": _schedule,
    "promise": _promise,
    "move": _move,
    "ship": _ship,
    "risk": _flag_risk,
    "note": _note,
}


def _units(order: Order, asked: Any, *, limit: bool = True) -> dict[int, int]:
    """Units by line id from a control request."""
    known = {str(line.id): line for line in order.lines}
    if not isinstance(asked, dict) or set(asked) - set(known):
        raise ControlError("lines are given as {line id: units}")
    units = {known[ident].id: int(count) for ident, count in asked.items()}
    if any(count < 0 or (limit and count > known[str(ident)].current) for ident, count in units.items()):
        raise ControlError("more units than the line has")
    return units


def _take_units(order: Order, units: Mapping[int, int]) -> None:
    for line in order.lines:
        gone = min(units.get(line.id, 0), line.current)
        line.current -= gone
        for entry in _entries(order, line):
            entry.remaining = min(entry.remaining, line.unfulfilled)
    for part in order.fulfillment_orders:
        if part.fulfillable and not any(entry.remaining for entry in part.lines):
            part.status = "CLOSED"


def _refund_of(change: Change, units: Mapping[int, int]) -> Refund:
    chosen: list[tuple[Line, int]] = [(line, units[line.id]) for line in change.order.lines if units.get(line.id)]
    amount = sum(line.price * count for line, count in chosen)
    return Refund(change.ids.next(), change.now.replace(microsecond=0), chosen, amount)


def _plan(order: Order, line: Line, change: Change) -> None:
    """Give an added line to the open fulfilment order, or to a new one."""
    entry = FulfillmentOrderLine(change.ids.next(), line, line.quantity, line.quantity)
    for part in order.fulfillment_orders:
        if part.status in {"OPEN", "IN_PROGRESS", "ON_HOLD"}:
            part.lines.append(entry)
            return
    part = FulfillmentOrder(change.ids.next(), order, [entry], change.now, change.now, order.store.location)
    order.fulfillment_orders.append(part)
    order.store.fulfillment_orders[part.id] = part


def _entries(order: Order, line: Line) -> list[FulfillmentOrderLine]:
    return [entry for part in order.fulfillment_orders for entry in part.lines if entry.line is line]
