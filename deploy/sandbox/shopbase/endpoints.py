"""The endpoints of the Admin API that this sandbox serves: orders, fulfillments, webhooks, the shop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import orjson
from aiohttp import web

from deploy.sandbox.shopbase import fulfilling
from deploy.sandbox.shopbase.api import Call, Endpoint
from deploy.sandbox.shopbase.bodies import order_wire
from deploy.sandbox.shopbase.changing import Change, change_order
from deploy.sandbox.shopbase.event_bodies import fulfillment_body, refund_body, shop_body, transaction_body
from deploy.sandbox.shopbase.fulfilling import Shipping
from deploy.sandbox.shopbase.listing import key_of, matching, spoilt_page
from deploy.sandbox.shopbase.query import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    OrderQuery,
    bounds_of,
    number_of,
    parse_query,
    within,
)
from deploy.sandbox.shopbase.refusals import RefusalError, json_response, wire_response
from deploy.sandbox.shopbase.registering import register_endpoints
from deploy.sandbox.shopbase.world import Fulfillment, Order
from deploy.sandbox.shopbase.zeros import Form, form_for

_ORDER = r"/orders/{order_id:\d+}"
_PARCEL = _ORDER + r"/fulfillments/{fulfillment_id:\d+}"


def endpoints() -> list[Endpoint]:
    """Every endpoint with its scope."""
    return [
        ("GET", "/shop.json", None, _shop),
        ("GET", "/orders.json", "read_orders", _list_orders),
        ("GET", "/orders/count.json", "read_orders", _count_orders),
        ("GET", f"{_ORDER}.json", "read_orders", _one_order),
        ("POST", f"{_ORDER}/cancel.json", "write_orders", _cancel_order),
        ("GET", f"{_ORDER}/transactions.json", "read_orders", _list_transactions),
        ("GET", f"{_ORDER}/refunds.json", "read_orders", _list_refunds),
        ("GET", f"{_ORDER}/fulfillments.json", "read_orders", _list_fulfillments),
        ("POST", f"{_ORDER}/fulfillments.json", "write_orders", _create_fulfillment),
        ("GET", f"{_ORDER}/fulfillments/count.json", "read_orders", _count_fulfillments),
        ("GET", f"{_PARCEL}.json", "read_orders", _one_fulfillment),
        ("PUT", f"{_PARCEL}.json", "write_orders", _update_fulfillment),
        ("POST", f"{_PARCEL}/complete.json", "write_orders", _move_fulfillment("success")),
        ("POST", f"{_PARCEL}/open.json", "write_orders", _move_fulfillment("open")),
        ("POST", f"{_PARCEL}/cancel.json", "write_orders", _move_fulfillment("cancelled")),
        *register_endpoints(),
    ]


async def _shop(call: Call) -> web.Response:
    body = shop_body(call.shop)
    return json_response({"shop": body} if call.platform.readings.wrap_shop else body)


async def _list_orders(call: Call) -> web.Response:
    parameters = await _parameters(call)
    query = parse_query(parameters, default_status=call.platform.readings.default_order_status)
    if query.over_ceiling:
        raise RefusalError(429, "page * limit must not exceed 100000")
    found = _matching(call, query)
    fault = call.platform.faults.draw_for_page(call.request.path_qs) if call.platform.faults else None
    rows = spoilt_page(call.shop, found, query, list_key=key_of(parameters), fault=fault)
    answer = wire_response(_orders_wire(call, rows, query))
    if fault == "moved_row" and rows:
        call.shop.touch(rows[0], call.platform.clock.now())
        call.platform.announcer.order(rows[0], "orders/updated")
    return answer


def _orders_wire(call: Call, rows: list[Order], query: OrderQuery) -> bytes:
    zero_values = call.platform.readings.zero_values
    if not rows and zero_values == "null":
        return b'{"orders":null}'
    wires = [order_wire(order, zero_values=zero_values) for order in rows]
    if query.fields:
        wires = [_only(wire, query.fields) for wire in wires]
    return b'{"orders":[%s]}' % b",".join(wires)


def _only(wire: bytes, fields: tuple[str, ...]) -> bytes:
    whole = orjson.loads(wire)
    return orjson.dumps({name: whole[name] for name in fields if name in whole})


async def _count_orders(call: Call) -> web.Response:
    query = parse_query(await _parameters(call), default_status=call.platform.readings.default_order_status)
    return json_response({"count": len(_matching(call, query))})


def _matching(call: Call, query: OrderQuery) -> list[Order]:
    readings = call.platform.readings
    behind = timedelta(seconds=readings.list_lag)
    return matching(
        call.shop,
        query,
        sort=readings.sort,
        visible_until=call.platform.clock.now() - behind if behind else None,
    )


async def _parameters(call: Call) -> Mapping[str, str]:
    """The query's parameters, or those of a body, which the Swagger draws, as the reading says."""
    heard = call.platform.readings.parameters
    found = {name: value for name, value in call.request.query.items() if name != "ids[]" and heard != "body"}
    if heard != "body" and (listed := call.request.query.getall("ids[]", [])):
        found["ids"] = ",".join(listed)
    if heard != "query" and call.request.can_read_body:
        try:
            body = orjson.loads(await call.request.read() or b"{}")
        except orjson.JSONDecodeError:
            raise RefusalError(400, "The body is not JSON") from None
        found |= {name: _as_text(value) for name, value in body.items()} if isinstance(body, dict) else {}
    return found


