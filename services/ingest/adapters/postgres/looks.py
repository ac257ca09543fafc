"""Last looks in Postgres."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from schemas.looks import LookWanted
from services.ingest.adapters.postgres import SQL
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.looks.ports import LookLease
from services.ingest.ports import LeaseLost
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "looks.sql")


class PostgresLooks:
    """`Looks` in the tables `look_stores` and `looks`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ask(self, wanted: Sequence[LookWanted], *, now: datetime) -> None:
        """In one transaction, the stores' rows first."""
        newest = {one.order_key: one for one in sorted(wanted, key=_asked_at)}
        columns = (
            list(newest),
            [one.store_id for one in newest.values()],
            [one.event_id for one in newest.values()],
            [one.occurred_at for one in newest.values()],
            [one.to_bytes() for one in newest.values()],
        )
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL.ask_look_stores, list(set(columns[1])), now)
                await connection.execute(_SQL.keep_looks, *columns)

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[LookLease]:
        """In one statement, passing over rows that others are claiming."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.claim_look_stores, owner, list(platforms), limit, now, until)
        return [
            LookLease(store_of(row), owner, row["look_lease_number"], row["look_failures"])
            for row in sorted(rows, key=lambda row: row["look_due_at"])
        ]

    async def renew(self, lease: LookLease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.renew_look_lease, *_holder(lease), until))

    async def give_back(self, lease: LookLease, *, due: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.give_back_look_store, *_holder(lease), due))

    async def next(self, lease: LookLease, *, limit: int) -> list[LookWanted]:
        """By the index over stores."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.next_looks, lease.store.store_id, limit)
        return [LookWanted.model_validate_json(row["held"]) for row in rows]

    async def answered(self, lease: LookLease, wanted: Sequence[LookWanted]) -> None:
        """Under the lease."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                _ours(await connection.fetchval(_SQL.hold_look_store, *_holder(lease)))
                keys, ids = [one.order_key for one in wanted], [one.event_id for one in wanted]
                await connection.execute(_SQL.forget_looks, keys, ids)

    async def leave(self, lease: LookLease, *, due: datetime, failures: int = 0) -> None:
        """Under the row's lock, in a statement of its own after it: it then sees what was asked before."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                _ours(await connection.fetchval(_SQL.hold_look_store, *_holder(lease)))
                await connection.execute(_SQL.leave_look_store, lease.store.store_id, due, failures)


def _asked_at(wanted: LookWanted) -> datetime:
    return wanted.occurred_at


def _ours(store_id: str | None) -> None:
    if store_id is None:
        raise LeaseLost("another process looks at the store's orders")


def _holder(lease: LookLease) -> tuple[str, str, int]:
    return lease.store.store_id, lease.owner, lease.number
