"""Leases, sessions and seen orders in Postgres; whatever a lease allows is checked under its row's lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from schemas.ids import OrderKey
from schemas.sessions import Window
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import message_columns, put
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.polls.cadence import PRIOR, Sharer
from services.ingest.ports import Habits, Lease, LeaseLost, NextPoll, Progress, Seen
from services.ingest.sessions import Counts, Session, told_end
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "polls.sql")


class PostgresPolls:
    """`Polls` in the tables `polls`, `sessions` and `seen_orders`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[Lease]:
        """In one statement, passing over rows that others are claiming."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.claim_polls, owner, list(platforms), limit, now, until)
        return [
            Lease(
                store=store_of(row),
                owner=owner,
                number=row["lease_number"],
                cursor=row["cursor"],
                failures=row["failures"],
                claimed_at=now,
                asked_by=row["asked_by"],
                activity=row["activity"],
                costs=dict(zip(row["budgets"], row["costs"], strict=True)),
            )
            for row in rows
        ]

    async def renew(self, lease: Lease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.renew_lease, *_holder(lease), until))

    async def give_back(self, lease: Lease, *, due: datetime, because: str | None = None) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.give_back_lease, *_holder(lease), due, because))

    async def hurry(self, store_id: str, *, now: datetime, because: str) -> None:
        """At once."""
        with translated_errors():
            await self._pool.execute(_SQL.hurry_poll, store_id, now, because)

    async def sharers(self, budgets: Collection[str]) -> Mapping[str, Sequence[Sharer]]:
        """In one statement."""
        if not budgets:
            return {}
        with translated_errors():
            rows = await self._pool.fetch(_SQL.sharers_of_budgets, list(budgets))
        found: dict[str, list[Sharer]] = {budget: [] for budget in budgets}
        for budget, store_id, cost, activity, pushed in rows:
            found[budget].append(Sharer(store_id, PRIOR if activity is None else activity, cost, pushed))
        return found

    async def ask(self, store_id: str, *, by: str, now: datetime) -> None:
        """Whoever polls the store now polls it again afterwards."""
        with translated_errors():
            await self._pool.execute(_SQL.ask_for_poll, store_id, now, by)

    async def cancel(self, store_id: str, *, now: datetime) -> None:
        """In one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL.take_lease_away, store_id)
                row = await connection.fetchrow(_SQL.running_poll, store_id)
                if row is not None:
                    cancelled = _session(row).finished("cancelled", now=now)
                    await connection.execute(_SQL.keep_session, *_values(cancelled))
                    await put(connection, [told_end(cancelled)])

    async def progress(self, store_ids: Collection[str]) -> Mapping[str, Progress]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.progress_of_polls, list(store_ids))
        return {store_id: Progress(*progress) for store_id, *progress in rows}

    async def interrupted(self, lease: Lease) -> Session | None:
        """There is at most one, by a unique index."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.running_poll, lease.store.store_id)
        return _session(row) if row else None

    async def begin(self, lease: Lease, session: Session, *, messages: Sequence[Message]) -> None:
        """Under the lease; a session that is kept already changes nothing."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                if await connection.fetchval(_SQL.session_part, session.session_id) is None:
                    await connection.execute(_SQL.keep_session, *_values(session))
                    await put(connection, messages)

    async def record(
        self, lease: Lease, session: Session, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Under the lease, in one statement."""
        counts = session.counts
        with translated_errors():
            held = await self._pool.fetchval(
                _SQL.record_part,
                *_holder(lease),
                *(session.session_id, session.part, session.read_through, session.total),
                *(counts.new, counts.updated, counts.existing, counts.failed),
                *_seen_columns(seen),
                *message_columns(messages),
            )
        _held(held)

    async def end(
        self,
        lease: Lease,
        session: Session,
        *,
        cursor: datetime | None,
        next_poll: NextPoll,
        failures: int,
        messages: Sequence[Message],
        habits: Habits | None = None,
    ) -> None:
        """Under the lease, in one transaction."""
        ended = (cursor, next_poll.at, failures, session.finished_at, next_poll.because)
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                _held(
                    await connection.fetchval(
                        _SQL.end_poll, *_holder(lease), *ended, habits.activity if habits else None
                    )
                )
                if habits and dict(habits.costs) != dict(lease.costs):
                    costs = list(habits.costs), list(habits.costs.values())
                    await connection.execute(_SQL.keep_costs, lease.store.store_id, *costs)
                await connection.execute(_SQL.keep_session, *_values(session))
                await put(connection, messages)


class PostgresSeenOrders:
    """`SeenOrders` in the table `seen_orders`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def seen(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Seen]:
        """In one statement."""
        if not keys:
            return {}
        with translated_errors():
            rows = await self._pool.fetch(_SQL.seen_orders, list(keys))
        return {row["order_key"]: seen_of(row) for row in rows}


class PostgresWebhookBooks:
    """`WebhookBooks` in the tables `sessions` and `seen_orders`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(
        self, sessions: Sequence[Session], *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """In one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await keep_seen(connection, seen)
                for session in sorted(sessions, key=lambda session: session.session_id):
                    await connection.execute(_SQL.keep_session, *_values(session))
                await put(connection, messages)

    async def end_abandoned(self, *, before: datetime, now: datetime) -> int:
        """In one transaction; sessions that another process is ending are passed over."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_SQL.abandoned_webhook_sessions, before)
                ended = [_session(row).finished("succeeded", now=now) for row in rows]
                for session in ended:
                    await connection.execute(_SQL.keep_session, *_values(session))
                await put(connection, [told_end(session) for session in ended])
        return len(ended)

    async def forget_sessions(self, *, before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_sessions, before)


async def keep_seen(connection: Connection, seen: Mapping[OrderKey, Seen]) -> None:
    """Upsert in the order of keys, so that two processes never wait for each other in a circle."""
    if not seen:
        return
    await connection.execute(_SQL.keep_seen, *_seen_columns(seen))


def _seen_columns(seen: Mapping[OrderKey, Seen]) -> tuple[list[object], ...]:
    rows = sorted(seen.items())
    return (
        [key for key, _ in rows],
        [row.revised_at for _, row in rows],
        [row.event_id for _, row in rows],
        [row.session_id for _, row in rows],
        [row.open for _, row in rows],
        [row.read_at for _, row in rows],
        [row.ship_by for _, row in rows],
    )


def seen_of(row: asyncpg.Record) -> Seen:
    """What is known of the order in a row."""
    return Seen(row["revised_at"], row["event_id"], row["session_id"], row["open"], row["read_at"], row["ship_by"])


async def _hold(connection: Connection, lease: Lease) -> None:
    _held(await connection.fetchval(_SQL.hold_lease, *_holder(lease)))


def _held(store_id: str | None) -> None:
    if store_id is None:
        raise LeaseLost("another process holds the store's lease")


def _holder(lease: Lease) -> tuple[str, str, int]:
    return lease.store.store_id, lease.owner, lease.number


def _values(session: Session) -> tuple[object, ...]:
    counts = session.counts
    return (
        *(session.session_id, session.store_id, session.seller_id, session.platform, session.way),
        *(session.started_by, session.state, session.window.start, session.window.end, session.read_through),
        *(session.part, session.total, counts.new, counts.updated, counts.existing, counts.failed),
        *(session.started_at, session.finished_at, session.problem),
    )


def _session(row: asyncpg.Record) -> Session:
    return Session(
        session_id=row["session_id"],
        store_id=row["store_id"],
        seller_id=row["seller_id"],
        platform=row["platform"],
        way=row["way"],
        started_by=row["started_by"],
        window=Window(start=row["window_start"], end=row["window_end"]),
        started_at=row["started_at"],
        read_through=row["read_through"],
        state=row["state"],
        part=row["part"],
        total=row["total"],
        counts=Counts(row["new"], row["updated"], row["existing"], row["failed"]),
        finished_at=row["finished_at"],
        problem=row["problem"],
    )
