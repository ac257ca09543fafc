"""What the ports of audits promise, over Postgres and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from schemas.audits import AuditScope, CountsCompared, FoundOrder, OrdersCompared
from schemas.ids import OrderKey
from schemas.sessions import Window as Span
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.audits import MemoryAudits, MemoryOpenOrders
from services.ingest.adapters.memory.polls import MemoryOutbox, MemorySeenOrders, MemoryWebhookBooks
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.audits import PostgresAudits, PostgresOpenOrders
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.polls import PostgresSeenOrders, PostgresWebhookBooks
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.audits.audit import Answer, Asked, Audit, Difference, End, Explained, Tally, new_audit
from services.ingest.audits.ports import AuditCost, AuditLease, Audits, OpenOrders, Unplanned
from services.ingest.audits.telling import told_end, told_start
from services.ingest.ports import LeaseLost, Outbox, Seen, SeenOrders, Stores, WebhookBooks
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import LEASE, SELLER, START, STORE, linked_store

HOUR = timedelta(hours=1)
WINDOW = Span(start=START - 9 * HOUR, end=START)
KEY = OrderKey("twin:st-1:o1")
SEEN = {KEY: Seen(START, "event-1", open=False, read_at=START)}


@dataclass(frozen=True)
class Ports:
    stores: Stores
    audits: Audits
    open_orders: OpenOrders
    seen: SeenOrders
    books: WebhookBooks
    outbox: Outbox

    async def told(self) -> list[Message]:
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await self.outbox.relay(hear, limit=1000)
        return heard

    async def add(
        self, audit_id: str, scope: AuditScope = "asked", store_id: str = STORE, *, due_at: datetime = START
    ) -> Audit:
        asked = Asked("2026-11-20", "2026-11-21", "UTC", ("a rule",)) if scope == "asked" else None
        window = WINDOW if scope == "asked" else None
        store = linked_store(store_id)
        audit = new_audit(audit_id, store, scope, due_at=due_at, started_by="key-1", window=window, asked=asked)
        await self.audits.add([audit])
        return audit

    async def lease(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> AuditLease | None:
        now = START + after
        leases = await self.audits.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def leased(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> AuditLease:
        lease = await self.lease(owner, after=after)
        assert lease is not None
        return lease

    async def kept(self, audit_id: str = "a1") -> Audit:
        found = await self.audits.get(audit_id)
        assert found is not None
        return found


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        yield Ports(
            MemoryStores(memory),
            MemoryAudits(memory),
            MemoryOpenOrders(memory),
            MemorySeenOrders(memory),
            MemoryWebhookBooks(memory),
            MemoryOutbox(memory),
        )
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    yield Ports(
        PostgresStores(pool),
        PostgresAudits(pool),
        PostgresOpenOrders(pool),
        PostgresSeenOrders(pool),
        PostgresWebhookBooks(pool),
        PostgresOutbox(pool),
    )
    await pool.close()


@pytest.fixture(autouse=True)
async def _stores(ports: Ports) -> None:
    for store_id in (STORE, "st-2"):
        await ports.stores.add(linked_store(store_id))
    await ports.told()


def compared(audit: Audit, part: int, *, held: int = 1, found: tuple[FoundOrder, ...] = ()) -> OrdersCompared:
    return OrdersCompared(
        event_id=f"{audit.audit_id}-{audit.round}-{part}",
        occurred_at=START,
        seller_id=audit.seller_id,
        audit_id=audit.audit_id,
        store_id=audit.store_id,
        platform=audit.platform,
        round=audit.round,
        part=part,
        held=held,
        found=found,
    )


MISSING = FoundOrder(external_id="o1", finding="missing", at=START)


async def test_an_audit_is_kept_as_it_is_with_everything_that_becomes_of_it(ports: Ports) -> None:
    asked = await ports.add("a1")
    assert await ports.kept() == asked
    assert await ports.audits.get("nowhere") is None
    lease = await ports.leased()
    tally = Tally(1, 2, 3, 4, 5, START - HOUR)
    changed = replace(
        asked.began(WINDOW, now=START).listed_more(7, after="cursor", counted=8, now=START).asks(2, now=START),
        held=6,
        tally=tally,
        step=3,
        compared_at=START,
        costs={"twin|app": 2.5},
    ).rested("away", due_at=START + HOUR, forget_place=False)

    await ports.audits.rest(lease, changed)

    assert await ports.kept() == changed
    assert await ports.lease(after=HOUR / 2) is None
    assert (await ports.leased(after=HOUR)).audit == changed


async def test_a_known_id_and_a_second_audit_of_a_stores_scope_change_nothing(ports: Ports) -> None:
    first = await ports.add("a1", "day")
    await ports.audits.add([replace(first, started_by="another")])
    await ports.add("a2", "day")
    for audit_id in ("a3", "a4"):
        await ports.add(audit_id, "asked")
    await ports.add("a5", "day", "st-2")

    assert await ports.kept() == first
    assert await ports.audits.get("a2") is None
    assert await ports.audits.unfinished([STORE, "st-2"]) == {STORE: 2}


async def test_messages_of_audits_that_are_known_are_told_all_the_same(ports: Ports) -> None:
    audit = (await ports.add("a1")).began(WINDOW, now=START).ended("failed", now=START, problem="no")

    await ports.audits.add([audit], messages=[told_start(audit), told_end(audit)])

    assert [message.topic for message in await ports.told()] == ["sync.audits"] * 2


async def test_a_sellers_audits_are_listed_the_newest_first_without_those_only_planned(ports: Ports) -> None:
    audits = [await ports.add(f"a{number}") for number in range(3)]
    await ports.add("a8", "day")
    other = await ports.add("a9", store_id="st-2")

    newest = await ports.audits.page(SELLER, store_id=None, after=None, limit=2)
    rest = await ports.audits.page(SELLER, store_id=None, after=newest[-1].audit_id, limit=9)

    assert [*newest, *rest] == [other, *audits[::-1]]
    assert await ports.audits.page(SELLER, store_id="st-2", after=None, limit=9) == [other]
    assert await ports.audits.page("seller-2", store_id=None, after=None, limit=9) == []


async def test_stores_lack_the_audits_that_are_not_planned_and_remember_the_last(ports: Ports) -> None:
    await ports.add("a1", "day")
    await ports.stores.change("st-2", lambda held: held.unlinked(now=START))

    async def lacking() -> list[Unplanned]:
        return await ports.audits.unplanned(platforms=["twin"], limit=9)

    assert {(one.store.store_id, one.scope, one.last) for one in await lacking()} == {
        (STORE, "week", None),
        (STORE, "open", None),
    }
    lease = await ports.leased()
    began = lease.audit.began(WINDOW, now=START).spent({"twin|app": 3})
    await ports.audits.end(lease, began.ended("agreed", now=START), messages=[])
    assert {(one.scope, one.last) for one in await lacking()} == {("day", START), ("week", None), ("open", None)}
    assert await ports.audits.unplanned(platforms=["other"], limit=9) == []
    assert await ports.audits.costs(["twin"]) == [AuditCost("twin", "day", "twin|app", 3)]


async def test_a_store_lacks_an_audit_whose_last_one_failed_since_then_until_one_does_not(ports: Ports) -> None:
    async def end(number: int, state: End) -> None:
        await ports.add(f"a{number}", "day", due_at=START + timedelta(hours=number))
        lease = await ports.leased(after=timedelta(hours=number))
        ended = lease.audit.began(WINDOW, now=START).ended(state, now=START + timedelta(hours=number))
        await ports.audits.end(lease, ended, messages=[])

    async def failed() -> dict[str, datetime | None]:
        lacking = await ports.audits.unplanned(platforms=["twin"], limit=9)
        return {one.scope: one.failed_at for one in lacking if one.store.store_id == STORE}

    await end(1, "failed")
    after_failure = await failed()
    await end(2, "agreed")

    assert after_failure == {"day": START + timedelta(hours=1), "week": None, "open": None}
    assert await failed() == {"day": None, "week": None, "open": None}


async def test_two_processes_never_get_the_same_audit(ports: Ports) -> None:
    await ports.add("a1")

    leases = await asyncio.gather(*(ports.lease(f"process-{number}") for number in range(4)))

    assert len([lease for lease in leases if lease is not None]) == 1


async def test_a_lease_that_ran_out_is_anothers_and_its_holder_writes_nothing_more(ports: Ports) -> None:
    audit = await ports.add("a1")
    slow = await ports.leased()
    await ports.audits.renew(slow, until=START + 2 * LEASE)
    assert await ports.lease("process-2", after=LEASE) is None
    await ports.leased("process-2", after=2 * LEASE)
    began = audit.began(WINDOW, now=START)

    for write in (
        ports.audits.renew(slow, until=START + 9 * LEASE),
        ports.audits.give_back(slow, due=START),
        ports.audits.drop(slow),
        ports.audits.begin(slow, began, messages=[told_start(began)]),
        ports.audits.list_more(slow, began, listed={"o1": START}, seen=SEEN),
        ports.audits.ask(slow, began, messages=[told_start(began)]),
        ports.audits.settle(slow, began, changed=[Difference("o1", "missing", START)], seen=SEEN),
        ports.audits.rest(slow, began),
        ports.audits.end(slow, began.ended("failed", now=START), messages=[]),
    ):
        with pytest.raises(LeaseLost):
            await write

    assert await ports.kept() == audit
    assert await ports.seen.seen([KEY]) == {}
    assert await ports.audits.listed("a1") == []
    assert await ports.told() == []


async def test_what_is_given_back_goes_on_when_it_is_due_and_what_is_dropped_never_was(ports: Ports) -> None:
    await ports.add("a1")

    await ports.audits.give_back(await ports.leased(), due=START + HOUR)

    assert await ports.lease() is None
    await ports.audits.drop(await ports.leased(after=HOUR))
    assert await ports.audits.get("a1") is None


async def test_a_beginning_is_told_once(ports: Ports) -> None:
    audit = await ports.add("a1")
    lease, began = await ports.leased(), audit.began(WINDOW, now=START)

    for _ in range(2):
        await ports.audits.begin(lease, began, messages=[told_start(began)])

    assert len(await ports.told()) == 1


async def test_a_list_is_kept_by_time_an_order_at_its_later_one_until_the_report_is_asked(ports: Ports) -> None:
    audit = await ports.add("a1")
    lease = await ports.leased()
    await ports.audits.list_more(lease, audit, listed={"b": START, "a": START, "c": START - HOUR}, seen=SEEN)
    await ports.audits.list_more(lease, audit, listed={"c": START - 2 * HOUR, "a": START + HOUR})

    listed = await ports.audits.listed("a1")
    await ports.audits.ask(lease, audit.asks(1, now=START), messages=[])

    assert listed == [("c", START - HOUR), ("b", START), ("a", START + HOUR)]
    assert await ports.audits.listed("a1") == []
    assert await ports.seen.seen([KEY]) == SEEN


async def test_each_answer_counts_once_and_the_last_one_makes_the_audit_due(ports: Ports) -> None:
    audit = await ports.add("a1")
    lease, asking = await ports.leased(), audit.asks(2, now=START)
    assert not await ports.audits.answer(compared(asking, 1), now=START)
    await ports.audits.ask(lease, asking, messages=[])
    assert await ports.lease() is None

    first = [await ports.audits.answer(compared(asking, 2, found=(MISSING,)), now=START) for _ in range(2)]
    stale = await ports.audits.answer(compared(replace(asking, round=9), 1), now=START)
    last = await ports.audits.answer(compared(asking, 1, held=5), now=START)

    assert (first, stale, last) == ([False, False], False, True)
    assert await ports.audits.answers(asking) == [Answer(1, 5), Answer(2, 1, (MISSING,))]
    assert (await ports.leased()).audit.stage == "comparing"


async def test_an_answer_to_a_count_is_kept_as_it_came(ports: Ports) -> None:
    audit = await ports.add("a1")
    asking = replace(audit, proof="count").asks(1, now=START)
    await ports.audits.ask(await ports.leased(), asking, messages=[])
    counted = CountsCompared(agree=True, newest=START)

    await ports.audits.answer(compared(asking, 1, held=5).model_copy(update={"counted": counted}), now=START)

    assert await ports.audits.answers(asking) == [Answer(1, 5, (), counted)]
    assert (await ports.kept()).proof == "count"


async def test_a_list_that_agreed_lately_is_counted_upon_while_nothing_speaks_against_the_store(ports: Ports) -> None:
    now, found = START + HOUR, list[int | None]()
    await ports.add("d1", "day")
    lease = await ports.leased()
    began = lease.audit.began(WINDOW, now=START)
    await ports.audits.end(lease, replace(began, listed=7).ended("agreed", now=START), messages=[])
    day = await ports.add("d2", "day")

    async def look(*, since: timedelta = -HOUR) -> None:
        found.append(await ports.audits.listed_lately(day, since=START + since))

    await look()
    await look(since=HOUR)
    await ports.add("a1")
    await look()
    asked = await ports.lease(after=HOUR)
    while asked is not None and asked.audit.audit_id != "a1":
        asked = await ports.lease(after=HOUR)
    assert asked is not None
    await ports.audits.begin(asked, asked.audit.began(WINDOW, now=now), messages=[])
    await look()
    await ports.audits.end(asked, asked.audit.began(WINDOW, now=now).ended("differs", now=now), messages=[])
    await look()

    assert found == [7, None, 7, None, None]


async def test_of_two_last_answers_at_once_one_makes_the_audit_due(ports: Ports) -> None:
    audit = await ports.add("a1")
    asking = audit.asks(6, now=START)
    await ports.audits.ask(await ports.leased(), asking, messages=[])

    whether = await asyncio.gather(*(ports.audits.answer(compared(asking, part), now=START) for part in range(1, 7)))

    assert sum(whether) == 1


async def test_differences_are_kept_as_they_change_and_reasons_found_by_reading_are_remembered(ports: Ports) -> None:
    audit = await ports.add("a1")
    lease = await ports.leased()
    missing = Difference("o1", "missing", START)
    lost = Difference("o2", "unknown", START).explained("deleted", now=START + HOUR)
    old = Difference("o3", "missing", START).explained("filtered")
    for changed in ([missing, lost, old], [replace(missing, wanted=START, read_at=START, settled=True)]):
        await ports.audits.settle(lease, audit, changed=changed, seen=SEEN, messages=[])

    kept = await ports.audits.differences("a1")

    assert kept == {"o1": replace(missing, wanted=START, read_at=START, settled=True), "o2": lost, "o3": old}
    known = await ports.audits.explained(STORE, "updated", ["o1", "o2", "o3"])
    assert known == {"o2": Explained(START, "deleted", START + HOUR)}
    assert await ports.audits.explained("st-2", "updated", ["o2"]) == {}
    assert await ports.audits.explained(STORE, "created", ["o2"]) == {}


async def test_old_audits_are_forgotten_later_when_they_were_asked_for(ports: Ports) -> None:
    for audit_id, scope in (("a1", "asked"), ("a2", "day"), ("a3", "week")):
        await ports.add(audit_id, scope)  # type: ignore[arg-type] # each is a scope
    for _ in range(2):
        lease = await ports.leased()
        await ports.audits.end(lease, lease.audit.began(WINDOW, now=START).ended("agreed", now=START), messages=[])

    await ports.audits.forget(before=START + HOUR, asked_before=START)

    left = [audit_id for audit_id in ("a1", "a2", "a3") if await ports.audits.get(audit_id)]
    assert left == ["a1", "a3"]


async def test_a_stores_open_orders_are_read_by_key_and_no_other_stores(ports: Ports) -> None:
    keys = ("twin:st-1:10", "twin:st-1:9", "twin:st-1:A", "twin:st-1:a", "twin:st-10:1", "twin:st-2:1")
    seen = {OrderKey(key): Seen(START, key, read_at=START) for key in keys}
    shut = {OrderKey("twin:st-1:5"): Seen(START, "shut", open=False)}
    await ports.books.record([], seen={**seen, **shut}, messages=[])

    first = await ports.open_orders.open_orders("twin", STORE, after=None, limit=3)
    rest = await ports.open_orders.open_orders("twin", STORE, after=first[-1][0], limit=3)

    assert [number for number, _ in [*first, *rest]] == ["10", "9", "A", "a"]
    assert first[0][1] == seen[OrderKey("twin:st-1:10")]
