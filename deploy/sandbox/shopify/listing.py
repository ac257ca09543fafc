"""Lists orders: filtered by the search syntax, sorted, and paged by cursor, at the cost of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from deploy.sandbox.shopify.paging import (
    BadRequestError,
    Connection,
    decode_cursor,
    encode_cursor,
    page_size,
    take_page,
)
from deploy.sandbox.shopify.requesting import Request
from deploy.sandbox.shopify.search import Search, Span, parse_search
from deploy.sandbox.shopify.world import Order, Store, Timeline

#: How far back an app sees orders without the scope read_all_orders.
RECENT = timedelta(days=60)

#: Sort key -> the kept order, the search field that can seek in it, and the sorted value.
_SORTS: dict[str, tuple[Callable[[Store], Timeline], str, Callable[[Order], float]]] = {
    "UPDATED_AT": (lambda store: store.by_updated, "updated_at", lambda order: order.updated_at.timestamp()),
    "CREATED_AT": (lambda store: store.by_created, "created_at", lambda order: order.created_at.timestamp()),
    "PROCESSED_AT": (lambda store: store.by_created, "processed_at", lambda order: order.created_at.timestamp()),
    "ID": (lambda store: store.by_id, "", lambda _order: 0.0),
}


def list_orders(arguments: Mapping[str, Any], request: Request) -> Connection:
    """One page of `QueryRoot.orders`; paging backwards by `last` and `before` is not served."""
    if arguments.get("last") is not None or arguments.get("before") is not None:
        raise BadRequestError("this stand-in pages orders forwards only")
    sort = _SORTS.get(arguments["sortKey"])
    if sort is None:
        raise BadRequestError(f"this stand-in does not sort orders by {arguments['sortKey']}")
    timeline, name, value = sort
    size = page_size(arguments)
    after = decode_cursor(arguments["after"]) if arguments.get("after") else None
    search = parse_search(arguments.get("query") or "", request.store.zone)
    span = search.spans.get(name, Span())
    fault = request.page_fault()
    if fault == "empty_page":
        return Connection((), lambda _order: arguments["after"], has_next=True, has_previous=after is not None)

    def read() -> Connection:
        places = timeline(request.store).walk(
            start=span.start, end=span.end, after=after, backwards=bool(arguments.get("reverse"))
        )
        return take_page(
            _visible((request.store.orders[ident] for _, ident in places), search, request),
            size,
            cursor=lambda order: encode_cursor(order.id, value(order)),
            has_previous=after is not None,
        )

    page = read()
    if fault == "moved_row" and page.nodes:
        # The page's last order changes just before it is told, and so leaves the page for a later one.
        request.store.touch(page.nodes[-1], request.now)
        page = read()
    if fault == "repeated_row" and after is not None and after[1] in request.store.orders:
        return replace(page, nodes=[request.store.orders[after[1]], *page.nodes][:size])
    return page


def count_orders(arguments: Mapping[str, Any], request: Request) -> tuple[int, str]:
    """The number of orders that match, at most `limit`, and its precision."""
    search = parse_search(arguments.get("query") or "", request.store.zone)
    count = sum(1 for _ in _visible(iter(request.store.orders.values()), search, request))
    limit = arguments.get("limit")
    return (limit, "AT_LEAST") if limit is not None and count > limit else (count, "EXACT")


def may_see(order: Order, request: Request) -> bool:
    """Whether the app's scopes reach this order's age."""
    return "read_all_orders" in request.access.scopes or order.created_at >= request.now - RECENT


def _visible(orders: Iterator[Order], search: Search, request: Request) -> Iterator[Order]:
    oldest = request.now - RECENT
    sees_all = "read_all_orders" in request.access.scopes
    newest = request.now - timedelta(seconds=request.search_lag) if request.search_lag else None
    matches = search.matches
    for order in orders:
        if (sees_all or order.created_at >= oldest) and (newest is None or order.updated_at <= newest):  # noqa: SIM102
            if matches(order):
                yield order
