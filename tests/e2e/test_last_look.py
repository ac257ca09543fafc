"""An order that waited is looked at once more before it is made: what was cancelled without a word is never made."""

from __future__ import annotations

import asyncpg
import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World
from tests.e2e.everywhere import all_held, in_state, store_with, with_outcome

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

UNMATCHED = "LEGACY-001"


async def test_what_was_cancelled_while_it_waited_is_not_made_and_its_neighbour_is(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await store_with(api, world, "etsy", "unmatched_sku", each=8)
    await all_held(api, linked, count=8)
    waiting = [order for order in await journey.truth(api, linked.opened) if order["lines"][0]["sku"] == UNMATCHED]
    kept, cancelled = (order["id"] for order in waiting[:2])
    # Nobody reads the store any more, so nothing but the last look can notice what happens there.
    settings = {"settings": {"auto_sync": False}}
    await api.call("ingest", "PATCH", f"/v1/stores/{linked.store_id}", body=settings)
    await _read_an_hour_ago(world, linked)
    await journey.change_order(api, linked.opened, cancelled, action="cancel")

    body = {"store_id": linked.store_id, "sku": UNMATCHED, "production_sku": "TEE-BLK-M"}
    await api.call("eligibility", "POST", "/v1/matches", body=body)

    made = await in_state(api, linked, "shipped", order=kept)
    rejected = await with_outcome(api, linked, "rejected", order=cancelled)
    book = (await api.factory("/truth"))["orders"]
    assert book[made["order_key"]]["units_made"] > 0
    assert rejected["order_key"] not in book
    assert {reason["code"] for reason in rejected["reasons"]} & {"CANCELLED", "REFUNDED"}
    told = (await api.call("reporting", "GET", f"/v1/orders/{made['order_key']}"))["timeline"]
    assert any("the platform was asked once more" in entry["sentence"] for entry in told)


async def _read_an_hour_ago(world: World, linked: Linked) -> None:
    connection = await asyncpg.connect(world.stack.database_url)
    try:
        await connection.execute(
            "UPDATE eligibility.orders SET fetched_at = fetched_at - interval '1 hour' WHERE store_id = $1",
            linked.store_id,
        )
    finally:
        await connection.close()
