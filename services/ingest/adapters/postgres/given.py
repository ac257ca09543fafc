"""Given orders in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields

import asyncpg

from schemas.ids import OrderKey
from services.ingest.adapters.postgres import SQL
from services.ingest.direct.given import Given
from services.kit.errors import TransientError
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.kit.together import Together

_SQL = load_sql(SQL / "given.sql")
#: Single orders that one statement claims.
_AT_ONCE = 100
_COLUMNS = [field.name for field in fields(Given)]


class PostgresGivenOrders:
    """`GivenOrders` in the table `given_orders`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._together = Together(self._claim_each, at_most=_AT_ONCE)

    async def claim(self, orders: Sequence[Given]) -> Mapping[OrderKey, Given]:
        """In one statement where all are free; single orders that come at the same time share one."""
        if len(orders) == 1:
            [order] = orders
            return {order.order_key: await self._together.ask(order)}
        return await self._claim(orders)

    async def _claim_each(self, orders: Sequence[Given]) -> list[Given]:
        standing = await self._claim(orders)
        return [standing[order.order_key] for order in orders]

    async def _claim(self, orders: Sequence[Given]) -> Mapping[OrderKey, Given]:
        rows: dict[OrderKey, Given] = {}
        # In the order of keys, so that two never wait for each other in a circle; of two of one key the first is it.
        for order in sorted(orders, key=lambda order: order.order_key):
            rows.setdefault(order.order_key, order)
        if not rows:
            return {}
        with translated_errors():
            free = await self._pool.fetch(
                _SQL.claim_references, *([getattr(row, name) for row in rows.values()] for name in _COLUMNS)
            )
        ours = {row["order_key"]: rows[row["order_key"]] for row in free}
        taken = rows.keys() - ours.keys()
        standing = {**ours, **await self.get(taken)} if taken else ours
        if len(standing) < len(rows):
            raise TransientError("a reference was taken and left at the same moment", retry_after=1)
        return standing

    async def get(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Given]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.given_orders, list(keys))
        return {row["order_key"]: _given(row) for row in rows}

    async def change(self, key: OrderKey, change: Callable[[Given], Given]) -> Given | None:
        """Under the row's lock."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.hold_given_order, key)
                if row is None:
                    return None
                held = _given(row)
                changed = change(held)
                if changed != held:
                    await connection.execute(
                        _SQL.change_given_order,
                        *(key, changed.content, changed.revision, changed.state, changed.test),
                        *(changed.revised_at, changed.kept),
                    )
        return changed


def _given(row: asyncpg.Record) -> Given:
    return Given(**dict(row))
