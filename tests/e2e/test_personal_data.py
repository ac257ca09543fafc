"""What a buyer told is found where it must be and nowhere else, after a whole run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import asyncpg
import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from schemas.topics import ORDERS_PRODUCTION, ORDERS_RAW, TOPICS
from tests.e2e.everywhere import PLATFORMS, all_held, eventually, everywhere, in_state, store_with
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
#: Settings that are secrets, and what the platforms' tokens and keys begin with.
SECRET_SETTINGS = ("_SECRET", "_TOKEN", "_KEY")
TOKENS = (r"shpat_", r"shprt_", r"Atza\|", r"Atzr\|", r"v\^1\.1#", r"\bc[ks]_[0-9a-f]{40}")
CARRY_PERSONAL_DATA = {ORDERS_RAW.name, ORDERS_PRODUCTION.name}


async def test_a_buyers_words_stay_in_their_one_home(api: Api, world: World) -> None:
    await _orders_with_the_canary_are_made(api, world)

    assert await _topics_with_the_canary(world) == CARRY_PERSONAL_DATA
    assert await _tables_with_the_canary(world) == set()
    assert [name for name, text in _logs(world) if _has_canary(text)] == []
    for url in world.services.values():
        assert not _has_canary(await _text(f"{url}/metrics"))


async def test_a_secret_stays_sealed(api: Api, world: World) -> None:
    await journey.top_up(api)

    async def make(platform: str) -> None:
        await in_state(api, await store_with(api, world, platform, "paid"), "shipped")

    await everywhere(make)
    secrets = {name: re.escape(value) for name, value in world.settings.items() if name.endswith(SECRET_SETTINGS)}
    secrets |= {"key": re.escape(world.key)} | {token: token for token in TOKENS}

    logs = [(process, text) for process, text in _logs(world) if process != "sandbox"]
    found = [(process, name) for process, text in logs for name, secret in secrets.items() if re.search(secret, text)]

    assert len(secrets) > len(PLATFORMS)
    assert found == []


async def _orders_with_the_canary_are_made(api: Api, world: World) -> None:
    """On every platform a held order gets the canary's address, is released by it, and made."""
    await journey.top_up(api)

    async def make(platform: str) -> None:
        linked = await store_with(api, world, platform, "invalid_address")
        [order] = await all_held(api, linked, count=1)
        await journey.change_order(api, linked.opened, order, action="address", address=ADDRESS)
        if platform == "amazon":
            # No notification tells of it, and the list does so minutes later.
            await api.call("ingest", "POST", f"/v1/stores/{linked.store_id}/orders/{order}/read")

        async def made() -> Any:
            book = await api.factory("/truth")
            return book["orders"].get(f"{platform}:{linked.store_id}:{order}", {}).get("units_made")

        await eventually(made)

    await everywhere(make)


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
