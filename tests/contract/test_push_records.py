"""What is kept of stores' webhooks, in memory and in Postgres alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.ids import SessionId
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.memory.webhook_health import MemoryPushRecords
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.adapters.postgres.webhook_health import PostgresPushRecords
from services.ingest.contract.webhooks import Mended
from services.ingest.webhooks.ports import Healing, PushHealth, PushRecords
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import START, STORE, linked_store

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[PushRecords]:
    if request.param == "memory":
        memory = Memory()
        await MemoryStores(memory).add(linked_store())
        yield MemoryPushRecords(memory)
        return
    dsn = request.getfixturevalue("fresh_database")
    await migrate(dsn, schema=SCHEMA, directory=MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=2)
    await PostgresStores(pool).add(linked_store())
    yield PostgresPushRecords(pool)
    await pool.close()


async def test_all_of_it_in_one_life(records: PushRecords) -> None:
    """One test for one database: nothing at first; each part is kept, and none of them overwrites another's."""
    assert await records.get(STORE) == PushHealth()

    await records.hear({STORE: START + MINUTE, "gone": START})
    await records.hear({STORE: START})
    first = await records.refuse(STORE, now=START, unless_since=START - MINUTE)
    again = await records.refuse(STORE, now=START + MINUTE, unless_since=START - MINUTE)
    later = await records.refuse(STORE, now=START + 9 * MINUTE, unless_since=START)
    gone = await records.refuse("gone", now=START, unless_since=START)
    told = PushHealth(
        checked_at=START,
        doubted_at=START - MINUTE,
        fruitless=3,
        awaited_at=START - 3 * MINUTE,
        healing=Healing(
            mended=(Mended("orders/create", "missing"), Mended("orders/paid", "wrong_address")),
            mended_at=START,
            read_from=START - 4 * MINUTE,
            right_at=START - 2 * MINUTE,
            came=2,
            counted_in=SessionId("s-1"),
        ),
    )
    await records.keep(STORE, replace(told, heard_at=START - 9 * MINUTE, refused_at=None))
    await records.keep("gone", told)

    assert (first, again, later, gone) == (True, False, True, False)
    assert await records.get(STORE) == replace(told, heard_at=START + MINUTE, refused_at=START + 9 * MINUTE)
    assert await records.get("gone") == PushHealth()
