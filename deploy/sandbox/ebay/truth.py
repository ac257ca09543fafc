"""What is true of an order, in the words that all stand-in platforms share."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.ebay.ledger import Order
from deploy.sandbox.ebay.lines import is_gift_card
from deploy.sandbox.ebay.scenarios import NOT_OURS
from deploy.sandbox.ebay.settling import is_line_refunded
from deploy.sandbox.ebay.world import Seller
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth

_CATALOG = frozenset(good.sku for good in GOODS)
_FORGOTTEN = 2


def truth_of(seller: Seller, order: Order, *, now_ms: int) -> OrderTruth:
    """The order's facts.

    eBay tells the amount of a refund and never its units: a line that was paid back wholly is not made, and after
    any other partial refund only the seller can tell what is. After 90 days nobody can read whom to send it to.
    """
    payload = order.payload
    payment, cancelled = _payment(payload), payload["cancelStatus"]["cancelState"] == "CANCELED"
    address_valid = order.address_valid and order.age(now_ms) < _FORGOTTEN
    lines = [_line(line, order, gone=payment == "refunded") for line in payload["lineItems"]]
    units = sum(line["left"] for line in lines if line["to_make"])
    can_go = _is_settled(payload) and payload["cancelStatus"]["cancelState"] == "NONE_REQUESTED" and not order.deleted
    return OrderTruth(
        store=seller.user_id,
        id=order.order_id,
        name=order.order_id,
        scenario=order.scenario,
        makeable=units > 0 and can_go and address_valid and order.scenario not in NOT_OURS and _matched(lines),
        payment=payment,
        paid=payment in ("paid", "partially_refunded"),
        cancelled=cancelled,
        test=False,
        deleted=order.deleted,
        address_valid=address_valid,
        currency=payload["pricingSummary"]["total"]["currency"],
        units_to_make=units,
        created_at=payload["creationDate"],
        updated_at=payload["lastModifiedDate"],
        lines=lines,
        shipments=[_shipment(sent) for sent in order.fulfillments if _is_ours(order, sent)],
    )


def _payment(payload: dict[str, Any]) -> str:
    names = {"FULLY_REFUNDED": "refunded"}
    status = str(payload["orderPaymentStatus"])
    return names.get(status, status.lower())


def _is_settled(payload: dict[str, Any]) -> bool:
    """Paid, and where part went back it is clear for which lines."""
    if payload["orderPaymentStatus"] == "PAID":
        return True
    if payload["orderPaymentStatus"] != "PARTIALLY_REFUNDED" or payload["paymentSummary"]["refunds"]:
        return False
    return all(is_line_refunded(line) for line in payload["lineItems"] if line["refunds"])


def _matched(lines: list[LineTruth]) -> bool:
    return all(line["sku"] in _CATALOG for line in lines if line["to_make"] and line["left"])


def _line(line: dict[str, Any], order: Order, *, gone: bool) -> LineTruth:
    elsewhere = order.units_elsewhere.get(line["lineItemId"], 0)
    left = 0 if gone or is_line_refunded(line) else max(0, line["quantity"] - elsewhere)
    return LineTruth(
        id=line["lineItemId"],
        sku=line.get("sku"),
        quantity=line["quantity"],
        left=left,
        to_make=not order.digital and not is_gift_card(line),
    )


def _is_ours(order: Order, sent: dict[str, Any]) -> bool:
    """Whether the app recorded this shipment; the seller's own hand writes no tracking number."""
    return "shipmentTrackingNumber" in sent or not order.units_elsewhere


def _shipment(sent: dict[str, Any]) -> ShipmentTruth:
    """A shipment; the buyer is always told."""
    return ShipmentTruth(
        id=sent["fulfillmentId"],
        carrier=sent.get("shippingCarrierCode"),
        tracking_number=sent.get("shipmentTrackingNumber"),
        at=sent["shippedDate"],
        notified=True,
        lines={each["lineItemId"]: each["quantity"] for each in sent["lineItems"]},
    )
