"""Imports in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter

from schemas.ids import OrderKey
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import put
from services.ingest.adapters.postgres.polls import keep_seen
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.imports.ports import ImportLease
from services.ingest.imports.record import Import, RowProblem, is_further
from services.ingest.ports import LeaseLost, Seen
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "imports.sql")
_HELD: TypeAdapter[Import] = TypeAdapter(Import)


class PostgresImports:
    """`Imports` in the tables `imports`, `import_pieces` and `import_problems`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep_piece(self, import_id: str, number: int, sealed: bytes, *, now: datetime) -> None:
        """In one statement."""
        with translated_errors():
            await self._pool.execute(_SQL.keep_import_piece, import_id, number, sealed, now)

    async def piece(self, import_id: str, number: int) -> bytes | None:
        """One row."""
        with translated_errors():
            sealed: bytes | None = await self._pool.fetchval(_SQL.import_piece, import_id, number)
        return sealed

    async def drop_pieces(self, import_id: str) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.drop_import_pieces, import_id)

    async def add(self, new: Import) -> None:
        """One row."""
        identity = (new.import_id, new.store_id, new.seller_id, new.platform, new.asked_at, new.digest)
        with translated_errors():
            await self._pool.execute(
                _SQL.insert_import, *identity, new.state, new.started_at, new.due_at, _written(new)
            )

    async def same_file(self, store_id: str, digest: str) -> str | None:
        """By the index over files."""
        with translated_errors():
            found: str | None = await self._pool.fetchval(_SQL.import_of_same_file, store_id, digest)
        return found

    async def get(self, import_id: str) -> Import | None:
        """One row."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_import, import_id)
        return _read(row) if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Import]:
        """By the index over seller and id."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.page_of_imports, seller_id, store_id, after, limit)
        return [_read(row) for row in rows]

    async def unfinished(self, store_id: str) -> int:
        """Counted."""
        with translated_errors():
            return int(await self._pool.fetchval(_SQL.count_unfinished_imports, store_id))

    async def problems(self, import_id: str, *, after: tuple[int, int], limit: int) -> list[tuple[int, RowProblem]]:
        """By the primary key."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.import_problems, import_id, *after, limit)
        return [(row["number"], _problem(row)) for row in rows]

    async def faulty_orders(self, import_id: str, *, after: int, limit: int) -> list[tuple[int, str]]:
        """By the primary key."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.faulty_orders_of_import, import_id, after, limit)
        return [(row["order_place"], row["reason"]) for row in rows]

    async def refused(self, import_id: str, *, first: int, last: int) -> set[int]:
        """By the primary key."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.refused_orders_of_import, import_id, first, last)
        return {row["order_place"] for row in rows}

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[ImportLease]:
        """In one statement, passing over rows that others claim; a lease whose store is not read just expires."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.claim_imports, owner, list(platforms), limit, now, until)
            ids = [row["store_id"] for row in rows]
            found = await self._pool.fetch(_SQL.stores_of_imports, ids) if rows else []
        stores = {row["store_id"]: store_of(row) for row in found}
        return [ImportLease(_read(row), stores[row["store_id"]], owner, row["lease_number"]) for row in rows]

    async def renew(self, lease: ImportLease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.renew_import_lease, *_holder(lease), until))

    async def give_back(self, lease: ImportLease, *, due: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.give_back_import, *_holder(lease), due))

    async def record(
        self,
        lease: ImportLease,
        held: Import,
        *,
        problems: Sequence[RowProblem] = (),
        retried: Collection[int] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if not is_further(held, await _hold(connection, lease)):
                    return
                await _update(connection, held)
                if retried:
                    await connection.execute(_SQL.drop_import_problems, held.import_id, list(retried))
                await _keep_problems(connection, held.import_id, problems)
                await keep_seen(connection, seen or {})
                await put(connection, messages)

    async def leave(self, lease: ImportLease, held: Import, *, messages: Sequence[Message] = ()) -> None:
        """Under the lease, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                await _update(connection, held)
                await connection.execute(_SQL.release_import, held.import_id)
                await put(connection, messages)

    async def steer(
        self, import_id: str, change: Callable[[Import], tuple[Import, Sequence[Message]]]
    ) -> Import | None:
        """Under the row's lock."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.lock_import, import_id)
                if row is None:
                    return None
                held = _read(row)
                changed, messages = change(held)
                if changed != held:
                    await _update(connection, changed)
                    await connection.execute(_SQL.release_import, import_id)
                    await put(connection, messages)
        return changed

    async def forget(self, *, files_before: datetime, imports_before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_import_pieces, files_before)
            await self._pool.execute(_SQL.forget_imports, imports_before)


async def _hold(connection: Connection, lease: ImportLease) -> Import:
    row = await connection.fetchrow(_SQL.hold_import, *_holder(lease))
    if row is None:
        raise LeaseLost("somebody else decides about the import")
    return _read(row)


async def _update(connection: Connection, held: Import) -> None:
    await connection.execute(
        _SQL.update_import, held.import_id, held.state, held.started_at, held.due_at, _written(held)
    )


async def _keep_problems(connection: Connection, import_id: str, problems: Sequence[RowProblem]) -> None:
    if problems:
        columns = zip(
            *((each.order, each.reference, each.row, each.column, each.problem, each.remedy, each.while_checking)
              for each in problems), strict=True
        )  # fmt: skip
        await connection.execute(_SQL.keep_import_problems, import_id, *map(list, columns))


def _ours(import_id: str | None) -> None:
    if import_id is None:
        raise LeaseLost("somebody else decides about the import")


def _holder(lease: ImportLease) -> tuple[str, str, int]:
    return lease.held.import_id, lease.owner, lease.number


def _written(held: Import) -> str:
    return _HELD.dump_json(held).decode()


def _read(row: asyncpg.Record) -> Import:
    return _HELD.validate_json(row["held"])


def _problem(row: asyncpg.Record) -> RowProblem:
    return RowProblem(
        order=row["order_place"],
        reference=row["reference"],
        row=row["row_number"],
        column=row["header"],
        problem=row["problem"],
        remedy=row["remedy"],
        while_checking=row["while_checking"],
    )
