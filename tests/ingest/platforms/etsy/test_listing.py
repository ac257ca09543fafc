"""A list is the pages' ids and times, a count is a page of one receipt, and a lost shop has lost no receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.contract.reading import ListedChange, Window
from services.ingest.platforms.etsy import reading
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


async def test_etsys_bounds_are_its_own() -> None:
    assert (reading.LIMIT, reading.LARGEST_OFFSET, reading.FIRST_SECOND) == (100, 12_000, 946_684_800)


async def test_a_window_of_creation_asks_by_creation_and_leaves_no_receipt_out_for_its_state() -> None:
    found, http = connector(answer({"count": 0, "results": []}))

    await found.list_orders(ACCESS, Window(HOUR.start, HOUR.end, "created"), after=None)

    # Cancelled receipts are listed unless they are filtered away: so nothing is filtered.
    assert dict(parse_qsl(urlsplit(http.asked[0].url).query)) == {
        "min_created": str(HOUR_AGO),
        "max_created": str(HOUR_AGO + 3599),
        "sort_on": "created",
        "sort_order": "asc",
        "limit": "100",
        "offset": "0",
    }


def test_windows_overlap_by_minutes_and_end_before_the_second_that_is_not_over() -> None:
    pace = connector()[0].pace

    assert timedelta(minutes=5) <= pace.overlap <= timedelta(minutes=10)
    assert pace.settle >= timedelta(seconds=1)
