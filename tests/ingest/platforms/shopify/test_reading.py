"""A window is read to its end, every line of every order, at a price that Shopify accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.naming import by_fulfillment_order
from services.kit.errors import TransientError
from tests.ingest.platforms.shopify.shop import ACCESS, NOW, Shop, connector, node

HOUR = Window(NOW - timedelta(hours=1), NOW)


async def read_window(shop: Shop, window: Window = HOUR) -> list[Page]:
    reader = connector(shop)
    pages = [await reader.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await reader.read_page(ACCESS, window, after=after, way="poll"))
    return pages


def ids(pages: list[Page]) -> list[str | None]:
    return [order.external_id for page in pages for order in page.orders]


async def test_every_order_of_the_window_is_read_once_and_in_turn() -> None:
    shop = Shop([node(number) for number in range(200)])

    pages = await read_window(shop)

    assert ids(pages) == [str(number) for number in range(200)]
    assert {page.total for page in pages} == {200}


async def test_the_search_asks_for_whole_seconds_in_utc_and_stays_the_same_while_paging() -> None:
    shop = Shop([node(number) for number in range(100)])
    east = timezone(timedelta(hours=7))
    window = Window(
        datetime(2026, 11, 23, 15, 0, 0, 900_000, tzinfo=east), datetime(2026, 11, 23, 16, 0, 0, 100_000, tzinfo=east)
    )

    await read_window(shop, window)

    searches = {variables["search"] for _, variables in shop.asked}
    assert {variables["sort"] for _, variables in shop.asked} == {"UPDATED_AT"}
    assert searches == {"updated_at:>='2026-11-23T08:00:00Z' AND updated_at:<'2026-11-23T09:00:01Z'"}


async def test_what_is_read_through_is_the_last_change_and_at_the_end_the_window() -> None:
    shop = Shop([node(number) for number in range(40)])

    pages = await read_window(shop)

    *earlier, last = pages
    for page in earlier:
        final = page.orders[-1]
        assert isinstance(final, RawOrder)
        assert page.read_through == final.revised_at
    assert last.read_through == HOUR.end


async def test_an_empty_window_is_one_empty_page() -> None:
    [page] = await read_window(Shop())

    assert (page.orders, page.after, page.read_through, page.total) == ((), None, HOUR.end, 0)


async def test_the_page_grows_to_what_the_points_allow() -> None:
    shop = Shop([node(number) for number in range(400)], order_cost=1)

    await read_window(shop)

    sizes = [variables["orders"] for _, variables in shop.asked]
    assert sizes[0] < sizes[1] <= 1000 / 6


async def test_a_page_that_is_too_dear_is_asked_for_smaller() -> None:
    shop = Shop([node(number) for number in range(30)], order_cost=300)

    pages = await read_window(shop)

    assert ids(pages) == [str(number) for number in range(30)]
    assert max(variables["orders"] for _, variables in shop.asked[4:]) <= 3


async def test_an_order_that_is_too_dear_alone_is_no_endless_loop() -> None:
    shop = Shop([node(1)], order_cost=5000)

    with pytest.raises(TransientError):
        await read_window(shop)

    assert len(shop.asked) < 10


async def test_an_order_with_many_lines_is_read_to_its_last_line() -> None:
    shop = Shop([node(1), node(2, lines=123), node(3, lines=6)])

    pages = await read_window(shop)

    lines = [len(order.items) for page in pages for order in page.orders if isinstance(order, RawOrder)]
    assert lines == [1, 123, 6]


async def test_an_order_that_changes_while_its_lines_are_read_is_read_anew() -> None:
    shop = Shop([node(1, lines=8)])

    def change_once(operation: str) -> None:
        if operation == "MoreLines" and shop.orders[0]["updatedAt"].endswith(":01Z"):
            shop.orders[0] = node(1, lines=9, updatedAt="2026-11-23T08:30:00Z", name="#changed")

    shop.meanwhile = change_once

    [page] = await read_window(shop)

    [order] = page.orders
    assert isinstance(order, RawOrder)
    assert (order.display_name, len(order.items)) == ("#changed", 9)


async def test_an_order_that_is_gone_before_its_lines_are_read_is_left_out() -> None:
    shop = Shop([node(1, lines=8), node(2)])

    def delete(operation: str) -> None:
        if operation == "MoreLines":
            shop.orders = shop.orders[1:]

    shop.meanwhile = delete

    assert ids(await read_window(shop)) == ["2"]


async def test_an_unreadable_order_does_not_stop_the_page() -> None:
    shop = Shop([node(1), node(2, displayFinancialStatus="NEW_ONE"), node(3), node(4, legacyResourceId=None)])

    [page] = await read_window(shop)

    problems = [order for order in page.orders if isinstance(order, Unreadable)]
    assert [(problem.external_id, problem.path) for problem in problems] == [
        ("2", "displayFinancialStatus"),
        (None, "legacyResourceId"),
    ]
    assert len(page.orders) == 4


async def test_why_an_order_is_on_hold_is_read_with_it() -> None:
    shop = Shop([node(1), node(2, displayFulfillmentStatus="ON_HOLD")], holds=["INCORRECT_ADDRESS"])

    [page] = await read_window(shop)

    assert [order.holds for order in page.orders if isinstance(order, RawOrder)] == [(), ("incorrect_address",)]


async def test_one_order_is_read_by_its_id() -> None:
    shop = Shop([node(7, lines=60)])

    order = await connector(shop).read_order(ACCESS, "7", way="webhook")

    assert isinstance(order, RawOrder)
    assert (order.external_id, order.way, len(order.items)) == ("7", "webhook", 60)


async def test_an_order_that_shopify_does_not_have_is_none() -> None:
    assert await connector(Shop()).read_order(ACCESS, "7", way="poll") is None


async def test_times_of_the_order_are_utc() -> None:
    [page] = await read_window(Shop([node(61)]))

    [order] = page.orders
    assert isinstance(order, RawOrder)
    assert order.revised_at == datetime(2026, 11, 23, 8, 1, 1, tzinfo=UTC)


async def test_no_page_is_larger_than_shopify_allows() -> None:
    shop = Shop([node(number) for number in range(600)], order_cost=-3)

    await read_window(shop)

    assert max(variables["orders"] for _, variables in shop.asked) == 250


@pytest.mark.parametrize("cursor", [None, "8"])
async def test_an_empty_page_in_the_middle_is_asked_for_again(cursor: str | None) -> None:
    def spoil(page: int, connection: dict[str, Any]) -> dict[str, Any]:
        empty = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": cursor}}
        return empty if page == 2 else connection

    shop = Shop([node(number) for number in range(60)], spoil=spoil)
    reader = connector(shop)
    first = await reader.read_page(ACCESS, HOUR, after=None, way="poll")

    with pytest.raises(TransientError, match="more follow"):
        await reader.read_page(ACCESS, HOUR, after=first.after, way="poll")

    again = await reader.read_page(ACCESS, HOUR, after=first.after, way="poll")
    assert ids([again])[0] == str(len(first.orders))


async def test_an_empty_page_with_a_cursor_of_its_own_is_passed() -> None:
    def spoil(page: int, connection: dict[str, Any]) -> dict[str, Any]:
        empty = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "08"}}
        return empty if page == 2 else connection

    pages = await read_window(Shop([node(number) for number in range(60)], spoil=spoil))

    assert pages[1].orders == ()
    assert pages[1].read_through == pages[0].read_through
    assert {str(number) for number in range(60)} == set(ids(pages))


async def test_a_promised_page_that_holds_nothing_does_not_end_the_window() -> None:
    def spoil(page: int, connection: dict[str, Any]) -> dict[str, Any]:
        return connection if page == 1 else {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    first, second = await read_window(Shop([node(number) for number in range(60)], spoil=spoil))

    assert (second.orders, second.after) == ((), None)
    assert second.read_through == first.read_through < HOUR.end


async def test_a_first_page_that_belies_its_own_count_does_not_end_the_window() -> None:
    def spoil(_page: int, _connection: dict[str, Any]) -> dict[str, Any]:
        return {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    [page] = await read_window(Shop([node(1)], spoil=spoil))

    assert page.read_through == HOUR.start


async def test_the_last_order_of_a_page_is_not_given_again_by_the_next() -> None:
    held: list[dict[str, Any]] = []

    def spoil(_page: int, connection: dict[str, Any]) -> dict[str, Any]:
        nodes = [*held[-1:], *connection["nodes"]]
        held[:] = connection["nodes"]
        return connection | {"nodes": nodes}

    pages = await read_window(Shop([node(number) for number in range(60)], spoil=spoil))

    assert ids(pages) == [str(number) for number in range(60)]


async def test_a_revision_that_came_between_two_pages_is_given() -> None:
    def spoil(page: int, connection: dict[str, Any]) -> dict[str, Any]:
        nodes = connection["nodes"]
        newer = nodes[0] | {"id": "gid://shopify/Order/3", "legacyResourceId": "3", "name": "#newer"}
        return connection | {"nodes": [newer, *nodes]} if page == 2 else connection

    pages = await read_window(Shop([node(number) for number in range(60)], spoil=spoil))

    assert "#newer" in [order.display_name for page in pages for order in page.orders if isinstance(order, RawOrder)]


async def test_an_order_that_is_listed_as_nothing_is_not_passed_over_in_silence() -> None:
    def spoil(_page: int, connection: dict[str, Any]) -> dict[str, Any]:
        return connection | {"nodes": [None, *connection["nodes"]]}

    [page] = await read_window(Shop([node(1)], spoil=spoil))

    assert isinstance(page.orders[0], Unreadable)
    assert page.orders[0].path == "legacyResourceId"


async def test_an_order_is_found_by_one_of_its_fulfilment_orders() -> None:
    reader = connector(Shop([node(7)]))

    order = await reader.read_order(ACCESS, by_fulfillment_order("97"), way="webhook")

    assert isinstance(order, RawOrder)
    assert order.external_id == "7"
    assert await reader.read_order(ACCESS, by_fulfillment_order("98"), way="webhook") is None


async def test_each_window_begins_some_minutes_before_the_end_of_the_former_for_searches_lag() -> None:
    assert connector(Shop()).pace.overlap >= timedelta(minutes=2)


async def test_the_default_sort_of_shopify_is_never_relied_on() -> None:
    for document in (queries.FIRST_PAGE, queries.NEXT_PAGE):
        assert "$sort: OrderSortKeys!" in document
        assert "sortKey: $sort, reverse: false" in document


@pytest.mark.parametrize(
    "reason",
    [
        "AWAITING_PAYMENT",
        "HIGH_RISK_OF_FRAUD",
        "INCORRECT_ADDRESS",
        "INVENTORY_OUT_OF_STOCK",
        "UNKNOWN_DELIVERY_DATE",
        "ONLINE_STORE_POST_PURCHASE_CROSS_SELL",
        "AWAITING_RETURN_ITEMS",
        "OTHER",
    ],
)
async def test_every_reason_of_a_hold_is_told(reason: str) -> None:
    shop = Shop([node(2, displayFulfillmentStatus="ON_HOLD")], holds=[reason])

    order = await connector(shop).read_order(ACCESS, "2", way="poll")

    assert isinstance(order, RawOrder)
    assert order.holds == (reason.lower(),)
