"""Lists ask for two fields of an order, counts tell only what was asked for, and a hidden order is not missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import ListedChange, Window
from services.kit.errors import TransientError
from tests.ingest.platforms.twin_http import answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, HOUR_AGO, NOW, Shop, asked_of, connector, reader

HOUR = Window(NOW - timedelta(hours=1), NOW)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(HOUR_AGO + second, tz=UTC)


async def test_a_list_asks_for_an_order_s_times_and_no_more() -> None:
    shop = Shop({1: 10, 2: 20}, trash={3: 30}, fields={2: {"date_modified_gmt": None, "date_created_gmt": None}})
    found = reader(shop)

    trash = await found.list_orders(ACCESS, HOUR, after=None)
    orders = await found.list_orders(ACCESS, HOUR, after=trash.after)

    assert trash.orders == (ListedChange("3", at(30)),)
    assert orders.orders == (ListedChange("1", at(10)), ListedChange("2", HOUR.start))
    assert (orders.after, orders.total) == (None, 3)
    assert {query["_fields"] for query in shop.queries} == {"id,date_created_gmt,date_modified_gmt"}


async def test_a_list_holds_what_the_store_s_own_clock_says_however_late_it_is() -> None:
    late = {"Date": format_datetime(NOW - timedelta(hours=2), usegmt=True)}
    shop = Shop({1: -600, 2: 60}, headers=late)

    listing = await reader(shop).list_orders(ACCESS, HOUR, after=None)

    assert listing.orders == (ListedChange("2", at(60)),)


@pytest.mark.parametrize(
    ("store", "count"),
    [
        ({}, 4),
        ({"filters": False}, None),
        ({"refuses_to_sort": True}, None),
        ({"counts": False}, None),
    ],
)
async def test_a_count_takes_the_trash_in_and_is_none_where_the_store_counts_otherwise(
    store: dict[str, Any], count: int | None
) -> None:
    shop = Shop({1: -86_400, 2: 10, 3: 20, 4: 30}, trash={5: 40}, **store)

    assert await reader(shop).count_orders(ACCESS, HOUR) == count
    assert all(query["per_page"] == "1" for query in shop.queries)


async def test_orders_by_their_ids_are_listed_then_looked_for_in_the_trash_then_asked_for_alone() -> None:
    shop = Shop({1: 10, 2: 20, 3: 30}, trash={4: 40}, fields={4: {"status": "trash"}}, hidden=frozenset({3}))
    found, http = connector(shop.answer)

    orders = await found.read_orders(ACCESS, ["4", "3", "2", "9", "x"], way="poll")

    assert [(number, order is not None) for number, order in orders.items()] == [
        ("4", True),
        ("3", True),
        ("2", True),
        ("9", False),
        ("x", False),
    ]
    trashed = orders["4"]
    assert isinstance(trashed, RawOrder)
    assert trashed.cancel_reason == "trash"
    paths = [(path, query.get("include")) for path, query in map(asked_of, http.asked)]
    assert paths == [
        ("/wc/v3/orders", "4,3,2,9"),
        ("/wc/v3/orders", "4,3,9"),
        ("/wc/v3/orders/3", None),
        ("/wc/v3/orders/9", None),
        ("/wc/v3/orders", "9"),
    ]


async def test_a_list_of_ids_that_is_no_list_says_nothing_of_them() -> None:
    found, _ = connector(answer({"code": "none"}))

    with pytest.raises(TransientError):
        await found.read_orders(ACCESS, ["1"], way="poll")
