"""Orders go from the platforms to production and into the report, whatever happens on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WITHIN_SECONDS = 60.0
PLATFORMS = ("etsy", "shopify")


async def _eventually(check: Callable[[], Awaitable[Any]], *, within: float = WITHIN_SECONDS) -> Any:
    """The first true answer of `check`; fails with the last one when it never comes."""
    give_up = time.monotonic() + within
    while not (answer := await check()):
        assert time.monotonic() < give_up, answer
        await asyncio.sleep(0.2)
    return answer


async def _linked_store(api: Api, world: World, platform: str, **options: Any) -> Linked:
    opened = await journey.open_store(api, platform, ingest_url=world.services["ingest"], **options)
    return await journey.link_store(api, opened)


async def _orders(api: Api, linked: Linked) -> dict[str, Any]:
    query = {"store": linked.store_id, "limit": "200"}
    return {item["external_id"]: item async for item in api.pages("reporting", "/v1/orders", query)}


async def _order_in_state(api: Api, linked: Linked, state: str) -> Any:
    """The store's only order once it is in that state."""

    async def check() -> Any:
        orders = await _orders(api, linked)
        return next((order for order in orders.values() if order["state"] == state), None)

    return await _eventually(check)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_order_ends_where_its_scenario_says(api: Api, world: World, platform: str) -> None:
    await journey.top_up(api)
    opened = await journey.open_store(api, platform, ingest_url=world.services["ingest"])
    await journey.create_orders(api, opened, 250, created_over="PT1H", created_ago="PT2M")

    linked = await journey.link_store(api, opened)

    async def nothing_differs() -> bool:
        return (await journey.tally(api, linked)).differences == ()

    await _eventually(nothing_differs)
    assert (await journey.tally(api, linked)).imported == 250


async def test_one_match_releases_every_order_that_waited_for_it(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await _linked_store(api, world, "shopify")
    await journey.create_orders(api, linked.opened, 20, state="unmatched_sku")

    async def all_held() -> bool:
        orders = await _orders(api, linked)
        return len(orders) == 20 and all(order["outcome"] == "held" for order in orders.values())

    await _eventually(all_held)
    waiting = [order for order in await journey.truth(api, linked.opened) if order["lines"][0]["sku"] == "LEGACY-001"]
    body = {"store_id": linked.store_id, "sku": "LEGACY-001", "production_sku": "TEE-BLK-M"}

    await api.call("eligibility", "POST", "/v1/matches", body=body)

    async def all_released() -> bool:
        orders = await _orders(api, linked)
        return all(orders[order["id"]]["state"] in journey.AFTER_RELEASE for order in waiting)

    assert waiting
    await _eventually(all_released)


async def test_an_order_cancelled_on_the_platform_is_not_made(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await _linked_store(api, world, "shopify")
    await api.factory("/settings", method="POST", body={"pace": 5.0})
    try:
        await journey.create_orders(api, linked.opened, 1, state="paid")
        order = await _order_in_state(api, linked, "accepted")
        path = f"/shopify/stores/{linked.opened.external_id}/orders/{order['external_id']}"

        await api.control("PATCH", path, body={"action": "cancel", "reason": "CUSTOMER"})

        cancelled = await _order_in_state(api, linked, "cancelled")
        book = await api.factory("/truth")
        assert book["orders"][cancelled["order_key"]]["units_made"] == 0
    finally:
        await api.factory("/settings", method="POST", body={"pace": 0.0})


async def test_a_revoked_store_says_reconnect_and_the_others_go_on(api: Api, world: World) -> None:
    await journey.top_up(api)
    revoked = await _linked_store(api, world, "etsy")
    other = await _linked_store(api, world, "shopify")

    await api.control("POST", f"/etsy/stores/{revoked.opened.external_id}/revoke")

    async def told() -> Any:
        view = await api.call("ingest", "GET", f"/v1/stores/{revoked.store_id}")
        return view if view["state"] == "reconnect" else None

    view = await _eventually(told)
    assert view["problem"]
    await journey.create_orders(api, other.opened, 1, state="paid")
    await _order_in_state(api, other, "shipped")


async def test_a_session_says_what_became_of_each_order(api: Api, world: World) -> None:
    opened = await journey.open_store(api, "etsy", ingest_url=world.services["ingest"])
    await journey.create_orders(api, opened, 7, state="paid", created_over="PT1H", created_ago="PT2M")
    linked = await journey.link_store(api, opened)

    async def session_with_orders() -> Any:
        query = {"store": linked.store_id, "with_orders_only": "true"}
        sessions = [item async for item in api.pages("reporting", "/v1/sessions", query)]
        return next((session for session in sessions if session["new"] == 7), None)

    session = await _eventually(session_with_orders)

    outcomes = [item async for item in api.pages("reporting", f"/v1/sessions/{session['session_id']}/orders", {})]
    assert {outcome["result"] for outcome in outcomes} == {"new"}
    assert len(outcomes) == 7


async def test_an_order_tells_its_whole_way(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await _linked_store(api, world, "shopify")
    await journey.create_orders(api, linked.opened, 1, state="paid")
    order = await _order_in_state(api, linked, "shipped")

    detail = await api.call("reporting", "GET", f"/v1/orders/{order['order_key']}")

    kinds = [entry["kind"] for entry in detail["timeline"]]
    assert kinds[0] == "imported"
    assert {"released", "shipped"} <= set(kinds)
    assert any("tracking_number" in entry["data"] for entry in detail["timeline"])
