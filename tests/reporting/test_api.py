"""The API answers a seller about their own things, and refuses all else in words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openapi_spec_validator import validate

from schemas.stores import Capability
from services.reporting.app import routes_document
from tests.reporting.conftest import Site
from tests.reporting.facts import (
    SELLER,
    SESSION,
    at,
    decided,
    finished,
    key,
    not_matched,
    outcome,
    progressed,
    started,
    store,
    update,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

LISTS = ["/v1/sessions", f"/v1/sessions/{SESSION}/orders", "/v1/orders", "/v1/stores", "/v1/alerts"]
ALL = [*LISTS, f"/v1/sessions/{SESSION}", f"/v1/orders/{key()}", "/v1/summary", "/v1/events"]


async def _get(site: Site, path: str, *, seller: str = SELLER, **query: str) -> tuple[int, Any]:
    async with site.client(site.keys.grant(seller)) as client, client.get(path, params=query) as answer:
        return answer.status, orjson.loads(await answer.read())


@pytest.fixture
async def filled(site: Site) -> Site:
    held = decided(key(2), reasons=(not_matched(),))
    hidden = Capability(name="addresses", allowed=False, detail="Grant the scope.")
    shown = store(platform_name="Etsy", access_ends_at=at(5 * 24 * 60), capabilities=(hidden,))
    await site.take(shown, started(), progressed(outcome(1), outcome(2)), finished())
    await site.take(decided(key(1)), update("shipped", key(1)), held)
    return site


@pytest.mark.parametrize("path", ALL)
async def test_nobody_reads_without_a_key(filled: Site, path: str) -> None:
    async with filled.client() as client, client.get(path) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("path", ALL)
async def test_a_key_needs_the_scope(filled: Site, path: str) -> None:
    async with filled.client(filled.keys.grant(SELLER, ["stores:write"])) as client, client.get(path) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_has_items_and_next(filled: Site, path: str) -> None:
    status, body = await _get(filled, path)

    assert status == 200
    assert set(body) == {"items", "next"}
    assert body["items"]


@pytest.mark.parametrize("path", LISTS)
async def test_a_foreign_cursor_is_refused(filled: Site, path: str) -> None:
    status, body = await _get(filled, path, cursor="bm9uc2Vuc2U")

    assert (status, body["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"state": "sleeping"}, {"from": "yesterday"}, {"nonsense": "1"}]
)
async def test_a_malformed_filter_is_refused(filled: Site, query: dict[str, str]) -> None:
    status, body = await _get(filled, "/v1/orders", **query)

    assert (status, body["code"]) == (422, "invalid_request")


async def test_an_order_is_found_by_its_key_with_colons(filled: Site) -> None:
    status, body = await _get(filled, f"/v1/orders/{key(1)}")

    assert status == 200
    assert body["timeline"][-1]["sentence"].startswith("Shipped with USPS")


async def test_a_held_order_says_why_who_acts_and_what_checks_it_again(filled: Site) -> None:
    _, body = await _get(filled, "/v1/orders", outcome="held")

    [order] = body["items"]
    [reason] = order["reasons"]
    assert "SKU MUG-11" in reason["sentence"]
    assert (reason["code"], reason["actor"]) == ("ITEM_NOT_MATCHED", "seller")
    assert "match" in reason["rechecked_by"]


async def test_orders_are_filtered_by_time(filled: Site) -> None:
    _, body = await _get(filled, "/v1/orders", **{"from": at(-10_000).isoformat(), "to": at(-9_000).isoformat()})

    assert body == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/sessions/no-such", "session_not_found"),
        ("/v1/sessions/no-such/orders", "session_not_found"),
        ("/v1/orders/etsy:store-1:999", "order_not_found"),
        ("/v1/orders/nonsense", "order_not_found"),
    ],
)
async def test_an_unknown_thing_is_404_with_a_code(filled: Site, path: str, code: str) -> None:
    status, body = await _get(filled, path)

    assert (status, body["code"]) == (404, code)


@pytest.mark.parametrize("path", [f"/v1/sessions/{SESSION}", f"/v1/sessions/{SESSION}/orders", f"/v1/orders/{key(1)}"])
async def test_another_sellers_thing_is_404(filled: Site, path: str) -> None:
    status, _ = await _get(filled, path, seller="seller-2")

    assert status == 404


async def test_a_session_has_its_counts_and_orders(filled: Site) -> None:
    _, session = await _get(filled, f"/v1/sessions/{SESSION}")
    _, orders = await _get(filled, f"/v1/sessions/{SESSION}/orders", result="new")

    assert (session["state"], session["listed"], session["new"]) == ("succeeded", 2, 2)
    assert [order["order_key"] for order in orders["items"]] == [key(1), key(2)]


async def test_events_tell_what_changed(filled: Site) -> None:
    async with filled.client(filled.keys.grant(SELLER)) as client, client.get("/v1/events") as answer:
        await answer.content.readuntil(b"\n\n")

        await filled.take(decided(key(9)))
        event = await answer.content.readuntil(b"\n\n")

        assert answer.content_type == "text/event-stream"
        assert b"event: changed" in event
        assert key(9).encode() in event


async def test_events_begin_after_the_one_seen_last(filled: Site) -> None:
    query = {"after": "long ago"}
    async with filled.client(filled.keys.grant(SELLER)) as client, client.get("/v1/events", params=query) as answer:
        await answer.content.readuntil(b"\n\n")
        event = await answer.content.readuntil(b"\n\n")

    assert event.startswith(b"event: resync")


async def test_a_store_says_what_it_lets_us_do_and_when_access_ends(filled: Site) -> None:
    _, body = await _get(filled, "/v1/stores")

    [shown] = body["items"]
    assert shown["platform_name"] == "Etsy"
    assert shown["capabilities"] == [
        {"name": "addresses", "title": "Shipping addresses", "allowed": False, "sentence": "Grant the scope."}
    ]
    assert (shown["access"]["days_left"], shown["access"]["severity"]) == (5, "urgent")
    assert shown["last_success"]["read_through"] == "2026-03-01T12:00:00Z"


async def test_alerts_go_on_page_by_page(filled: Site) -> None:
    _, first = await _get(filled, "/v1/alerts", limit="1")
    _, second = await _get(filled, "/v1/alerts", limit="1", cursor=first["next"])

    assert [alert["code"] for alert in first["items"] + second["items"]] == ["ACCESS_ENDS", "ADDRESSES_HIDDEN"]
    assert second["next"] is None


async def test_another_seller_hears_of_no_alert(filled: Site) -> None:
    _, body = await _get(filled, "/v1/alerts", seller="seller-2")

    assert body["items"] == []


def test_the_document_is_openapi() -> None:
    document = routes_document()

    validate(document)
    assert {path for path in document["paths"] if path.startswith("/v1/")} == {
        "/v1/sessions",
        "/v1/sessions/{id}",
        "/v1/sessions/{id}/orders",
        "/v1/orders",
        "/v1/orders/{key}",
        "/v1/stores",
        "/v1/summary",
        "/v1/alerts",
        "/v1/events",
        "/v1/completeness",
        "/v1/completeness/{store_id}",
        "/v1/completeness/{store_id}/audits",
        "/v1/completeness/{store_id}/syncs",
        "/v1/audits",
        "/v1/audits/{id}",
        "/v1/tracking",
        "/v1/tracking/summary",
        "/v1/tracking/export",
        "/v1/tracking/retries",
    }
