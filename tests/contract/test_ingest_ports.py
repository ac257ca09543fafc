"""What ingest's ports promise, over Postgres and in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from schemas.ids import OrderKey, SessionId, StoreId
from schemas.sessions import OrderOutcome, Window
from schemas.stores import StoreSettings
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.polls import MemoryOutbox, MemoryPolls, MemorySeenOrders, MemoryWebhookBooks
from services.ingest.adapters.memory.stores import MemoryAuthorizations, MemorySecrets, MemoryStores
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.polls import PostgresPolls, PostgresSeenOrders, PostgresWebhookBooks
from services.ingest.adapters.postgres.stores import PostgresAuthorizations, PostgresSecrets, PostgresStores
from services.ingest.polls.cadence import Sharer
from services.ingest.ports import (
    AlreadyLinked,
    Authorization,
    Authorizations,
    Habits,
    Lease,
    LeaseLost,
    NextPoll,
    Outbox,
    Polls,
    Secrets,
    Seen,
    SeenOrders,
    Stores,
    WebhookBooks,
)
from services.ingest.sessions import Session, told_start
from services.kit.errors import TransientError
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import LEASE, START, linked_store

KEY = OrderKey("twin:st-1:o1")


@dataclass(frozen=True)
class Ports:
    stores: Stores
    secrets: Secrets
    authorizations: Authorizations
    polls: Polls
    seen: SeenOrders
    books: WebhookBooks
    outbox: Outbox

    async def told(self) -> list[Message]:
        """What the outbox tells now."""
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await self.outbox.relay(hear, limit=1000)
        return heard

    async def lease(self, *, owner: str = "process-1", after: timedelta = timedelta()) -> Lease | None:
        now = START + after
        leases = await self.polls.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def leased(self, *, owner: str = "process-1", after: timedelta = timedelta()) -> Lease:
        lease = await self.lease(owner=owner, after=after)
        assert lease is not None
        return lease


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        yield Ports(
            MemoryStores(memory),
            MemorySecrets(memory),
            MemoryAuthorizations(memory),
            MemoryPolls(memory),
            MemorySeenOrders(memory),
            MemoryWebhookBooks(memory),
            MemoryOutbox(memory),
        )
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=4)
    yield Ports(
        PostgresStores(pool),
        PostgresSecrets(pool),
        PostgresAuthorizations(pool),
        PostgresPolls(pool),
        PostgresSeenOrders(pool),
        PostgresWebhookBooks(pool),
        PostgresOutbox(pool),
    )
    await pool.close()


def session(lease: Lease, **changes: object) -> Session:
    values = Session(
        session_id=SessionId("s-1"),
        store_id=lease.store.store_id,
        seller_id=lease.store.seller_id,
        platform="twin",
        way="poll",
        started_by="schedule",
        window=Window(start=START - timedelta(hours=1), end=START),
        started_at=START,
        read_through=START - timedelta(hours=1),
    )
    return replace(values, **changes)  # type: ignore[arg-type]


def outcome() -> OrderOutcome:
    return OrderOutcome(external_id="o1", result="new")


async def test_a_store_is_found_again_as_it_was_kept(ports: Ports) -> None:
    store = linked_store()

    await ports.stores.add(store)

    assert await ports.stores.get(store.store_id) == store
    assert await ports.stores.find("seller-1", platform="twin", external_id="shop-of-st-1") == store
    assert await ports.stores.get("other") is None


async def test_a_seller_links_a_store_of_a_platform_once(ports: Ports) -> None:
    await ports.stores.add(linked_store("st-1", external_id="shop"))

    with pytest.raises(AlreadyLinked):
        await ports.stores.add(linked_store("st-2", external_id="shop"))


async def test_stores_are_listed_by_id_in_parts(ports: Ports) -> None:
    for number in range(3):
        await ports.stores.add(linked_store(f"st-{number}"))
    await ports.stores.add(replace(linked_store("st-9"), seller_id="other"))  # type: ignore[arg-type]

    first = await ports.stores.page("seller-1", after=None, limit=2)
    rest = await ports.stores.page("seller-1", after=first[-1].store_id, limit=2)

    assert [store.store_id for store in [*first, *rest]] == ["st-0", "st-1", "st-2"]


async def test_a_change_is_announced_and_its_secrets_kept_with_it(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.told()

    changed = await ports.stores.change(
        "st-1", lambda held: held.refused("gone", grant=0, now=START), secrets=b"sealed"
    )

    assert changed is not None
    assert changed.state == "reconnect"
    opened = await ports.stores.open("st-1")
    assert opened is not None
    assert opened.sealed == b"sealed"
    assert [message.topic for message in await ports.told()] == ["sellers", "stores"]


async def test_a_change_that_changes_nothing_is_not_announced(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.told()

    await ports.stores.change("st-1", lambda held: held)

    assert await ports.told() == []


async def test_unlinking_erases_the_secrets(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.stores.change("st-1", lambda held: held, secrets=b"sealed")

    await ports.stores.change("st-1", lambda held: held.unlinked(now=START), erase=True)

    opened = await ports.stores.open("st-1")
    assert opened is not None
    assert opened.sealed is None


async def test_only_a_store_that_was_never_linked_can_be_dropped(ports: Ports) -> None:
    pending = replace(linked_store("st-2"), state="pending", external_id=None, linked_at=None)
    await ports.stores.add(linked_store())
    await ports.stores.add(pending)

    await ports.stores.drop_pending("st-1")
    await ports.stores.drop_pending("st-2")

    assert await ports.stores.get("st-1") is not None
    assert await ports.stores.get("st-2") is None


async def test_one_task_at_a_time_has_a_stores_turn(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.stores.change("st-1", lambda held: held, secrets=b"1")
    found: list[bytes | None] = []

    async def renew() -> None:
        async with ports.secrets.turn("st-1") as turn:
            found.append(turn.sealed)
            await asyncio.sleep(0.01)
            await turn.keep(bytes([turn.sealed[0] + 1]) if turn.sealed else b"")

    await asyncio.gather(renew(), renew(), renew())

    assert found == [b"1", b"2", b"3"]


async def test_a_turn_that_fails_keeps_nothing(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.stores.change("st-1", lambda held: held, secrets=b"1")

    async def fail() -> None:
        async with ports.secrets.turn("st-1") as turn:
            await turn.keep(b"2")
            raise TransientError("away")

    with pytest.raises(TransientError):
        await fail()

    opened = await ports.stores.open("st-1")
    assert opened is not None
    assert opened.sealed == b"1"


async def test_an_authorization_is_taken_once_and_in_time(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    kept = Authorization(b"digest", StoreId("st-1"), "twin", b"memory", START + timedelta(minutes=15))
    late = replace(kept, state_digest=b"late")
    await ports.authorizations.add(kept)
    await ports.authorizations.add(late)

    assert await ports.authorizations.take(b"digest", now=START) == kept
    assert await ports.authorizations.take(b"digest", now=START) is None
    assert await ports.authorizations.take(b"late", now=START + timedelta(minutes=15)) is None
    assert await ports.authorizations.take(b"unknown", now=START) is None


async def test_a_store_is_leased_to_one_process_until_the_lease_expires(ports: Ports) -> None:
    await ports.stores.add(linked_store())

    first = await ports.leased(owner="process-1")
    denied = await ports.lease(owner="process-2", after=LEASE - timedelta(seconds=1))
    second = await ports.leased(owner="process-2", after=LEASE)

    assert denied is None
    assert second.number > first.number


async def test_a_renewed_lease_lasts_longer(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    lease = await ports.leased()

    await ports.polls.renew(lease, until=START + 2 * LEASE)

    assert await ports.lease(owner="process-2", after=LEASE) is None


async def test_a_lost_lease_allows_nothing(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    old = await ports.leased()
    new = await ports.leased(owner="process-2", after=LEASE)
    await ports.polls.begin(new, session(new), messages=[])
    advanced = session(old).progressed([outcome()])
    ended = advanced.finished("succeeded", now=START)

    with pytest.raises(LeaseLost):
        await ports.polls.renew(old, until=START + 5 * LEASE)
    with pytest.raises(LeaseLost):
        await ports.polls.begin(old, session(old, session_id=SessionId("s-2")), messages=[])
    with pytest.raises(LeaseLost):
        await ports.polls.record(old, advanced, seen={KEY: Seen(START, "e-1")}, messages=[told_start(advanced)])
    with pytest.raises(LeaseLost):
        await ports.polls.end(old, ended, cursor=START, next_poll=NextPoll(START), failures=0, messages=[])
    with pytest.raises(LeaseLost):
        await ports.polls.give_back(old, due=START)

    assert await ports.seen.seen([KEY]) == {}
    assert (await ports.polls.progress(["st-1"]))["st-1"].cursor is None


async def test_a_part_is_recorded_once(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    lease = await ports.leased()
    await ports.polls.begin(lease, session(lease), messages=[])
    await ports.told()
    advanced = session(lease).progressed([outcome()], read_through=START - timedelta(minutes=30), total=7)

    for _ in range(2):
        await ports.polls.record(lease, advanced, seen={KEY: Seen(START, "e-1")}, messages=[told_start(advanced)])

    assert await ports.polls.interrupted(lease) == advanced
    assert await ports.seen.seen([KEY]) == {KEY: Seen(START, "e-1")}
    assert len(await ports.told()) == 1


async def test_messages_of_one_part_are_told_in_their_order(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    lease = await ports.leased()
    await ports.polls.begin(lease, session(lease), messages=[])
    await ports.told()
    messages = [Message("sync.sessions", "s-1", str(number).encode()) for number in range(20)]

    await ports.polls.record(lease, session(lease).progressed([]), seen={}, messages=messages)

    assert await ports.told() == messages


async def test_an_older_revision_seen_late_changes_nothing(ports: Ports) -> None:
    await ports.books.record([], seen={KEY: Seen(START, "new")}, messages=[])

    await ports.books.record([], seen={KEY: Seen(START - timedelta(seconds=1), "old")}, messages=[])

    assert await ports.seen.seen([KEY, OrderKey("twin:st-1:o2")]) == {KEY: Seen(START, "new")}


async def test_an_ended_poll_moves_the_cursor_forward_only_and_frees_the_store(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    for number, cursor in enumerate([START, START - timedelta(hours=1)]):
        lease = await ports.leased(after=timedelta(minutes=number))
        begun = session(lease, session_id=SessionId(f"s-{number}"))
        await ports.polls.begin(lease, begun, messages=[])
        await ports.polls.end(
            lease,
            begun.finished("succeeded", now=START),
            cursor=cursor,
            next_poll=NextPoll(START + timedelta(minutes=number + 1), f"because {number}"),
            failures=number,
            messages=[],
        )

    progress = (await ports.polls.progress(["st-1"]))["st-1"]
    assert progress.cursor == START
    assert progress.next_poll_at == START + timedelta(minutes=2)
    assert progress.next_because == "because 1"
    assert progress.last_poll_at == START
    assert await ports.lease(after=timedelta(seconds=90)) is None
    lease = await ports.leased(after=timedelta(minutes=2))
    assert (lease.cursor, lease.failures) == (START, 1)
    assert await ports.polls.interrupted(lease) is None


async def ended(ports: Ports, store_id: str, *, at: timedelta, rest: timedelta, habits: Habits | None = None) -> None:
    """One poll of the store, which rests for `rest` from `at`."""
    now = START + at
    leases = await ports.polls.claim(owner="process-1", platforms=["twin"], limit=10, now=now, until=now + LEASE)
    for lease in leases:
        if lease.store.store_id != store_id:
            await ports.polls.give_back(lease, due=now)
            continue
        begun = session(lease, session_id=SessionId(f"{store_id}-{now.isoformat()}"))
        await ports.polls.begin(lease, begun, messages=[])
        over = begun.finished("succeeded", now=now)
        next_poll = NextPoll(now + rest, "it is so")
        await ports.polls.end(lease, over, cursor=now, next_poll=next_poll, failures=0, messages=[], habits=habits)


async def test_a_stores_habits_are_kept_and_shared_with_those_of_the_same_budget(ports: Ports) -> None:
    for store_id in ("st-1", "st-2", "st-3"):
        await ports.stores.add(linked_store(store_id))
    await ports.stores.change("st-3", lambda held: held.unlinked(now=START))
    await ended(ports, "st-1", at=timedelta(), rest=LEASE, habits=Habits(2.0, {"app": 1.5, "own": 3.0}))
    await ended(ports, "st-2", at=timedelta(), rest=timedelta(hours=9), habits=Habits(0.5, {"app": 1.0}))

    lease = await ports.leased(after=LEASE)
    shared = await ports.polls.sharers(["app", "own", "other"])

    assert (lease.activity, lease.costs) == (2.0, {"app": 1.5, "own": 3.0})
    assert sorted(shared["app"], key=lambda one: one.store_id) == [Sharer("st-1", 2.0, 1.5), Sharer("st-2", 0.5, 1.0)]
    assert (shared["own"], shared["other"]) == ([Sharer("st-1", 2.0, 3.0)], [])


async def test_a_budget_that_polls_no_longer_take_from_is_not_shared_and_unknown_habits_stay(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ended(ports, "st-1", at=timedelta(), rest=LEASE, habits=Habits(2.0, {"app": 1.5, "own": 3.0}))
    await ended(ports, "st-1", at=LEASE, rest=LEASE, habits=Habits(1.0, {"own": 2.0}))
    await ended(ports, "st-1", at=2 * LEASE, rest=LEASE)

    shared = await ports.polls.sharers(["app", "own"])

    assert shared == {"app": [], "own": [Sharer("st-1", 1.0, 2.0)]}


async def test_a_store_that_is_pushed_or_not_synced_by_itself_is_told_apart(ports: Ports) -> None:
    for store_id in ("st-1", "st-2"):
        await ports.stores.add(linked_store(store_id))
        await ended(ports, store_id, at=timedelta(), rest=timedelta(hours=1), habits=Habits(2.0, {"app": 1.0}))
    await ports.stores.change("st-1", lambda held: held.subscribed(("orders",), to="https://a.example", now=START))
    await ports.stores.change("st-2", lambda held: replace(held, settings=StoreSettings(auto_sync=False)))

    shared = await ports.polls.sharers(["app"])

    assert shared == {"app": [Sharer("st-1", 2.0, 1.0, pushed=True)]}


async def test_after_a_downtime_the_store_that_is_late_by_the_greatest_factor_comes_first(ports: Ports) -> None:
    rests = {"st-1": timedelta(hours=7), "st-2": timedelta(minutes=3), "st-3": timedelta(hours=1)}
    for store_id, rest in rests.items():
        await ports.stores.add(linked_store(store_id))
        await ended(ports, store_id, at=timedelta(), rest=rest)
    await ports.stores.add(linked_store("st-4"))

    order = [(await ports.leased(owner=str(turn), after=timedelta(days=1))).store.store_id for turn in range(4)]

    assert order == ["st-4", "st-2", "st-3", "st-1"]


async def test_a_store_that_has_new_access_rests_no_longer_and_one_that_is_due_stays_so(ports: Ports) -> None:
    for store_id in ("st-1", "st-2"):
        await ports.stores.add(linked_store(store_id))
    await ended(ports, "st-1", at=timedelta(), rest=timedelta(hours=7))

    for store_id in ("st-1", "st-2"):
        await ports.polls.hurry(store_id, now=START + timedelta(hours=1), because="it was connected again")

    progress = await ports.polls.progress(["st-1", "st-2"])
    assert (progress["st-1"].next_poll_at, progress["st-1"].next_because) == (
        START + timedelta(hours=1),
        "it was connected again",
    )
    assert progress["st-2"].next_because is None


async def test_a_poll_that_is_put_off_says_why_and_keeps_its_place(ports: Ports) -> None:
    for store_id in ("st-1", "st-2"):
        await ports.stores.add(linked_store(store_id))
        await ended(ports, store_id, at=timedelta(), rest=timedelta(hours=1 if store_id == "st-1" else 2))
    lease = await ports.leased(after=timedelta(hours=3))
    await ports.polls.give_back(lease, due=START + timedelta(hours=4), because="calls are used up")

    progress = (await ports.polls.progress(["st-1"]))["st-1"]
    again = await ports.leased(after=timedelta(hours=4))

    assert progress.next_because == "calls are used up"
    assert again.store.store_id == "st-1"


async def test_a_poll_asked_for_while_one_runs_follows_it(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    lease = await ports.leased()
    await ports.polls.ask("st-1", by="key-1", now=START + timedelta(seconds=1))
    begun = session(lease)
    await ports.polls.begin(lease, begun, messages=[])

    await ports.polls.end(
        lease,
        begun.finished("succeeded", now=START),
        cursor=START,
        next_poll=NextPoll(START + timedelta(hours=1)),
        failures=0,
        messages=[],
    )

    assert await ports.lease(after=timedelta(seconds=2)) is not None


async def test_a_poll_asked_for_that_failed_waits_its_turn(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.polls.ask("st-1", by="key-1", now=START)
    lease = await ports.leased(after=timedelta(seconds=1))

    await ports.polls.give_back(lease, due=START + timedelta(minutes=1))

    assert await ports.lease(after=timedelta(seconds=2)) is None
    assert await ports.lease(after=timedelta(minutes=1)) is not None


async def test_cancelling_takes_the_lease_and_ends_the_session(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    lease = await ports.leased()
    begun = session(lease)
    await ports.polls.begin(lease, begun, messages=[])
    await ports.told()

    await ports.polls.cancel("st-1", now=START)

    with pytest.raises(LeaseLost):
        await ports.polls.record(lease, begun.progressed([outcome()]), seen={}, messages=[])
    assert [message.key for message in await ports.told()] == ["s-1"]
    assert await ports.polls.interrupted(await ports.leased()) is None


async def test_only_linked_stores_of_the_asked_platforms_are_due(ports: Ports) -> None:
    await ports.stores.add(replace(linked_store("st-1"), state="reconnect"))
    await ports.stores.add(replace(linked_store("st-2"), platform="other"))
    await ports.stores.add(replace(linked_store("st-3"), state="unlinked"))

    assert await ports.lease() is None


async def test_webhook_sessions_that_nobody_ended_are_ended_once(ports: Ports) -> None:
    await ports.stores.add(linked_store())
    await ports.told()
    lease = await ports.leased()
    await ports.books.record([session(lease, way="webhook")], seen={}, messages=[])

    counts = [await ports.books.end_abandoned(before=START + timedelta(minutes=1), now=START) for _ in range(2)]

    assert counts == [1, 0]
    assert [message.key for message in await ports.told()] == ["s-1"]


async def test_what_kafka_did_not_take_stays_in_the_outbox_in_order(ports: Ports) -> None:
    messages = [Message("sync.sessions", secrets.token_hex(4), b"{}") for _ in range(3)]
    await ports.books.record([], seen={}, messages=messages)

    async def refuse(_messages: Sequence[Message]) -> None:
        raise TransientError("kafka away")

    with pytest.raises(TransientError):
        await ports.outbox.relay(refuse, limit=2)

    assert await ports.told() == messages
    assert await ports.told() == []
