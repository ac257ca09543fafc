"""Records shipments as createShippingFulfillment does: never changed, and each call tells the buyer once more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.sandbox.ebay.carriers import CARRIERS
from deploy.sandbox.ebay.ledger import Order, moment
from deploy.sandbox.ebay.refusals import refused
from deploy.sandbox.ebay.settling import add_fulfillment
from deploy.sandbox.ebay.world import Seller, World

#: The id of a shipment that has no tracking number.
WITHOUT_TRACKING = "999"
_TRACKING = re.compile(r"[A-Za-z0-9]+")
#: A ship date this much later than now is still taken for now.
_TOLERANCE = timedelta(minutes=1)
_SHIPPABLE = ("PAID", "PARTIALLY_REFUNDED")


def ship(world: World, seller: Seller, order: Order, body: dict[str, Any]) -> str:
    """Keep the shipment and mail the buyer; answers its id. EbayError where a rule is broken."""
    lines = _lines(order, body.get("lineItems"))
    carrier, tracking = _parcel(body, strict=world.knobs.strict_carriers)
    at = _shipped_at(order, body.get("shippedDate"), world=world)
    _must_be_allowed(world, seller, order, lines=lines, tracking=tracking)
    fulfillment: dict[str, Any] = {
        "fulfillmentId": tracking or WITHOUT_TRACKING,
        "shippedDate": moment(at),
        "lineItems": [{"lineItemId": line, "quantity": units} for line, units in lines.items()],
    }
    if tracking:
        fulfillment |= {"shipmentTrackingNumber": tracking, "shippingCarrierCode": carrier}
    add_fulfillment(order, fulfillment)
    world.touch(seller, order)
    world.books.count("fulfillments")
    world.books.mail(order.order_id, tracking)
    return str(fulfillment["fulfillmentId"])


def _lines(order: Order, given: object) -> dict[str, int]:
    """Units by line id."""
    if not isinstance(given, list) or not given:
        raise refused(32600)
    known = {line["lineItemId"]: line["quantity"] for line in order.payload["lineItems"]}
    units: dict[str, int] = {}
    for each in given:
        line = each.get("lineItemId") if isinstance(each, dict) else None
        if not isinstance(line, str) or line not in known:
            raise refused(32200, str(line), field="lineItemId")
        if line in units:
            raise refused(32210)
        number = each.get("quantity", 1)
        if type(number) is not int or not 0 < number <= known[line]:
            raise refused(32600, str(number), field="quantity")
        units[line] = number
    return units


def _parcel(body: dict[str, Any], *, strict: bool) -> tuple[str, str]:
    carrier, tracking = body.get("shippingCarrierCode") or "", body.get("trackingNumber") or ""
    if not isinstance(carrier, str) or not isinstance(tracking, str) or bool(carrier) != bool(tracking):
        raise refused(32300)
    if tracking and not _TRACKING.fullmatch(tracking):
        raise refused(32300)
    if carrier and strict and carrier not in CARRIERS:
        raise refused(32300)
    return carrier, tracking


def _shipped_at(order: Order, given: object, *, world: World) -> int:
    """The ship date in Unix milliseconds; now by default."""
    now = world.now_ms()
    if given is None:
        return now
    try:
        when = datetime.fromisoformat(str(given))
    except ValueError:
        raise refused(32500) from None
    if when.tzinfo is None:
        raise refused(32500)
    at = round(when.astimezone(UTC).timestamp() * 1000)
    if at < order.created_ms or at > now + _TOLERANCE.total_seconds() * 1000:
        raise refused(32500)
    return at


def _must_be_allowed(world: World, seller: Seller, order: Order, *, lines: dict[str, int], tracking: str) -> None:
    payload = order.payload
    if seller.suspended:
        raise refused(32400)
    if payload["cancelStatus"]["cancelState"] == "CANCELED" or payload["orderPaymentStatus"] == "FULLY_REFUNDED":
        raise refused(32600, status=409)
    if payload["orderPaymentStatus"] not in _SHIPPABLE:
        raise refused(32600)
    if "fulfillmentProgram" in payload.get("program", {}):
        raise refused(32600, status=409)
    numbers = [sent["fulfillmentId"] for sent in order.fulfillments if "shipmentTrackingNumber" in sent]
    if tracking and len(numbers) >= world.knobs.max_tracking_numbers:
        raise refused(34100)
    if world.knobs.refuse_repeated_tracking and tracking in numbers:
        raise refused(34500)
    if _is_global_shipping(payload) and len(lines) > 1:
        raise refused(34300)


def _is_global_shipping(payload: dict[str, Any]) -> bool:
    """The older program only: lines of eBay International Shipping may share a parcel."""
    hub = any(each.get("ebaySupportedFulfillment") for each in payload["fulfillmentStartInstructions"])
    return hub and "program" not in payload
