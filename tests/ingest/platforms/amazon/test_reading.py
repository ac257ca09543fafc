"""A window of orders is read whole, in whatever order and however many they are, by Amazon's clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon import place
from services.ingest.platforms.amazon.client import USAGE_PLANS
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.ingest.platforms.amazon.place import Place
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.amazon.shop import ACCESS, LATEST, NOW, SECRETS, STORE, Shop, connector, order_id, reader
from tests.ingest.platforms.twin_http import answer
from tests.ingest.toolbox import HastyClock

START = LATEST - timedelta(hours=1)
HOUR = Window(START, LATEST - timedelta(seconds=15))


def spread(count: int, *, over: timedelta = timedelta(minutes=59)) -> dict[int, datetime]:
    return {number: START + over * (number / count) for number in range(1, count + 1)}


async def read_window(shop: Shop, window: Window = HOUR, *, found: AmazonConnector | None = None) -> list[Page]:
    found = found or reader(shop)
    pages = [await found.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, window, after=after, way="poll"))
        assert len(pages) < 500
    return pages


def ids(pages: list[Page]) -> list[str | None]:
    return [order.external_id for page in pages for order in page.orders]


async def test_orders_of_all_pages_are_read_once() -> None:
    shop = Shop(spread(450))

    pages = await read_window(shop)

    assert sorted(ids(pages), key=str) == sorted(map(order_id, shop.changed))
    assert len(shop.queries) == 5


async def test_nothing_counts_as_read_before_the_last_page_because_pages_are_in_no_order() -> None:
    pages = await read_window(Shop(spread(450)))

    assert {page.read_through for page in pages[:-1]} == {HOUR.start}
    assert pages[-1].read_through == HOUR.end


async def test_the_next_poll_begins_where_amazon_says_that_it_stopped_looking() -> None:
    def stop_short(_number: int, found: dict[str, Any]) -> None:
        found["lastUpdatedBefore"] = "2026-11-23T08:40:00.500Z"

    shop = Shop(spread(10))
    shop.meanwhile = stop_short

    [page] = await read_window(shop)

    assert page.read_through == datetime.fromisoformat("2026-11-23T08:40:00+00:00")


async def test_the_least_bound_of_all_pages_counts() -> None:
    def stop_short(number: int, found: dict[str, Any]) -> None:
        if number == 2:
            found["lastUpdatedBefore"] = "2026-11-23T08:40:00Z"

    shop = Shop(spread(350))
    shop.meanwhile = stop_short

    pages = await read_window(shop)

    assert pages[-1].read_through == datetime.fromisoformat("2026-11-23T08:40:00+00:00")


async def test_a_bound_that_is_not_told_is_the_one_we_asked_for() -> None:
    [page] = await read_window(Shop(spread(10), tells_its_bound=False))

    assert page.read_through == HOUR.end


async def test_a_bound_later_than_the_window_does_not_carry_the_cursor_past_it() -> None:
    def look_further(_number: int, found: dict[str, Any]) -> None:
        found["lastUpdatedBefore"] = "2027-01-01T00:00:00Z"

    shop = Shop(spread(10))
    shop.meanwhile = look_further

    [page] = await read_window(shop)

    assert page.read_through == HOUR.end


async def test_what_is_asked_is_one_family_of_times_with_all_that_we_read() -> None:
    shop = Shop(spread(1))
    access = Access(STORE, SECRETS | {"marketplaces": "ATVPDKIKX0DER,A2EUQ1WTGCTBG2"})

    await reader(shop).read_page(access, HOUR, after=None, way="poll")

    assert shop.queries == [
        {
            "lastUpdatedAfter": "2026-11-23T07:58:00Z",
            "lastUpdatedBefore": "2026-11-23T08:57:45Z",
            "maxResultsPerPage": "100",
            "includedData": "BUYER,RECIPIENT,PROCEEDS,CANCELLATION,FULFILLMENT,PACKAGES",
            "marketplaceIds": "ATVPDKIKX0DER,A2EUQ1WTGCTBG2",
        }
    ]


async def test_lists_are_comma_joined_in_one_parameter() -> None:
    found, http = connector(Shop(spread(1)).answer)

    await found.read_page(ACCESS, HOUR, after=None, way="poll")

    assert "includedData=BUYER,RECIPIENT,PROCEEDS" in http.asked[0].url


async def test_further_pages_repeat_the_question_beside_the_token() -> None:
    shop = Shop(spread(150))

    await read_window(shop)

    assert shop.queries[1] == shop.queries[0] | {"paginationToken": "token/0+="}


async def test_both_ends_of_a_window_are_read() -> None:
    shop = Shop({1: START, 2: START - timedelta(seconds=1), 3: HOUR.end - timedelta(milliseconds=1)})

    assert set(ids(await read_window(shop))) == {order_id(1), order_id(3)}


async def test_parts_of_seconds_widen_the_window_to_whole_ones() -> None:
    half = timedelta(seconds=0.5)
    shop = Shop(spread(1))

    await read_window(shop, Window(HOUR.start + half, HOUR.end - half))

    assert shop.queries[0]["lastUpdatedAfter"] == "2026-11-23T07:58:00Z"
    assert shop.queries[0]["lastUpdatedBefore"] == "2026-11-23T08:57:45Z"


@pytest.mark.parametrize("pagination", [None, {}, {"nextToken": ""}, {"nextToken": None}])
async def test_a_page_without_a_token_is_the_last_however_that_is_told(pagination: object) -> None:
    def replace(_number: int, found: dict[str, Any]) -> None:
        found["pagination"] = pagination

    shop = Shop(spread(10))
    shop.meanwhile = replace

    assert len(await read_window(shop)) == 1


async def test_an_empty_page_in_the_middle_does_not_end_the_reading() -> None:
    def empty(number: int, found: dict[str, Any]) -> None:
        if number == 1:
            found["orders"] = []

    shop = Shop(spread(250))
    shop.meanwhile = empty

    pages = await read_window(shop)

    assert [len(page.orders) for page in pages] == [0, 100, 50]
    assert pages[0].read_through == HOUR.start


async def test_a_row_that_the_page_before_gave_is_not_given_twice() -> None:
    last: list[Any] = []

    def repeat(_number: int, found: dict[str, Any]) -> None:
        found["orders"] = last + found["orders"]
        last[:] = found["orders"][-1:]

    shop = Shop(spread(250))
    shop.meanwhile = repeat

    found = ids(await read_window(shop))

    assert len(found) == len(set(found)) == 250


async def test_a_new_revision_on_the_next_page_is_given() -> None:
    def again(number: int, found: dict[str, Any]) -> None:
        if number == 2:
            found["orders"].append(
                {**found["orders"][0], "orderId": order_id(7), "lastUpdatedTime": "2026-11-23T08:57:00Z"}
            )

    shop = Shop(dict.fromkeys(range(1, 151), START))
    shop.meanwhile = again

    assert ids(await read_window(shop)).count(order_id(7)) == 2


async def test_a_token_that_leads_back_to_its_own_page_ends_in_an_error_not_in_a_circle() -> None:
    def loop(_number: int, found: dict[str, Any]) -> None:
        found["pagination"] = {"nextToken": "token/0+="}

    shop = Shop(spread(150))
    shop.meanwhile = loop

    with pytest.raises(TransientError, match="same page"):
        await read_window(shop)


async def test_a_token_older_than_a_day_begins_the_window_again() -> None:
    shop = Shop(spread(250))
    found = reader(shop)
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")
    shop.tokens.clear()

    pages = [await found.read_page(ACCESS, HOUR, after=first.after, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, HOUR, after=after, way="poll"))

    assert set(ids(pages)) == set(map(order_id, shop.changed))


async def test_a_token_that_is_refused_again_and_again_ends_in_an_error_not_in_a_circle() -> None:
    shop = Shop(spread(250))
    shop.meanwhile = lambda _number, _found: shop.tokens.clear()

    with pytest.raises(TransientError, match="refused searchOrders"):
        await read_window(shop)


async def test_a_window_with_too_many_orders_is_read_in_parts_each_done_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, "MOST_PAGES", 5)
    shop = Shop(spread(1_100))

    pages = await read_window(shop)

    assert set(ids(pages)) == set(map(order_id, shop.changed))
    moments = [page.read_through for page in pages]
    assert moments == sorted(moments)
    assert len(set(moments)) > 3
    for number, page in enumerate(pages):
        given = {order for before in pages[: number + 1] for order in ids([before])}
        due = {order_id(one) for one, moment in shop.changed.items() if moment < page.read_through}
        assert due <= given


async def test_parts_grow_again_where_few_orders_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_PAGES", 5)
    busy = {number: START + timedelta(seconds=number / 10) for number in range(1, 701)}
    shop = Shop(busy)

    pages = await read_window(shop)

    spans = {query["lastUpdatedAfter"]: query["lastUpdatedBefore"] for query in shop.queries}
    lengths = [(datetime.fromisoformat(end) - datetime.fromisoformat(begin)).seconds for begin, end in spans.items()]
    assert set(ids(pages)) == set(map(order_id, busy))
    assert max(lengths[1:]) > 4 * min(lengths[1:])
    assert len(spans) < 8


def test_a_part_of_a_minute_is_not_cut_any_further() -> None:
    minute = Place(begin=0, until=60, end=3600, pages=400)

    assert minute.next_page("t", shown=()).token == "t"


def test_a_place_survives_being_text() -> None:
    held = Place(1, 2, 3, open=True, told=2, token="a", pages=4, shown=("x|y",), again=True)

    assert Place.parse(held.text()) == held


async def test_a_clock_that_is_ahead_by_minutes_loses_nothing() -> None:
    behind = timedelta(minutes=7)
    there = LATEST - behind
    shop = Shop({1: there - timedelta(seconds=1), 2: there - timedelta(minutes=20)}, behind=behind)
    window = Window(LATEST - timedelta(minutes=5), LATEST - timedelta(seconds=15))

    pages = await read_window(shop, window)

    assert order_id(1) in ids(pages)
    assert pages[-1].read_through == window.start


async def test_a_clock_that_is_known_to_be_ahead_costs_no_second_call() -> None:
    shop = Shop(spread(3), behind=timedelta(minutes=7))
    found = reader(shop)
    await read_window(shop, found=found)
    calls = len(shop.queries)

    await read_window(shop, found=found)

    assert calls == 2
    assert len(shop.queries) == 3
    assert "lastUpdatedBefore" not in shop.queries[2]


async def test_a_clock_that_is_behind_only_reads_later() -> None:
    shop = Shop(spread(30), behind=timedelta(minutes=-7))

    pages = await read_window(shop)

    assert len(ids(pages)) == 30
    assert pages[-1].read_through == HOUR.end


async def test_what_amazon_does_not_look_at_yet_is_not_asked_for() -> None:
    found, http = connector(answer({"orders": []}))
    window = Window(NOW - timedelta(seconds=100), NOW - timedelta(seconds=50))

    page = await found.read_page(ACCESS, window, after=None, way="poll")

    assert (page.orders, page.after, page.read_through, http.asked) == ((), None, window.start, [])


@pytest.mark.parametrize(
    ("region", "first"),
    [("na", "2024-11-24T09:00:00Z"), ("eu", "2024-11-24T09:00:00Z"), ("fe", "2016-01-01T00:00:00Z")],
)
async def test_a_window_reaches_no_further_back_than_amazon_does(region: str, first: str) -> None:
    shop = Shop({1: START})
    access = Access(STORE, SECRETS | {"region": region})
    window = Window(NOW.replace(year=2010), HOUR.end)

    page = await reader(shop).read_page(access, window, after=None, way="backfill")

    assert shop.queries[0]["lastUpdatedAfter"] == first
    assert len(page.orders) == 1


async def test_a_window_from_before_amazons_history_is_empty_and_over() -> None:
    window = Window(NOW.replace(year=2010), NOW.replace(year=2011))

    page = await reader(Shop()).read_page(ACCESS, window, after=None, way="backfill")

    assert (page.orders, page.after, page.read_through) == ((), None, window.end)


async def test_an_order_that_is_unreadable_does_not_stop_the_page() -> None:
    fulfillment = {"fulfillmentStatus": "ON_FIRE"}
    shop = Shop(spread(5), {2: {"fulfillment": fulfillment}, 3: {"orderId": None}})

    pages = await read_window(shop)

    problems = {(row.external_id, row.path) for page in pages for row in page.orders if isinstance(row, Unreadable)}
    assert problems == {(order_id(2), "fulfillment.fulfillmentStatus"), (None, "orderId")}
    assert len(ids(pages)) == 5


async def test_one_order_is_read_by_its_id() -> None:
    found, http = connector(Shop({7: START}).answer)

    order = await found.read_order(ACCESS, order_id(7), way="webhook")

    assert isinstance(order, RawOrder)
    assert (order.external_id, order.way) == (order_id(7), "webhook")
    assert http.asked[0].url.startswith(
        f"https://sellingpartnerapi-na.amazon.com/orders/2026-01-01/orders/{order_id(7)}?includedData=BUYER,RECIPIENT"
    )


async def test_an_order_that_vanished_is_none() -> None:
    found = reader(Shop())

    assert await found.read_order(ACCESS, order_id(8), way="poll") is None
    assert await found.read_order(ACCESS, "../../notifications/v1/destinations", way="poll") is None


async def test_access_that_ends_in_the_middle_asks_to_be_renewed_and_the_same_page_is_read() -> None:
    shop = Shop(spread(150))
    found, http = connector(shop.answer)
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")
    details = "The access token you provided has expired."
    http.replies[:] = [
        answer({"errors": [{"code": "Unauthorized", "message": "", "details": details}]}, status=403),
        shop.answer,
    ]

    with pytest.raises(AuthorizationError):
        await found.read_page(ACCESS, HOUR, after=first.after, way="poll")
    second = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    assert len(first.orders) + len(second.orders) == 150


async def test_between_pages_the_turn_is_waited_for_because_beginning_again_would_cost_every_page() -> None:
    clock = HastyClock(NOW)
    found, http = connector(Shop(spread(150)).answer, clock=clock)
    for _ in range(USAGE_PLANS["searchOrders"][1]):
        first = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    with pytest.raises(TransientError) as refused:
        await found.read_page(ACCESS, HOUR, after=None, way="poll")
    second = await found.read_page(ACCESS, HOUR, after=first.after, way="poll")

    assert refused.value.retry_after == pytest.approx(188, abs=1)
    assert clock.waits == [pytest.approx(188, abs=1)]
    assert (len(second.orders), len(http.asked)) == (50, 21)
