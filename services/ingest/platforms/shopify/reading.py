"""Reads a store's orders through GraphQL: pages by change time, every line of every order, and why one is on hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.reading import Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.parsing import parsed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import ShopifyClient, TooDear
from services.ingest.platforms.shopify.holding import Holds
from services.ingest.platforms.shopify.mapping import to_raw_order
from services.ingest.platforms.shopify.naming import ORDER, fulfillment_order_in
from services.ingest.platforms.shopify.paging import (
    MOST_ORDERS,
    SORTED_BY,
    Place,
    as_object,
    cursor_after,
    news_of,
    next_cursor,
    nodes_of,
    search_text,
    total_of,
)
from services.ingest.platforms.shopify.payloads import GraphqlOrder
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: Lines read with each order of a page: most orders have fewer, and every line asked for is paid for.
LINES = 5
#: Lines read at once of one order.
MORE_LINES = 50
#: Orders on a page until the first answer has told what they cost.
FIRST_ORDERS = 8
#: What a page may cost: below the 1,000 points of MAX_COST_EXCEEDED, with room for the count of the first page.
PAGE_COST = 950
#: What an order and each line asked for with it cost: 1 a point an object, as in `queries`.
ORDER_POINTS, LINE_POINTS = 10, 8
OLDEST_POINTS = 12
#: How often an order that changes while its lines are read is begun again.
_TRIES = 3
#: How far back orders are given without the scope read_all_orders.
HISTORY = timedelta(days=60)
ALL_ORDERS = "read_all_orders"


class OrderReader:
    """Reads the orders of any store. The page size follows what Shopify says a page costs."""

    def __init__(self, client: ShopifyClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._holds = Holds(client, clock)
        self._orders = FIRST_ORDERS

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page, without the order that the page before ended with."""
        place = Place.parse(after)
        answer = await self._page(access, window, place.cursor)
        total = total_of(answer) if after is None else place.total
        fetched_at = self._clock.now()
        connection = as_object(answer.get("orders"))
        nodes = nodes_of(connection)
        cursor = cursor_after(connection, nodes, asked=place.cursor)
        fresh, last = news_of(nodes, place, window.by)
        whole = [one for node in fresh if (one := await self._whole(access, node)) is not None]
        orders = [
            _to_order(node, access.store, way=way, fetched_at=fetched_at)
            for node in await self._holds.added_to(access, whole)
        ]
        # A page that was promised and then holds nothing ends no window: it may have been spoilt. Whoever reads next
        # begins at what was read for certain.
        is_read = cursor is None and (bool(nodes) or not (place.cursor or total))
        return Page(
            orders=tuple(orders),
            after=None if cursor is None else Place(cursor, total, last).text(),
            read_through=window.end if is_read else _moment(last, default=window.start),
            total=total,
        )

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, or None when Shopify has none of that id; it may be named by one of its fulfilment orders."""
        part = fulfillment_order_in(external_id)
        gid = f"{ORDER}{external_id}" if part is None else await self._order_of(access, part)
        node = await self._one(access, gid) if gid is not None else None
        if node is None:
            return None
        [node] = await self._holds.added_to(access, [node])
        return _to_order(node, access.store, way=way, fetched_at=self._clock.now())

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids, as many in a query as a page may hold."""
        found: dict[str, RawOrder | Unreadable | None] = {}
        rest = [number for number in dict.fromkeys(external_ids) if number.isascii() and number.isdecimal()]
        while rest:
            nodes = await self._nodes(access, rest)
            shown = [node for node in nodes if isinstance(node, dict)]
            whole = [one for node in shown if (one := await self._whole(access, node)) is not None]
            for node in await self._holds.added_to(access, whole):
                number = str(node["id"]).removeprefix(ORDER)
                found[number] = _to_order(node, access.store, way=way, fetched_at=self._clock.now())
            rest = rest[len(nodes) :]
        for number in external_ids:
            if number not in found:
                # What many were asked for and did not come is gone only if it does not come by itself, either.
                found[number] = await self.read_order(access, number, way=way)
        missing = [number for number, order in found.items() if order is None and number.isdecimal()]
        if missing and (first := await self._first_shown(access)) is not None:
            found |= {number: _not_shown(number) for number in missing if int(number) < first}
        return found

    async def _first_shown(self, access: Access) -> float | None:
        """Return the id of the oldest order that this app is shown; None where it is shown all there are.

        Without the scope for it, an order that is older than 60 days looks as if it were deleted. Ids rise with time.
        """
        answer = await self._ask(access, queries.OLDEST, {}, operation="Oldest", points=OLDEST_POINTS)
        scopes = as_object(answer.get("currentAppInstallation")).get("accessScopes") or ()
        if any(as_object(scope).get("handle") == ALL_ORDERS for scope in scopes):
            return None
        shown = [node.get("legacyResourceId") for node in nodes_of(as_object(answer.get("orders")))]
        return int(shown[0]) if shown and isinstance(shown[0], str) and shown[0].isdecimal() else math.inf

    async def _nodes(self, access: Access, numbers: list[str]) -> list[Any]:
        """Return the first of these orders, each in its place, as many as one query may cost."""
        while True:
            asked = [f"{ORDER}{number}" for number in numbers[: self._orders]]
            try:
                answer = await self._ask(
                    access,
                    queries.SOME_ORDERS,
                    {"ids": asked, "lines": LINES},
                    operation="SomeOrders",
                    points=_points(len(asked), lines=LINES),
                )
            except TooDear:
                self._shrink()
                continue
            nodes = answer.get("nodes")
            if not isinstance(nodes, list) or not _answers(nodes, asked):
                raise TransientError("Shopify's answer does not hold the orders that were asked for", retry_after=1)
            return nodes

    async def _page(self, access: Access, window: Window, after: str | None) -> dict[str, Any]:
        document, operation = (queries.FIRST_PAGE, "FirstPage") if after is None else (queries.NEXT_PAGE, "NextPage")
        while True:
            orders = self._orders
            variables = {
                "search": search_text(window),
                "sort": SORTED_BY[window.by],
                "orders": orders,
                "lines": LINES,
                "after": after,
            }
            try:
                answer = await self._ask(
                    access, document, variables, operation=operation, points=_points(orders, lines=LINES)
                )
            except TooDear:
                self._shrink()
                continue
            self._fit_page(orders, self._client.cost_of(operation))
            return answer

    def _shrink(self) -> None:
        if self._orders == 1:
            raise TransientError("Shopify finds a page of a single order too dear") from None
        self._orders = max(1, self._orders // 2)

    def _fit_page(self, orders: int, cost: float | None) -> None:
        """Choose the next page's size so that it costs about `PAGE_COST`."""
        if cost is not None and cost > 0:
            self._orders = max(1, min(MOST_ORDERS, int(PAGE_COST * orders / cost)))

    async def _whole(self, access: Access, node: dict[str, Any]) -> dict[str, Any] | None:
        """Return the order with all its lines; None when it is gone meanwhile."""
        if not _has_more_lines(node) or await self._append_lines(access, node):
            return node
        return await self._one(access, str(node.get("id")))

    async def _one(self, access: Access, gid: str) -> dict[str, Any] | None:
        for _ in range(_TRIES):
            variables = {"id": gid, "lines": MORE_LINES}
            answer = await self._ask(
                access, queries.ONE_ORDER, variables, operation="OneOrder", points=_points(1, lines=MORE_LINES)
            )
            node = answer.get("order")
            if not isinstance(node, dict):
                return None
            if await self._append_lines(access, node):
                return node
        raise TransientError("the order kept changing while its lines were read", retry_after=1)

    async def _append_lines(self, access: Access, node: dict[str, Any]) -> bool:
        """Read the rest of the lines into `node`; False when the order changed meanwhile, so they do not fit."""
        lines = as_object(node.get("lineItems"))
        while (cursor := next_cursor(lines)) is not None:
            variables = {"id": node["id"], "lines": MORE_LINES, "after": cursor}
            answer = await self._ask(
                access, queries.MORE_LINES, variables, operation="MoreLines", points=_points(1, lines=MORE_LINES)
            )
            order = as_object(answer.get("order"))
            if order.get("updatedAt") != node.get("updatedAt"):
                return False
            more = as_object(order.get("lineItems"))
            lines["nodes"] = [*(lines.get("nodes") or ()), *(more.get("nodes") or ())]
            lines["pageInfo"] = more.get("pageInfo")
        return True

    async def _order_of(self, access: Access, gid: str) -> str | None:
        answer = await self._ask(access, queries.ORDER_OF, {"id": gid}, operation="OrderOf", points=1)
        found = as_object(answer.get("fulfillmentOrder")).get("orderId")
        return found if isinstance(found, str) else None

    async def _ask(
        self, access: Access, document: str, variables: Mapping[str, object], *, operation: str, points: float
    ) -> dict[str, Any]:
        secrets = access.secrets
        return await self._client.graphql(
            secrets["shop"], secrets["access_token"], document, variables, operation=operation, points=points
        )


def _to_order(node: dict[str, Any], store: StoreRef, *, way: Way, fetched_at: datetime) -> RawOrder | Unreadable:
    body = orjson.dumps(node).decode()
    try:
        return to_raw_order(parsed(GraphqlOrder, node), store, body=body, way=way, fetched_at=fetched_at)
    except UnreadablePayload as error:
        external_id = node.get("legacyResourceId")
        return Unreadable(
            external_id=str(external_id) if external_id else None, path=error.path, problem=error.problem, body=body
        )


def reaches_back_to(
    secrets: Mapping[str, str], capabilities: tuple[Capability, ...], *, now: datetime
) -> datetime | None:
    """Return since when orders are given: without a limit only to apps that may read all orders."""
    del secrets
    is_limited = any(one.name == "history" and one.allowed is False for one in capabilities)
    return now - HISTORY if is_limited else None


def _points(orders: int, *, lines: int) -> float:
    """Return what so many orders with so many lines each cost before they are read."""
    return orders * (ORDER_POINTS + lines * LINE_POINTS)


def _moment(mark: tuple[str, str] | None, *, default: datetime) -> datetime:
    """Return the time of the last order read: all before it is read."""
    return datetime.fromisoformat(mark[1]) if mark else default


def _not_shown(number: str) -> Unreadable:
    problem = f"Shopify shows this app orders of the last {HISTORY.days} days only, and this one is older"
    return Unreadable(external_id=number, path="id", problem=problem, body="null")


def _answers(nodes: Sequence[Any], asked: Sequence[str]) -> bool:
    """Tell whether each node is the order that was asked for in its place, or null."""
    return len(nodes) == len(asked) and all(
        node is None or as_object(node).get("id") == gid for node, gid in zip(nodes, asked, strict=True)
    )


def _has_more_lines(node: Mapping[str, Any]) -> bool:
    return next_cursor(as_object(node.get("lineItems"))) is not None
