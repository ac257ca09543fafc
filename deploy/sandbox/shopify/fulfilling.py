"""Fulfilment mutations: create, correct the tracking of, and cancel a fulfilment.

Every refusal is a user error with HTTP 200. There is no idempotency key: a repeat on a finished fulfilment order
is refused because nothing is left to fulfil.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from deploy.sandbox.shopify.naming import number_of
from deploy.sandbox.shopify.requesting import Request, UserError
from deploy.sandbox.shopify.world import (
    Fulfillment,
    FulfillmentLine,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Ids,
    Order,
    Tracking,
)

Done = tuple[Fulfillment | None, list[UserError]]
Chosen = list[tuple[FulfillmentOrderLine, int]]

MAX_LINES = 512

#: Carriers whose tracking address Shopify builds itself; the names must be spelled exactly so.
_CARRIERS = {
    "USPS": "https://tools.usps.com/go/TrackConfirmAction_input?qtc_tLabels1={}",
    "UPS": "https://www.ups.com/track?tracknum={}",
    "FedEx": "https://www.fedex.com/fedextrack/?trknbr={}",
    "DHL Express": "https://www.dhl.com/en/express/tracking.html?AWB={}",
    "DHL eCommerce": "https://webtrack.dhlglobalmail.com/?trackingnumber={}",
    "Canada Post": "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}",
    "Royal Mail": "https://www.royalmail.com/track-your-item#/tracking-results/{}",
    "Evri": "https://www.evri.com/track/parcel/{}",
    "Australia Post": "https://auspost.com.au/mypost/track/#/details/{}",
    "4PX": "https://track.4px.com/#/result/0/{}",
    "YunExpress": "https://www.yuntrack.com/Track/Detail/{}",
    "China Post": "https://www.17track.net/en/track?nums={}",
    "OnTrac": "https://www.ontrac.com/tracking/?number={}",
}


class _RefusedError(Exception):
    """A user error, carried to the mutation's answer."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.error = UserError(message, list(path) or None)


def create_fulfillment(arguments: Mapping[str, Any], request: Request) -> Done:
    """`fulfillmentCreate`: ship all or some of what fulfilment orders of one order still hold."""
    asked = arguments["fulfillment"]
    try:
        order, chosen = _chosen(asked["lineItemsByFulfillmentOrder"], request)
        tracking = _tracking(asked.get("trackingInfo") or {})
    except _RefusedError as refused:
        return None, [refused.error]
    return _record(order, chosen, tracking, notify=bool(asked.get("notifyCustomer")), request=request), []


def update_tracking(arguments: Mapping[str, Any], request: Request) -> Done:
    """`fulfillmentTrackingInfoUpdate`: replace a fulfilment's tracking."""
    sent = _fulfillment(arguments["fulfillmentId"], request)
    if sent is None:
        return None, [UserError("Fulfillment does not exist.", ["fulfillmentId"])]
    if sent.status == "CANCELLED":
        return None, [UserError("Fulfillment is cancelled.", ["fulfillmentId"])]
    try:
        sent.tracking = _tracking(arguments["trackingInfoInput"])
    except _RefusedError as refused:
        return None, [refused.error]
    _notify(sent, notify=bool(arguments.get("notifyCustomer")), request=request)
    _changed(sent, request, "FULFILLMENTS_UPDATE")
    return sent, []


def cancel_fulfillment(arguments: Mapping[str, Any], request: Request) -> Done:
    """`fulfillmentCancel`: the units are to be shipped again."""
    sent = _fulfillment(arguments["id"], request)
    if sent is None:
        return None, [UserError("Fulfillment not found.", ["id"])]
    if sent.status == "CANCELLED":
        return None, [UserError("Fulfillment is already cancelled.", ["id"])]
    sent.status = "CANCELLED"
    for line in sent.lines:
        line.source.remaining += line.quantity
        line.source.line.fulfilled -= line.quantity
    for part in sent.order.fulfillment_orders:
        if part.status == "CLOSED" and any(line.remaining for line in part.lines):
            part.status = "OPEN"
    _changed(sent, request, "FULFILLMENTS_UPDATE")
    return sent, []


def _chosen(asked: list[Mapping[str, Any]], request: Request) -> tuple[Order, Chosen]:
    chosen: Chosen = []
    orders: dict[int, Order] = {}
    parts: list[FulfillmentOrder] = []
    for entry in asked:
        part = _fulfillment_order(entry["fulfillmentOrderId"], request)
        parts.append(part)
        orders[part.order.id] = part.order
        chosen += _chosen_of(part, entry.get("fulfillmentOrderLineItems"))
    locations = {part.location.id for part in parts}
    if len(orders) != 1 or len(locations) != 1:
        raise _RefusedError("All fulfillment orders must belong to the same order and location.", "fulfillment")
    if not chosen:
        raise _RefusedError("No line items to fulfill.", "fulfillment")
    if len(chosen) > MAX_LINES:
        raise _RefusedError(f"A fulfillment may have at most {MAX_LINES} line items.", "fulfillment")
    [order] = orders.values()
    return order, chosen


