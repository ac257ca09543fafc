"""What is known of stores' webhooks, in Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter

from services.ingest.adapters.postgres import SQL
from services.ingest.webhooks.ports import Healing, PushHealth
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "webhook_health.sql")
_HEALING: TypeAdapter[Healing] = TypeAdapter(Healing)


class PostgresPushRecords:
    """`PushRecords` in the table `webhook_health`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get(self, store_id: str) -> PushHealth:
        """One row, or none yet."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_webhook_health, store_id)
        return _health(row) if row else PushHealth()

    async def hear(self, heard: Mapping[str, datetime]) -> None:
        """In the order of ids, so that two processes never wait for each other in a circle."""
        rows = sorted(heard.items())
        with translated_errors():
            await self._pool.execute(_SQL.hear_webhooks, [store_id for store_id, _ in rows], [at for _, at in rows])

    async def refuse(self, store_id: str, *, now: datetime, unless_since: datetime) -> bool:
        """In one statement, so that one process alone is the first."""
        with translated_errors():
            return await self._pool.fetchval(_SQL.refuse_webhook, store_id, now, unless_since) is not None

    async def keep(self, store_id: str, health: PushHealth) -> None:
        """All but what is heard and refused."""
        with translated_errors():
            await self._pool.execute(
                _SQL.keep_webhook_health,
                *(store_id, health.checked_at, health.doubted_at, health.fruitless),
                *(health.awaited_at, _HEALING.dump_json(health.healing).decode() if health.healing else None),
            )


def _health(row: asyncpg.Record) -> PushHealth:
    return PushHealth(
        heard_at=row["heard_at"],
        refused_at=row["refused_at"],
        checked_at=row["checked_at"],
        doubted_at=row["doubted_at"],
        fruitless=row["fruitless"],
        awaited_at=row["awaited_at"],
        healing=_HEALING.validate_json(row["healing"]) if row["healing"] else None,
    )
