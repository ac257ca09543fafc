"""A list includes nothing of its orders, and a window that Amazon does not look at yet is not listed as empty."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.contract.reading import ListedChange, Window
from services.kit.errors import TransientError
from tests.ingest.platforms.amazon.shop import ACCESS, LATEST, NOW, Shop, order_id, reader

HOUR = Window(LATEST - timedelta(hours=1), LATEST)
CHANGED = LATEST - timedelta(minutes=9)


async def test_a_list_includes_nothing_of_its_orders_and_follows_the_pages() -> None:
    shop = Shop(dict.fromkeys(range(1, 151), CHANGED), fields={7: {"lastUpdatedTime": "lately"}})
    found = reader(shop)

    first = await found.list_orders(ACCESS, HOUR, after=None)
    second = await found.list_orders(ACCESS, HOUR, after=first.after)

    assert {*first.orders, *second.orders} == {
        ListedChange(order_id(number), HOUR.start if number == 7 else CHANGED) for number in range(1, 151)
    }
    assert (len(first.orders), len(second.orders), second.after) == (100, 50, None)
    assert not any("includedData" in query for query in shop.queries)
    assert await found.count_orders(ACCESS, HOUR) is None


@pytest.mark.parametrize("length", [timedelta(minutes=1), timedelta(hours=1)])
async def test_a_window_that_amazon_does_not_look_at_yet_is_not_listed_as_if_it_did(length: timedelta) -> None:
    shop = Shop({1: CHANGED})

    with pytest.raises(TransientError):
        await reader(shop).list_orders(ACCESS, Window(NOW - length, NOW), after=None)


async def test_where_amazon_looked_less_far_than_asked_the_rest_is_not_listed_as_empty() -> None:
    shop = Shop({1: CHANGED}, meanwhile=lambda _number, found: found.update(lastUpdatedBefore="2026-11-23T08:00:00Z"))

    with pytest.raises(TransientError):
        await reader(shop).list_orders(ACCESS, HOUR, after=None)
