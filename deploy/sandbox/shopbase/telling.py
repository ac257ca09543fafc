"""Tells the truth about an order, as it stands, for tests and demos to compare with."""

from __future__ import annotations

from datetime import UTC, datetime

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.shopbase.world import Fulfillment, Line, Order
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth

_KNOWN = frozenset(good.sku for good in GOODS)


def order_truth(order: Order) -> OrderTruth:
    """What is true of this order; ids are the plain numbers as strings."""
    return OrderTruth(
        store=order.shop.domain,
        id=str(order.id),
        name=order.name,
        scenario=order.scenario,
        makeable=_is_makeable(order),
        payment=order.financial,
        paid=order.paid,
        cancelled=order.cancelled_at is not None,
        test=False,
        deleted=order.deleted,
        address_valid=order.address_valid,
        currency=order.currency,
        units_to_make=sum(line.left for line in order.lines if _is_to_make(line)),
        created_at=_utc(order.created_at),
        updated_at=_utc(order.updated_at),
        lines=[_line(line) for line in order.lines],
        shipments=[_shipment(sent) for sent in order.fulfillments if sent.ours and sent.status == "success"],
    )


def _is_makeable(order: Order) -> bool:
    """Risk, a chargeback and an open post-purchase window each hold an order back, as the status table says."""
    wanted = [line for line in order.lines if _is_to_make(line) and line.left]
    held = order.risk or bool(order.chargeback) or order.upsell_until is not None
    return (
        order.paid
        and order.cancelled_at is None
        and not held
        and not order.deleted
        and order.address_valid
        and bool(wanted)
        and all(line.sku in _KNOWN for line in wanted)
    )


def _is_to_make(line: Line) -> bool:
    return line.requires_shipping and line.eligible


def _line(line: Line) -> LineTruth:
    return LineTruth(
        id=str(line.id),
        sku=line.sku or None,
        quantity=line.quantity,
        left=line.left,
        to_make=_is_to_make(line),
    )


def _shipment(sent: Fulfillment) -> ShipmentTruth:
    return ShipmentTruth(
        id=str(sent.id),
        carrier=sent.company or None,
        tracking_number=sent.numbers[0] if sent.numbers else None,
        tracking_url=sent.urls[0] if sent.urls else None,
        at=_utc(sent.created_at),
        notified=sent.notified,
        lines={str(line.id): units for line, units in sent.units},
    )


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
