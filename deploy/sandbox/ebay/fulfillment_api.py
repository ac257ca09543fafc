"""The Sell Fulfillment API over HTTP: getOrders, getOrder, and shipments; and who the seller is."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from deploy.sandbox.ebay.api import Call, Doors, created, json_answer, json_body, json_bytes
from deploy.sandbox.ebay.filtering import (
    UNENCODED,
    OrderQuery,
    parse_field_groups,
    parse_order_ids,
    parse_search,
)
from deploy.sandbox.ebay.ledger import Order
from deploy.sandbox.ebay.refusals import forbidden, refused
from deploy.sandbox.ebay.shipping import ship
from deploy.sandbox.ebay.subscribing import Switchboard
from deploy.sandbox.ebay.tokens import FULFILL, FULFILL_READ, IDENTITY
from deploy.sandbox.faults import Faults

BASE = "/sell/fulfillment/v1/order"
_READ = frozenset({FULFILL, FULFILL_READ})
_WRITE = frozenset({FULFILL})
_ORDER_ID = re.compile(r"\d{2}-\d{5}-\d{5}")


class FulfillmentApi:
    """The routes of one world."""

    def __init__(self, doors: Doors, switchboard: Switchboard, faults: Faults) -> None:
        self._doors = doors
        self._switchboard = switchboard
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """Every endpoint that this stand-in has of the API."""
        one = BASE + "/{order_id}"
        sent = one + "/shipping_fulfillment"
        read = {"quota": "fulfillment", "caller": "user", "scopes": _READ}
        route: Any = self._doors.route
        return [
            route("GET", BASE, self._list, **read),
            route("GET", one, self._one, **read),
            route("GET", sent, self._shipments, **read),
            route("GET", sent + "/{fulfillment_id}", self._shipment, **read),
            route("POST", sent, self._ship, quota="fulfillment", caller="user", scopes=_WRITE),
            route(
                "GET", "/commerce/identity/v1/user/", self._user, quota="identity", caller="user",
                scopes=frozenset({IDENTITY}),
            ),
        ]  # fmt: skip

    async def _list(self, call: Call) -> web.Response:
        self._must_hear_of_deletions(call)
        request, world = call.request, call.world
        if world.knobs.strict_encoding and UNENCODED.search(request.raw_path):
            raise refused(30800, "unencoded characters", field="filter")
        ids = parse_order_ids(request.query)
        if ids is not None:
            found = [order for each in ids if (order := world.readable(call.seller, each)) is not None]
            return self._page(call, found, OrderQuery(limit=max(1, len(ids))))
        now_ms = world.now_ms()
        query = parse_search(request.query, now_ms=now_ms)
        seen_until = now_ms - int(world.knobs.list_lag * 1000)
        found = call.seller.ledger.select(query, now_ms=now_ms, seen_until=seen_until, sort=world.knobs.sort)
        return self._page(call, found, query)

    def _page(self, call: Call, found: list[Order], query: OrderQuery) -> web.Response:
        fault = self._faults.draw_for_page(call.request.path_qs) if self._faults else None
        rows = found[query.offset : query.offset + query.limit]
        now_ms = call.world.now_ms()
        shown = [] if fault == "empty_page" else rows
        if fault == "repeated_row" and query.offset:
            shown = [*found[query.offset - 1 : query.offset], *rows]
        wires = [row.wire(now_ms=now_ms, single=False, tax_breakdown=query.tax_breakdown) for row in shown]
        if fault == "moved_row" and rows:
            # A row that was told already changes: it leaves a closed window of changes, and all that follow move up.
            call.world.touch(call.seller, rows[0])
        head = orjson.dumps(_links(call, query, total=len(found)))
        return json_bytes(b'%s,"orders":[%s]}' % (head[:-1], b",".join(wires)))

    async def _one(self, call: Call) -> web.Response:
        self._must_hear_of_deletions(call)
        tax_breakdown = parse_field_groups(call.request.query)
        order = _order(call, missing=404)
        return json_bytes(order.wire(now_ms=call.world.now_ms(), single=True, tax_breakdown=tax_breakdown))

    async def _shipments(self, call: Call) -> web.Response:
        order = _order(call, missing=400)
        return json_answer({"fulfillments": order.fulfillments, "total": len(order.fulfillments)})

    async def _shipment(self, call: Call) -> web.Response:
        order = _order(call, missing=400)
        wanted = call.request.match_info["fulfillment_id"]
        found = next((each for each in order.fulfillments if each["fulfillmentId"] == wanted), None)
        if found is None:
            return web.Response(status=404)
        return json_answer(found)

    async def _ship(self, call: Call) -> web.Response:
        order = _order(call, missing=400)
        number = ship(call.world, call.seller, order, await json_body(call.request))
        path = f"{BASE}/{order.order_id}/shipping_fulfillment/{number}"
        return created(call.world.base_url() + path)

    async def _user(self, call: Call) -> web.Response:
        seller = call.seller
        return json_answer(
            {
                "userId": seller.user_id,
                "username": seller.username,
                "accountType": "BUSINESS",
                "registrationMarketplaceId": seller.marketplace,
                "status": "CONFIRMED",
            }
        )

    def _must_hear_of_deletions(self, call: Call) -> None:
        if not call.world.knobs.require_account_deletion:
            return
        if not self._switchboard.listeners("MARKETPLACE_ACCOUNT_DELETION", user_id=None):
            raise forbidden()


def _order(call: Call, *, missing: int) -> Order:
    order_id = call.request.match_info["order_id"]
    if not _ORDER_ID.fullmatch(order_id):
        raise refused(32100, order_id, field="orderId")
    order = call.world.readable(call.seller, order_id)
    if order is None:
        raise refused(32100, order_id, field="orderId", status=missing)
    return order


def _links(call: Call, query: OrderQuery, *, total: int) -> dict[str, Any]:
    """The collection's own facts; `next` and `prev` are absent where there is nothing."""
    kept = [
        f"{name}={quote(call.request.query[name], safe=':,')}"
        for name in ("filter", "fieldGroups", "orderIds")
        if name in call.request.query
    ]

    def link(offset: int) -> str:
        return f"{call.world.base_url()}{BASE}?{'&'.join([*kept, f'limit={query.limit}', f'offset={offset}'])}"

    links: dict[str, Any] = {"href": link(query.offset), "total": total, "limit": query.limit, "offset": query.offset}
    if query.offset + query.limit < total:
        links["next"] = link(query.offset + query.limit)
    if query.offset:
        links["prev"] = link(max(0, query.offset - query.limit))
    return links
