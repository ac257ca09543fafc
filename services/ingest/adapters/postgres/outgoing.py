"""Outgoing webhooks in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import asyncpg

from services.ingest.adapters.postgres import SQL
from services.ingest.adapters.postgres.outbox import put
from services.ingest.outgoing.endpoints import Delivery, Endpoint, news_of
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "outgoing.sql")


class PostgresOutgoing:
    """`Outgoing` in the tables `outgoing_endpoints` and `outgoing_deliveries`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, endpoint: Endpoint) -> None:
        """In one statement."""
        with translated_errors():
            await self._pool.execute(
                _SQL.add_endpoint,
                *(endpoint.endpoint_id, endpoint.seller_id, endpoint.url, list(endpoint.types), endpoint.created_at),
                *(endpoint.secret, endpoint.state, endpoint.problem, endpoint.failing_since),
            )

    async def get(self, endpoint_id: str) -> Endpoint | None:
        """In one statement."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.endpoint, endpoint_id)
        return _endpoint(row) if row else None

    async def of_sellers(self, seller_ids: Collection[str]) -> Sequence[Endpoint]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.endpoints_of_sellers, list(seller_ids))
        return [_endpoint(row) for row in rows]

    async def is_wanted(self) -> bool:
        """In one statement."""
        with translated_errors():
            return bool(await self._pool.fetchval(_SQL.is_any_endpoint_enabled))

    async def change(
        self, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, now: datetime
    ) -> Endpoint | None:
        """Under the row's lock."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.hold_endpoint, endpoint_id)
                if row is None:
                    return None
                held = _endpoint(row)
                changed = change(held)
                await connection.execute(
                    _SQL.change_endpoint,
                    *(endpoint_id, changed.url, list(changed.types), changed.secret),
                    *(changed.state, changed.problem, changed.failing_since),
                )
                await put(connection, news_of(held, changed, now=now))
        return changed

    async def remove(self, endpoint_id: str, *, now: datetime) -> None:
        """Its deliveries follow."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.hold_endpoint, endpoint_id)
                if row is None:
                    return
                await connection.execute(_SQL.remove_endpoint, endpoint_id)
                await put(connection, news_of(_endpoint(row), None, now=now))

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """In one statement."""
        if not deliveries:
            return
        with translated_errors():
            await self._pool.execute(
                _SQL.put_deliveries,
                [each.delivery_id for each in deliveries],
                [each.endpoint_id for each in deliveries],
                [each.type for each in deliveries],
                [each.body for each in deliveries],
                [each.created_at for each in deliveries],
            )

    async def due(self, *, now: datetime, until: datetime, each: int, limit: int) -> Sequence[Delivery]:
        """In one statement, passing over rows that others are taking."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.take_due_deliveries, now, until, each, limit)
        return [_delivery(row) for row in rows]

    async def keep(self, delivery: Delivery) -> None:
        """In one statement."""
        with translated_errors():
            await self._pool.execute(
                _SQL.keep_delivery,
                *(delivery.delivery_id, delivery.due_at, delivery.state, delivery.attempts),
                *(delivery.status, delivery.problem, delivery.ended_at),
            )

    async def find(self, delivery_id: str) -> Delivery | None:
        """In one statement."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.delivery, delivery_id)
        return _delivery(row) if row else None

    async def log(self, endpoint_id: str, *, before: tuple[datetime, str] | None, limit: int) -> Sequence[Delivery]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.log_of_endpoint, endpoint_id, *(before or (None, None)), limit)
        return [_delivery(row) for row in rows]

    async def forget(self, *, before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_deliveries, before)


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(**{**dict(row), "types": tuple(row["types"]), "secret": bytes(row["secret"])})


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(**dict(row))
