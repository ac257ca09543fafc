"""What a buyer told is found where it must be and nowhere else, after a whole run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import asyncpg
import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from schemas.topics import ORDERS_PRODUCTION, ORDERS_RAW, TOPICS
from tests.faults.history import read_all

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

#: A name and a street that stand nowhere else on this machine.
NAME, STREET = "Quetzalina Canary", "77 Canary Way"
ADDRESS = {
    "name": NAME,
    "line1": STREET,
    "city": "Austin",
    "region": "TX",
    "zip": "73301",
    "country": "US",
    "phone": "+15125550177",
}
CARRY_PERSONAL_DATA = {ORDERS_RAW.name, ORDERS_PRODUCTION.name}


async def test_a_buyers_words_stay_in_their_one_home(api: Api, world: World) -> None:
    await _an_order_with_the_canary_is_released(api, world)

    assert await _topics_with_the_canary(world) == CARRY_PERSONAL_DATA
    assert await _tables_with_the_canary(world) == set()
    assert [name for name, text in _logs(world) if _has_canary(text)] == []
    for url in world.services.values():
        assert not _has_canary(await _text(f"{url}/metrics"))


async def test_a_secret_stays_sealed(api: Api, world: World) -> None:
    await _an_order_with_the_canary_is_released(api, world)
    secrets = [world.settings["ETSY_SHARED_SECRET"], world.settings["SHOPIFY_CLIENT_SECRET"], world.key, "shpat_"]

    found = [name for name, text in _logs(world) if name != "sandbox" for secret in secrets if secret in text]

    assert found == []


async def _an_order_with_the_canary_is_released(api: Api, world: World) -> None:
    await journey.top_up(api)
    opened = await journey.open_store(api, "shopify", ingest_url=world.services["ingest"])
    linked = await journey.link_store(api, opened)
    await journey.create_orders(api, opened, 1, state="invalid_address")
    [order] = await journey.truth(api, opened)
    path = f"/shopify/stores/{opened.external_id}/orders/{order['id']}"
    await api.control("PATCH", path, body={"action": "address", "address": ADDRESS})
    key = f"shopify:{linked.store_id}:{order['id']}"
    give_up = time.monotonic() + 60
    while not (await api.factory("/truth"))["orders"].get(key, {}).get("units_made"):
        assert time.monotonic() < give_up, f"{key} was not made"
        await asyncio.sleep(0.3)


async def _topics_with_the_canary(world: World) -> set[str]:
    bootstrap = world.stack.kafka_bootstrap_servers
    return {
        topic.name
        for topic in TOPICS
        for record in await read_all(bootstrap, topic.name)
        if _has_canary(f"{record.key!r} {(record.value or b'').decode()} {record.headers!r}")
    }


async def _tables_with_the_canary(world: World) -> set[str]:
    """Tables that show the canary to whoever reads them without the master key; bytes are looked at as bytes."""
    connection = await asyncpg.connect(world.stack.database_url)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        assert {"ingest", "eligibility", "reporting"} <= {table["table_schema"] for table in tables}
        found = set()
        for schema, name in tables:
            rows = await connection.fetch(f'SELECT * FROM "{schema}"."{name}"')
            found |= {f"{schema}.{name}" for row in rows if any(_has_canary(_as_text(value)) for value in row)}
        return found
    finally:
        await connection.close()


def _as_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _has_canary(text: str) -> bool:
    return NAME in text or STREET in text


def _logs(world: World) -> Iterator[tuple[str, str]]:
    for name, child in world.supervisor.children.items():
        yield name, child.log_path.read_text(errors="replace")


async def _text(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()
