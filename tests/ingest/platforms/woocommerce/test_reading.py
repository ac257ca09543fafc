"""A window of orders is read whole on every kind of store, whatever moves, repeats or vanishes while it is read."""

from __future__ import annotations

import random
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.twin_http import Asked, answer
from tests.ingest.platforms.woocommerce.shop import (
    ACCESS,
    HOUR_AGO,
    NOW,
    Shop,
    access,
    asked_of,
    connector,
    error,
    reader,
)

HOUR = Window(NOW - timedelta(hours=1), NOW)


async def read_window(shop: Shop, window: Window = HOUR) -> list[Page]:
    return await read_pages(reader(shop), window)


async def read_pages(found: WooCommerceConnector, window: Window = HOUR) -> list[Page]:
    pages = [await found.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, window, after=after, way="poll"))
        assert len(pages) < 2000
    return pages


def ids(pages: list[Page]) -> list[int]:
    return [int(order.external_id or 0) for page in pages for order in page.orders]


async def test_every_order_is_read_once_and_in_turn() -> None:
    shop = Shop({number: number for number in range(1, 451)})

    pages = await read_window(shop)

    assert ids(pages) == list(range(1, 451))
    assert {page.total for page in pages} == {450}
    assert pages[-1].read_through == HOUR.end


async def test_the_window_is_closed_by_exclusive_bounds_of_bare_utc_with_its_flag() -> None:
    shop = Shop({1: 0, 2: 1, 3: 59, 4: 60, 5: -1})

    pages = await read_window(shop, Window(HOUR.start, HOUR.start + timedelta(seconds=60)))

    assert ids(pages) == [1, 2, 3]
    query = {name: value for name, value in shop.windows[0].items() if name != "_"}
    assert query == {
        "modified_after": "2026-11-23T07:59:59",
        "modified_before": "2026-11-23T08:01:00",
        "dates_are_gmt": "true",
        "orderby": "modified",
        "order": "asc",
        "per_page": "100",
        "dp": "6",
    }


