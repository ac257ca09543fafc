"""A window of receipts is read whole, however many share a second and whatever changes meanwhile."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.platforms.etsy import reading
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.etsy.shop import ACCESS, HOUR_AGO, NOW, Shop, connector, reader
from tests.ingest.platforms.twin_http import Asked, answer

HOUR = Window(NOW - timedelta(hours=1), NOW)


async def read_window(shop: Shop, window: Window = HOUR) -> list[Page]:
    found = reader(shop)
    pages = [await found.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, window, after=after, way="poll"))
        assert len(pages) < 2000
    return pages


def ids(pages: list[Page]) -> list[int]:
    return [int(order.external_id or 0) for page in pages for order in page.orders]


async def test_every_receipt_is_read_once_and_in_turn() -> None:
    shop = Shop({number: number for number in range(1, 451)})

    pages = await read_window(shop)

    assert ids(pages) == list(range(1, 451))
    assert {page.total for page in pages} == {450}
    assert pages[-1].read_through == HOUR.end


async def test_no_offset_is_used_while_receipts_spread_over_seconds() -> None:
    shop = Shop({number: number // 3 for number in range(1_000)})

    pages = await read_window(shop)

    assert ids(pages) == list(range(1_000))
    assert {query["offset"] for query in shop.queries} == {"0"}


async def test_more_receipts_than_the_largest_offset_are_read() -> None:
    shop = Shop({number: number // 90 for number in range(1_000)}, largest_offset=300)

    assert ids(await read_window(shop)) == list(range(1_000))


async def test_many_receipts_of_one_second_are_read() -> None:
    shop = Shop(dict.fromkeys(range(1, 1001), 7) | {2000: 8, 2001: 3})

    assert ids(await read_window(shop)) == [2001, *range(1, 1001), 2000]


async def test_a_second_with_more_than_can_be_listed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_OFFSET", 300)
    shop = Shop(dict.fromkeys(range(1, 1_000), 7), largest_offset=300)

    with pytest.raises(TransientError, match="one second"):
        await read_window(shop)


async def test_the_window_is_half_open_and_etsys_bounds_are_not() -> None:
    shop = Shop({1: 0, 2: 1, 3: 59, 4: 60})

    pages = await read_window(shop, Window(HOUR.start, HOUR.start + timedelta(seconds=60)))

    assert ids(pages) == [1, 2, 3]
    assert shop.queries[0] == {
        "min_last_modified": str(HOUR_AGO),
        "max_last_modified": str(HOUR_AGO + 59),
        "sort_on": "updated",
        "sort_order": "asc",
        "limit": "100",
        "offset": "0",
    }


async def test_parts_of_seconds_widen_the_window_to_whole_ones() -> None:
    shop = Shop({1: 0, 2: 1, 3: 2})
    half = timedelta(seconds=0.5)

    pages = await read_window(shop, Window(HOUR.start + half, HOUR.start + timedelta(seconds=1) + half))

    assert ids(pages) == [1, 2]


async def test_an_empty_or_upside_down_window_is_one_empty_page() -> None:
    [page] = await read_window(Shop())
    [upside_down] = await read_window(Shop(), Window(HOUR.end, HOUR.start))

    assert (page.orders, page.after, page.total) == ((), None, 0)
    assert upside_down.orders == ()


async def test_a_window_before_etsys_first_second_starts_there() -> None:
    shop = Shop({1: 0})

    await read_window(shop, Window(HOUR.start.replace(year=1990), HOUR.end))

    assert shop.queries[0]["min_last_modified"] == "946684800"


async def test_what_is_read_through_is_never_later_than_what_was_given() -> None:
    shop = Shop({number: number // 40 for number in range(1000)})

    given_by: list[int] = []
    for page in await read_window(shop):
        given_by += [shop.seconds[int(order.external_id or 0)] for order in page.orders]
        through = page.read_through.timestamp() - HOUR_AGO
        missing = [number for number, second in shop.seconds.items() if second < through]
        assert len([second for second in given_by if second < through]) == len(missing)


async def test_a_receipt_that_leaves_the_window_takes_none_with_it() -> None:
    shop = Shop(dict.fromkeys(range(1, 501), 7))

    def leave(query: int) -> None:
        shop.change(query, 3_000)  # one of those already read moves to the window's end at each page

    shop.meanwhile = leave

    assert set(range(1, 501)) <= set(ids(await read_window(shop)))


async def test_when_many_leave_at_once_the_second_is_read_again() -> None:
    shop = Shop(dict.fromkeys(range(1, 501), 7))

    def leave(query: int) -> None:
        if query == 3:
            for number in range(1, 150):
                shop.change(number, 5_000)  # after the window

    shop.meanwhile = leave

    assert set(range(150, 501)) <= set(ids(await read_window(shop)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), seconds=st.integers(1, 20), count=st.integers(1, 300), pace=st.integers(0, 40))
async def test_whatever_changes_while_reading_nothing_that_stays_is_missed(
    seed: int, seconds: int, count: int, pace: int
) -> None:
    rng = random.Random(seed)
    shop = Shop({number: rng.randrange(seconds) for number in range(1, count + 1)})
    changed: set[int] = set()

    def change_some(_query: int) -> None:
        for _ in range(pace):
            number = rng.randint(1, count)
            changed.add(number)
            shop.change(number, 5_000)  # now: after the window's end

    shop.meanwhile = change_some

    found = ids(await read_window(shop))

    assert set(shop.seconds) - changed <= set(found)
    assert len(found) == len(set(found))


async def test_a_receipt_that_is_unreadable_does_not_stop_the_page() -> None:
    shop = Shop(
        {number: number for number in range(1, 205)},
        {2: {"status": "on fire"}, 100: {"updated_timestamp": None, "update_timestamp": None}},
    )

    pages = await read_window(shop)

    problems = [order for page in pages for order in page.orders if isinstance(order, Unreadable)]
    assert {(problem.external_id, problem.path) for problem in problems} == {
        ("2", "status"),
        ("100", "updated_timestamp"),
    }
    assert set(ids(pages)) == set(range(1, 205))


async def test_one_receipt_is_read_by_its_id() -> None:
    found = reader(Shop({7: 1}))

    order = await found.read_order(ACCESS, "7", way="webhook")

    assert isinstance(order, RawOrder)
    assert (order.external_id, order.way) == ("7", "webhook")
    assert await found.read_order(ACCESS, "8", way="poll") is None
    assert await found.read_order(ACCESS, "../../users/me", way="poll") is None


async def test_no_receipt_is_gone_because_its_shop_is_not_found() -> None:
    found = reader(Shop({7: 1}, is_lost=True))

    with pytest.raises(TransientError):
        await found.read_orders(ACCESS, ["7"], way="poll")


def spoiling(shop: Shop, pages: dict[int, dict[str, Any]]) -> EtsyConnector:
    """A shop whose pages of these numbers, from 1, are answered otherwise."""
    number = 0

    def spoilt(asked: Asked) -> HttpAnswer:
        nonlocal number
        number += 1
        return answer(pages[number]) if number in pages else shop.answer(asked)

    return connector(spoilt)[0]


async def test_an_empty_page_though_more_follow_is_asked_for_again() -> None:
    shop = Shop({number: number for number in range(1, 251)})
    found = spoiling(shop, {2: {"count": 151, "results": []}})
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    with pytest.raises(TransientError, match="more follow"):
        await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    again = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")
    assert ids([again]) == list(range(101, 200))


async def test_an_empty_first_page_though_its_count_says_more_is_asked_for_again() -> None:
    with pytest.raises(TransientError, match="more follow"):
        await spoiling(Shop(), {1: {"count": 3, "results": []}}).read_page(ACCESS, HOUR, after=None, way="poll")


async def test_a_promised_page_that_holds_nothing_does_not_end_the_window() -> None:
    shop = Shop({number: number for number in range(1, 251)})
    found = spoiling(shop, {2: {"count": 0, "results": []}})
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    second = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    assert (second.orders, second.after) == ((), None)
    assert second.read_through == first.read_through < HOUR.end


async def test_a_count_above_what_is_listed_neither_loops_nor_ends_the_window() -> None:
    last = {"count": 90, "results": [json.loads(shop_answer(100).body)]}
    found = spoiling(Shop({number: number for number in range(1, 151)}), {2: last})
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    second = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    assert (second.orders, second.after) == ((), None)
    assert second.read_through < HOUR.end


def shop_answer(number: int) -> HttpAnswer:
    return Shop({number: number}).answer(Asked("GET", f"https://api.etsy.com/x/{number}", {}))


async def test_a_window_without_receipts_is_read_to_its_end() -> None:
    [page] = await read_window(Shop())

    assert page.read_through == HOUR.end
