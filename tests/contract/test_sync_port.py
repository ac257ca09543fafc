"""What the port of manual syncs promises, over Postgres and in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from schemas.ids import OrderKey
from schemas.sessions import OrderOutcome
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.polls import MemoryOutbox, MemorySeenOrders
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.memory.syncs import MemorySyncs
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.polls import PostgresSeenOrders
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.adapters.postgres.syncs import PostgresSyncs
from services.ingest.contract.reading import Page, Window
from services.ingest.ports import LeaseLost, Outbox, Seen, SeenOrders, Stores, SyncLease, Syncs
from services.ingest.sessions import told_end, told_start
from services.ingest.syncs.sync import Asked, Sync, cancelled, new_sync, paused, resumed
from services.kit.kafka.publisher import Message
from services.kit.periods import Period
from services.kit.postgres.pool import create_pool
from tests.ingest.twin_platform import PACE
from tests.ingest.workbench import LEASE, SELLER, START, STORE, linked_store

KEY = OrderKey("twin:st-1:o1")
SEEN = {KEY: Seen(START, "event-1")}
OUTCOMES = [OrderOutcome(external_id="o1", order_key=KEY, result="new")]
WINDOW = Window(START - timedelta(days=9), START - timedelta(days=1), "created")
PAGE = Page((), "cursor-1", START - timedelta(days=5), total=7)
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Ports:
    stores: Stores
    syncs: Syncs
    seen: SeenOrders
    outbox: Outbox

    async def told(self) -> list[Message]:
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await self.outbox.relay(hear, limit=1000)
        return heard

    async def asked(self, store_id: str = STORE) -> Sync:
        period = Period(START - timedelta(days=9), START - timedelta(days=2), "UTC", ("a rule",))
        sync = new_sync(
            f"sync-{next(_NUMBERS):06}",
            linked_store(store_id),
            Asked("2026-11-11", "2026-11-17", "UTC", "created"),
            period,
            pace=PACE,
            by_key="key-1",
            reaches_back_to=START - timedelta(days=60),
            now=START,
        )
        await self.syncs.add([sync])
        return sync

    async def lease(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> SyncLease | None:
        now = START + after
        leases = await self.syncs.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def leased(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> SyncLease:
        lease = await self.lease(owner, after=after)
        assert lease is not None
        return lease

    async def kept(self, sync: Sync) -> Sync:
        found = await self.syncs.get(sync.sync_id)
        assert found is not None
        return found


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        yield Ports(MemoryStores(memory), MemorySyncs(memory), MemorySeenOrders(memory), MemoryOutbox(memory))
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    yield Ports(PostgresStores(pool), PostgresSyncs(pool), PostgresSeenOrders(pool), PostgresOutbox(pool))
    await pool.close()


@pytest.fixture(autouse=True)
async def _stores(ports: Ports) -> None:
    for store_id in (STORE, "st-2"):
        await ports.stores.add(linked_store(store_id))
    await ports.told()


def after_a_page(lease: SyncLease) -> Sync:
    return lease.sync.began(now=START).progressed(PAGE, OUTCOMES, outside=2, window=WINDOW, now=START)


async def test_a_sync_is_kept_as_it_was_asked_for(ports: Ports) -> None:
    sync = await ports.asked()

    assert await ports.kept(sync) == sync
    assert await ports.syncs.get("nowhere") is None


async def test_a_sellers_syncs_are_listed_the_newest_first_by_parts(ports: Ports) -> None:
    syncs = [await ports.asked() for _ in range(3)] + [await ports.asked("st-2")]

    newest = await ports.syncs.page(SELLER, store_id=None, after=None, limit=2)
    rest = await ports.syncs.page(SELLER, store_id=None, after=newest[-1].sync_id, limit=9)
    one = await ports.syncs.page(SELLER, store_id="st-2", after=None, limit=9)

    assert [*newest, *rest] == syncs[::-1]
    assert one == syncs[3:]
    assert await ports.syncs.page("seller-2", store_id=None, after=None, limit=9) == []


async def test_of_each_store_only_the_oldest_sync_is_leased_and_the_next_after_it(ports: Ports) -> None:
    first, second, other = await ports.asked(), await ports.asked(), await ports.asked("st-2")

    leases = [await ports.lease(), await ports.lease("process-2"), await ports.lease()]
    assert [lease.sync if lease else None for lease in leases] == [first, other, None]
    assert leases[0] is not None
    ended = first.ended("succeeded", now=START)
    await ports.syncs.end(leases[0], ended, messages=[])

    assert (await ports.leased()).sync == second
    assert await ports.syncs.unfinished([STORE, "st-2", "st-3"]) == {STORE: 1, "st-2": 1}


async def test_two_processes_never_get_the_same_sync(ports: Ports) -> None:
    await ports.asked()

    leases = await asyncio.gather(*(ports.lease(f"process-{number}") for number in range(4)))

    assert len([lease for lease in leases if lease is not None]) == 1


async def test_a_lease_that_ran_out_is_anothers_and_its_holder_writes_nothing_more(ports: Ports) -> None:
    sync = await ports.asked()
    slow = await ports.leased()
    assert await ports.lease("process-2", after=LEASE / 2) is None
    await ports.leased("process-2", after=LEASE)

    for write in (
        ports.syncs.renew(slow, until=START + 9 * LEASE),
        ports.syncs.give_back(slow, due=START),
        ports.syncs.begin(slow, after_a_page(slow), messages=[]),
        ports.syncs.record(slow, after_a_page(slow), seen=SEEN, messages=[told_start(sync.session)]),
        ports.syncs.rest(slow, after_a_page(slow)),
        ports.syncs.end(slow, sync.ended("failed", now=START), messages=[]),
    ):
        with pytest.raises(LeaseLost):
            await write

    assert await ports.kept(sync) == sync
    assert await ports.seen.seen([KEY]) == {}
    assert await ports.told() == []


async def test_a_renewed_lease_lasts_longer(ports: Ports) -> None:
    await ports.asked()
    lease = await ports.leased()

    await ports.syncs.renew(lease, until=START + 2 * LEASE)

    assert await ports.lease("process-2", after=LEASE) is None


async def test_a_part_is_kept_once_with_its_place_what_it_saw_and_what_it_tells(ports: Ports) -> None:
    await ports.asked()
    lease = await ports.leased()
    began = lease.sync.began(now=START)
    for _ in range(2):
        await ports.syncs.begin(lease, began, messages=[told_start(began.session)])
    progressed = after_a_page(lease)
    for _ in range(2):
        await ports.syncs.record(lease, progressed, seen=SEEN, messages=[told_start(progressed.session)])

    assert await ports.kept(lease.sync) == progressed
    assert progressed.place is not None
    assert (progressed.session.total, progressed.outside) == (5, 2)
    assert await ports.seen.seen([KEY]) == SEEN
    assert len(await ports.told()) == 2


async def test_a_sync_that_rests_is_due_when_it_says(ports: Ports) -> None:
    await ports.asked()
    lease = await ports.leased()
    rested = after_a_page(lease).rested("away", due_at=START + timedelta(hours=1), forget_place=False)

    await ports.syncs.rest(lease, rested)

    assert await ports.lease(after=timedelta(minutes=59)) is None
    assert (await ports.leased(after=timedelta(hours=1))).sync == rested


async def test_what_is_given_back_goes_on_when_it_is_due(ports: Ports) -> None:
    sync = await ports.asked()

    await ports.syncs.give_back(await ports.leased(), due=START + timedelta(minutes=1))

    assert await ports.lease() is None
    assert (await ports.leased(after=timedelta(minutes=1))).sync.sync_id == sync.sync_id


async def test_pausing_takes_the_lease_and_going_on_makes_it_due(ports: Ports) -> None:
    sync = await ports.asked()
    lease = await ports.leased()

    stopped = await ports.syncs.steer(sync.sync_id, paused)

    assert stopped is not None
    assert stopped.state == "paused"
    assert await ports.lease() is None
    with pytest.raises(LeaseLost):
        await ports.syncs.record(lease, after_a_page(lease), seen=SEEN, messages=[])
    await ports.syncs.steer(sync.sync_id, lambda held: resumed(held, now=START))
    assert (await ports.leased()).sync.state == "queued"


async def test_cancelling_a_sync_that_began_is_told_once(ports: Ports) -> None:
    sync = await ports.asked()
    lease = await ports.leased()
    await ports.syncs.begin(lease, lease.sync.began(now=START), messages=[])

    for _ in range(2):
        await ports.syncs.steer(sync.sync_id, lambda held: cancelled(held, now=START))

    ended = await ports.kept(sync)
    assert ended.state == "cancelled"
    assert await ports.told() == [told_end(ended.session)]
    assert await ports.syncs.steer("nowhere", paused) is None
    assert await ports.lease() is None


async def test_syncs_that_ended_long_ago_are_forgotten(ports: Ports) -> None:
    sync, other = await ports.asked(), await ports.asked()
    lease = await ports.leased()
    await ports.syncs.end(lease, replace(lease.sync).ended("succeeded", now=START), messages=[])

    await ports.syncs.forget(before=START + timedelta(seconds=1))

    assert await ports.syncs.get(sync.sync_id) is None
    assert await ports.kept(other) == other
