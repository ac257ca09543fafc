"""The REST API's orders, refunds and notes."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.faults import Faults
from deploy.sandbox.woocommerce.goods import line_for_sku
from deploy.sandbox.woocommerce.listing import list_orders
from deploy.sandbox.woocommerce.orders import TRASH, Line, Order, Parcel, Refund
from deploy.sandbox.woocommerce.payload import note_payload, order_bytes, order_payload, refund_payload
from deploy.sandbox.woocommerce.query import decimals, parse_page
from deploy.sandbox.woocommerce.routing import Call, Reply, Route, WpError, invalid, reply_fields
from deploy.sandbox.woocommerce.wire import parse_decimal

_ORDERS = "/wc/v3/orders"
_ORDER = rf"{_ORDERS}/(?P<id>[\d]+)"


def find_order(call: Call) -> Order:
    """The order that the path names."""
    order = call.site.orders.get(int(call.ids[0]))
    if order is None:
        raise WpError("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", status=404)
    return order


class OrderRoutes:
    """Orders, and what hangs on them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        """Every endpoint."""
        return [
            Route("GET", _ORDERS, self._list, "list"),
            Route("GET", _ORDER, self._one),
            Route("PUT", _ORDER, self._update, "edit"),
            Route("POST", _ORDER, self._update, "edit"),
            Route("PATCH", _ORDER, self._update, "edit"),
            Route("DELETE", _ORDER, self._delete, "delete"),
            Route("GET", rf"{_ORDER}/refunds", self._refunds, "list"),
            Route("POST", rf"{_ORDER}/refunds", self._refund, "create"),
            Route("GET", rf"{_ORDER}/refunds/(?P<refund_id>[\d]+)", self._one_refund),
            Route("DELETE", rf"{_ORDER}/refunds/(?P<refund_id>[\d]+)", self._drop_refund, "delete"),
            Route("GET", rf"{_ORDER}/notes", self._notes, "list"),
            Route("POST", rf"{_ORDER}/notes", self._note, "create"),
            Route("GET", rf"{_ORDER}/notes/(?P<note_id>[\d]+)", self._one_note),
        ]

    async def _list(self, call: Call) -> Reply:
        fault = self._faults.draw_for_page(call.request.path_qs) if self._faults else None
        return list_orders(call, fault)

    async def _one(self, call: Call) -> Reply:
        order = find_order(call)
        if call.query.get("_fields"):
            shown = decimals(call.query)
            places = call.site.options.price_decimals if shown is None else shown
            return Reply(reply_fields(order_payload(call.site, order, places), call.query))
        return Reply(order_bytes(call.site, order, decimals(call.query)))

    async def _update(self, call: Call) -> Reply:
        order = find_order(call)
        update_order(call, order)
        return Reply(order_bytes(call.site, order, decimals(call.query)))

    async def _delete(self, call: Call) -> Reply:
        """To the trash, answered with the order as it was; or, forced, for good and without a webhook."""
        order = find_order(call)
        shown = order_bytes(call.site, order)
        if call.flag("force"):
            call.behind.desk.erase(order)
        elif order.status == TRASH:
            raise WpError("woocommerce_rest_already_trashed", "The shop_order has already been deleted.", status=410)
        else:
            call.behind.desk.trash(order)
        return Reply(shown)

    async def _refunds(self, call: Call) -> Reply:
        order = find_order(call)
        places = _places(call)
        page = parse_page(call.query)
        shown = list(reversed(order.refunds))[page.start : page.start + page.size]
        return Reply([refund_payload(call.site, order, refund, places) for refund in shown])

    async def _one_refund(self, call: Call) -> Reply:
        order = find_order(call)
        return Reply(refund_payload(call.site, order, _find_refund(call, order), _places(call)))

    async def _refund(self, call: Call) -> Reply:
        order = find_order(call)
        lines = {int(line["id"]): int(line.get("quantity", 0)) for line in call.given.get("line_items") or ()}
        try:
            amount = parse_decimal(call.given["amount"])
        except (KeyError, ValueError) as error:
            raise invalid("amount", "amount is required.", "rest_missing_callback_param") from error
        if not 0 < amount <= order.total - order.refunded:
            raise WpError("woocommerce_rest_cannot_create_order_refund", "Invalid refund amount.", status=500)
        reason = str(call.given.get("reason") or "")
        refund = call.behind.desk.refund(order, amount, lines, reason=reason)
        return Reply(refund_payload(call.site, order, refund, _places(call)), status=201)

    async def _drop_refund(self, call: Call) -> Reply:
        order = find_order(call)
        refund = _find_refund(call, order)
        if not call.flag("force"):
            raise WpError("woocommerce_rest_trash_not_supported", "Refunds do not support trashing.", status=501)
        shown = refund_payload(call.site, order, refund, _places(call))
        call.behind.desk.drop_refund(order, refund)
        return Reply(shown)

    async def _notes(self, call: Call) -> Reply:
        order = find_order(call)
        wanted = {"customer": True, "internal": False}.get(str(call.given.get("type", "any")))
        notes = [note for note in reversed(order.notes) if wanted in (None, note.for_customer)]
        return Reply([note_payload(call.site, order, note) for note in notes])

    async def _note(self, call: Call) -> Reply:
        order = find_order(call)
        text = call.given.get("note")
        if not isinstance(text, str) or not text:
            message = "Missing parameter(s): note"
            raise WpError("rest_missing_callback_param", message, status=400, params=["note"])
        note = call.behind.desk.note(order, text, for_customer=call.flag("customer_note"))
        return Reply(note_payload(call.site, order, note), status=201)

    async def _one_note(self, call: Call) -> Reply:
        order = find_order(call)
        note = next((note for note in order.notes if note.id == int(call.ids[1])), None)
        if note is None:
            raise WpError("woocommerce_rest_order_note_invalid_id", "Invalid resource ID.", status=404)
        return Reply(note_payload(call.site, order, note))


