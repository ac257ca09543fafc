"""Manual syncs in Postgres; whatever a lease allows is checked under its row's lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from schemas.ids import OrderKey
from schemas.sessions import Window as Span
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import put
from services.ingest.adapters.postgres.polls import keep_seen
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.contract.reading import Window
from services.ingest.ports import LeaseLost, Seen, SyncLease
from services.ingest.sessions import Counts, Session
from services.ingest.syncs.sync import Asked, Place, Sync
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "syncs.sql")


class PostgresSyncs:
    """`Syncs` in the table of that name."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, syncs: Sequence[Sync]) -> None:
        """In one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                for sync in syncs:
                    await connection.execute(_SQL.insert_sync, *_identity(sync), *_changeable(sync))

    async def get(self, sync_id: str) -> Sync | None:
        """One sync."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_sync, sync_id)
        return _sync(row) if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Sync]:
        """By the index over seller and id."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.page_of_syncs, seller_id, store_id, after, limit)
        return [_sync(row) for row in rows]

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.count_unfinished_syncs, list(store_ids))
        return {row["store_id"]: row["unfinished"] for row in rows}

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[SyncLease]:
        """In one statement, passing over rows that others claim; a lease whose store is not read just expires."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.claim_syncs, owner, list(platforms), limit, now, until)
            found = await self._pool.fetch(_SQL.stores_of_syncs, [row["store_id"] for row in rows]) if rows else []
        stores = {row["store_id"]: store_of(row) for row in found}
        return [SyncLease(_sync(row), stores[row["store_id"]], owner, row["lease_number"]) for row in rows]

    async def renew(self, lease: SyncLease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.renew_sync_lease, *_holder(lease), until))

    async def give_back(self, lease: SyncLease, *, due: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.give_back_sync, *_holder(lease), due))

    async def begin(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Under the lease; a sync that began already changes nothing."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if not (await _hold(connection, lease))["begun"]:
                    await connection.execute(_SQL.update_sync, sync.sync_id, *_changeable(sync))
                    await put(connection, messages)

    async def record(
        self, lease: SyncLease, sync: Sync, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Under the lease, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                row = await connection.fetchrow(_SQL.get_sync, sync.sync_id)
                if row is None or row["part"] >= sync.session.part:
                    return
                await connection.execute(_SQL.update_sync, sync.sync_id, *_changeable(sync))
                await keep_seen(connection, seen)
                await put(connection, messages)

    async def rest(self, lease: SyncLease, sync: Sync) -> None:
        """Under the lease, in one transaction."""
        await self._leave(lease, sync, ())

    async def end(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Under the lease, in one transaction."""
        await self._leave(lease, sync, messages)

    async def steer(self, sync_id: str, change: Callable[[Sync], tuple[Sync, Sequence[Message]]]) -> Sync | None:
        """Under the row's lock."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.lock_sync, sync_id)
                if row is None:
                    return None
                sync = _sync(row)
                changed, messages = change(sync)
                if changed != sync:
                    await connection.execute(_SQL.update_sync, sync_id, *_changeable(changed))
                    await connection.execute(_SQL.release_sync, sync_id)
                    await put(connection, messages)
        return changed

    async def forget(self, *, before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_syncs, before)

    async def _leave(self, lease: SyncLease, sync: Sync, messages: Sequence[Message]) -> None:
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                await connection.execute(_SQL.update_sync, sync.sync_id, *_changeable(sync))
                await connection.execute(_SQL.release_sync, sync.sync_id)
                await put(connection, messages)


async def _hold(connection: Connection, lease: SyncLease) -> asyncpg.Record:
    row = await connection.fetchrow(_SQL.hold_sync, *_holder(lease))
    if row is None:
        raise LeaseLost("somebody else decides about the sync")
    return row


def _held(sync_id: str | None) -> None:
    if sync_id is None:
        raise LeaseLost("somebody else decides about the sync")


def _holder(lease: SyncLease) -> tuple[str, str, int]:
    return lease.sync.sync_id, lease.owner, lease.number


def _identity(sync: Sync) -> tuple[object, ...]:
    session, asked = sync.session, sync.asked
    return (
        *(session.session_id, session.store_id, session.seller_id, session.platform, session.started_by),
        *(sync.asked_at, asked.start, asked.end, asked.zone, asked.by, session.window.start, session.window.end),
        *(sync.reads_from, list(sync.notes), sync.reaches_back_to),
    )


def _changeable(sync: Sync) -> tuple[object, ...]:
    session, counts, place = sync.session, sync.session.counts, sync.place
    return (
        *(session.state, sync.begun, sync.paused, session.started_at, session.finished_at, session.read_through),
        *(session.part, session.total, counts.new, counts.updated, counts.existing, counts.failed, sync.outside),
        *((place.after, place.window.start, place.window.end, place.kept_at) if place else (None,) * 4),
        *(sync.due_at, sync.progressed_at, sync.failures, sync.waiting, session.problem),
    )


def _sync(row: asyncpg.Record) -> Sync:
    return Sync(
        session=_session(row),
        asked=Asked(row["asked_from"], row["asked_to"], row["zone"], row["by"]),
        reads_from=row["reads_from"],
        asked_at=row["asked_at"],
        due_at=row["due_at"],
        progressed_at=row["progressed_at"],
        notes=tuple(row["notes"]),
        reaches_back_to=row["reaches_back_to"],
        begun=row["begun"],
        paused=row["paused"],
        place=_place(row),
        outside=row["outside"],
        failures=row["failures"],
        waiting=row["waiting"],
    )


def _place(row: asyncpg.Record) -> Place | None:
    if row["place_after"] is None:
        return None
    window = Window(row["place_start"], row["place_end"], row["by"])
    return Place(row["place_after"], window, row["place_kept_at"])


def _session(row: asyncpg.Record) -> Session:
    return Session(
        session_id=row["sync_id"],
        store_id=row["store_id"],
        seller_id=row["seller_id"],
        platform=row["platform"],
        way="backfill",
        started_by=row["asked_by"],
        window=Span(start=row["window_start"], end=row["window_end"]),
        started_at=row["started_at"],
        read_through=row["read_through"],
        state=row["state"],
        part=row["part"],
        total=row["total"],
        counts=Counts(row["new"], row["updated"], row["existing"], row["failed"]),
        finished_at=row["finished_at"],
        problem=row["problem"],
    )
