"""What is true of an order, in the words that all stand-in platforms share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.amazon.orders import UNPAID, Order
from deploy.sandbox.amazon.world import Seller
from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth

_CATALOG = frozenset(good.sku for good in GOODS)
_OPEN = frozenset({"UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"})


def truth_of(seller: Seller, order: Order) -> OrderTruth:
    """The order's facts; without the role for addresses nothing can be delivered."""
    lines = [_line(order, item) for item in order.items]
    units = sum(line["left"] for line in lines if line["to_make"])
    valid = order.address_valid and seller.role in ("full", "address")
    return OrderTruth(
        store=seller.seller_id,
        id=order.order_id,
        name=order.order_id,
        scenario=order.scenario,
        makeable=units > 0 and valid and _is_open(order) and all(line["sku"] in _CATALOG for line in lines),
        payment=_payment(order),
        paid=order.status not in UNPAID,
        cancelled=order.status == "CANCELLED",
        test=False,
        deleted=order.deleted,
        address_valid=valid,
        currency=order.market.currency,
        units_to_make=units,
        created_at=_iso(order.created),
        updated_at=_iso(order.updated),
        lines=lines,
        shipments=[_shipment(package) for package in order.payload.get("packages", [])],
    )


def _is_open(order: Order) -> bool:
    settled = order.refunded != "refunded" and not order.awaits_address and not order.by_amazon
    return settled and not order.deleted and order.status in _OPEN


def _payment(order: Order) -> str:
    return "pending" if order.status in UNPAID else order.refunded or "paid"


def _line(order: Order, item: dict[str, Any]) -> LineTruth:
    gone = order.gone.get(item["orderItemId"], 0)
    return LineTruth(
        id=item["orderItemId"],
        sku=item["product"].get("sellerSku") or None,
        quantity=item["quantityOrdered"],
        left=item["quantityOrdered"] - gone,
        to_make=True,
    )


def _shipment(package: dict[str, Any]) -> ShipmentTruth:
    """The buyer is always told."""
    return ShipmentTruth(
        id=package["packageReferenceId"],
        carrier=package["carrier"],
        tracking_number=package["trackingNumber"],
        at=package.get("shipTime", package["createdTime"]),
        notified=True,
        lines={item["orderItemId"]: item["quantity"] for item in package["packageItems"]},
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()
