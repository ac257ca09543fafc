"""Carries out what a control request does to an order, as its buyer, its seller, or Amazon would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deploy.sandbox.amazon.addressing import address_fields
from deploy.sandbox.amazon.orders import UNPAID, Order
from deploy.sandbox.amazon.states import add_foreign_package, cancel_item, ship_item_elsewhere
from deploy.sandbox.amazon.world import Amazon, Seller
from deploy.sandbox.people import PLACES, is_deliverable
from deploy.sandbox.standin import ControlError

#: No notification tells of these.
_UNTOLD = ("address", "deliver")


def change_order(amazon: Amazon, seller: Seller, order: Order, change: dict[str, Any]) -> None:
    """Do `change["action"]`; ControlError when Amazon has no such thing."""
    action = str(change.get("action"))
    if action == "delete":
        seller.ledger.remove(order)
        return
    if action not in _ACTIONS:
        raise ControlError(f"action must be delete, {', '.join(_ACTIONS)}")
    _ACTIONS[action](order, change, amazon.now())
    amazon.touch(seller, order)
    if action == "request_cancel":
        amazon.announce(seller, order, "BuyerRequestedChange", "Buyer Requested Cancel")
    elif action not in _UNTOLD:
        amazon.announce(seller, order, "OrderStatusChange", "Order status changed")


def _pay(order: Order, _change: dict[str, Any], _now: int) -> None:
    """The payment is authorised."""
    if order.status not in UNPAID:
        raise ControlError("the order is not pending", status=409)
    order.status = "UNSHIPPED"


def _cancel(order: Order, change: dict[str, Any], _now: int) -> None:
    by, reason = str(change.get("by", "MERCHANT")), str(change.get("reason", "NoInventory"))
    if by not in ("BUYER", "MERCHANT", "AMAZON"):
        raise ControlError("by must be BUYER, MERCHANT or AMAZON")
    if order.status in ("SHIPPED", "PARTIALLY_SHIPPED"):
        raise ControlError("what was shipped cannot be cancelled", status=409)
    for item in order.items:
        cancel_item(order, item, by=by, reason=reason)
    order.status = "CANCELLED"


def _refund(order: Order, change: dict[str, Any], _now: int) -> None:
    """Open units are cancelled with their money; of shipped ones the money goes back and the order shows nothing."""
    lines = change.get("lines")
    asked = lines or {item["orderItemId"]: item["quantityOrdered"] for item in order.items}
    for item_id, units in asked.items():
        _give_up(order, item_id, int(units))
    everything = not lines or all(
        order.gone.get(item["orderItemId"], 0) >= item["quantityOrdered"] for item in order.items
    )
    order.refunded = "refunded" if everything else "partially_refunded"
    _close_if_empty(order)


def _edit(order: Order, change: dict[str, Any], _now: int) -> None:
    """Quantities only shrink: the buyer cannot add to an order."""
    if change.get("add"):
        raise ControlError("nothing can be added to an order on Amazon")
    for item_id, units in change.get("quantities", {}).items():
        item = order.item(item_id)
        left = 0 if item is None else item["quantityOrdered"] - order.gone.get(item_id, 0)
        if item is None or not 0 <= int(units) <= left:
            raise ControlError("no such item, or more units than it has")
        _give_up(order, item_id, left - int(units))
    _close_if_empty(order)


def _give_up(order: Order, item_id: str, units: int) -> None:
    item = order.item(item_id)
    if item is None:
        raise ControlError("no such item")
    amounts = item["fulfillment"]
    if units >= amounts["quantityUnfulfilled"] > 0 and not amounts["quantityFulfilled"]:
        cancel_item(order, item, by="MERCHANT", reason="NoInventory")
        return
    taken = min(units, amounts["quantityUnfulfilled"])
    amounts["quantityUnfulfilled"] -= taken
    order.gone[item_id] = order.gone.get(item_id, 0) + taken


def _close_if_empty(order: Order) -> None:
    if any(item["fulfillment"]["quantityUnfulfilled"] for item in order.items):
        return
    fulfilled = any(item["fulfillment"]["quantityFulfilled"] for item in order.items)
    order.status = "SHIPPED" if fulfilled else "CANCELLED"


def _readdress(order: Order, change: dict[str, Any], _now: int) -> None:
    """A change is right when the address is complete and its ZIP of its state; `valid` says otherwise."""
    asked = change.get("address", {})
    names = {"name", "company", "line1", "line2", "city", "region", "zip", "country", "phone"}
    fields = {name: str(value) for name, value in asked.items() if name in names}
    region = fields.get("region", order.address.region)
    address = replace(order.address, **fields)
    known = [place for places in PLACES.values() for place in places if place.country == address.country]
    full = next((place.region_name for place in known if place.region == region), region)
    order.address = replace(address, region_name=full)
    order.payload["recipient"] = {"deliveryAddress": address_fields(order.address)}
    order.address_valid = bool(asked.get("valid", is_deliverable(order.address)))


def _request_cancel(order: Order, change: dict[str, Any], _now: int) -> None:
    """The buyer asks; whether it is done is the seller's."""
    if order.status != "UNSHIPPED":
        raise ControlError("only what is unshipped can be asked back", status=409)
    request = {"requester": "BUYER", "cancelReason": str(change.get("reason", "Changed my mind"))}
    wanted = change.get("lines") or [item["orderItemId"] for item in order.items]
    for item in order.items:
        if item["orderItemId"] in wanted:
            item["cancellation"] = {"cancellationRequest": request}


def _ship_elsewhere(order: Order, _change: dict[str, Any], now: int) -> None:
    units = {item["orderItemId"]: ship_item_elsewhere(order, item) for item in order.items}
    units = {item_id: number for item_id, number in units.items() if number}
    if not units or order.status not in ("UNSHIPPED", "PARTIALLY_SHIPPED"):
        raise ControlError("nothing is left to ship", status=409)
    add_foreign_package(order, units, at=now)
    order.status = "SHIPPED"


def _lose(order: Order, _change: dict[str, Any], _now: int) -> None:
    """The newest package vanishes, as if it had never been confirmed."""
    if not order.payload.get("packages"):
        raise ControlError("the order has no package", status=409)
    lost = order.payload["packages"].pop()
    packed = {item["orderItemId"]: item["quantity"] for item in lost["packageItems"]}
    for item in order.items:
        item["fulfillment"]["quantityFulfilled"] -= packed.get(item["orderItemId"], 0)
        item["fulfillment"]["quantityUnfulfilled"] += packed.get(item["orderItemId"], 0)
    fulfilled = any(item["fulfillment"]["quantityFulfilled"] for item in order.items)
    order.status = "PARTIALLY_SHIPPED" if fulfilled else "UNSHIPPED"


def _deliver(order: Order, _change: dict[str, Any], _now: int) -> None:
    for package in order.payload.get("packages", []):
        package["packageStatus"] = {"status": "DELIVERED", "detailedStatus": "DELIVERED"}


_ACTIONS: dict[str, Callable[[Order, dict[str, Any], int], None]] = {
    "pay": _pay,
    "cancel": _cancel,
    "refund": _refund,
    "edit": _edit,
    "address": _readdress,
    "request_cancel": _request_cancel,
    "ship": _ship_elsewhere,
    "lose": _lose,
    "deliver": _deliver,
}
