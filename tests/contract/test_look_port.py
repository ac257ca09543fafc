"""What the port of last looks promises, over Postgres and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from schemas.ids import StoreId, order_key
from schemas.looks import LookWanted, look_wanted
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.looks import MemoryLooks
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.looks import PostgresLooks
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.looks.ports import LookLease, Looks
from services.ingest.ports import LeaseLost, Stores
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import LEASE, SELLER, START, STORE, linked_store

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Ports:
    stores: Stores
    looks: Looks

    async def claim(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> list[LookLease]:
        now = START + after
        return await self.looks.claim(owner=owner, platforms=["twin"], limit=9, now=now, until=now + LEASE)

    async def leased(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> LookLease:
        [lease] = await self.claim(owner, after=after)
        return lease


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        ports = Ports(MemoryStores(memory), MemoryLooks(memory))
        await ports.stores.add(linked_store())
        yield ports
        return
    pool = await create_pool(
        request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS), schema=SCHEMA, max_size=4
    )
    ports = Ports(PostgresStores(pool), PostgresLooks(pool))
    await ports.stores.add(linked_store())
    yield ports
    await pool.close()


def wanted(number: str = "o1", *, store_id: str = STORE, after: timedelta = timedelta()) -> LookWanted:
    return look_wanted(
        order_key("twin", store_id, number),
        seller_id=SELLER,
        store_id=StoreId(store_id),
        platform="twin",
        external_id=number,
        raw_event_id="known",
        revised_at=START,
        asked_at=START + after,
    )


async def test_a_question_comes_back_as_it_was_put_until_it_is_answered(ports: Ports) -> None:
    await ports.looks.ask([wanted()], now=START)

    lease = await ports.leased()
    assert await ports.looks.next(lease, limit=9) == [wanted()]
    await ports.looks.answered(lease, [wanted()])

    assert await ports.looks.next(lease, limit=9) == []
    await ports.looks.leave(lease, due=START)
    assert await ports.claim() == []


async def test_of_an_orders_questions_the_last_stands(ports: Ports) -> None:
    first, second = wanted(), wanted(after=MINUTE)
    await ports.looks.ask([second, first], now=START)
    await ports.looks.ask([first], now=START)
    lease = await ports.leased()

    assert await ports.looks.next(lease, limit=9) == [second]
    await ports.looks.answered(lease, [first])
    assert await ports.looks.next(lease, limit=9) == [second]
    await ports.looks.leave(lease, due=START, failures=2)

    assert (await ports.leased()).failures == 2


async def test_the_oldest_questions_come_first(ports: Ports) -> None:
    await ports.looks.ask([wanted("o2", after=MINUTE), wanted("o1")], now=START)

    found = await ports.looks.next(await ports.leased(), limit=1)

    assert [one.external_id for one in found] == ["o1"]


async def test_a_store_that_nobody_knows_is_not_asked_about(ports: Ports) -> None:
    await ports.looks.ask([wanted(store_id="st-9")], now=START)

    assert await ports.claim() == []


async def test_only_one_process_reads_a_store_until_its_lease_ends(ports: Ports) -> None:
    await ports.looks.ask([wanted()], now=START)
    first = await ports.leased()
    assert await ports.claim("process-2") == []
    await ports.looks.renew(first, until=START + 2 * LEASE)
    assert await ports.claim("process-2", after=LEASE) == []

    second = await ports.leased("process-2", after=2 * LEASE)

    for late in (
        ports.looks.renew(first, until=START),
        ports.looks.answered(first, [wanted()]),
        ports.looks.leave(first, due=START),
        ports.looks.give_back(first, due=START),
    ):
        with pytest.raises(LeaseLost):
            await late
    await ports.looks.give_back(second, due=START + MINUTE)
    assert await ports.claim(after=MINUTE / 2) == []
    assert len(await ports.claim(after=MINUTE)) == 1


async def test_a_store_that_rests_is_not_hurried_by_another_question(ports: Ports) -> None:
    await ports.looks.ask([wanted()], now=START)
    await ports.looks.leave(await ports.leased(), due=START + MINUTE, failures=1)

    await ports.looks.ask([wanted("o2")], now=START)

    assert await ports.claim(after=MINUTE / 2) == []
    assert len(await ports.claim(after=MINUTE)) == 1
