"""Cuts numbered pages from a shop's orders, and spoils them when a fault asks for it.

A page is a place in a list that is made anew for every call: whoever joins or leaves the list between two calls moves
all rows behind it, which numbered pages then repeat or skip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from deploy.sandbox.faults import PageFault
from deploy.sandbox.shopbase.query import OrderQuery, within
from deploy.sandbox.shopbase.world import Order, Shop

Test = Callable[[Order], bool]


def matching(shop: Shop, query: OrderQuery, *, sort: str, visible_until: datetime | None) -> list[Order]:
    """All orders of the list, in its order; those changed after `visible_until` are not listed yet."""
    found = list(_candidates(shop, query))
    for test in _tests(query, visible_until):
        found = [order for order in found if test(order)]
    if query.since_id is not None:
        return sorted(found, key=_by_id)
    if sort == "updated":
        return sorted(found, key=lambda order: (order.updated_at, order.id), reverse=True)
    return sorted(found, key=_by_id, reverse=sort == "newest")


def page_of(found: list[Order], query: OrderQuery, *, shift: int = 0) -> list[Order]:
    """The rows of the asked page; with `since_id` the page number counts on from there."""
    start = max(0, (query.page - 1) * query.limit - shift)
    return found[start : start + query.limit]


def spoilt_page(
    shop: Shop, found: list[Order], query: OrderQuery, *, list_key: str, fault: PageFault | None
) -> list[Order]:
    """The page as it comes while the shop lives on.

    `repeated_row`: an order joined the front of the list since the page before, so every row from here on stands one
    place later. `moved_row` is the caller's, who writes the page before the change.
    """
    if query.page == 1:
        shop.shifts.pop(list_key, None)
    if fault == "empty_page":
        return []
    if fault == "repeated_row" and query.page > 1:
        shop.shifts[list_key] = shop.shifts.get(list_key, 0) + 1
    return page_of(found, query, shift=shop.shifts.get(list_key, 0))


def key_of(parameters: Mapping[str, str]) -> str:
    """What names a list whatever page of it is asked for."""
    return "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if name != "page")


def _by_id(order: Order) -> int:
    return order.id


def _candidates(shop: Shop, query: OrderQuery) -> Iterable[Order]:
    """The orders that the narrowest index leaves."""
    if query.ids is not None:
        return [shop.orders[number] for number in query.ids if number in shop.orders]
    for bounds, index in ((query.updated, shop.by_updated), (query.created, shop.by_created)):
        if bounds is not None:
            return [shop.orders[number] for number in index.window(*bounds)]
    return shop.orders.values()


def _tests(query: OrderQuery, visible_until: datetime | None) -> Iterable[Test]:
    """What the asked filters demand of an order, one test each."""
    if visible_until is not None:
        yield lambda order: order.updated_at <= visible_until
    yield from _place_tests(query)
    yield from _state_tests(query)


def _place_tests(query: OrderQuery) -> Iterable[Test]:
    since = query.since_id
    if since is not None:
        yield lambda order: order.id > since
    # Whoever came from the index of changes is within that window already.
    if query.updated and query.ids is not None:
        yield lambda order: within(order.updated_at, query.updated)
    if query.created and (query.updated or query.ids is not None):
        yield lambda order: within(order.created_at, query.created)
    if query.fulfilled:
        yield lambda order: within(order.fulfilled_at, query.fulfilled)


def _state_tests(query: OrderQuery) -> Iterable[Test]:
    if query.statuses:
        yield lambda order: order.status in query.statuses
    if query.financial:
        yield lambda order: order.financial in query.financial
    if query.fulfillment:
        yield lambda order: order.fulfillment_status in query.fulfillment
    if query.chargebacks:
        yield lambda order: order.chargeback in query.chargebacks
    if query.risk is not None:
        yield lambda order: order.risk is query.risk
    if query.texts:
        yield lambda order: all(_says(order, name, text) for name, text in query.texts.items())


def _says(order: Order, name: str, text: str) -> bool:
    match name:
        case "tag":
            return text in order.tags
        case "customer_email":
            return text.casefold() == order.buyer.email.casefold()
        case "tracking_number":
            return any(text in sent.numbers for sent in order.fulfillments)
        case "product_sku":
            return any(text.casefold() in line.sku.casefold() for line in order.lines)
        case "product_name":
            return any(text.casefold() in line.title.casefold() for line in order.lines)
    return text == str(6_000_000_000_000_000 + order.id % 1_000_000_000)
