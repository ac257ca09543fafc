"""A list asks for no order itself, and what a list of ids leaves out is asked for by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deploy.sandbox.ebay.filtering import MAX_IDS
from schemas.order import RawOrder
from services.ingest.contract.reading import ListedChange, Window
from services.ingest.platforms.ebay.connector import EbayConnector
from services.kit.errors import TransientError
from tests.ingest.platforms.ebay.shop import ACCESS, HOUR_AGO, NOW, Shop, reader
from tests.ingest.platforms.twin_http import answer

HOUR = Window(HOUR_AGO, NOW)
CANCELED = {"cancelStatus": {"cancelState": "CANCELED"}}


def orders_asked_for(shop: Shop) -> list[str]:
    return [asked.url.partition("/sell/fulfillment/v1/order/")[2] for asked in shop.asked if "/order/" in asked.url]


async def test_a_list_asks_for_no_order_itself_though_it_is_being_cancelled() -> None:
    shop = Shop({1: 10, 2: 20}, fields={1: CANCELED, 2: {"lastModifiedDate": "lately"}})

    part = await reader(shop).list_orders(ACCESS, HOUR, after=None)

    assert part.orders == (ListedChange("1", HOUR_AGO + timedelta(seconds=10)), ListedChange("2", HOUR.start))
    assert (part.after, part.total) == (None, 2)
    assert orders_asked_for(shop) == []


async def test_a_window_that_ebay_s_clock_has_not_passed_is_not_listed_as_if_it_had() -> None:
    shop = Shop({1: 10}, now=NOW - timedelta(minutes=3))

    with pytest.raises(TransientError):
        await reader(shop).list_orders(ACCESS, HOUR, after=None)


async def test_a_count_is_read_beside_a_single_order() -> None:
    shop = Shop(dict.fromkeys(range(1, 260), 7))

    assert await reader(shop).count_orders(ACCESS, HOUR) == 259
    assert [query["limit"] for query in shop.queries] == ["1"]


async def test_orders_are_read_by_their_ids_and_one_that_is_being_cancelled_by_itself_too() -> None:
    shop = Shop({1: 10, 2: 20}, fields={1: CANCELED})

    found = await reader(shop).read_orders(ACCESS, ["2", "1", "9", "../user"], way="poll")

    assert [number for number, order in found.items() if isinstance(order, RawOrder)] == ["2", "1"]
    assert (found["9"], found["../user"]) == (None, None)
    assert [query["orderIds"] for query in shop.queries] == ["2,1,9"]
    assert EbayConnector.ids_at_once == MAX_IDS
    assert sorted(orders_asked_for(shop)) == ["1", "9"]


async def test_a_list_of_ids_without_a_list_says_nothing_of_them() -> None:
    shop = Shop({1: 10}, meanwhile=lambda _number: answer({"total": 0}))

    with pytest.raises(TransientError):
        await reader(shop).read_orders(ACCESS, ["1"], way="poll")
