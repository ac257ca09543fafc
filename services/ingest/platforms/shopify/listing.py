"""Counts a store's orders and lists their ids and times, at a point an order, paged as whole orders are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.ingest.contract.reading import Listing, UnreadablePayload, Window
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import ShopifyClient, TooDear
from services.ingest.platforms.shopify.paging import (
    MOST_ORDERS,
    SORTED_BY,
    Place,
    as_object,
    cursor_after,
    news_of,
    nodes_of,
    search_text,
    total_of,
)
from services.ingest.platforms.shopify.payloads import GraphqlListed
from services.ingest.usual import listed_changes
from services.kit.errors import TransientError

#: Points of an order in a list, and of a count.
ORDER_POINTS, COUNT_POINTS = 1, 1
_SECOND = timedelta(seconds=1)


class OrderLister:
    """Lists the orders of any store. The page size follows what Shopify allows a page to cost."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client
        self._orders = MOST_ORDERS

    async def count(self, access: Access, window: Window) -> int | None:
        """Return how many orders the window holds; None where Shopify only says that it is at least so many."""
        answer = await self._ask(
            access, queries.COUNT, {"search": search_text(window)}, operation="CountOrders", points=COUNT_POINTS
        )
        return total_of(answer)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """Return one page of the list, without the order that the page before ended with."""
        place = Place.parse(after)
        answer = await self._page(access, window, place.cursor)
        total = total_of(answer) if after is None else place.total
        connection = as_object(answer.get("orders"))
        nodes = nodes_of(connection)
        cursor = cursor_after(connection, nodes, asked=place.cursor)
        fresh, last = news_of(nodes, place, window.by)
        if cursor is None and not nodes and (place.cursor or total):
            await self._make_sure_of_the_end(access, window, last)
        return Listing(
            orders=listed_changes([_listed(node, window) for node in fresh], window),
            after=None if cursor is None else Place(cursor, total, last).text(),
            total=total,
        )

    async def _make_sure_of_the_end(self, access: Access, window: Window, last: tuple[str, str] | None) -> None:
        """Refuse a page that was promised and is empty, unless nothing is left: the rest changed meanwhile."""
        start = window.start if last is None else datetime.fromisoformat(last[1]) + _SECOND
        if start < window.end and await self.count(access, Window(start, window.end, window.by)) != 0:
            raise TransientError("Shopify gave a page without orders though more follow", retry_after=1)

    async def _page(self, access: Access, window: Window, after: str | None) -> dict[str, Any]:
        document, operation = (queries.FIRST_LIST, "FirstList") if after is None else (queries.NEXT_LIST, "NextList")
        while True:
            variables = {
                "search": search_text(window),
                "sort": SORTED_BY[window.by],
                "orders": self._orders,
                "after": after,
            }
            points = self._orders * ORDER_POINTS + COUNT_POINTS
            try:
                return await self._ask(access, document, variables, operation=operation, points=points)
            except TooDear:
                if self._orders == 1:
                    raise TransientError("Shopify finds a list of a single order too dear") from None
                self._orders //= 2

    async def _ask(
        self, access: Access, document: str, variables: Mapping[str, object], *, operation: str, points: float
    ) -> dict[str, Any]:
        secrets = access.secrets
        return await self._client.graphql(
            secrets["shop"], secrets["access_token"], document, variables, operation=operation, points=points
        )


def _listed(node: dict[str, Any], window: Window) -> tuple[str | None, datetime | None]:
    """Return an order's id and time, as the mapping reads them."""
    try:
        order = parsed(GraphqlListed, node)
    except UnreadablePayload:
        number = node.get("legacyResourceId")
        return str(number) if number else None, None
    placed_at = order.processed_at or order.created_at
    return order.legacy_resource_id, placed_at if window.by == "created" else order.updated_at
