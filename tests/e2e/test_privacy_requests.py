"""A platform has a buyer forgotten: from its webhook through every service to every table, nobody knows them then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from tests.integration.test_privacy_serving import everything_kept

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WITHIN_SECONDS = 60.0


async def test_a_buyer_whom_shopify_has_forgotten_is_in_no_table_even_sealed(api: Api, world: World) -> None:
    opened = await journey.open_store(api, "shopify", ingest_url=world.services["ingest"])
    linked = await journey.link_store(api, opened)
    await journey.create_orders(api, opened, 1, state="invalid_address")
    [order] = await journey.truth(api, opened)
    key = f"shopify:{linked.store_id}:{order['id']}"
    await _eventually(lambda: _sealed(world, key))
    address = f"{world.services['ingest']}/webhooks/shopify"
    await api.control("POST", "/shopify/settings", body={"compliance_url": address})
    await _tell(api, opened.external_id, "customers/data_request", order["id"])
    [asked] = await _eventually(lambda: _requests(api, linked.store_id, "open"))
    detail = await api.call("eligibility", "GET", f"/v1/privacy-requests/{asked['id']}")
    [buyer] = [held for held in detail["orders"] if held["order_key"] == key]
    assert buyer["email"]
    assert buyer["ship_to"]["name"]

    await _tell(api, opened.external_id, "customers/redact", order["id"])
    [erased] = await _eventually(lambda: _requests(api, linked.store_id, "erased"))

    assert erased["orders_erased"] == 1
    assert await _sealed(world, key) == 0
    text, _ = await everything_kept(world.stack.database_url)
    assert [told for told in (buyer["email"], buyer["ship_to"]["name"]) if told in text] == []
    decision = await api.call("eligibility", "GET", f"/v1/orders/{key}/decision")
    assert [reason["code"] for reason in decision["reasons"]] == ["BUYER_DATA_ERASED"]


async def _tell(api: Api, store: str, topic: str, order: str) -> None:
    await api.control("POST", f"/shopify/stores/{store}/privacy", body={"topic": topic, "order_ids": [order]})


async def _requests(api: Api, store_id: str, state: str) -> list[Any]:
    items = (await api.call("eligibility", "GET", f"/v1/privacy-requests?state={state}"))["items"]
    return [item for item in items if item["store_id"] == store_id]


async def _sealed(world: World, key: str) -> int:
    """Count what eligibility keeps sealed of an order."""
    connection = await asyncpg.connect(world.stack.database_url)
    try:
        count: int = await connection.fetchval(
            "SELECT (SELECT count(*) FROM eligibility.personal_data WHERE order_key = $1)"
            " + (SELECT count(*) FROM eligibility.outbox WHERE sealed AND order_key = $1)",
            key,
        )
    finally:
        await connection.close()
    return count


async def _eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    give_up = time.monotonic() + WITHIN_SECONDS
    while not (answer := await ask()):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.2)
    return answer