async def test_no_page_by_number_and_no_offset_is_asked_for_while_orders_spread_over_seconds() -> None:
    shop = Shop({number: number // 3 for number in range(1, 1_001)})

    pages = await read_window(shop)

    assert ids(pages) == list(range(1, 1_001))
    assert not any({"page", "offset"} & set(query) for query in shop.queries)


async def test_many_orders_of_one_second_are_read() -> None:
    shop = Shop(dict.fromkeys(range(1, 701), 7) | {2000: 8, 2001: 3})

    found = ids(await read_window(shop))

    assert sorted(found) == [*range(1, 701), 2000, 2001]


async def test_parts_of_seconds_widen_the_window_to_whole_ones() -> None:
    shop = Shop({1: 0, 2: 1, 3: 2})
    half = timedelta(seconds=0.5)

    pages = await read_window(shop, Window(HOUR.start + half, HOUR.start + timedelta(seconds=1) + half))

    assert ids(pages) == [1, 2]


async def test_an_empty_or_upside_down_window_is_one_empty_page() -> None:
    [page] = await read_window(Shop())
    [upside_down] = await read_window(Shop({1: 1}), Window(HOUR.end, HOUR.start))

    assert (page.orders, page.after, page.total, page.read_through) == ((), None, 0, HOUR.end)
    assert upside_down.orders == ()


async def test_an_order_of_page_one_that_changes_before_page_two_makes_none_be_skipped() -> None:
    shop = Shop({number: number for number in range(1, 301)})
    shop.meanwhile = lambda query: shop.seconds.update({query: 5_000})  # now: after the window

    found = ids(await read_window(shop))

    assert set(range(10, 301)) <= set(found)
    assert len(found) == len(set(found))


async def test_when_many_leave_a_crowded_second_it_is_read_again() -> None:
    shop = Shop(dict.fromkeys(range(1, 501), 7))

    def leave(query: int) -> None:
        if query == 5:
            for number in range(1, 150):
                shop.seconds[number] = 5_000

    shop.meanwhile = leave

    assert set(range(150, 501)) <= set(ids(await read_window(shop)))


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(("filters", "second"), [(True, 7), (False, -7)])
async def test_a_page_that_lies_past_the_end_by_now_begins_that_list_again(
    *, filters: bool, second: int, refuses: bool
) -> None:
    last = dict.fromkeys(range(470, 501), 7)
    shop = Shop(dict.fromkeys(range(1, 470), second) | last, filters=filters, refuses_past_end=refuses)

    def leave(query: int) -> None:
        # All but the last: what is asked for next begins behind them.
        if query == 6:
            shop.seconds = last

    shop.meanwhile = leave

    found = ids(await read_window(shop))

    assert any(int(query.get("offset", 0)) > len(last) for query in shop.queries[5:])
    assert set(last) <= set(found)
    # Only a store that cannot filter is read whole.
    assert any("modified_after" not in query for query in shop.windows) is not filters


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    seconds=st.integers(1, 20),
    count=st.integers(1, 300),
    pace=st.integers(0, 40),
    filters=st.booleans(),
)
async def test_whatever_changes_while_reading_nothing_that_stays_is_missed(
    seed: int,
    seconds: int,
    count: int,
    pace: int,
    filters: bool,  # noqa: FBT001
) -> None:
    rng = random.Random(seed)
    shop = Shop({number: rng.randrange(seconds) for number in range(1, count + 1)}, filters=filters)
    changed: set[int] = set()

    def change_some(_query: int) -> None:
        for _ in range(pace):
            number = rng.randint(1, count)
            changed.add(number)
            shop.seconds[number] = 5_000

    shop.meanwhile = change_some

    found = ids(await read_window(shop))

    assert set(shop.seconds) - changed <= set(found)


async def test_what_is_read_through_is_never_later_than_what_was_given() -> None:
    shop = Shop({number: number // 40 for number in range(1, 1001)}, trash={5000: 3})

    given_by: list[int] = []
    for page in await read_window(shop):
        given_by += [shop.seconds.get(int(order.external_id or 0), 3) for order in page.orders]
        through = page.read_through.timestamp() - HOUR_AGO
        missing = [second for second in (*shop.seconds.values(), 3) if second < through]
        assert len([second for second in given_by if second < through]) == len(missing)


async def test_the_trash_is_asked_for_by_itself_and_before_anything_counts_as_read() -> None:
    shop = Shop({1: 1}, trash={2: 2, 3: 9000}, fields={2: {"status": "trash"}})

    pages = await read_window(shop)

    assert ids(pages) == [2, 1]
    assert [query.get("status") for query in shop.queries] == ["trash", None]
    assert [page.read_through for page in pages] == [HOUR.start, HOUR.end]
    assert [page.total for page in pages] == [None, 2]
    [trashed] = pages[0].orders
    assert isinstance(trashed, RawOrder)
    assert trashed.cancelled_at is not None


async def test_while_the_trash_is_read_nothing_else_counts_as_read() -> None:
    shop = Shop({1: 1, 2: 900}, trash={number: number for number in range(1000, 1250)})

    pages = await read_window(shop)

    assert len(set(ids(pages))) == 252
    assert [page.read_through for page in pages[:3]] == [HOUR.start] * 3


@pytest.mark.parametrize(
    "old", [{"filters": False}, {"filters": False, "sorts": False}, {"filters": False, "refuses_to_sort": True}]
)
async def test_a_store_that_ignores_the_filter_by_change_time_is_read_whole_and_sifted(old: dict[str, bool]) -> None:
    rng = random.Random(7)
    seconds = {number: rng.randrange(-90_000, 3_600) for number in range(1, 901)}
    shop = Shop(seconds, trash={5000: 9, 5001: -9}, **old)  # type: ignore[arg-type]

    pages = await read_window(shop)

    within = {number for number, second in seconds.items() if second >= 0}
    assert set(ids(pages)) == within | {5000}
    assert {page.read_through for page in pages[:-1]} <= {HOUR.start}
    assert pages[-1].read_through == HOUR.end


async def test_a_store_read_whole_loses_none_when_orders_before_the_page_are_erased() -> None:
    shop = Shop({number: number - 500 for number in range(1, 901)}, filters=False)

    def erase(query: int) -> None:
        for number in range(query * 10, query * 10 + 5):
            shop.seconds.pop(number, None)

    shop.meanwhile = erase

    assert set(range(500, 901)) <= set(ids(await read_window(shop)))


async def test_a_row_told_twice_across_pages_is_given_once() -> None:
    shop = Shop({number: number for number in range(1, 251)})

    def repeat(asked: Asked) -> HttpAnswer:
        told = shop.answer(asked)
        rows = told.json()
        path, query = asked_of(asked)
        after = query.get("modified_after", "")
        if path == "/wc/v3/orders" and rows and after > "2026-11-23T08:00:30":
            rows = [shop.order(rows[0]["id"] - 1, shop.seconds[rows[0]["id"] - 1]), *rows]
        return answer(rows, headers=dict(told.headers))

    pages = await read_pages(connector(repeat)[0])

    assert ids(pages) == list(range(1, 251))


async def test_an_empty_page_where_the_store_counts_orders_is_no_end() -> None:
    shop = Shop({number: number for number in range(1, 251)})
    cut = [3]

    def empty(asked: Asked) -> HttpAnswer:
        told = shop.answer(asked)
        if cut and len(shop.queries) == cut[0]:
            cut.pop()
            return answer([], headers=dict(told.headers))
        return told

    found = connector(empty)[0]
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")
    with pytest.raises(TransientError, match="does not show"):
        await found.read_page(ACCESS, HOUR, after=first.after, way="poll")
    second = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    assert ids([first, second])[:199] == list(range(1, 200))


async def test_a_short_page_is_no_end_while_the_store_counts_more() -> None:
    shop = Shop({number: number for number in range(1, 201)})

    def shorten(asked: Asked) -> HttpAnswer:
        told = shop.answer(asked)
        return answer(told.json()[:30], headers=dict(told.headers))

    assert ids(await read_pages(connector(shorten)[0])) == list(range(1, 201))


async def test_without_counts_a_short_page_is_the_end() -> None:
    shop = Shop({number: number for number in range(1, 251)}, counts=False)

    pages = await read_window(shop)

    assert ids(pages) == list(range(1, 251))
    assert {page.total for page in pages} == {None}


async def test_an_order_that_changes_while_its_page_is_made_does_not_end_the_order_of_time() -> None:
    shop = Shop({number: number for number in range(1, 251)})
    # Its row shows the new time in the old place, after the list was made.
    shop.fields[50] = {"date_modified_gmt": "2026-11-23T09:30:00"}

    pages = await read_window(shop)

    assert set(ids(pages)) == set(range(1, 251))
    assert not any("offset" in query for query in shop.queries)


@pytest.mark.parametrize(("minutes", "found"), [(4, []), (20, [1]), (-20, [])])
async def test_a_store_whose_clock_is_behind_is_asked_for_what_it_calls_earlier(minutes: int, found: list[int]) -> None:
    # It changed in the window, and the store's clock, behind by minutes, wrote an earlier time.
    shop = Shop({1: -10 * 60}, headers={"Date": format_datetime(NOW - timedelta(minutes=minutes), usegmt=True)})

    assert ids(await read_window(shop)) == found


async def test_an_unreadable_order_does_not_stop_the_page() -> None:
    shop = Shop(
        {number: number for number in range(1, 205)},
        fields={2: {"line_items": None}, 100: {"date_modified_gmt": "soon"}, 7: {"currency": "BTC"}},
    )

    pages = await read_window(shop)

    problems = {
        (order.external_id, order.path) for page in pages for order in page.orders if isinstance(order, Unreadable)
    }
    assert problems == {("2", "line_items"), ("100", "date_modified_gmt"), ("7", "currency")}
    assert set(ids(pages)) == set(range(1, 205))


def refunded(units: int) -> list[dict[str, Any]]:
    meta = [{"id": 1, "key": "_refunded_item_id", "value": "501"}]
    return [{"id": 9, "line_items": [{"id": 1, "quantity": -units, "meta_data": meta}]}]


async def test_only_orders_with_refunds_are_asked_which_lines_were_given_back() -> None:
    shop = Shop(
        {1: 1, 2: 2}, fields={2: {"refunds": [{"id": 9, "reason": "", "total": "-12.5"}]}}, refunds={2: refunded(1)}
    )
    found, http = connector(shop.answer)

    [page] = await read_pages(found)

    units = [order.items[0].quantity_to_make for order in page.orders if isinstance(order, RawOrder)]
    assert units == [2, 1]
    assert [asked_of(asked)[0] for asked in http.asked if "refunds" in asked.url] == ["/wc/v3/orders/2/refunds"]


async def test_refunds_are_read_to_the_last_page() -> None:
    told = [{"id": number, "reason": "", "total": "-0.01"} for number in range(101)]
    empty = {"id": 8, "line_items": []}
    shop = Shop({2: 2}, fields={2: {"refunds": told}}, refunds={2: [empty] * 100 + refunded(1)})
    found, _ = connector(shop.answer)

    [page] = await read_pages(found)

    [order] = page.orders
    assert isinstance(order, RawOrder)
    assert order.items[0].quantity_to_make == 1


async def test_one_order_is_read_by_its_id() -> None:
    found, http = connector(Shop({7: 1}).answer)

    order = await found.read_order(ACCESS, "7", way="webhook")

    assert isinstance(order, RawOrder)
    assert (order.external_id, order.way) == ("7", "webhook")
    assert asked_of(http.asked[0])[1]["dp"] == "6"
    assert await found.read_order(ACCESS, "8", way="poll") is None
    assert await found.read_order(ACCESS, "../../users/me", way="poll") is None


async def test_an_order_that_only_the_trash_shows_is_found_there() -> None:
    found = reader(Shop(trash={8: 1}, fields={8: {"status": "trash"}}))

    order = await found.read_order(ACCESS, "8", way="webhook")

    assert isinstance(order, RawOrder)
    assert order.cancelled_at is not None


async def test_a_plugins_statuses_are_read_as_the_seller_said() -> None:
    found = reader(Shop({7: 1}, fields={7: {"status": "printed"}}))

    order = await found.read_order(access(statuses="printed=completed"), "7", way="poll")

    assert isinstance(order, RawOrder)
    assert (order.fulfilment, order.holds) == ("fulfilled", ())


@pytest.mark.parametrize("body", [{}, "text", None])
async def test_a_list_that_is_none_is_no_empty_list(body: object) -> None:
    found, _ = connector(answer(body))

    with pytest.raises(TransientError):
        await found.read_page(ACCESS, HOUR, after=None, way="poll")


async def test_a_store_that_refuses_every_way_of_asking_is_asked_later() -> None:
    found, _ = connector(error("rest_invalid_param", 400))

    with pytest.raises(TransientError, match="rest_invalid_param"):
        await found.read_page(ACCESS, HOUR, after=None, way="poll")
