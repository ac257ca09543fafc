"""Lists and counts cost a point an order, and neither a spoilt page nor a hidden order is taken for a missing one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Listing, Unreadable, Window
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.shopify.shop import ACCESS, NOW, Shop, connector, node
from tests.ingest.platforms.twin_http import Asked, answer

HOUR = Window(datetime(2026, 11, 23, 8, tzinfo=UTC), NOW)


async def every_part(found: ShopifyConnector, window: Window = HOUR) -> list[Listing]:
    parts = [await found.list_orders(ACCESS, window, after=None)]
    while (after := parts[-1].after) is not None:
        parts.append(await found.list_orders(ACCESS, window, after=after))
    return parts


async def test_250_orders_a_page_are_listed_as_the_mapping_reads_them() -> None:
    shop = Shop([node(number) for number in range(1, 301)])

    parts = await every_part(connector(shop))

    assert [len(part.orders) for part in parts] == [250, 50]
    assert {part.total for part in parts} == {300}
    whole = await connector(shop).read_orders(ACCESS, ["1", "300"], way="poll")
    for change in (parts[0].orders[0], parts[1].orders[-1]):
        order = whole[change.external_id]
        assert isinstance(order, RawOrder)
        assert change.at == order.revised_at
    assert {operation for operation, _ in shop.asked} == {"FirstList", "NextList", "SomeOrders"}


async def test_by_creation_an_order_that_came_in_later_stands_at_the_time_it_was_placed() -> None:
    placed = "2025-03-01T10:00:00Z"
    shop = Shop([node(1, processedAt=placed), node(2, processedAt=None)])

    [part] = await every_part(connector(shop), Window(HOUR.start, HOUR.end, "created"))

    created = datetime.fromisoformat(shop.orders[1]["createdAt"])
    assert [change.at for change in part.orders] == [datetime.fromisoformat(placed), created]
    assert shop.asked[0][1]["sort"] == "CREATED_AT"


async def test_an_order_that_cannot_be_read_is_listed_at_the_least_that_is_certain() -> None:
    shop = Shop([node(1, updatedAt="lately"), node(2, legacyResourceId=None)])

    [part] = await every_part(connector(shop))

    assert [(change.external_id, change.at) for change in part.orders] == [("1", HOUR.start)]


async def test_a_page_that_is_too_dear_becomes_smaller_until_it_is_not() -> None:
    shop = Shop([node(number) for number in range(1, 101)], most_listed=40)

    parts = await every_part(connector(shop))

    assert [len(part.orders) for part in parts] == [31, 31, 31, 7]


@pytest.mark.parametrize("left", [0, 3])
async def test_a_promised_page_that_is_empty_ends_the_list_only_if_nothing_is_left(left: int) -> None:
    def spoil(page: int, connection: dict[str, Any]) -> dict[str, Any]:
        if page == 1:
            return connection | {"pageInfo": {"hasNextPage": True, "endCursor": "2"}}
        return {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    shop = Shop([node(1), node(2)], spoil=spoil, counted=left)
    found = connector(shop)
    first = await found.list_orders(ACCESS, HOUR, after=None)

    if left:
        with pytest.raises(TransientError):
            await found.list_orders(ACCESS, HOUR, after=first.after)
    else:
        assert (await found.list_orders(ACCESS, HOUR, after=first.after)).after is None
    # What is counted is what follows the last order that was listed.
    assert "updated_at:>='2026-11-23T08:00:03Z'" in shop.asked[-1][1]["search"]


@pytest.mark.parametrize(("precision", "count"), [("EXACT", 7), ("AT_LEAST", None)])
async def test_a_count_is_one_only_when_it_is_exact(precision: str, count: int | None) -> None:
    shop = Shop(counted=7, precision=precision)

    assert await connector(shop).count_orders(ACCESS, HOUR) == count


@pytest.mark.parametrize("document", [queries.COUNT, queries.FIRST_LIST, queries.FIRST_PAGE])
def test_nothing_is_counted_up_to_the_10000_at_which_shopify_stops_by_itself(document: str) -> None:
    assert "ordersCount(query: $search, limit: null)" in document


async def test_orders_by_their_ids_have_all_their_lines_and_reasons_of_hold() -> None:
    shop = Shop([node(1, lines=8), node(2, displayFulfillmentStatus="ON_HOLD")], holds=["INCORRECT_ADDRESS"])

    found = await connector(shop).read_orders(ACCESS, ["2", "1", "7"], way="poll")

    assert list(found) == ["2", "1", "7"]
    one, two = found["1"], found["2"]
    assert isinstance(one, RawOrder)
    assert isinstance(two, RawOrder)
    assert (len(one.items), two.holds, found["7"]) == (8, ("incorrect_address",), None)


async def test_an_order_older_than_the_app_is_shown_is_unreadable_and_never_gone() -> None:
    shop = Shop([node(500), node(501)])
    found = connector(shop)

    limited = await found.read_orders(ACCESS, ["499", "502", "500"], way="poll")
    shop.scopes = ("read_orders", "read_all_orders")
    unlimited = await found.read_orders(ACCESS, ["499"], way="poll")

    assert isinstance(limited["499"], Unreadable)
    assert "60 days" in limited["499"].problem
    assert limited["502"] is None
    assert unlimited == {"499": None}


@pytest.mark.parametrize("nodes", [None, [], [{"id": "gid://shopify/Order/2"}], [None, None]])
async def test_an_answer_that_is_not_about_the_orders_asked_for_says_nothing_of_them(nodes: object) -> None:
    shop = Shop([node(1)])

    def spoilt(asked: Asked) -> HttpAnswer:
        return answer({"data": {"nodes": nodes}}) if "SomeOrders" in asked.json["query"] else shop.answer(asked)

    found = connector(shop, spoilt)

    with pytest.raises(TransientError):
        await found.read_orders(ACCESS, ["1"], way="poll")
