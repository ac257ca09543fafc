"""Tells the truth about an order, as it stands, for tests and demos to compare with."""

from __future__ import annotations

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.shopify.naming import utc
from deploy.sandbox.shopify.world import Fulfillment, Line, Order
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth

_KNOWN = frozenset(good.sku for good in GOODS)


def order_truth(order: Order) -> OrderTruth:
    """What is true of this order; ids are the plain numbers as strings."""
    return OrderTruth(
        store=order.store.domain,
        id=str(order.id),
        name=order.name,
        scenario=order.scenario,
        makeable=_is_makeable(order),
        payment=order.financial,
        paid=order.paid,
        cancelled=order.cancelled_at is not None,
        test=order.test,
        deleted=order.deleted,
        address_valid=order.address_valid,
        currency=order.currency,
        units_to_make=sum(line.current for line in order.lines if _is_to_make(line)),
        created_at=utc(order.created_at) or "",
        updated_at=utc(order.updated_at) or "",
        lines=[_line(line) for line in order.lines],
        shipments=[_shipment(sent) for sent in order.fulfillments if sent.status == "SUCCESS" and not sent.by_hand],
    )


def _is_makeable(order: Order) -> bool:
    wanted = [line for line in order.lines if _is_to_make(line) and line.current]
    return (
        order.paid
        and order.cancelled_at is None
        and not order.test
        and not order.deleted
        and order.address_valid
        and bool(wanted)
        and all(line.sku in _KNOWN for line in wanted)
    )


def _is_to_make(line: Line) -> bool:
    return line.requires_shipping and not line.gift_card


def _line(line: Line) -> LineTruth:
    return LineTruth(
        id=str(line.id),
        sku=line.sku,
        quantity=line.quantity,
        left=line.current,
        to_make=_is_to_make(line),
    )


def _shipment(sent: Fulfillment) -> ShipmentTruth:
    first = sent.tracking[0] if sent.tracking else None
    return ShipmentTruth(
        id=str(sent.id),
        carrier=first.company if first else None,
        tracking_number=first.number if first else None,
        tracking_url=first.url if first else None,
        at=utc(sent.created_at) or "",
        notified=sent.notified,
        lines={str(line.source.line.id): line.quantity for line in sent.lines},
    )