def _as_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


async def _one_order(call: Call) -> web.Response:
    wire = order_wire(call.order(), zero_values=call.platform.readings.zero_values)
    fields = tuple(filter(None, call.request.query.get("fields", "").split(",")))
    return wire_response(b'{"order":%s}' % (_only(wire, fields) if fields else wire))


async def _cancel_order(call: Call) -> web.Response:
    """An empty object cancels and refunds everything: what no sync may ever send."""
    order, platform = call.order(), call.platform
    if order.cancelled_at is not None:
        raise RefusalError(422, "Order is already cancelled")
    asked = {"action": "cancel", "reason": "other"}
    change_order(Change(order, asked, now=platform.clock.now(), ids=platform.ids, announcer=platform.announcer))
    return await _one_order(call)


async def _list_transactions(call: Call) -> web.Response:
    order = call.order()
    form = _form(call, order)
    return json_response({"transactions": [transaction_body(each, order, form) for each in order.transactions]})


async def _list_refunds(call: Call) -> web.Response:
    order = call.order()
    form = _form(call, order)
    return json_response({"refunds": form.rows([refund_body(each, order, form) for each in order.refunds])})


async def _list_fulfillments(call: Call) -> web.Response:
    """By `since_id` and `limit`: this list has no page numbers."""
    order, query = call.order(), call.request.query
    limit = min(number_of(query, "limit", default=DEFAULT_LIMIT, low=1), MAX_LIMIT)
    since = number_of(query, "since_id", default=0, low=0)
    bounds = bounds_of(query, "updated_at")
    form = _form(call, order)
    found = [sent for sent in order.fulfillments if sent.id > since and within(sent.updated_at, bounds)]
    return json_response({"fulfillments": form.rows([fulfillment_body(each, order, form) for each in found[:limit]])})


async def _count_fulfillments(call: Call) -> web.Response:
    return json_response({"count": len(call.order().fulfillments)})


async def _one_fulfillment(call: Call) -> web.Response:
    return _fulfillment_answer(call, _fulfillment(call))


async def _create_fulfillment(call: Call) -> web.Response:
    order = call.order()
    sent = fulfilling.create(await call.body("fulfillment"), _shipping(call, order))
    if call.platform.readings.wrap_created:
        return _fulfillment_answer(call, sent)
    return json_response(fulfillment_body(sent, order, _form(call, order)))


async def _update_fulfillment(call: Call) -> web.Response:
    sent = _fulfillment(call)
    fulfilling.update(sent, await call.body("fulfillment"), _shipping(call, call.order()))
    return _fulfillment_answer(call, sent)


def _move_fulfillment(status: str) -> Callable[[Call], Awaitable[web.Response]]:
    async def answer(call: Call) -> web.Response:
        sent = _fulfillment(call)
        fulfilling.move(sent, status, _shipping(call, call.order()))
        return _fulfillment_answer(call, sent)

    return answer


def _fulfillment(call: Call) -> Fulfillment:
    number = int(call.request.match_info["fulfillment_id"])
    for sent in call.order().fulfillments:
        if sent.id == number:
            return sent
    raise RefusalError(404, "Not Found")


def _fulfillment_answer(call: Call, sent: Fulfillment) -> web.Response:
    order = call.order()
    return json_response({"fulfillment": fulfillment_body(sent, order, _form(call, order))})


def _shipping(call: Call, order: Order) -> Shipping:
    platform = call.platform
    return Shipping(
        order=order,
        now=platform.clock.now(),
        ids=platform.ids,
        books=platform.books,
        announcer=platform.announcer,
        readings=platform.readings,
    )


def _form(call: Call, order: Order) -> Form:
    return form_for(order.number, zero_values=call.platform.readings.zero_values)
