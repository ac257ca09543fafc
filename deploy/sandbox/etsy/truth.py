"""What is true of a receipt, in the words that all stand-in platforms share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.etsy.shop import Shop
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth

_CATALOG = frozenset(good.sku for good in GOODS)


def truth_of(shop: Shop, receipt: Receipt) -> OrderTruth:
    """The receipt's facts.

    Etsy never says which line a partial refund is for: every unit stays on the list, and only the seller can tell
    whether it is to be made.
    """
    payload = receipt.payload
    gone = _payment(payload) == "refunded" or receipt.shipped_elsewhere
    lines = [_line(line, gone=gone) for line in payload["transactions"]]
    units = sum(line["left"] for line in lines if line["to_make"])
    return OrderTruth(
        store=str(shop.shop_id),
        id=str(receipt.receipt_id),
        name=str(receipt.receipt_id),
        scenario=receipt.scenario,
        makeable=units > 0 and _can_go(shop, receipt) and _matched(lines),
        payment=_payment(payload),
        paid=payload["is_paid"],
        cancelled=receipt.is_canceled,
        test=False,
        deleted=receipt.deleted,
        address_valid=receipt.address_valid and not shop.restricted,
        currency=payload["grandtotal"]["currency_code"],
        units_to_make=units,
        created_at=_iso(payload["created_timestamp"]),
        updated_at=_iso(payload["updated_timestamp"]),
        lines=lines,
        shipments=[_shipment(entry, lines) for entry in payload["shipments"]],
    )


def _can_go(shop: Shop, receipt: Receipt) -> bool:
    gone = receipt.is_canceled or receipt.deleted or receipt.shipped_elsewhere
    settled = _payment(receipt.payload) == "paid"
    return settled and receipt.address_valid and not shop.restricted and not gone


def _matched(lines: list[LineTruth]) -> bool:
    return all(line["sku"] in _CATALOG for line in lines if line["to_make"])


def _payment(payload: dict[str, Any]) -> str:
    """By the money itself: a later shipment or cancellation replaces the status that told of a refund."""
    refunded = sum(refund["amount"]["amount"] for refund in payload["refunds"])
    if refunded:
        return "refunded" if refunded >= payload["grandtotal"]["amount"] else "partially_refunded"
    return "paid" if payload["is_paid"] else "pending"


def _line(transaction: dict[str, Any], *, gone: bool) -> LineTruth:
    return LineTruth(
        id=str(transaction["transaction_id"]),
        sku=transaction["sku"] or None,
        quantity=transaction["quantity"],
        left=0 if gone else transaction["quantity"],
        to_make=not transaction["is_digital"],
    )


def _shipment(entry: dict[str, Any], lines: list[LineTruth]) -> ShipmentTruth:
    """A shipment on Etsy is of the whole receipt, and the buyer is always told."""
    return ShipmentTruth(
        id=str(entry["receipt_shipping_id"]),
        carrier=entry["carrier_name"] or None,
        tracking_number=entry["tracking_code"] or None,
        at=_iso(entry["shipment_notification_timestamp"]),
        notified=True,
        lines={line["id"]: line["left"] for line in lines if line["to_make"]},
    )


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