def _fulfillment_order(text: str, request: Request) -> FulfillmentOrder:
    number = number_of(text, "FulfillmentOrder")
    part = request.store.fulfillment_orders.get(number) if number is not None else None
    if part is None:
        raise _RefusedError("Fulfillment order does not exist.", "fulfillment")
    if not part.fulfillable:
        status = part.status.lower()
        raise _RefusedError(f"Fulfillment order {part.id} has an unfulfillable status= {status}.", "fulfillment")
    return part


def _chosen_of(part: FulfillmentOrder, asked: list[Mapping[str, Any]] | None) -> Chosen:
    if not asked:
        return [(line, line.remaining) for line in part.lines if line.remaining]
    by_id = {line.id: line for line in part.lines}
    chosen: Chosen = []
    for entry in asked:
        line = by_id.get(number_of(entry["id"], "FulfillmentOrderLineItem") or -1)
        if line is None:
            raise _RefusedError("Fulfillment order line item does not exist.", "fulfillment")
        if not 0 < entry["quantity"] <= line.remaining:
            raise _RefusedError("Invalid fulfillment order line item quantity requested.", "fulfillment")
        chosen.append((line, entry["quantity"]))
    return chosen


def _tracking(given: Mapping[str, Any]) -> list[Tracking]:
    singular, plural = {"number", "url"} & set(given), {"numbers", "urls"} & set(given)
    if singular and plural:
        raise _RefusedError("Use either number and url or numbers and urls.", "fulfillment", "trackingInfo")
    numbers = given.get("numbers") or ([given["number"]] if given.get("number") else [])
    urls = given.get("urls") or ([given["url"]] if given.get("url") else [])
    company = given.get("company")
    pattern = _CARRIERS.get(company or "")
    return [
        Tracking(
            company,
            number,
            urls[place] if place < len(urls) else pattern.format(quote(number)) if pattern else None,
        )
        for place, number in enumerate(numbers)
    ]


def _record(order: Order, chosen: Chosen, tracking: list[Tracking], *, notify: bool, request: Request) -> Fulfillment:
    sent = add_fulfillment(order, chosen, tracking, now=request.now, ids=request.ids)
    request.books.count("fulfillments")
    _notify(sent, notify=notify, request=request)
    complete = order.fulfillment_status == "FULFILLED"
    _changed(sent, request, "FULFILLMENTS_CREATE", "ORDERS_FULFILLED" if complete else "ORDERS_PARTIALLY_FULFILLED")
    return sent


def add_fulfillment(
    order: Order, chosen: Chosen, tracking: list[Tracking], *, now: datetime, ids: Ids, by_hand: bool = False
) -> Fulfillment:
    """Record that these units left, whoever says so."""
    [location] = {part.location for part in order.fulfillment_orders for line, _ in chosen if line in part.lines}
    sent = Fulfillment(
        id=ids.next(),
        order=order,
        number=len(order.fulfillments) + 1,
        lines=[FulfillmentLine(ids.next(), line, units) for line, units in chosen],
        tracking=tracking,
        created_at=now.replace(microsecond=0),
        updated_at=now.replace(microsecond=0),
        notified=False,
        location=location,
        by_hand=by_hand,
    )
    for line, units in chosen:
        line.remaining -= units
        line.line.fulfilled += units
    for part in order.fulfillment_orders:
        if part.fulfillable:
            _advance(part, sent)
    order.fulfillments.append(sent)
    order.store.fulfillments[sent.id] = sent
    return sent


def _advance(part: FulfillmentOrder, sent: Fulfillment) -> None:
    if not any(line.remaining for line in part.lines):
        part.status = "CLOSED"
    elif any(line.source in part.lines for line in sent.lines):
        part.status = "IN_PROGRESS"
    part.updated_at = sent.created_at


def _notify(sent: Fulfillment, *, notify: bool, request: Request) -> None:
    if notify and sent.order.buyer is not None:
        sent.notified = True
        request.books.mail(sent.order.id, *(tracking.number for tracking in sent.tracking))


def _changed(sent: Fulfillment, request: Request, fulfillment_topic: str, *order_topics: str) -> None:
    order: Order = sent.order
    sent.updated_at = request.now.replace(microsecond=0)
    request.store.touch(order, request.now)
    request.announcer.fulfillment_event(sent, fulfillment_topic)
    request.announcer.order_events(order, *order_topics, "ORDERS_UPDATED")


def _fulfillment(text: str, request: Request) -> Fulfillment | None:
    number = number_of(text, "Fulfillment")
    return None if number is None else request.store.fulfillments.get(number)
