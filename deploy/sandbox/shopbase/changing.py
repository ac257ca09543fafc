"""What happens to orders after they were made: the seller and the buyer act, subscribers are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from deploy.sandbox.people import is_deliverable
from deploy.sandbox.shopbase.announcing import Announcer
from deploy.sandbox.shopbase.making import line_for_sku, send_elsewhere
from deploy.sandbox.shopbase.totals import totals_of
from deploy.sandbox.shopbase.world import Ids, Line, Order, Refund, Transaction
from deploy.sandbox.standin import ControlError

_ADDRESS_FIELDS = {"name", "company", "line1", "line2", "city", "region", "zip", "country", "phone"}
_REASONS = ("customer", "fraud", "inventory", "declined", "other")
_CHARGEBACKS = ("", "open", "submitted", "won", "lost")


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one order, and what carrying it out needs."""

    order: Order
    asked: Mapping[str, Any]
    now: datetime
    ids: Ids
    announcer: Announcer

    def done(self, *topics: str, moved: tuple[Transaction, ...] = ()) -> None:
        """Record the change and announce it."""
        self.order.transactions.extend(moved)
        self.order.shop.touch(self.order, self.now)
        self.announcer.transactions(moved, self.order)
        self.announcer.order(self.order, *topics, "orders/updated")

    def transaction(self, kind: str, amount: int) -> Transaction:
        """A movement of money at this moment."""
        return Transaction(self.ids.next(), kind, amount, self.now.replace(microsecond=0))


def change_order(change: Change) -> None:
    """Carry out `change.asked["action"]`; ControlError if there is no such action or it cannot be done."""
    act = _ACTIONS.get(str(change.asked.get("action")))
    if act is None:
        raise ControlError(f"action must be one of {', '.join(sorted(_ACTIONS))}")
    if change.order.deleted:
        raise ControlError("the order is deleted", status=404)
    act(change)


