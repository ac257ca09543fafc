"""Fulfillments: create, correct, move on and cancel a parcel, with what each does to its order.

There is no idempotency key: a repeat ships what is left, or is refused when nothing is. The buyer is written to
whenever a parcel with `notify_customer` is created or changed, and that is so unless the order came in through an API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.sandbox.books import Books
from deploy.sandbox.shopbase.announcing import Announcer
from deploy.sandbox.shopbase.readings import Readings
from deploy.sandbox.shopbase.refusals import RefusalError
from deploy.sandbox.shopbase.world import Fulfillment, Ids, Line, Order

SHIPMENT_STATUSES = (
    "label_printed",
    "label_purchased",
    "attempted_delivery",
    "ready_for_pickup",
    "confirmed",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "failure",
)
STATUSES = ("pending", "open", "success", "cancelled", "error", "failure")
_UNDERWAY = ("pending", "open")


@dataclass(frozen=True, slots=True)
class Shipping:
    """What changing a parcel of one order needs."""

    order: Order
    now: datetime
    ids: Ids
    books: Books
    announcer: Announcer
    readings: Readings


def create(asked: Mapping[str, Any], ship: Shipping) -> Fulfillment:
    """Ship lines of an order; RefusalError (422) where ShopBase would not."""
    order = ship.order
    if order.financial == "refunded" or any(line.refunded for line in order.lines):
        raise RefusalError(422, "Order has refunded line items and can not be fulfilled")
    units = _units(asked.get("line_items"), order)
    numbers, urls = _tracking(asked)
    service = str(asked.get("service") or "manual")
    outside = service != "manual" and service in order.shop.services
    sent = Fulfillment(
        id=ship.ids.next(),
        number=len(order.fulfillments) + 1,
        units=units,
        company=str(asked.get("tracking_company") or ""),
        numbers=numbers,
        urls=urls,
        service=service,
        status="pending" if outside else "success",
        shipment_status=_shipment_status(asked),
        notify=_notify(asked, ship),
        ours=True,
        created_at=ship.now.replace(microsecond=0),
        updated_at=ship.now.replace(microsecond=0),
    )
    order.fulfillments.append(sent)
    _count(sent, 1)
    ship.books.count("fulfillments")
    _tell_buyer(sent, ship)
    _changed(sent, ship, "fulfillments/create")
    return sent


def update(sent: Fulfillment, asked: Mapping[str, Any], ship: Shipping) -> None:
    """Correct a parcel; the buyer is written to again."""
    if sent.status == "cancelled":
        raise RefusalError(422, "Fulfillment is cancelled")
    shipment_status = _shipment_status(asked) or sent.shipment_status
    numbers, urls = _tracking(asked)
    if asked.get("status"):
        _move(sent, str(asked["status"]))
    sent.company = str(asked.get("tracking_company") or sent.company)
    sent.service = str(asked.get("service") or sent.service)
    sent.numbers, sent.urls = numbers or sent.numbers, urls or sent.urls
    sent.shipment_status = shipment_status
    if "notify_customer" in asked:
        sent.notify = bool(asked["notify_customer"])
    _tell_buyer(sent, ship)
    _changed(sent, ship, "fulfillments/update")


def move(sent: Fulfillment, status: str, ship: Shipping) -> None:
    """Complete, open or cancel a parcel."""
    _move(sent, status)
    _changed(sent, ship, "fulfillments/update")


def _move(sent: Fulfillment, status: str) -> None:
    allowed = {
        "open": ("pending", "open"),
        "success": (*_UNDERWAY, "success"),
        "cancelled": (*_UNDERWAY, "success"),
        "error": _UNDERWAY,
        "failure": _UNDERWAY,
    }
    if status not in STATUSES or sent.status not in allowed.get(status, ()):
        raise RefusalError(422, f"Fulfillment can not go from {sent.status} to {status}")
    _count(sent, -1)
    sent.status = status
    _count(sent, 1)


def _units(asked: Any, order: Order) -> list[tuple[Line, int]]:
    """Lines and units to ship: everything that is left when no lines are named."""
    if not asked:
        units = [(line, line.fulfillable) for line in order.lines if line.fulfillable]
        if not units:
            raise RefusalError(422, "All line items are already fulfilled")
        return units
    if not isinstance(asked, list) or not all(isinstance(entry, dict) for entry in asked):
        raise RefusalError(400, "line_items is not a list of objects")
    by_id = {line.id: line for line in order.lines}
    return [_entry(entry, by_id) for entry in asked]


def _entry(entry: Mapping[str, Any], by_id: Mapping[int, Line]) -> tuple[Line, int]:
    ident = entry.get("id")
    line = by_id.get(ident) if isinstance(ident, int) else None
    if line is None:
        raise RefusalError(422, f"Line item {ident} does not belong to the order")
    quantity = entry.get("quantity", line.fulfillable)
    if not isinstance(quantity, int) or not 0 < quantity <= line.fulfillable:
        raise RefusalError(422, f"Line item {line.id} has {line.fulfillable} to fulfill, not {quantity}")
    return line, quantity


def _tracking(asked: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    if asked.get("tracking_url") and asked.get("tracking_urls"):
        raise RefusalError(422, "Only use one of tracking_url and tracking_urls")
    number, url = asked.get("tracking_number"), asked.get("tracking_url")
    return [str(number)] if number else [], [str(url)] if url else list(map(str, asked.get("tracking_urls") or []))


def _shipment_status(asked: Mapping[str, Any]) -> str:
    status = str(asked.get("shipment_status") or "")
    if status and status not in SHIPMENT_STATUSES:
        raise RefusalError(422, {"shipment_status": [f"must be one of {', '.join(SHIPMENT_STATUSES)}"]})
    return status


def _notify(asked: Mapping[str, Any], ship: Shipping) -> bool:
    """The create model has no such field: what sending it does is open."""
    default = not ship.order.shop.api_made
    if "notify_customer" not in asked or ship.readings.notify_on_create == "ignored":
        return default
    if ship.readings.notify_on_create == "refused":
        raise RefusalError(422, {"notify_customer": ["is not known"]})
    return bool(asked["notify_customer"])


def _count(sent: Fulfillment, sign: int) -> None:
    """Add a parcel's units to its lines (or take them away) in the place that its status names."""
    for line, units in sent.units:
        if sent.status == "success":
            line.sent += sign * units
        elif sent.status in _UNDERWAY:
            line.waiting += sign * units
        if not sent.ours and sent.status in (*_UNDERWAY, "success"):
            line.elsewhere += sign * units


def _tell_buyer(sent: Fulfillment, ship: Shipping) -> None:
    if sent.notify:
        sent.notified = True
        ship.books.mail(ship.order.shop.id, ship.order.id, *sent.numbers)


def _changed(sent: Fulfillment, ship: Shipping, topic: str) -> None:
    order = ship.order
    sent.updated_at = ship.now.replace(microsecond=0)
    complete = order.fulfillment_status == "fulfilled"
    order.fulfilled_at = sent.updated_at if complete else None
    order.shop.touch(order, ship.now)
    ship.announcer.fulfillment(sent, order, topic)
    topics = ["orders/updated"]
    if topic == "fulfillments/create" and sent.status == "success":
        topics.insert(0, "orders/fulfilled" if complete else "orders/partially_fulfilled")
    ship.announcer.order(order, *topics)
