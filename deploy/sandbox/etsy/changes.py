"""Carries out what a control request does to a receipt, as its buyer, its seller or its carrier would."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.etsy.receipts import html_escaped
from deploy.sandbox.etsy.shop import Marketplace, Shop
from deploy.sandbox.standin import ControlError

_ADDRESS = {
    "name": "name",
    "line1": "first_line",
    "line2": "second_line",
    "city": "city",
    "region": "state",
    "zip": "zip",
    "country": "country_iso",
}
_REQUIRED = ("first_line", "city", "zip", "country_iso")


def change_receipt(market: Marketplace, shop: Shop, receipt: Receipt, change: dict[str, Any]) -> None:
    """Do `change["action"]`; ControlError when Etsy has no such thing."""
    match change.get("action"):
        case "pay":
            market.mark(shop, receipt, paid=True)
        case "cancel":
            market.cancel(shop, receipt)
        case "refund":
            market.refund(shop, receipt, cents=_refunded_cents(receipt, change))
        case "address":
            _readdress(market, shop, receipt, change.get("address", {}))
        case "message":
            market.change(shop, receipt, {"message_from_buyer": html_escaped(str(change.get("text", "")))})
        case "ship":
            receipt.shipped_elsewhere = True
            market.mark(shop, receipt, shipped=True)
        case "deliver":
            market.deliver(shop, receipt)
        case "delete":
            market.delete(shop, receipt)
        case "edit":
            raise ControlError("Etsy's sellers cannot change the items of a receipt")
        case _:
            raise ControlError("action must be pay, cancel, refund, address, message, ship, deliver or delete")


def _refunded_cents(receipt: Receipt, change: dict[str, Any]) -> int | None:
    if "amount" in change:
        return int(change["amount"])
    if "lines" not in change:
        return None
    prices = {str(line["transaction_id"]): line["price"]["amount"] for line in receipt.payload["transactions"]}
    try:
        return int(sum(prices[line] * units for line, units in change["lines"].items()))
    except KeyError as error:
        raise ControlError("no such line") from error


def _readdress(market: Marketplace, shop: Shop, receipt: Receipt, address: dict[str, Any]) -> None:
    """A change is believed to be right when nothing needed is left empty; `valid` says otherwise."""
    fields = {_ADDRESS[name]: value for name, value in address.items() if name in _ADDRESS}
    merged = receipt.payload | fields
    lines = (merged["name"], merged["first_line"], merged["second_line"], merged["city"], merged["zip"])
    fields["formatted_address"] = "\n".join(line for line in lines if line)
    receipt.address_valid = bool(address.get("valid", all(merged[name] for name in _REQUIRED)))
    market.change(shop, receipt, fields)