def _pay(change: Change) -> None:
    """The buyer pays, or with `part` half of it."""
    order = change.order
    if order.paid or order.cancelled_at is not None:
        raise ControlError("the order is paid or cancelled", status=409)
    total = totals_of(order).total
    if change.asked.get("part"):
        order.financial = "partially_paid"
        change.done(moved=(change.transaction("sale", total // 2),))
        return
    kind = "capture" if order.financial == "authorized" else "sale"
    already = sum(moved.amount for moved in order.transactions if moved.kind == "sale")
    order.financial = "paid"
    change.done("orders/paid", moved=(change.transaction(kind, total - already),))


def _cancel(change: Change) -> None:
    order = change.order
    if order.cancelled_at is not None:
        raise ControlError("the order is cancelled already", status=409)
    reason = str(change.asked.get("reason", "customer")).lower()
    order.cancelled_at = change.now.replace(microsecond=0)
    order.cancel_reason = reason if reason in _REASONS else "other"
    if order.paid:
        units = {line.id: line.left for line in order.lines}
        _give_back(change, units, shipping=order.shipping)
        order.financial = "refunded"
        change.done("orders/cancelled", moved=(change.transaction("refund", totals_of(order).refunded),))
        return
    for line in order.lines:
        line.refunded = line.quantity
    was_reserved = order.financial == "authorized"
    order.financial = "voided"
    moved = (change.transaction("void", totals_of(order).total),) if was_reserved else ()
    change.done("orders/cancelled", moved=moved)


def _refund(change: Change) -> None:
    """Units of lines, or with `amount` (minor units) money for nothing in particular."""
    order = change.order
    if not order.paid:
        raise ControlError("only a paid order can be refunded", status=409)
    other = int(change.asked.get("amount", 0))
    everything_left = {} if other else {line.id: line.left for line in order.lines}
    units = _units(order, change.asked["lines"]) if "lines" in change.asked else everything_left
    refund = _give_back(change, units, other=other)
    everything = all(line.refunded >= line.quantity for line in order.lines)
    order.financial = "refunded" if everything else "partially_refunded"
    change.done(moved=(change.transaction("refund", refund.amount + refund.other),))


def _give_back(change: Change, units: Mapping[int, int], *, other: int = 0, shipping: int = 0) -> Refund:
    order = change.order
    lines: list[tuple[Line, int]] = [(line, units[line.id]) for line in order.lines if units.get(line.id)]
    for line, count in lines:
        line.refunded += count
    amount = sum(line.price * count for line, count in lines)
    refund = Refund(change.ids.next(), change.now.replace(microsecond=0), lines, amount, other, shipping)
    order.refunds.append(refund)
    order.wire.clear()
    change.announcer.refund(refund, order)
    return refund


def _edit(change: Change) -> None:
    """Lines are added and quantities adjusted; inside the post-purchase window an added line is marked so."""
    order = change.order
    if order.original_total is None:
        order.original_total = totals_of(order).total
    wanted = _units(order, change.asked.get("quantities", {}), limit=False)
    for line in list(order.lines):
        if line.id in wanted:
            line.quantity = wanted[line.id] + line.refunded + line.elsewhere
            if line.quantity == 0:
                order.lines.remove(line)
    for entry in change.asked.get("add", ()):
        line = line_for_sku(str(entry["sku"]), int(entry.get("quantity", 1)), currency=order.currency, ids=change.ids)
        line.post_purchase = order.upsell_until is not None
        order.lines.append(line)
    change.done()


def _change_address(change: Change) -> None:
    order = change.order
    asked = change.asked.get("address") or {}
    if order.address is None or not isinstance(asked, dict) or set(asked) - _ADDRESS_FIELDS:
        raise ControlError(f"address takes {', '.join(sorted(_ADDRESS_FIELDS))}")
    order.address = replace(order.address, **asked)
    order.address_valid = is_deliverable(order.address)
    change.done()


def _delete(change: Change) -> None:
    order = change.order
    order.shop.delete(order)
    change.announcer.event(order.shop, "orders/delete", {"id": order.id})


def _close(change: Change) -> None:
    change.order.closed_at = change.now.replace(microsecond=0)
    change.done()


def _reopen(change: Change) -> None:
    change.order.closed_at = None
    change.done()


def _flag_risk(change: Change) -> None:
    change.order.risk = bool(change.asked.get("on", True))
    change.done()


def _charge_back(change: Change) -> None:
    status = str(change.asked.get("status", "open"))
    if status not in _CHARGEBACKS:
        raise ControlError(f"status must be one of {', '.join(_CHARGEBACKS)}")
    change.order.chargeback = status
    change.done()


def _post_purchase(change: Change) -> None:
    """Open the window in which the buyer is offered more, for `seconds`."""
    order = change.order
    order.upsell_until = change.now.replace(microsecond=0) + timedelta(seconds=float(change.asked.get("seconds", 900)))
    order.shop.upselling.add(order.id)
    change.done()


def _fulfil(change: Change) -> None:
    """Somebody else ships `lines` (all that is left if absent); with `pending` they only took it on."""
    order = change.order
    asked = change.asked.get("lines")
    units = {line.id: line.fulfillable for line in order.lines} if asked is None else _units(order, asked)
    if not any(units.values()):
        raise ControlError("nothing is left to fulfil", status=409)
    status = "pending" if change.asked.get("pending") else "success"
    at = change.now.replace(microsecond=0)
    sent = send_elsewhere(order, units, at=at, ids=change.ids, status=status)
    order.wire.clear()
    change.announcer.fulfillment(sent, order, "fulfillments/create")
    complete = order.fulfillment_status == "fulfilled"
    change.done(*([] if status == "pending" else ["orders/fulfilled" if complete else "orders/partially_fulfilled"]))


def _note(change: Change) -> None:
    """A change that matters to nobody who makes things: it only moves updated_at."""
    change.order.note = str(change.asked.get("note", ""))
    change.done()


_ACTIONS: dict[str, Callable[[Change], None]] = {
    "pay": _pay,
    "cancel": _cancel,
    "refund": _refund,
    "edit": _edit,
    "address": _change_address,
    "delete": _delete,
    "close": _close,
    "reopen": _reopen,
    "risk": _flag_risk,
    "chargeback": _charge_back,
    "post_purchase": _post_purchase,
    "fulfil": _fulfil,
    "note": _note,
}


def _units(order: Order, asked: Any, *, limit: bool = True) -> dict[int, int]:
    """Units by line id from a control request."""
    known = {str(line.id): line for line in order.lines}
    if not isinstance(asked, dict) or set(asked) - set(known):
        raise ControlError("lines are given as {line id: units}")
    units = {known[ident].id: int(count) for ident, count in asked.items()}
    if any(count < 0 or (limit and count > known[str(ident)].left) for ident, count in units.items()):
        raise ControlError("more units than the line has")
    return units