def update_order(call: Call, order: Order) -> None:
    """Write what was sent, whatever that breaks; sending nothing is a save like any other."""
    given, desk = call.given, call.behind.desk
    before = order.status
    status = given.get("status", before)
    if status not in (*call.site.statuses, TRASH, "auto-draft"):
        raise invalid("status", f"status is not one of {', '.join(call.site.statuses)}.", "rest_not_in_enum")
    for name in ("billing", "shipping"):
        fields = given.get(name) or {}
        getattr(order, name).update({key: str(value) for key, value in fields.items()})
    for item in given.get("line_items") or ():
        _write_line(call, order, item)
    order.customer_note = str(given.get("customer_note", order.customer_note))
    written = _write_meta(call, order)
    if call.flag("set_paid") and order.paid is None:
        desk.pay(order)
    desk.set_status(order, status)
    if order.status == "completed" and before != "completed":
        order.elsewhere = False
    _note_parcel(call, order, written, before)
    desk.save(order, moves=order.status != before)


def _write_line(call: Call, order: Order, item: dict[str, Any]) -> None:
    """Change, add or, by a quantity of 0 or a null product, remove a line."""
    line = order.line(int(item.get("id") or 0))
    if line is None:
        order.lines.append(line_for_sku(call.site, order, str(item.get("sku") or ""), int(item.get("quantity", 1))))
        return
    if item.get("quantity") == 0 or ("product_id" in item and item["product_id"] is None):
        order.lines.remove(line)
        return
    set_quantity(line, int(item.get("quantity", line.quantity)))


def set_quantity(line: Line, quantity: int) -> None:
    """Another quantity at the same price a unit."""
    share = quantity / line.quantity
    line.quantity = quantity
    line.subtotal, line.subtotal_tax = round(line.subtotal * share), round(line.subtotal_tax * share)
    line.total, line.total_tax = round(line.total * share), round(line.total_tax * share)


def _write_meta(call: Call, order: Order) -> dict[str, Any]:
    written = {}
    for meta in call.given.get("meta_data") or ():
        number = int(meta["id"]) if meta.get("id") else None
        call.behind.desk.set_meta(order, str(meta["key"]), meta.get("value"), number=number)
        written[str(meta["key"])] = meta.get("value")
    return written


def _note_parcel(call: Call, order: Order, written: dict[str, Any], before: str) -> None:
    """Software keeps its tracking under a key of its own: that is a parcel then, unless a plugin has its number."""
    told = {number: units for key, value in written.items() if "tracking" in key for number, units in _numbers(value)}
    if told:
        # What is written takes the place of what was written before.
        order.parcels = [parcel for parcel in order.parcels if parcel.number in told]
    known = {parcel.number for parcel in order.parcels} | {parcel.number for parcel in order.trackings}
    for number, units in told.items():
        if number in known:
            continue
        whole = {str(line.id): order.left(line) for line in order.lines if not line.virtual}
        parcel = Parcel(str(call.site.next_id()), number, call.site.now(), notified=False, lines=units or whole)
        order.parcels.append(parcel)
        call.behind.desk.books.count("fulfillments")
    if order.status == "completed" and before != "completed":
        for parcel in order.parcels:
            parcel.notified = True


def _numbers(value: Any) -> list[tuple[str, dict[str, int]]]:
    """A number, or a list of objects with one each and the units that it is for."""
    if isinstance(value, str):
        return [(value, {})] if value else []
    entries = value if isinstance(value, list) else []
    return [(str(entry["tracking_number"]), dict(entry.get("lines") or {})) for entry in entries]


def _find_refund(call: Call, order: Order) -> Refund:
    refund = next((refund for refund in order.refunds if refund.id == int(call.ids[1])), None)
    if refund is None:
        raise WpError("woocommerce_rest_invalid_order_refund_id", "Invalid order refund ID.", status=404)
    return refund


def _places(call: Call) -> int:
    shown = decimals(call.query)
    return call.site.options.price_decimals if shown is None else shown
