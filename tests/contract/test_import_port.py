"""What the port of imports promises, over Postgres and in memory."""

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
from services.ingest.adapters.memory.imports import MemoryImports
from services.ingest.adapters.memory.polls import MemoryOutbox, MemorySeenOrders
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.imports import PostgresImports
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.polls import PostgresSeenOrders
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.imports.ports import ImportLease, Imports
from services.ingest.imports.record import (
    Findings,
    FoundColumn,
    Import,
    RowProblem,
    Tally,
    Unsteerable,
    cancelled,
    new_import,
    started,
)
from services.ingest.ports import LeaseLost, Outbox, Seen, SeenOrders, Stores
from services.ingest.sessions import told_end, told_part, told_start
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import LEASE, SELLER, START, STORE, linked_store

KEY = OrderKey("twin:st-1:W-1")
SEEN = {KEY: Seen(START, "event-1")}
OUTCOMES = [OrderOutcome(external_id="W-1", order_key=KEY, result="new")]
FINDINGS = Findings(
    "template", "Our template", "UTF-8", 1, (FoundColumn("Reference", "Reference"), FoundColumn("x", None))
)
PROBLEMS = [
    RowProblem(0, "W-1", 2, "City", "It is missing", "Give it."),
    RowProblem(0, "W-1", 2, None, "Too long", "Cut it."),
    RowProblem(4, "W-5", 9, "ZIP", "It is short", "Write it whole.", while_checking=False),
]
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Ports:
    stores: Stores
    imports: Imports
    seen: SeenOrders
    outbox: Outbox

    async def told(self) -> list[Message]:
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await self.outbox.relay(hear, limit=1000)
        return heard

    async def uploaded(self, store_id: str = STORE, *, digest: str = "d") -> Import:
        new = new_import(
            f"import-{next(_NUMBERS):06}",
            linked_store(store_id),
            by_key="key-1",
            file_name="orders.csv",
            digest=digest,
            size=7,
            chunks=1,
            repeats=None,
            now=START,
        )
        await self.imports.add(new)
        return new

    async def lease(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> ImportLease | None:
        now = START + after
        leases = await self.imports.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def leased(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> ImportLease:
        lease = await self.lease(owner, after=after)
        assert lease is not None
        return lease

    async def kept(self, held: Import) -> Import:
        found = await self.imports.get(held.import_id)
        assert found is not None
        return found

    async def ready(self) -> Import:
        """An import that waits for its start."""
        await self.uploaded()
        lease = await self.leased()
        held = lease.held.gathered(FINDINGS, rows=9, orders=5, now=START).checked(Tally(new=5, rows=9), now=START)
        await self.imports.leave(lease, held.made_ready(now=START))
        return await self.kept(held)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        yield Ports(MemoryStores(memory), MemoryImports(memory), MemorySeenOrders(memory), MemoryOutbox(memory))
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    yield Ports(PostgresStores(pool), PostgresImports(pool), PostgresSeenOrders(pool), PostgresOutbox(pool))
    await pool.close()


@pytest.fixture(autouse=True)
async def _stores(ports: Ports) -> None:
    for store_id in (STORE, "st-2"):
        await ports.stores.add(linked_store(store_id))
    await ports.told()


async def test_an_import_is_kept_as_it_came_and_listed_by_parts(ports: Ports) -> None:
    held = [await ports.uploaded() for _ in range(3)] + [await ports.uploaded("st-2")]

    newest = await ports.imports.page(SELLER, store_id=None, after=None, limit=2)
    rest = await ports.imports.page(SELLER, store_id=None, after=newest[-1].import_id, limit=9)

    assert [*newest, *rest] == held[::-1]
    assert await ports.imports.page(SELLER, store_id="st-2", after=None, limit=9) == held[3:]
    assert await ports.imports.page("seller-2", store_id=None, after=None, limit=9) == []
    assert await ports.imports.unfinished(STORE) == 3
    assert await ports.imports.get("nowhere") is None


async def test_a_file_is_kept_in_pieces_until_it_is_forgotten(ports: Ports) -> None:
    for number, piece in ((0, b"a"), (1, b"b"), (1, b"c")):
        await ports.imports.keep_piece("file-1", number, piece, now=START)
    await ports.imports.keep_piece("file-2", 0, b"d", now=START + timedelta(days=2))

    kept = [await ports.imports.piece("file-1", number) for number in range(3)]
    await ports.imports.forget(files_before=START + timedelta(days=1), imports_before=START)
    await ports.imports.drop_pieces("file-2")

    assert kept == [b"a", b"c", None]
    assert [await ports.imports.piece(name, 0) for name in ("file-1", "file-2")] == [None, None]


async def test_imports_are_forgotten_when_they_are_old_and_at_rest(ports: Ports) -> None:
    ready, working = await ports.ready(), await ports.uploaded()

    await ports.imports.forget(files_before=START, imports_before=START + timedelta(days=1))

    assert await ports.imports.get(ready.import_id) is None
    assert await ports.kept(working) == working


async def test_of_each_store_only_the_oldest_with_work_is_leased(ports: Ports) -> None:
    first, second, other = await ports.uploaded(), await ports.uploaded(), await ports.uploaded("st-2")

    leases = [await ports.lease(), await ports.lease("process-2"), await ports.lease()]
    assert leases[0] is not None
    await ports.imports.leave(leases[0], first.made_ready(now=START))

    assert [lease.held if lease else None for lease in leases] == [first, other, None]
    assert (await ports.leased()).held == second


async def test_two_processes_never_get_the_same_import(ports: Ports) -> None:
    await ports.uploaded()

    leases = await asyncio.gather(*(ports.lease(f"process-{number}") for number in range(4)))

    assert len([lease for lease in leases if lease is not None]) == 1


async def test_a_lease_that_ran_out_is_anothers_and_its_holder_writes_nothing_more(ports: Ports) -> None:
    held = await ports.uploaded()
    slow = await ports.leased()
    await ports.imports.renew(slow, until=START + 2 * LEASE)
    assert await ports.lease("process-2", after=LEASE) is None
    await ports.leased("process-2", after=2 * LEASE)
    further = held.gathered(FINDINGS, rows=1, orders=1, now=START)

    for write in (
        ports.imports.renew(slow, until=START + 9 * LEASE),
        ports.imports.give_back(slow, due=START),
        ports.imports.record(slow, further, problems=PROBLEMS, seen=SEEN, messages=[told_start(held.session)]),
        ports.imports.leave(slow, further, messages=[told_start(held.session)]),
    ):
        with pytest.raises(LeaseLost):
            await write

    assert await ports.kept(held) == held
    assert await ports.seen.seen([KEY]) == {}
    assert await ports.told() == []


async def test_a_step_is_kept_once_with_what_it_found(ports: Ports) -> None:
    await ports.ready()
    [ready] = await ports.imports.page(SELLER, store_id=None, after=None, limit=9)
    await ports.imports.steer(
        ready.import_id, lambda held: started(held, on_changed="update", by_key="key-2", now=START)
    )
    lease = await ports.leased()
    further = lease.held.progressed(3, 4, OUTCOMES, now=START)
    for _ in range(2):
        part = told_part(further.session, OUTCOMES, now=START)
        await ports.imports.record(lease, further, problems=PROBLEMS, seen=SEEN, messages=[part])

    assert await ports.kept(ready) == further
    assert further.findings == FINDINGS
    assert await ports.seen.seen([KEY]) == SEEN
    assert [message.topic for message in await ports.told()] == ["sync.sessions"] * 2
    found = await ports.imports.problems(ready.import_id, after=(-1, 0), limit=9)
    assert [problem for _, problem in found] == PROBLEMS
    rest = await ports.imports.problems(ready.import_id, after=(0, found[0][0]), limit=9)
    assert [problem for _, problem in rest] == PROBLEMS[1:]
    assert await ports.imports.faulty_orders(ready.import_id, after=-1, limit=1) == [
        (0, "Row 2, City: It is missing. Give it. Row 2: Too long. Cut it.")
    ]
    assert await ports.imports.faulty_orders(ready.import_id, after=0, limit=9) == [
        (4, "Row 9, ZIP: It is short. Write it whole.")
    ]


async def test_an_order_that_is_given_once_more_has_only_the_problems_that_it_has_now(ports: Ports) -> None:
    held = await ports.uploaded()
    lease = await ports.leased()
    first = held.gathered(FINDINGS, rows=9, orders=9, now=START)
    await ports.imports.record(lease, first, problems=[*PROBLEMS, replace(PROBLEMS[2], order=5)])
    refused = [
        await ports.imports.refused(held.import_id, first=first, last=last)
        for first, last in ((0, 9), (0, 5), (5, 9), (6, 9))
    ]

    now = replace(PROBLEMS[2], order=5, problem="It is too long")
    await ports.imports.record(lease, replace(first, part=1), problems=[now], retried=[4, 5])

    assert refused == [{4, 5}, {4}, {5}, set()]
    found = await ports.imports.problems(held.import_id, after=(-1, 0), limit=9)
    assert [problem for _, problem in found] == [*PROBLEMS[:2], now]


async def test_what_is_given_back_or_rests_goes_on_when_it_is_due(ports: Ports) -> None:
    held = await ports.uploaded()

    await ports.imports.give_back(await ports.leased(), due=START + timedelta(minutes=1))
    assert await ports.lease() is None
    lease = await ports.leased(after=timedelta(minutes=1))
    await ports.imports.leave(lease, held.rested("Waiting.", due_at=START + timedelta(minutes=5)))

    assert await ports.lease(after=timedelta(minutes=4)) is None
    assert (await ports.leased(after=timedelta(minutes=5))).held.waiting == "Waiting."


async def test_starting_makes_it_due_and_is_told_once_and_names_the_file_that_was_imported(ports: Ports) -> None:
    ready = await ports.ready()
    assert await ports.lease() is None
    assert await ports.imports.same_file(STORE, "d") is None

    for _ in range(2):
        running = await ports.imports.steer(
            ready.import_id, lambda held: started(held, on_changed="refuse", by_key="key-2", now=START)
        )

    assert running is not None
    assert (await ports.leased()).held == running
    assert await ports.told() == [told_start(running.session)]
    assert await ports.imports.same_file(STORE, "d") == ready.import_id
    assert await ports.imports.same_file("st-2", "d") is None


async def test_cancelling_takes_the_lease_and_is_told_only_of_what_began(ports: Ports) -> None:
    held = await ports.uploaded()
    lease = await ports.leased()

    for _ in range(2):
        ended = await ports.imports.steer(held.import_id, lambda held: cancelled(held, now=START))

    assert ended is not None
    assert ended.state == "cancelled"
    assert await ports.told() == []
    with pytest.raises(LeaseLost):
        await ports.imports.leave(lease, held)
    with pytest.raises(Unsteerable):
        await ports.imports.steer(
            held.import_id, lambda held: started(held, on_changed="refuse", by_key="key-2", now=START)
        )
    running = await ports.ready()
    await ports.imports.steer(
        running.import_id, lambda held: started(held, on_changed="refuse", by_key="key-2", now=START)
    )
    stopped = await ports.imports.steer(running.import_id, lambda held: cancelled(held, now=START))
    assert stopped is not None
    assert (await ports.told())[-1] == told_end(stopped.session)
    assert await ports.imports.steer("nowhere", lambda held: cancelled(held, now=START)) is None
