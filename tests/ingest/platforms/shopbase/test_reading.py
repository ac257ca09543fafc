"""A window is read to its end, whatever the shop's list does meanwhile, and in whatever order it comes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.shopbase.shop import ACCESS, HOUR_AGO, NOW, Shop, connector, reader
from tests.ingest.platforms.twin_http import Asked, answer

HOUR = Window(HOUR_AGO, NOW)
#: Orders in which a list may come: none is documented.
SORTS: dict[str, Callable[[int, float], Any]] = {
    "newest": lambda number, _: -number,
    "oldest": lambda number, _: number,
    "updated": lambda number, second: (second, number),
    "updated_last_first": lambda number, second: (-second, number),
    "by_chance": lambda number, _: hash(str(number * 7919)),
}


async def read_window(shop: Shop, window: Window = HOUR) -> list[Page]:
    found = reader(shop)
    pages = [await found.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, window, after=after, way="poll"))
        assert len(pages) < 500
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [order.external_id or "" for page in pages for order in page.orders]


def spread(count: int, *, over: float = 3599, start: float = 0) -> dict[int, float]:
    return {number: start + number * over / count for number in range(1, count + 1)}


async def test_a_quiet_window_is_one_call() -> None:
    shop = Shop(spread(100))

    [page] = await read_window(shop)

    assert ids([page]) == [str(number) for number in range(1, 101)]
    assert (page.read_through, page.total, shop.counts) == (HOUR.end, 100, 0)


async def test_the_query_asks_for_any_status_between_whole_seconds_both_included() -> None:
    shop = Shop(spread(1))
    east = timezone(timedelta(hours=7))
    window = Window(
        datetime(2026, 11, 23, 15, 0, 0, 900_000, tzinfo=east), datetime(2026, 11, 23, 16, 0, 0, 100_000, tzinfo=east)
    )

    await read_window(shop, window)

    assert shop.queries == [
        {
            "order_status": "any",
            "updated_at_min": "2026-11-23T08:00:00+00:00",
            "updated_at_max": "2026-11-23T09:00:00+00:00",
            "limit": "250",
            "page": "1",
        }
    ]
    assert "2026-11-23T08%3A00%3A00%2B00%3A00" in shop.asked[0].url


async def test_what_changes_in_the_windows_last_second_is_the_next_windows() -> None:
    shop = Shop({1: 0, 2: 3599, 3: 3600})

    assert ids(await read_window(shop)) == ["1", "2"]
    assert ids(await read_window(shop, Window(NOW, NOW + timedelta(seconds=1)))) == ["3"]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("count", [250, 251, 700])
async def test_every_order_is_read_once_in_turn_however_the_list_is_sorted(sort: str, count: int) -> None:
    shop = Shop(spread(count), sort=SORTS[sort])

    pages = await read_window(shop)

    assert ids(pages) == [str(number) for number in range(1, count + 1)]
    assert {page.total for page in pages} == {count}
    assert {query["page"] for query in shop.queries} == {"1"}


@pytest.mark.parametrize("sort", SORTS)
async def test_a_crowded_second_in_a_quiet_month_is_found_and_read(sort: str) -> None:
    seconds = dict.fromkeys(range(1, 401), 1234.0) | {number: 10.0 * number for number in range(401, 420)}
    shop = Shop(seconds, sort=SORTS[sort])

    pages = await read_window(shop, Window(NOW - timedelta(days=30), NOW + timedelta(days=1)))

    assert sorted(ids(pages), key=int) == [str(number) for number in range(1, 420)]
    assert len(shop.asked) < 16


async def test_parts_of_a_second_hide_nothing_between_two_slices() -> None:
    chance = random.Random(7)
    shop = Shop({number: chance.uniform(0, 3598.9) for number in range(1, 1001)}, sort=SORTS["by_chance"])

    pages = await read_window(shop)

    assert sorted(ids(pages), key=int) == [str(number) for number in range(1, 1001)]


@pytest.mark.parametrize("sort", SORTS)
async def test_orders_that_leave_while_the_window_is_read_hide_none(sort: str) -> None:
    shop = Shop(spread(600), sort=SORTS[sort])
    left: set[int] = set()

    def leave(_: int) -> None:
        number = min(set(shop.seconds) - left)
        left.add(number)
        shop.seconds[number] = 7200.0

    shop.meanwhile = leave

    found = ids(await read_window(shop))

    assert {str(number) for number in range(1, 601)} - {str(number) for number in left} <= set(found)


@pytest.mark.parametrize("sort", SORTS)
async def test_orders_that_leave_a_crowded_second_hide_none(sort: str) -> None:
    shop = Shop(dict.fromkeys(range(1, 601), 60.5), sort=SORTS[sort])
    left: set[int] = set()

    def leave(_: int) -> None:
        for number in sorted(set(shop.seconds) - left)[:3]:
            left.add(number)
            shop.seconds[number] = 7200.0

    shop.meanwhile = leave

    found = ids(await read_window(shop))

    assert {str(number) for number in range(1, 601)} - {str(number) for number in left} <= set(found)
    assert len(found) == len(set(found))


async def test_a_crowded_second_of_which_a_page_came_empty_is_read_again() -> None:
    shop = Shop(dict.fromkeys(range(1, 701), 60.0), sort=SORTS["oldest"])

    def once_empty(number: int) -> None:
        if shop.queries[-1]["page"] == "2" and not shop.instead:
            shop.instead[number] = answer({"orders": []})

    shop.meanwhile = once_empty

    found = ids(await read_window(shop))

    assert shop.instead
    assert sorted(found, key=int) == [str(number) for number in range(1, 701)]


async def test_a_crowded_second_of_which_orders_never_come_is_not_taken_for_read() -> None:
    shop = Shop(dict.fromkeys(range(1, 701), 60.0), sort=SORTS["oldest"])

    def always_empty(number: int) -> None:
        if shop.queries[-1]["page"] == "2":
            shop.instead[number] = answer({"orders": []})

    shop.meanwhile = always_empty

    with pytest.raises(TransientError, match="does not list"):
        await read_window(shop)


async def test_more_orders_in_a_second_than_pages_reach_are_told_and_close_no_budget() -> None:
    shop = Shop(dict.fromkeys(range(1, 251), 1.0))

    def reply(asked: Asked) -> HttpAnswer:
        return answer({"count": 100_251}) if "/count" in asked.url else shop.answer(asked)

    found, _, limits = connector(reply)

    with pytest.raises(TransientError, match="within two seconds") as refused:
        await found.read_page(ACCESS, Window(HOUR_AGO, HOUR_AGO + timedelta(seconds=2)), after=None, way="poll")

    assert shop.queries[-1]["page"] == "402"
    assert (refused.value.retry_after or 0) >= 60
    assert limits.closed == []


def _bounds() -> dict[str, str]:
    return {"order_status": "any", "updated_at_min": HOUR_AGO.isoformat(), "updated_at_max": NOW.isoformat()}


async def test_an_empty_page_where_orders_are_counted_is_no_end() -> None:
    shop = Shop(spread(3), instead={1: answer({"orders": []})})

    with pytest.raises(TransientError, match="does not list"):
        await reader(shop).read_page(ACCESS, HOUR, after=None, way="poll")

    assert ids(await read_window(shop)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "seconds",
    [
        # All of the window, and more than a list shows unasked.
        spread(180),
        # Most of it from before the window.
        {number: float(number - 40) for number in range(1, 61)},
    ],
)
async def test_a_list_that_does_not_hear_the_query_is_asked_in_a_body(seconds: dict[int, float]) -> None:
    shop = Shop(seconds, hears_bodies_only=True)
    found, http, _ = connector(shop.answer)

    page = await found.read_page(ACCESS, HOUR, after=None, way="poll")
    await found.count_orders(ACCESS, HOUR)

    assert sorted(ids([page]), key=int) == [str(number) for number, second in seconds.items() if second >= 0]
    assert page.after is None
    assert http.asked[-1].json["order_status"] == "any"
    assert http.asked[-1].url.partition("?")[2], "the query says it, too"


async def test_fifty_orders_are_believed_when_no_more_are_counted_and_bodies_are_left_alone() -> None:
    shop = Shop(spread(50))
    found, http, _ = connector(shop.answer)

    page = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    assert (len(page.orders), shop.counts) == (50, 1)
    assert all(asked.json is None for asked in http.asked)


async def test_a_list_that_hears_nothing_at_all_is_never_taken_for_the_window() -> None:
    every = Shop({number: float(number - 40) for number in range(1, 61)})
    rows = every._list({**_bounds(), "updated_at_min": "1970-01-01T00:00:00+00:00", "limit": "50", "page": "1"})
    found, http, _ = connector(rows)

    for _ in range(2):
        with pytest.raises(TransientError, match="other orders than it is asked for"):
            await found.read_page(ACCESS, HOUR, after=None, way="poll")

    assert http.asked[3].json is None, "what did not help is not kept up"


async def test_an_empty_window_is_one_empty_page() -> None:
    [page] = await read_window(Shop())

    assert (page.orders, page.after, page.read_through, page.total) == ((), None, HOUR.end, 0)


async def test_an_order_that_is_listed_twice_is_given_once() -> None:
    shop = Shop(spread(2))
    orders = orjson.loads(shop._list(_bounds() | {"limit": "250", "page": "1"}).body)["orders"]
    shop.instead[2] = answer({"orders": [orders[0], *orders]})

    assert sorted(ids(await read_window(shop))) == ["1", "2"]


async def test_what_is_read_through_is_where_the_slice_ends_and_at_the_end_the_window() -> None:
    *earlier, last = await read_window(Shop(spread(1000)))

    assert earlier
    for page in earlier:
        final = page.orders[-1]
        assert isinstance(final, RawOrder)
        assert final.revised_at <= page.read_through < HOUR.end
    assert [page.read_through for page in earlier] == sorted(page.read_through for page in earlier)
    assert last.read_through == HOUR.end


async def test_an_order_in_its_post_purchase_time_is_read_again_by_the_next_poll() -> None:
    waiting = {"is_in_post_purchase": True, "post_purchase_timeout_at": "2026-11-23T09:05:00+00:00"}
    shop = Shop(spread(1000), fields={200: waiting, 900: waiting})

    pages = await read_window(shop)

    first = next(order for page in pages for order in page.orders if order.external_id == "200")
    assert isinstance(first, RawOrder)
    assert pages[-1].read_through == first.revised_at
    assert max(page.read_through for page in pages) == first.revised_at


@pytest.mark.parametrize(
    "fields",
    [
        {"is_in_post_purchase": True, "post_purchase_timeout_at": "2026-11-23T08:59:00+00:00"},
        {"is_in_post_purchase": True, "updated_at": "2026-11-20T08:00:00+00:00"},
    ],
)
async def test_a_post_purchase_time_that_is_over_or_never_ends_holds_up_no_poll(fields: dict[str, Any]) -> None:
    shop = Shop(spread(3), fields={2: fields})

    [page] = await read_window(shop)

    assert page.read_through == HOUR.end


async def test_an_unreadable_order_does_not_stop_the_page() -> None:
    shop = Shop(spread(4), fields={2: {"financial_status": "bartered"}, 4: {"id": None}})

    [page] = await read_window(shop)

    problems = [order for order in page.orders if isinstance(order, Unreadable)]
    assert {(problem.external_id, problem.path) for problem in problems} == {("2", "financial_status"), (None, "id")}
    assert len(page.orders) == 4
    assert "bartered" in next(problem.body for problem in problems if problem.external_id)


@pytest.mark.parametrize(
    "spoilt",
    [
        answer(b"<html>maintenance</html>", headers={"content-type": "text/html"}),
        answer(b'{"orders":[{"id":1,'),
        answer({"errors": "something"}),
        answer({"orders": "many"}),
        answer([]),
        answer({"error": "moved"}, status=303),
        answer({"error": "not found"}, status=404),
    ],
)
async def test_an_answer_that_is_no_list_is_asked_for_again(spoilt: Any) -> None:
    shop = Shop(spread(2), instead={1: spoilt})

    with pytest.raises(TransientError):
        await reader(shop).read_page(ACCESS, HOUR, after=None, way="poll")

    assert len(ids(await read_window(shop))) == 2


async def test_a_count_that_is_no_number_is_asked_for_again() -> None:
    found = connector(answer({"orders": []}), answer({"count": None}))[0]

    with pytest.raises(TransientError, match="count"):
        await found.read_page(ACCESS, HOUR, after=None, way="poll")


async def test_money_of_a_list_never_passes_a_float() -> None:
    shop = Shop(spread(1))
    body = shop._list(_bounds() | {"limit": "250", "page": "1"}).body
    shop.instead[2] = answer(body.replace(b'"total_price":45.9', b'"total_price":99999999999.990'))

    [page] = await read_window(shop)

    [order] = page.orders
    assert isinstance(order, RawOrder), order
    assert order.total.amount == 9_999_999_999_999


async def test_one_order_is_read_by_its_id_and_a_missing_one_is_none() -> None:
    found = reader(Shop({5: 10.0}))

    order = await found.read_order(ACCESS, "5", way="webhook")

    assert isinstance(order, RawOrder)
    assert (order.external_id, order.way) == ("5", "webhook")
    assert await found.read_order(ACCESS, "6", way="poll") is None
    assert await found.read_order(ACCESS, "../shop", way="poll") is None


async def test_one_order_that_cannot_be_read_is_told_and_no_order_at_all_is_asked_for_again() -> None:
    found = reader(Shop({5: 10.0}, fields={5: {"currency": "XXX"}}))

    unreadable = await found.read_order(ACCESS, "5", way="poll")

    assert isinstance(unreadable, Unreadable)
    assert unreadable.path == "currency"
    with pytest.raises(TransientError):
        await connector(answer({"order": None}))[0].read_order(ACCESS, "5", way="poll")
