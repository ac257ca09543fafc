"""Carries out what a control request does to an order, as its buyer, its seller or a plugin would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy.sandbox.standin import ControlError
from deploy.sandbox.woocommerce.desk import Desk
from deploy.sandbox.woocommerce.goods import forget_product, line_for_sku
from deploy.sandbox.woocommerce.order_routes import set_quantity
from deploy.sandbox.woocommerce.orders import TRASH, Order
from deploy.sandbox.woocommerce.wire import parse_decimal

_ADDRESS = {
    "company": "company",
    "line1": "address_1",
    "line2": "address_2",
    "city": "city",
    "region": "state",
    "zip": "postcode",
    "country": "country",
    "phone": "phone",
}
_NOT_NEWS = ("checkout-draft", "auto-draft")

Change = dict[str, Any]


def change_order(desk: Desk, order: Order, change: Change) -> None:
    """Do `change["action"]`; ControlError when a store has no such thing."""
    act = _ACTIONS.get(str(change.get("action")))
    if act is None:
        raise ControlError(f"action must be one of {', '.join(_ACTIONS)}")
    act(desk, order, change)


def _pay(desk: Desk, order: Order, _change: Change) -> None:
    desk.pay(order)


def _cancel(desk: Desk, order: Order, _change: Change) -> None:
    desk.set_status(order, "cancelled")
    desk.save(order, moves=True)


def _status(desk: Desk, order: Order, change: Change) -> None:
    status = str(change.get("status"))
    if status not in desk.site.statuses:
        raise ControlError(f"status must be one of {', '.join(desk.site.statuses)}")
    desk.set_status(order, status)
    desk.save(order, moves=True)


def _complete(desk: Desk, order: Order, _change: Change) -> None:
    """The seller ships the order without our software."""
    order.elsewhere = True
    desk.set_status(order, "completed")
    desk.save(order, moves=True)


def _place(desk: Desk, order: Order, _change: Change) -> None:
    """The buyer of an open checkout orders: where drafts are news, the placed order is an update only."""
    if order.status not in _NOT_NEWS:
        raise ControlError("only a checkout draft can be placed")
    desk.pay(order)
    if not drafts_are_news(desk):
        desk.tell(order, "created")


def drafts_are_news(desk: Desk) -> bool:
    """Whether the store's version sends order.created for an open checkout already."""
    return desk.site.options.release < (8,)


def _refund(desk: Desk, order: Order, change: Change) -> None:
    reason = str(change.get("reason") or "")
    if "amount" in change:
        desk.refund(order, parse_decimal(change["amount"]), {}, reason=reason)
        return
    asked = change.get("lines")
    if asked is None:
        units = {line.id: order.left(line) for line in order.lines}
        desk.refund(order, order.total - order.refunded, units, reason=reason)
        return
    amount = 0
    lines: dict[int, int] = {}
    for name, count in asked.items():
        line = order.line(int(name))
        if line is None or not 0 < count <= order.left(line):
            raise ControlError("no such line, or fewer units of it are left")
        lines[line.id] = count
        amount += round((line.total + line.total_tax) * count / line.quantity)
    desk.refund(order, amount, lines, reason=reason)


def _edit(desk: Desk, order: Order, change: Change) -> None:
    for name, units in (change.get("quantities") or {}).items():
        line = order.line(int(name))
        if line is None:
            raise ControlError("no such line")
        if units:
            set_quantity(line, units)
        else:
            order.lines.remove(line)
    order.lines += [
        line_for_sku(desk.site, order, str(item["sku"]), int(item.get("quantity", 1)))
        for item in change.get("add") or ()
    ]
    desk.save(order)


def _readdress(desk: Desk, order: Order, change: Change) -> None:
    """The address that the order ships to changes: the billing one where the other is empty."""
    asked = change.get("address") or {}
    fields = {_ADDRESS[name]: str(value) for name, value in asked.items() if name in _ADDRESS}
    if "name" in asked:
        fields["first_name"], _, fields["last_name"] = str(asked["name"]).partition(" ")
    target = order.shipping if order.shipping["address_1"] else order.billing
    target.update(fields)
    desk.save(order)


def _meta(desk: Desk, order: Order, change: Change) -> None:
    desk.set_meta(order, str(change.get("key") or "_plugin_note"), change.get("value"))
    desk.save(order)


def _delete_product(_desk: Desk, order: Order, _change: Change) -> None:
    """The products behind the lines are deleted, which is no change of the order to the store."""
    for line in order.lines:
        forget_product(line)
    order.wire.clear()


def _note(desk: Desk, order: Order, change: Change) -> None:
    desk.note(order, str(change.get("note") or "Seen"), for_customer=bool(change.get("customer")))


def _touch(desk: Desk, order: Order, _change: Change) -> None:
    """A save that changes nothing."""
    desk.save(order)


def _view(desk: Desk, order: Order, _change: Change) -> None:
    """Somebody looks at the order: some versions moved its date by that, without telling."""
    order.modified = max(desk.site.now(), order.modified)
    order.wire.clear()


def _drop_refund(desk: Desk, order: Order, _change: Change) -> None:
    if not order.refunds:
        raise ControlError("nothing was refunded")
    desk.drop_refund(order, order.refunds[-1])


def _delete(desk: Desk, order: Order, change: Change) -> None:
    if change.get("force"):
        desk.erase(order)
    elif order.status == TRASH:
        raise ControlError("the order is in the trash", status=409)
    else:
        desk.trash(order)


def _restore(desk: Desk, order: Order, _change: Change) -> None:
    if order.status != TRASH:
        raise ControlError("the order is not in the trash")
    desk.restore(order)


_ACTIONS: dict[str, Callable[[Desk, Order, Change], None]] = {
    "pay": _pay,
    "cancel": _cancel,
    "refund": _refund,
    "edit": _edit,
    "address": _readdress,
    "delete": _delete,
    "restore": _restore,
    "status": _status,
    "complete": _complete,
    "place": _place,
    "note": _note,
    "meta": _meta,
    "touch": _touch,
    "view": _view,
    "delete_product": _delete_product,
    "drop_refund": _drop_refund,
}
