"""Lists of orders: bounds, pages, statuses, and what a host puts in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytestmark = pytest.mark.integration


async def ids(store: Any, **query: str) -> list[int]:
    answer = await store.call("GET", "orders", params={"per_page": "100"} | query)
    assert answer.status == 200, answer.json
    return [row["id"] for row in answer.json]


async def modified(store: Any, order: int) -> datetime:
    row = (await store.call("GET", f"orders/{order}")).json
    return datetime.fromisoformat(row["date_modified_gmt"]).replace(tzinfo=UTC)


async def test_ten_of_the_newest_are_listed_by_default_and_headers_count_all(woo: Any) -> None:
    made = await woo.orders(count=12, created_over="PT2H")

    first = await woo.call("GET", "orders")
    second = await woo.call("GET", "orders", params={"page": "2"})

    assert [row["id"] for row in first.json + second.json] == made[::-1]
    assert (len(first.json), first.headers["X-WP-Total"], first.headers["X-WP-TotalPages"]) == (10, "12", "2")
    assert first.headers["Link"].endswith('/wp-json/wc/v3/orders?page=2>; rel="next"')
    assert 'rel="prev"' in second.headers["Link"]
    assert 'rel="next"' not in second.headers["Link"]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("per_page", "0", "rest_out_of_bounds"),
        ("per_page", "101", "rest_out_of_bounds"),
        ("page", "0", "rest_out_of_bounds"),
        ("page", "two", "rest_invalid_type"),
        ("order", "up", "rest_not_in_enum"),
        ("orderby", "total", "rest_not_in_enum"),
        ("status", "paid", "rest_not_in_enum"),
        ("modified_after", "yesterday", "rest_invalid_date"),
        ("modified_after", "2026-11-23", "rest_invalid_date"),
        ("modified_after", "2026-13-23T10:00:00", "rest_invalid_date"),
        ("modified_after", "2026-11-23T10:00:00 01:00", "rest_invalid_date"),
        ("include", "a", "rest_invalid_type"),
    ],
)
async def test_a_parameter_out_of_bounds_is_named(woo: Any, name: str, value: str, code: str) -> None:
    answer = await woo.call("GET", "orders", params={name: value})

    assert (answer.status, answer.json["code"]) == (400, "rest_invalid_param")
    assert set(answer.json["data"]["params"]) == {name}
    assert answer.json["data"]["details"][name]["code"] == code


@pytest.mark.parametrize(("storage", "total"), [("hpos", "0"), ("posts", "2")])
async def test_past_the_end_there_is_nothing(woo: Any, storage: str, total: str) -> None:
    store = await woo.open_store(orders_storage=storage)
    await store.orders(count=2)

    answer = await store.call("GET", "orders", params={"page": "9"})

    assert (answer.status, answer.json, answer.headers["X-WP-Total"]) == (200, [], total)


async def test_past_the_end_some_versions_refuse(woo: Any) -> None:
    store = await woo.open_store(past_end="error")
    await store.orders(count=2)

    for path in ("orders", "webhooks"):
        assert (await store.call("GET", path, params={"page": "9"})).status == 400
        assert (await store.call("GET", path, params={"page": "1"})).status == 200


async def test_offset_beats_the_page(woo: Any) -> None:
    made = await woo.orders(count=5, created_over="PT1H")

    assert await ids(woo, offset="3", page="9") == made[1::-1]


async def test_bounds_are_exclusive_to_the_second(woo: Any) -> None:
    order = await woo.order(created_ago="PT1H")
    at = await modified(woo, order)
    second = timedelta(seconds=1)

    async def between(low: datetime, high: datetime) -> list[int]:
        bounds = {name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in (("modified_after", low), ("modified_before", high))}
        return await ids(woo, dates_are_gmt="true", **bounds)

    assert await between(at, at + second) == []
    assert await between(at - second, at) == []
    assert await between(at - second, at + second) == [order]


async def test_bounds_on_creation_are_exclusive_too(woo: Any) -> None:
    order = await woo.order(created_ago="PT1H")
    created = (await woo.call("GET", f"orders/{order}")).json["date_created_gmt"]

    assert await ids(woo, after=created, dates_are_gmt="true") == []
    assert await ids(woo, before=created, dates_are_gmt="true") == []
    assert await ids(woo, after="2020-01-01T00:00:00", dates_are_gmt="true") == [order]


@pytest.mark.parametrize(("zone", "sees"), [("Europe/Berlin", False), ("America/New_York", True)])
async def test_a_zone_and_the_gmt_flag_together_shift_the_bound(woo: Any, zone: str, sees: bool) -> None:  # noqa: FBT001
    store = await woo.open_store(time_zone=zone)
    order = await store.order(created_ago="PT1M")
    bound = datetime.now(UTC) - timedelta(minutes=10)

    shifted = await ids(store, modified_after=f"{bound:%Y-%m-%dT%H:%M:%SZ}", dates_are_gmt="true")
    bare = await ids(store, modified_after=f"{bound:%Y-%m-%dT%H:%M:%S}", dates_are_gmt="true")
    zoned = await ids(store, modified_after=f"{bound:%Y-%m-%dT%H:%M:%SZ}")

    assert shifted == ([order] if sees else [])
    assert bare == zoned == [order]


async def test_a_bare_bound_without_the_flag_is_the_stores_local_time(woo: Any) -> None:
    store = await woo.open_store(time_zone="Europe/Berlin")
    order = await store.order(created_ago="PT1M")
    local = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(minutes=10)
    later = local + timedelta(minutes=20)

    assert await ids(store, modified_after=f"{local:%Y-%m-%dT%H:%M:%S}") == [order]
    assert await ids(store, modified_after=f"{later:%Y-%m-%dT%H:%M:%S}") == []


async def test_stores_before_5_8_ignore_the_bound_on_changes_without_a_word(woo: Any) -> None:
    store = await woo.open_store(wc_version="5.7.0")
    order = await store.order()

    assert await ids(store, modified_after="2100-01-01T00:00:00", dates_are_gmt="true") == [order]
    assert await ids(woo, modified_after="2100-01-01T00:00:00", dates_are_gmt="true") == []


async def test_a_store_that_cannot_sort_by_change_says_so(woo: Any) -> None:
    store = await woo.open_store(orderby_modified=False)

    assert (await store.call("GET", "orders", params={"orderby": "modified"})).status == 400


async def test_the_trash_is_listed_by_its_own_status_alone(woo: Any) -> None:
    kept, thrown = await woo.orders(count=2)
    await woo.change(thrown, "delete")

    assert await ids(woo) == await ids(woo, status="any") == [kept]
    assert await ids(woo, status="any,trash") == await ids(woo, status="trash") == [thrown]
    assert await ids(woo, include=f"{kept},{thrown}") == [kept]


async def test_open_checkouts_are_listed_by_old_versions_only(woo: Any) -> None:
    old = await woo.open_store(wc_version="7.9.0", orders_storage="posts")
    drafts = [await store.order("checkout_draft") for store in (old, woo)]

    assert await ids(old) == [drafts[0]]
    assert await ids(woo) == []
    assert await ids(woo, status="checkout-draft") == [drafts[1]]


async def test_filters_narrow_the_list(woo: Any) -> None:
    paid, held = await woo.order(), await woo.order("unpaid_authorized")
    row = (await woo.call("GET", f"orders/{paid}")).json

    assert await ids(woo, status="on-hold") == [held]
    assert sorted(await ids(woo, status="on-hold,processing")) == [paid, held]
    assert await ids(woo, **{"status[]": "on-hold"}) == [held]
    assert await ids(woo, exclude=str(paid)) == [held]
    assert await ids(woo, include=f"{held},{paid}", orderby="include") == [held, paid]
    assert await ids(woo, search=row["billing"]["email"], include=str(paid)) == [paid]
    assert paid in await ids(woo, product=str(row["line_items"][0]["product_id"]))
    assert await ids(woo, parent="1") == []


async def test_decimals_are_the_stores_own_unless_asked_for(woo: Any) -> None:
    store = await woo.open_store(price_decimals=0)
    await store.order("partly_refunded")

    [own] = (await store.call("GET", "orders")).json
    [six] = (await store.call("GET", "orders", params={"dp": "6"})).json

    assert "." not in own["total"]
    assert len(six["line_items"][0]["total"].partition(".")[2]) == 6
    assert own["line_items"][0]["price"] == six["line_items"][0]["price"]


async def test_fields_can_be_chosen(woo: Any) -> None:
    order = await woo.order()

    answer = await woo.call("GET", "orders", params={"_fields": "id,date_modified_gmt"})

    assert [list(row) for row in answer.json] == [["id", "date_modified_gmt"]]
    assert answer.json[0]["id"] == order


async def test_an_order_that_arrives_between_pages_is_seen_twice(woo: Any) -> None:
    await woo.orders(count=4, created_ago="PT1H")

    first = await ids(woo, per_page="2")
    await woo.order()
    second = await ids(woo, per_page="2", page="2")

    assert first[1] == second[0]


async def test_an_order_that_changes_between_pages_hides_another(woo: Any) -> None:
    made = await woo.orders(count=6, created_over="PT1H", created_ago="PT1H")
    query = {"per_page": "3", "orderby": "modified", "order": "asc"}

    first = await ids(woo, **query)
    await woo.change(made[0], "status", status="on-hold")
    second = await ids(woo, **query, page="2")

    assert set(made) - set(first) - set(second) == {made[3]}


@pytest.mark.parametrize(("kind", "page", "seen"), [("empty_page", "1", []), ("repeated_row", "2", [1, 2])])
async def test_a_page_can_be_spoilt(woo: Any, kind: str, page: str, seen: list[int]) -> None:
    made = await woo.orders(count=4, created_over="PT1H", created_ago="PT1H")
    await woo.control("POST", "/faults", kind=kind, count=1, path=f"page={page}$")
    query = {"per_page": "2", "orderby": "id", "order": "asc", "page": page}

    spoilt = await woo.call("GET", "orders", params=query)
    whole = await woo.call("GET", "orders", params=query)

    assert [row["id"] for row in spoilt.json] == [made[place] for place in seen]
    assert spoilt.headers["X-WP-Total"] == "4"
    assert len(whole.json) == 2


async def test_a_moved_row_makes_the_next_page_skip_another(woo: Any) -> None:
    made = await woo.orders(count=4, created_over="PT1H", created_ago="PT1H")
    await woo.control("POST", "/faults", kind="moved_row", count=1)
    query = {"per_page": "2", "orderby": "modified", "order": "asc"}

    first = await ids(woo, **query)
    second = await ids(woo, **query, page="2")

    assert first == made[:2]
    assert second == [made[3], made[0]]


async def test_a_cached_store_answers_the_same_address_with_old_rows(woo: Any) -> None:
    store = await woo.open_store(cached=True)
    before = await ids(store)
    order = await store.order()

    stale = await store.call("GET", "orders", params={"per_page": "100"})
    fresh = await ids(store, _="1")

    assert before == stale.json == []
    assert stale.headers["X-Cache"] == "HIT"
    assert fresh == [order]


async def test_a_host_lets_two_requests_in_at_a_time(woo: Any) -> None:
    await woo.control("POST", "/settings", latency=0.05)

    answers = await asyncio.gather(*(woo.call("GET", "orders") for _ in range(4)))
    await woo.control("POST", "/settings", retry_after=7, refusal_status=503)
    others = await asyncio.gather(*(woo.call("GET", "orders") for _ in range(3)))
    await woo.control("POST", "/settings", limits=False)
    free = await asyncio.gather(*(woo.call("GET", "orders") for _ in range(4)))

    refused = [answer for answer in answers if answer.status != 200]
    kinds = [(answer.status, answer.json, "Retry-After" in answer.headers) for answer in refused]
    assert kinds == [(429, None, False)] * 2
    assert [answer.headers.get("Retry-After") for answer in others if answer.status == 503] == ["7"]
    assert {answer.status for answer in free} == {200}
    assert (await woo.books())["api_calls_over_budget"] == 3
