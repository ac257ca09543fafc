"""A window is read to its end, every line of every order, at a price that Shopify accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas.order import RawOrder
from services.ingest.connector import Page, Unreadable, Window
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
