"""A list is the pages' ids and times, a count is a page of one receipt, and a lost shop has lost no receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.contract.reading import ListedChange, Window
from services.kit.errors import TransientError
from tests.ingest.platforms.etsy.shop import ACCESS, HOUR_AGO, NOW, Shop, connector, reader
from tests.ingest.platforms.twin_http import answer

HOUR = Window(NOW - timedelta(hours=1), NOW)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(HOUR_AGO + second, tz=UTC)


async def test_a_list_follows_the_pages_and_keeps_what_cannot_be_read() -> None:
    shop = Shop({number: number for number in range(1, 131)}, fields={130: {"updated_timestamp": "lately"}})
    shop.fields[130]["update_timestamp"] = None
    found = reader(shop)

    first = await found.list_orders(ACCESS, HOUR, after=None)
    second = await found.list_orders(ACCESS, HOUR, after=first.after)

    listed = dict.fromkeys((*first.orders, *second.orders))
    assert list(listed) == [
        *(ListedChange(str(number), at(number)) for number in range(1, 130)),
        ListedChange("130", HOUR.start),
    ]
    assert (second.after, first.total, second.total) == (None, 130, 130)


async def test_a_count_is_a_page_of_one_receipt() -> None:
    shop = Shop(dict.fromkeys(range(1, 131), 7))

    assert await reader(shop).count_orders(ACCESS, HOUR) == 130
    assert [query["limit"] for query in shop.queries] == ["1"]


@pytest.mark.parametrize("results", [[], [{"receipt_id": 7, "updated_timestamp": HOUR_AGO}]])
async def test_a_list_that_ends_before_its_count_is_no_list(results: list[object]) -> None:
    before = f"[{HOUR_AGO}, 0, [7], [], 130]"
    found, _ = connector(answer({"count": 130, "results": results}))

    with pytest.raises(TransientError):
        await found.list_orders(ACCESS, HOUR, after=before)


async def test_receipts_are_read_by_their_ids_one_by_one() -> None:
    found = reader(Shop({7: 1, 8: 2}))

    orders = await found.read_orders(ACCESS, ["8", "9"], way="poll")

    assert found.ids_at_once == 1
    assert [(number, order is None) for number, order in orders.items()] == [("8", False), ("9", True)]
