"""A window of orders is read whole, in whatever order eBay lists it and whatever changes meanwhile."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.platforms.ebay import slices
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.ebay.shop import ACCESS, HOUR_AGO, NOW, Shop, connector, reader, refusal
from tests.ingest.platforms.twin_http import answer

HOUR = Window(HOUR_AGO, NOW)


async def read_window(shop: Shop, window: Window = HOUR) -> list[Page]:
    found = reader(shop)
    pages = [await found.read_page(ACCESS, window, after=None, way="poll")]
    while (after := pages[-1].after) is not None:
        pages.append(await found.read_page(ACCESS, window, after=after, way="poll"))
        assert len(pages) < 500
    return pages


def ids(pages: list[Page]) -> list[int]:
    return sorted(int(order.external_id or 0) for page in pages for order in page.orders)


async def test_every_order_is_read_once_whatever_the_lists_order() -> None:
    numbers = list(range(1, 651))
    random.Random(7).shuffle(numbers)
    shop = Shop({number: number for number in numbers})

    pages = await read_window(shop)

    assert ids(pages) == sorted(numbers)
    assert {page.total for page in pages} == {650}
    assert pages[-1].read_through == HOUR.end


async def test_only_a_wholly_read_slice_moves_the_cursor() -> None:
    pages = await read_window(Shop({number: number for number in range(1, 451)}))

    assert [page.read_through for page in pages] == [HOUR.start, HOUR.start, HOUR.end]


async def test_the_window_is_half_open_and_ebays_bounds_are_not() -> None:
    shop = Shop({1: 0, 2: 0.001, 3: 59.999, 4: 60})

    pages = await read_window(shop, Window(HOUR.start, HOUR.start + timedelta(seconds=60)))

    assert ids(pages) == [1, 2, 3]
    assert shop.queries[0] == {
        "filter": "lastmodifieddate:[2026-11-23T08:00:00.000Z..2026-11-23T08:00:59.999Z]",
        "limit": "200",
        "offset": "0",
    }


async def test_a_window_that_ends_within_a_millisecond_reads_it_now_rather_than_never() -> None:
    shop = Shop({1: 59.999, 2: 60})

    pages = await read_window(shop, Window(HOUR.start, HOUR.start + timedelta(seconds=60, microseconds=500)))

    assert ids(pages) == [1, 2]


async def test_brackets_are_percent_encoded_and_creation_dates_never_sent_along() -> None:
    shop = Shop({1: 1})

    await read_window(shop)

    [url] = [asked.url for asked in shop.asked if "/order?" in asked.url]
    assert "%5B" in url
    assert "%5D" in url
    assert "creationdate" not in url
    assert not set("[]{}|") & set(url)


async def test_the_address_of_the_next_page_is_never_called() -> None:
    shop = Shop({number: number for number in range(1, 451)})

    await read_window(shop)

    assert {asked.url.split("/")[2] for asked in shop.asked} == {"api.ebay.com"}


async def test_an_order_that_leaves_while_it_is_read_hides_no_other() -> None:
    shop = Shop({number: number for number in range(1, 601)})

    def meanwhile(number: int) -> None:
        if number == 2:
            for gone in range(1, 41):
                shop.seconds[gone] = 4000

    shop.meanwhile = meanwhile

    assert ids(await read_window(shop)) == list(range(1, 601))


async def test_a_list_that_shrank_is_read_again_even_where_the_overlap_shows() -> None:
    shop = Shop({number: number for number in range(1, 301)})

    def meanwhile(number: int) -> None:
        if number == 2:
            # The first leaves, and eBay lists what was last in its place: the overlap looks right.
            shop.seconds = {300: 300.0} | {other: float(other) for other in range(2, 300)}

    shop.meanwhile = meanwhile

    assert set(range(1, 301)) <= set(ids(await read_window(shop)))


async def test_orders_that_come_late_do_not_hide_that_others_left() -> None:
    shop = Shop({number: number for number in range(1, 301)})

    def meanwhile(number: int) -> None:
        if number == 2:
            for gone in range(1, 41):
                shop.seconds[gone] = 4000
            shop.seconds |= {late: float(late) for late in range(1001, 1041)}

    shop.meanwhile = meanwhile

    assert set(range(1, 301)) <= set(ids(await read_window(shop)))


async def test_a_row_given_twice_for_another_is_noticed_by_the_count() -> None:
    shop = Shop({number: number for number in range(1, 301)})

    def meanwhile(number: int) -> HttpAnswer | None:
        if number != 2:
            return None
        body = shop._list(shop.queries[-1]).json()
        body["orders"][-1] = body["orders"][0]
        return answer(body)

    shop.meanwhile = meanwhile

    assert ids(await read_window(shop)) == list(range(1, 301))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "LIMIT", 20)
    monkeypatch.setattr(slices, "OVERLAP", 3)
    monkeypatch.setattr(slices, "SLICE", 60)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_lost_while_orders_leave_at_random(seed: int) -> None:
    rng = random.Random(seed)
    shop = Shop({number: rng.uniform(0, 3500) for number in range(1, 55)})
    left: set[int] = set()

    def meanwhile(number: int) -> None:
        if number <= 4:
            for gone in rng.sample(range(1, 55), rng.randint(0, 5)):
                shop.seconds[gone] = 4000
                left.add(gone)

    shop.meanwhile = meanwhile

    found = set(ids(await read_window(shop)))

    assert set(range(1, 55)) - left <= found


@pytest.mark.usefixtures("small_pages")
async def test_a_large_window_is_cut_and_read_slice_by_slice() -> None:
    shop = Shop({number: number * 12 for number in range(1, 300)})

    pages = await read_window(shop)

    assert ids(pages) == list(range(1, 300))
    assert {page.total for page in pages} == {299}
    assert max(int(query["offset"]) for query in shop.queries) < slices.SLICE
    steps = [page.read_through for page in pages]
    assert steps == sorted(steps)
    assert len(set(steps)) >= 4


@pytest.mark.usefixtures("small_pages")
async def test_a_second_with_more_orders_than_a_slice_is_read() -> None:
    shop = Shop(dict.fromkeys(range(1, 100), 7))

    assert ids(await read_window(shop)) == list(range(1, 100))


async def test_an_empty_page_in_the_middle_does_not_end_the_list() -> None:
    shop = Shop({number: number for number in range(1, 451)})
    found = reader(shop)
    first = await found.read_page(ACCESS, HOUR, after=None, way="poll")
    shop.meanwhile = lambda _number: answer({"total": 450, "orders": []})

    with pytest.raises(TransientError, match="empty"):
        await found.read_page(ACCESS, HOUR, after=first.after, way="poll")


@pytest.mark.usefixtures("small_pages")
async def test_a_page_with_fewer_orders_than_it_should_is_read_again_but_never_for_ever() -> None:
    shop = Shop({number: number for number in range(1, 55)})

    def meanwhile(_number: int) -> HttpAnswer:
        body = shop._list(shop.queries[-1]).json()
        body["orders"] = [order for order in body["orders"] if order["orderId"] != "17"]
        return answer(body)

    shop.meanwhile = meanwhile

    assert ids(await read_window(shop)) == [number for number in range(1, 55) if number != 17]


async def test_an_empty_window_is_one_page() -> None:
    [page] = await read_window(Shop())

    assert (page.orders, page.after, page.total) == ((), None, 0)


async def test_a_list_without_an_array_is_empty_only_where_it_counts_none() -> None:
    shop = Shop({1: 1}, meanwhile=lambda _number: answer({"total": 0}))
    assert ids(await read_window(shop)) == []

    shop.meanwhile = lambda _number: answer({"total": 1})
    with pytest.raises(TransientError):
        await read_window(shop)


@pytest.mark.parametrize("body", [b"<html>", b'{"total": 1, "ord', b"[]", b'{"orders": []}', b'{"total": "7"}'])
async def test_an_answer_that_is_no_list_is_tried_again(body: bytes) -> None:
    with pytest.raises(TransientError):
        await read_window(Shop({1: 1}, meanwhile=lambda _number: answer(body)))


async def test_one_unreadable_order_stops_no_other() -> None:
    shop = Shop({1: 1, 2: 2, 3: 3}, fields={2: {"orderPaymentStatus": "on fire"}})

    [page] = await read_window(shop)

    [broken] = [order for order in page.orders if isinstance(order, Unreadable)]
    assert (broken.external_id, broken.path) == ("2", "orderPaymentStatus")
    assert len(page.orders) == 3


async def test_what_has_no_id_is_unreadable_once() -> None:
    shop = Shop({1: 1, 2: 2}, fields={2: {"orderId": None}})

    [page] = await read_window(shop)

    assert [order.external_id for order in page.orders if isinstance(order, Unreadable)] == [None]


async def test_a_page_is_in_the_order_of_change() -> None:
    [page] = await read_window(Shop({1: 30, 2: 20, 3: 10}))

    assert [order.external_id for order in page.orders] == ["3", "2", "1"]


CANCELED = {"cancelStatus": {"cancelState": "CANCELED", "cancelRequests": []}}
WITH_REASON = {
    "cancelStatus": {
        "cancelState": "CANCELED",
        "cancelledDate": "2026-11-23T08:00:01.000Z",
        "cancelRequests": [{"cancelRequestState": "COMPLETED", "cancelReason": "ORDER_MISTAKE"}],
    }
}


async def test_an_order_that_is_being_cancelled_is_asked_for_itself() -> None:
    shop = Shop({1: 1, 2: 2}, fields={2: CANCELED}, details={2: WITH_REASON})

    [page] = await read_window(shop)

    reasons = [order.cancel_reason for order in page.orders if isinstance(order, RawOrder)]
    assert reasons == [None, "ORDER_MISTAKE"]
    assert [asked.url.rpartition("/")[2] for asked in shop.asked if "/order/" in asked.url] == ["2"]


@pytest.mark.parametrize("reply", [refusal(32100, status=404), refusal(32800, status=400)])
async def test_a_cancelled_order_that_vanished_is_told_as_it_was_listed(reply: HttpAnswer) -> None:
    shop = Shop({1: 1}, fields={1: CANCELED})
    found, _ = connector(lambda asked: reply if asked.url.endswith("/order/1") else shop.answer(asked))

    page = await found.read_page(ACCESS, HOUR, after=None, way="poll")

    [order] = page.orders
    assert isinstance(order, RawOrder)
    assert order.cancelled_at is not None


def partly_shipped() -> dict[str, Any]:
    return {
        "orderFulfillmentStatus": "IN_PROGRESS",
        "lineItems": [
            {
                "lineItemId": "L1",
                "quantity": 5,
                "lineItemCost": {"value": "50.0", "currency": "USD"},
                "lineItemFulfillmentStatus": "IN_PROGRESS",
            }
        ],
    }


async def test_units_in_parcels_are_not_made_again() -> None:
    parcels: list[dict[str, Any]] = [
        {"lineItems": [{"lineItemId": "L1", "quantity": 2}]},
        {"lineItems": [{"lineItemId": "L1"}]},
    ]
    shop = Shop({1: 1}, fields={1: partly_shipped()}, parcels={1: parcels})

    order = await reader(shop).read_order(ACCESS, "1", way="poll")

    assert isinstance(order, RawOrder)
    assert order.items[0].quantity_to_make == 2


async def test_where_the_parcels_are_not_told_nothing_is_made() -> None:
    shop = Shop({1: 1}, fields={1: partly_shipped()})
    found, _ = connector(
        lambda asked: refusal(32100) if asked.url.endswith("/shipping_fulfillment") else shop.answer(asked)
    )

    order = await found.read_order(ACCESS, "1", way="poll")

    assert isinstance(order, Unreadable)
    assert (order.external_id, order.path) == ("1", "fulfillments")


@pytest.mark.parametrize("external_id", ["2", "../user", "", "1/issue_refund", "a b"])
async def test_an_order_that_ebay_does_not_have_is_none(external_id: str) -> None:
    shop = Shop({1: 1})

    assert await reader(shop).read_order(ACCESS, external_id, way="poll") is None
    assert not any("user" in asked.url or "issue_refund" in asked.url for asked in shop.asked)


async def test_a_clock_ahead_of_ebays_reads_as_far_as_ebays_goes() -> None:
    shop = Shop({1: 10, 2: 3000}, now=NOW - timedelta(minutes=7))

    pages = await read_window(shop)

    assert ids(pages) == [1, 2]
    assert pages[-1].read_through == shop.now - timedelta(minutes=1)


async def test_a_window_that_ebays_clock_has_not_reached_is_read_later() -> None:
    shop = Shop({1: 10}, now=HOUR_AGO - timedelta(minutes=7))

    with pytest.raises(TransientError, match="clock"):
        await read_window(shop)


async def test_nothing_older_than_two_years_is_asked_for() -> None:
    shop = Shop({1: 10, 2: -720 * 86400})

    pages = await read_window(shop, Window(NOW - timedelta(days=4000), NOW))

    assert ids(pages) == [1, 2]
    assert pages[-1].read_through == NOW


async def test_a_window_that_ended_more_than_two_years_ago_is_empty() -> None:
    window = Window(NOW - timedelta(days=4000), NOW - timedelta(days=3000))
    shop = Shop()

    [page] = await read_window(shop, window)

    assert (page.orders, page.after, page.read_through) == ((), None, window.end)
    assert shop.queries == []


async def test_access_that_ends_in_the_middle_of_a_page_is_told() -> None:
    shop = Shop({number: number for number in range(1, 20)}, fields=dict.fromkeys(range(1, 20), CANCELED))
    found, _ = connector(lambda asked: answer(status=401) if "/order/7" in asked.url else shop.answer(asked))

    with pytest.raises(AuthorizationError, match="Link the store again"):
        await found.read_page(ACCESS, HOUR, after=None, way="poll")


async def test_the_next_window_begins_early_enough_for_what_ebay_lists_late() -> None:
    found, _ = connector(clock=ManualClock(NOW))

    assert found.pace.overlap >= timedelta(minutes=15)
    assert found.pace.settle >= timedelta(minutes=1)
    assert found.pace.settle + found.pace.interval < timedelta(minutes=5)
