"""Lists ask for four fields of an order, and what a list of ids leaves out is asked for by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import ListedChange, Window
from services.kit.errors import TransientError
from tests.ingest.platforms.shopbase.shop import ACCESS, HOUR_AGO, NOW, Shop, connector
from tests.ingest.platforms.twin_http import Asked

HOUR = Window(HOUR_AGO, NOW)


def query_of(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(asked.url).query))


async def test_a_list_asks_for_an_order_s_times_and_no_more() -> None:
    shop = Shop({1: 10.0, 2: 20.0}, fields={2: {"updated_at": "lately"}})
    found, http, _ = connector(shop.answer)

    part = await found.list_orders(ACCESS, HOUR, after=None)

    assert set(part.orders) == {ListedChange("1", HOUR_AGO + timedelta(seconds=10)), ListedChange("2", HOUR.start)}
    assert (part.after, part.total) == (None, 2)
    assert query_of(http.asked[0])["fields"] == "id,created_at,updated_at,processed_at"


async def test_by_creation_an_order_that_came_in_later_stands_at_the_time_it_was_placed() -> None:
    placed = "2025-03-01T10:00:00-05:00"
    shop = Shop({1: 10.0}, fields={1: {"processed_at": placed}})
    found, _, _ = connector(shop.answer)

    [change] = (await found.list_orders(ACCESS, Window(HOUR_AGO, NOW, "created"), after=None)).orders
    order = (await found.read_orders(ACCESS, ["1"], way="poll"))["1"]

    assert isinstance(order, RawOrder)
    assert change.at == order.placed_at == datetime.fromisoformat(placed)


async def test_a_count_is_one_call_over_the_window_s_whole_seconds() -> None:
    shop = Shop({number: float(number) for number in range(1, 6)})
    found, http, _ = connector(shop.answer)

    assert await found.count_orders(ACCESS, HOUR) == 5
    [asked] = http.asked
    query = query_of(asked)
    assert query["order_status"] == "any"
    assert datetime.fromisoformat(query["updated_at_max"]) == NOW - timedelta(seconds=1)


async def test_what_a_list_of_ids_leaves_out_is_gone_only_when_it_is_not_there_by_itself() -> None:
    shop = Shop({1: 10.0, 2: 20.0, 3: 30.0}, unlisted=frozenset({2}))
    found, http, _ = connector(shop.answer)

    orders = await found.read_orders(ACCESS, ["1", "2", "9", "x"], way="poll")

    assert [number for number, order in orders.items() if order is None] == ["9", "x"]
    paths = [urlsplit(asked.url).path.rpartition("/")[2] for asked in http.asked]
    assert paths == ["orders.json", "2.json", "9.json"]
    assert query_of(http.asked[0]) == {"order_status": "any", "ids": "1,2,9", "limit": "250"}


async def test_a_shop_whose_orders_are_not_found_has_lost_none_of_them() -> None:
    shop = Shop({1: 10.0}, is_lost=True)
    found, _, _ = connector(shop.answer)

    with pytest.raises(TransientError):
        await found.read_orders(ACCESS, ["1"], way="poll")
