"""The projections in Postgres: a batch's rows, its positions and word of it in one transaction, a statement a table."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import asyncpg.pool
import orjson

from schemas.ids import split_order_key
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.reporting.facts import Located, Place
from services.reporting.projections import Changes, reduce_facts
from services.reporting.rows import (
    Row,
    audit_row,
    endpoint_row,
    entry_row,
    order_row,
    parcel_row,
    progress_row,
    seller_row,
    session_order_row,
    session_row,
    store_row,
)

#: The Postgres schema of the report; its channel for word of changes has the same name.
SCHEMA = "reporting"
CHANNEL = "reporting_changes"
MIGRATIONS_DIRECTORY = Path(__file__).parents[1] / "migrations"
SQL_DIRECTORY = Path(__file__).parents[1] / "sql"

#: A notification holds less than 8000 bytes; whoever needs more than these reads anew.
_MOST_TOLD = 20
_LONGEST_TOLD = 7500

#: One of a pool's, or its own.
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_SQL = load_sql(SQL_DIRECTORY / "projections.sql")


class PostgresProjections:
    """See `Projections`. `silent` keeps word of changes back (a rebuild changes nothing for anybody)."""

    def __init__(self, pool: asyncpg.Pool, *, silent: bool = False) -> None:
        self._pool = pool
        self._silent = silent

    async def positions(self, places: Collection[Place]) -> Mapping[Place, int]:
        """Return the next offsets of partitions that were read before."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.next_offsets, *_columns(places))
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def apply(self, facts: Sequence[Located]) -> None:
        """Take the facts in, unless they are in already."""
        ends = _ends(facts)
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                kept = await _locked(connection, ends)
                fresh = [fact for fact in facts if fact.offset >= kept[fact.place]]
                if not fresh:
                    return
                changes = reduce_facts(located.fact for located in fresh)
                await _write(connection, changes)
                if not self._silent:
                    await _tell(connection, changes)
                moved = {place: end for place, end in ends.items() if end > kept[place]}
                await connection.execute(_SQL.move_positions, *_columns(moved), list(moved.values()))


async def _locked(connection: Connection, ends: Mapping[Place, int]) -> Mapping[Place, int]:
    columns = _columns(ends)
    rows = await connection.fetch(_SQL.lock_positions, *columns)
    if len(rows) < len(ends):
        await connection.execute(_SQL.begin_positions, *columns)
        rows = await connection.fetch(_SQL.lock_positions, *columns)
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _write(connection: Connection, changes: Changes) -> None:
    # Always in this order, and each statement by key, so that two processes that write the same orders hardly ever
    # wait for each other in a circle; Postgres breaks such a circle, and the batch is repeated.
    changed = changes.orders.values()
    for statement, rows in (
        (_SQL.write_sellers, [seller_row(seller) for seller in changes.sellers.values()]),
        (_SQL.write_stores, [store_row(store) for store in changes.stores.values()]),
        (_SQL.write_endpoints, [endpoint_row(endpoint) for endpoint in changes.endpoints.values()]),
        (_SQL.write_sessions, [session_row(session) for session in changes.sessions.values()]),
        (_SQL.write_session_orders, [session_order_row(order) for order in changes.session_orders.values()]),
        (_SQL.write_orders, [order_row(order) for order in changed if order.verdict or order.heard]),
        (_SQL.write_progress, [progress_row(order) for order in changed if not (order.verdict or order.heard)]),
        (_SQL.write_timeline, [entry_row(entry) for entry in changes.timeline.values()]),
        (_SQL.write_parcels, [parcel_row(push) for push in changes.parcels.values()]),
        (_SQL.write_audits, [audit_row(audit) for audit in changes.audits.values()]),
    ):
        if rows:
            await connection.execute(statement, _json(rows))
    await _prove(connection, changes)


async def _prove(connection: Connection, changes: Changes) -> None:
    polled = {one.store_id for one in changes.sessions.values() if one.started or one.finished}
    polled |= {split_order_key(one.order_key).store_id for one in changes.orders.values() if one.judged_revised_at}
    audited = {one.store_id for one in changes.audits.values()}
    if polled | audited:
        await connection.execute(_SQL.lock_stores, sorted(polled | audited))
    if polled:
        await connection.execute(_SQL.prove_polls, sorted(polled))
    if audited:
        await connection.execute(_SQL.prove_audits, sorted(changes.audits))


async def _tell(connection: Connection, changes: Changes) -> None:
    for seller_id in {thing.seller_id for thing in _changed(changes)}:
        sessions = [one.session_id for one in changes.sessions.values() if one.seller_id == seller_id]
        orders = [one.order_key for one in changes.orders.values() if one.seller_id == seller_id]
        audits = [one.audit_id for one in changes.audits.values() if one.seller_id == seller_id]
        told: dict[str, Any] = {
            "id": secrets.token_hex(8),
            "seller_id": seller_id,
            "sessions": sessions[:_MOST_TOLD],
            "orders": orders[:_MOST_TOLD],
            "audits": audits[:_MOST_TOLD],
            "complete": max(len(sessions), len(orders), len(audits)) <= _MOST_TOLD,
        }
        word = orjson.dumps(told)
        if len(word) > _LONGEST_TOLD:
            word = orjson.dumps({**told, "sessions": [], "orders": [], "audits": [], "complete": False})
        await connection.execute(_SQL.tell_change, CHANNEL, word.decode())


def _changed(changes: Changes) -> Iterable[Any]:
    yield from changes.stores.values()
    yield from changes.endpoints.values()
    yield from changes.sessions.values()
    yield from changes.orders.values()
    yield from changes.audits.values()


def _columns(places: Iterable[Place]) -> tuple[list[str], list[int]]:
    ordered = list(places)
    return [topic for topic, _ in ordered], [partition for _, partition in ordered]


def _ends(facts: Sequence[Located]) -> dict[Place, int]:
    ends: dict[Place, int] = {}
    for fact in facts:
        ends[fact.place] = max(ends.get(fact.place, 0), fact.offset + 1)
    return ends


def _json(rows: list[Row]) -> bytes:
    return orjson.dumps(rows)
