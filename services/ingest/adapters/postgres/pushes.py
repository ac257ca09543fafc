"""Pushes in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
from pydantic import TypeAdapter

from schemas.ids import OrderKey
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import message_columns
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.ports import LeaseLost
from services.ingest.stores.store import Store
from services.ingest.tracking.ports import ORDERS_OF_A_STORE, Block, Change, News, Pushes, PushFilter, PushLease
from services.ingest.tracking.push import Push, PushOrder, push_order_due, told, wanted_again
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "pushes.sql")
_HELD: TypeAdapter[Push] = TypeAdapter(Push)
_NEXT_PROBE = timedelta(days=1)


class PostgresPushes:
    """`PushStorage` in the tables `push_orders`, `pushes` and `push_blocks`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def take(self, news: Sequence[News], *, now: datetime) -> None:
        """Under the orders' locks, in one transaction."""
        orders = {each.order.order_key: each.order for each in reversed(news)}
        # Whoever locks several does it in the order of their keys.
        keys = sorted(orders)
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL.open_push_orders, *_opened([orders[key] for key in keys], now))
                await connection.execute(_SQL.lock_push_orders, keys)
                pushes = _by_order(keys, await connection.fetch(_SQL.pushes_of_orders, keys))
                kept = _Kept()
                for each in news:
                    kept.apply(pushes[each.order.order_key], each.change, now=now)
                await kept.write(connection, {key: pushes[key] for key in keys})

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[PushLease]:
        """In one statement, passing over rows that others claim; a lease whose store is not read just expires."""
        with translated_errors():
            rows = await self._pool.fetch(
                _SQL.claim_push_orders, owner, list(platforms), limit, now, until, ORDERS_OF_A_STORE
            )
            ids = [row["store_id"] for row in rows]
            found = await self._pool.fetch(_SQL.stores_of_push_orders, ids) if rows else []
        stores = {row["store_id"]: store_of(row) for row in found}
        nearest = sorted(rows, key=lambda row: (row["ship_by"] is None, row["ship_by"] or row["queued_at"]))
        return [PushLease(row["order_key"], stores[row["store_id"]], owner, row["lease_number"]) for row in nearest]

    async def renew(self, lease: PushLease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.renew_push_lease, *_holder(lease), until))

    async def give_back(self, lease: PushLease, *, due: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.give_back_push_order, *_holder(lease), due))

    async def change(self, lease: PushLease, change: Change, *, now: datetime) -> Pushes:
        """Under the lease and the order's lock, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                _ours(await connection.fetchval(_SQL.hold_push_order, *_holder(lease)))
                return await _apply(connection, lease.order_key, change, now=now)

    async def leave(self, lease: PushLease) -> None:
        """If it is still ours."""
        with translated_errors():
            _ours(await self._pool.fetchval(_SQL.leave_push_order, *_holder(lease)))

    async def of_order(self, order_key: OrderKey) -> Pushes:
        """By the index over orders."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.pushes_of_order, order_key)
        return _by_id(rows)

    async def get(self, push_id: str) -> Push | None:
        """One row."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_push, push_id)
        return _read(row) if row else None

    async def page(self, wanted: PushFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Push]:
        """By the index over seller and time."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.page_of_pushes, *_filter(wanted), *(after or (None, None)), limit)
        return [_read(row) for row in rows]

    async def retry(self, push_id: str, *, now: datetime) -> Push | None:
        """Under the order's lock."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.get_push, push_id)
                if row is None:
                    return None
                held = _read(row)
                await connection.execute(_SQL.lock_push_orders, [held.order.order_key])
                if held.code is not None:
                    await _drop_blocks(
                        connection, PushFilter(held.order.seller_id, None, held.code, held.order.store_id)
                    )
                pushes = await _apply(
                    connection, held.order.order_key, lambda pushes: [pushes[push_id].retried(now=now)], now=now
                )
        return pushes[push_id]

    async def retry_all(self, wanted: PushFilter, *, now: datetime) -> int:
        """In one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _drop_blocks(connection, wanted)
                keys = await connection.fetch(_SQL.orders_of_code, *_filter(wanted))
                return await _retry(connection, keys, lambda push: wanted_again(push, wanted.state, wanted.code), now)

    async def blocked(self, store: Store, *, now: datetime) -> Block | None:
        """Under the block's lock, where there is one: most stores have none, and their parcels ask each time."""
        with translated_errors():
            if not await self._pool.fetchval(_SQL.has_push_block, store.store_id):
                return None
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.lock_push_block, store.store_id)
                if row is None:
                    return None
                block = Block(**row)
                if store.grants > block.grants:
                    await connection.execute(_SQL.drop_push_block, store.store_id)
                    return None
                if block.probe_at > now:
                    return block
                values = (block.store_id, block.code, block.problem, block.grants, now + _NEXT_PROBE)
                await connection.execute(_SQL.keep_push_block, *values)
        return None

    async def block(self, block: Block) -> None:
        """One row."""
        values = (block.store_id, block.code, block.problem, block.grants, block.probe_at)
        with translated_errors():
            await self._pool.execute(_SQL.keep_push_block, *values)

    async def lift(self, store_id: str, *, now: datetime) -> None:
        """In one transaction; nothing where there is no block."""
        with translated_errors():
            if not await self._pool.fetchval(_SQL.has_push_block, store_id):
                return
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_SQL.drop_push_block, store_id) is None:
                    return
                keys = await connection.fetch(_SQL.orders_waiting_for_grant, store_id)
                await _retry(connection, keys, lambda push: push.after_grant is not None, now)

    async def forget(self, *, before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_push_orders, before)


