"""Carries out what a control request does to an order, as its buyer, its seller or eBay would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy.sandbox.ebay.amounts import amount_text, minor_units
from deploy.sandbox.ebay.ledger import Order
from deploy.sandbox.ebay.settling import (
    cancel,
    hold_payout,
    refund_all,
    refund_line,
    reject_cancel,
    request_cancel,
    set_payment,
    ship_elsewhere,
)
from deploy.sandbox.ebay.world import Seller, World
from deploy.sandbox.standin import ControlError

_ADDRESS = {
    "line1": "addressLine1",
    "line2": "addressLine2",
    "city": "city",
    "region": "stateOrProvince",
    "zip": "postalCode",
    "country": "countryCode",
}
_REQUIRED = ("addressLine1", "city", "postalCode", "countryCode")


def change_order(world: World, seller: Seller, order: Order, change: dict[str, Any]) -> bool:
    """Do `change["action"]`; whether eBay confirms the order by it. ControlError when eBay has no such thing."""
    action = str(change.get("action"))
    if action == "edit":
        raise ControlError("eBay's sellers cannot change the items of an order")
    if action == "delete":
        seller.ledger.remove(order)
        seller.deleted.append(order)
        order.deleted = True
        return False
    at = world.now_ms()
    confirmed = False
    if action == "pay":
        confirmed = _pay(seller, order, at=at)
    elif action in _CHANGES:
        _CHANGES[action](order, change, at)
    else:
        raise ControlError(f"action must be pay, delete, {', '.join(_CHANGES)}")
    world.touch(seller, order)
    return confirmed


def _pay(seller: Seller, order: Order, *, at: int) -> bool:
    """The payment arrives; a checkout is complete by it, or a failed payment made good: both are confirmed."""
    failed = str(order.payload["orderPaymentStatus"]) == "FAILED"
    set_payment(order, "PAID", at=at)
    if order.listed:
        return failed
    seller.ledger.publish(order)
    return True


def _cancel(order: Order, change: dict[str, Any], at: int) -> None:
    cancel(order, by="Seller", reason=str(change.get("reason") or "OUT_OF_STOCK"), at=at)


def _request_cancel(order: Order, change: dict[str, Any], at: int) -> None:
    request_cancel(order, by="Buyer", reason=str(change.get("reason") or "BUYER_ASKED_CANCEL"), at=at)


def _reject_cancel(order: Order, _change: dict[str, Any], _at: int) -> None:
    if not order.cancel_requests:
        raise ControlError("nobody asked to cancel this order", status=409)
    reject_cancel(order)


def _hold(order: Order, _change: dict[str, Any], at: int) -> None:
    hold_payout(order, at=at)


def _note(order: Order, change: dict[str, Any], _at: int) -> None:
    order.payload["buyerCheckoutNotes"] = str(change.get("text", ""))


def _ship(order: Order, change: dict[str, Any], at: int) -> None:
    units = {line["lineItemId"]: line["quantity"] for line in order.payload["lineItems"]}
    ship_elsewhere(order, change.get("lines") or units, at=at)


def _touch(_order: Order, _change: dict[str, Any], _at: int) -> None:
    """Nothing that anybody sees changes, but the time of the last change does."""


def _refund(order: Order, change: dict[str, Any], at: int) -> None:
    lines: dict[str, int] | None = change.get("lines")
    if lines is None:
        refund_all(order, at=at)
        return
    known = {line["lineItemId"]: line for line in order.payload["lineItems"]}
    for line_id, units in lines.items():
        line = known.get(line_id)
        if line is None or not 0 < units <= line["quantity"]:
            raise ControlError("no such line, or not so many units")
        refund_line(order, line, amount=_share(line, units), at=at)


def _share(line: dict[str, Any], units: int) -> dict[str, Any]:
    """What these units cost, with the line's delivery when all of them go back."""
    if units == line["quantity"]:
        return dict(line["total"])
    paid = line.get("discountedLineItemCost", line["lineItemCost"])
    currency = paid["currency"]
    minor = minor_units(paid["value"], currency) * units // line["quantity"]
    return {"value": amount_text(minor, currency), "currency": currency}


def _readdress(order: Order, change: dict[str, Any], _at: int) -> None:
    """The buyer asked for another address; it is believed right when nothing needed is left empty."""
    address: dict[str, Any] = change.get("address", {})
    instruction = order.payload["fulfillmentStartInstructions"][0]
    if "shippingStep" not in instruction:
        raise ControlError("this order is shipped to nobody", status=409)
    ship_to = instruction["shippingStep"]["shipTo"]
    hub = "finalDestinationAddress" in instruction
    place = instruction["finalDestinationAddress"] if hub else ship_to["contactAddress"]
    place = place | {_ADDRESS[name]: value for name, value in address.items() if name in _ADDRESS}
    place = {name: value for name, value in place.items() if value}
    if hub:
        instruction["finalDestinationAddress"] = place
    else:
        ship_to["contactAddress"] = place
    if "name" in address:
        ship_to["fullName"] = address["name"]
    if "company" in address:
        ship_to["companyName"] = address["company"]
    if "phone" in address:
        ship_to["primaryPhone"] = {"phoneNumber": address["phone"]}
    order.address_valid = bool(address.get("valid", all(name in place for name in _REQUIRED)))


_CHANGES: dict[str, Callable[[Order, dict[str, Any], int], None]] = {
    "cancel": _cancel,
    "cancel_request": _request_cancel,
    "cancel_reject": _reject_cancel,
    "refund": _refund,
    "hold": _hold,
    "note": _note,
    "address": _readdress,
    "ship": _ship,
    "touch": _touch,
}
