"""Orders go from the platforms to production and into the report."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from tests.e2e.everywhere import PLATFORMS, all_held, eventually, in_state, opened_store, orders_of, store_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

#: Enough of a mixed thousand for most of its scenarios.
ORDERS = 120


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_order_ends_where_its_scenario_says(api: Api, world: World, platform: str) -> None:
    await journey.top_up(api)
    opened = await opened_store(api, world, platform)
    await journey.create_past_orders(api, opened, ORDERS)
    linked = await journey.link_store(api, opened)
    await journey.create_listed_orders(api, opened, 10, seed=11)

    async def nothing_differs() -> bool:
        return (await journey.tally(api, linked)).differences == ()

    await eventually(nothing_differs)
    assert (await journey.tally(api, linked)).imported == ORDERS + 10
    assert (await api.control("GET", f"/{platform}/books"))["api_calls_over_budget"] == 0


async def test_one_match_releases_every_order_that_waited_for_it(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await store_with(api, world, "shopify", "unmatched_sku", each=20)
    await all_held(api, linked, count=20)
    waiting = [order for order in await journey.truth(api, linked.opened) if order["lines"][0]["sku"] == "LEGACY-001"]
    body = {"store_id": linked.store_id, "sku": "LEGACY-001", "production_sku": "TEE-BLK-M"}

    await api.call("eligibility", "POST", "/v1/matches", body=body)

    async def all_released() -> bool:
        orders = await orders_of(api, linked)
        return all(orders[order["id"]]["state"] in journey.AFTER_RELEASE for order in waiting)

    assert waiting
    await eventually(all_released)


async def test_a_session_says_what_became_of_each_order(api: Api, world: World) -> None:
    linked = await store_with(api, world, "etsy", "paid", each=7)

    async def session_with_orders() -> Any:
        query = {"store": linked.store_id, "with_orders_only": "true"}
        sessions = [item async for item in api.pages("reporting", "/v1/sessions", query)]
        return next((session for session in sessions if session["new"] == 7), None)

    session = await eventually(session_with_orders)

    outcomes = [item async for item in api.pages("reporting", f"/v1/sessions/{session['session_id']}/orders", {})]
    assert {outcome["result"] for outcome in outcomes} == {"new"}
    assert len(outcomes) == 7


async def test_an_order_tells_its_whole_way(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await store_with(api, world, "shopify", "paid")
    order = await in_state(api, linked, "shipped")

    detail = await api.call("reporting", "GET", f"/v1/orders/{order['order_key']}")

    kinds = [entry["kind"] for entry in detail["timeline"]]
    assert kinds[0] == "imported"
    assert {"released", "shipped"} <= set(kinds)
    assert any("tracking_number" in entry["data"] for entry in detail["timeline"])