@dataclass(slots=True)
class _Kept:
    """What changed of pushes, and what is to be told of it."""

    pushes: dict[str, Push] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    def apply(self, held: dict[str, Push], change: Change, *, now: datetime) -> None:
        """Change an order's pushes where they are held."""
        for push in change(dict(held)):
            before = held.get(push.push_id)
            if push == before:
                continue
            after, news = told(before, push, now=now)
            held[after.push_id] = self.pushes[after.push_id] = after
            self.messages += news

    async def write(self, connection: Connection, orders: Mapping[str, Pushes]) -> None:
        """Keep it, with when these orders have something to do, if anything changed of them."""
        if not self.pushes:
            return
        changed = {push.order.order_key for push in self.pushes.values()}
        due = [(key, *push_order_due(pushes)) for key, pushes in orders.items() if key in changed]
        columns = (*_columns(map(_written, self.pushes.values())), *_columns(due), *message_columns(self.messages))
        await connection.execute(_SQL.keep_pushes, *columns)


async def _apply(connection: Connection, order_key: str, change: Change, *, now: datetime) -> Pushes:
    held, kept = _by_id(await connection.fetch(_SQL.pushes_of_order, order_key)), _Kept()
    kept.apply(held, change, now=now)
    await kept.write(connection, {order_key: held})
    return held


async def _retry(
    connection: Connection, rows: Sequence[asyncpg.Record], wanted: Callable[[Push], bool], now: datetime
) -> int:
    """Have the wanted pushes of these locked orders tried again."""
    keys = [row["order_key"] for row in rows]
    orders, kept = _by_order(keys, await connection.fetch(_SQL.pushes_of_orders, keys)), _Kept()
    for held in orders.values():
        kept.apply(held, lambda pushes: [push.retried(now=now) for push in pushes.values() if wanted(push)], now=now)
    await kept.write(connection, orders)
    return len(kept.pushes)


async def _drop_blocks(connection: Connection, wanted: PushFilter) -> None:
    if wanted.code is not None:
        await connection.execute(_SQL.drop_push_blocks_of_code, wanted.seller_id, wanted.code, wanted.store_id)


def _ours(order_key: str | None) -> None:
    if order_key is None:
        raise LeaseLost("another process tells the platform of the order's parcels")


def _holder(lease: PushLease) -> tuple[str, str, int]:
    return lease.order_key, lease.owner, lease.number


def _filter(wanted: PushFilter) -> tuple[str, str | None, str | None, str | None]:
    return wanted.seller_id, wanted.state, wanted.code, wanted.store_id


def _by_id(rows: Sequence[asyncpg.Record]) -> dict[str, Push]:
    return {push.push_id: push for push in map(_read, rows)}


def _by_order(keys: Collection[str], rows: Sequence[asyncpg.Record]) -> dict[str, dict[str, Push]]:
    found: dict[str, dict[str, Push]] = {key: {} for key in keys}
    for push in map(_read, rows):
        found[push.order.order_key][push.push_id] = push
    return found


def _opened(orders: Sequence[PushOrder], now: datetime) -> tuple[list[object], ...]:
    return _columns((order.order_key, order.store_id, order.platform, now, order.ship_by) for order in orders)


def _columns(rows: Iterable[tuple[object, ...]]) -> tuple[list[object], ...]:
    """Rows as `unnest` takes them; at least one."""
    return tuple(list(column) for column in zip(*rows, strict=True))


def _written(push: Push) -> tuple[object, ...]:
    order = push.order
    identity = (push.push_id, order.order_key, order.store_id, order.seller_id)
    return (*identity, push.state, push.code, push.created_at, _HELD.dump_json(push).decode())


def _read(row: asyncpg.Record) -> Push:
    return _HELD.validate_json(row["held"])
