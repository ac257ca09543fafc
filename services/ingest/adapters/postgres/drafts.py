"""Drafts in Postgres."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from services.ingest.adapters.postgres import SQL
from services.ingest.drafts.draft import Draft
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "drafts.sql")


class PostgresDrafts:
    """`Drafts` in the table `drafts`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def of_seller(self, seller_id: str) -> Sequence[Draft]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.drafts_of_seller, seller_id)
        return [_draft(row) for row in rows]

    async def get(self, seller_id: str, draft_id: str) -> Draft | None:
        """In one statement."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.draft, seller_id, draft_id)
        return _draft(row) if row else None

    async def put(self, draft: Draft, *, most: int) -> bool:
        """Alone with the seller's drafts, so that two writes at once do not both find room for the last."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL.alone_with_drafts, draft.seller_id)
                kept = await connection.fetchval(
                    _SQL.put_draft,
                    *(draft.seller_id, draft.draft_id, draft.store_id, list(draft.order_keys)),
                    *(draft.changed_at, draft.sealed, most),
                )
        return kept is not None

    async def remove(self, seller_id: str, draft_id: str) -> None:
        """In one statement."""
        with translated_errors():
            await self._pool.execute(_SQL.remove_draft, seller_id, draft_id)

    async def forget(self, *, before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_drafts, before)

    async def erase(self, *, store_ids: Collection[str], order_keys: Collection[str]) -> int:
        """In one statement."""
        with translated_errors():
            return len(await self._pool.fetch(_SQL.erase_drafts, list(store_ids), list(order_keys)))


def _draft(row: asyncpg.Record) -> Draft:
    return Draft(**{**dict(row), "order_keys": tuple(row["order_keys"]), "sealed": bytes(row["sealed"])})
