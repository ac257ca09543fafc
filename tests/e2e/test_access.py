"""Access to a store may end and come back: the seller is told, other stores go on, and history stays."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from tests.e2e.everywhere import eventually, everywhere, in_state, orders_of, store_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_a_revoked_store_says_reconnect_and_the_others_go_on(api: Api, world: World) -> None:
    await journey.top_up(api)
    other = await store_with(api, world, "shopify")

    async def revoke(platform: str) -> Any:
        revoked = await store_with(api, world, platform)
        await api.control("POST", f"/{platform}/stores/{revoked.opened.external_id}/revoke")

        async def told() -> Any:
            view = await api.call("ingest", "GET", f"/v1/stores/{revoked.store_id}")
            return view if view["state"] == "reconnect" else None

        return await eventually(told)

    views = await everywhere(revoke)

    assert all(view["problem"] for view in views.values())
    await journey.create_orders(api, other.opened, 1, state="paid")
    await in_state(api, other, "shipped")


async def test_a_store_that_is_unlinked_and_linked_again_keeps_its_history(api: Api, world: World) -> None:
    await journey.top_up(api)

    async def unlink_and_link_again(platform: str) -> None:
        linked = await store_with(api, world, platform, "paid")
        before = await in_state(api, linked, "shipped")
        await journey.unlink_store(api, linked)
        unlinked = await api.call("ingest", "GET", f"/v1/stores/{linked.store_id}")
        await journey.create_past_orders(api, linked.opened, 1, over="PT1S", state="paid", seed=9)

        await journey.link_again(api, linked)

        async def both() -> Any:
            orders = await orders_of(api, linked)
            return orders if len(orders) == 2 else None

        orders = await eventually(both)
        view = await api.call("ingest", "GET", f"/v1/stores/{linked.store_id}")
        assert (unlinked["state"], view["state"]) == ("unlinked", "linked")
        assert orders[before["external_id"]]["order_key"] == before["order_key"]
        assert view["external_id"] == unlinked["external_id"]

    await everywhere(unlink_and_link_again)
