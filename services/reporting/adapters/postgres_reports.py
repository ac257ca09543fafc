"""The report's answers out of Postgres: plain SQL, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import orjson

from schemas.reasons import ReasonCode
from schemas.sessions import OrderResult
from schemas.stores import StoreRecord
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.kit.clock import Clock
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.reporting.adapters.postgres_proofs import PostgresProofs
from services.reporting.answers import (
    order_detail,
    order_view,
    session_order_view,
    session_view,
    store_view,
    summary_view,
)
from services.reporting.attention import (
    LATE_FOR,
    POLLS_LOOKED_AT,
    SESSIONS_LOOKED_AT,
    STORES_LOOKED_AT,
    UNREADABLE_FOR,
    WAITING_COUNTED,
    WAITS_LONG,
    Attention,
    DueOrders,
    FailingStore,
    StuckParcels,
    UnreadableOrders,
    WaitingOrders,
    proven_attention,
)
from services.reporting.cursors import Cursor, written
from services.reporting.ports import OrderFilter, SessionFilter
from services.reporting.views import (
    Counts,
    ListOf,
    OrderDetail,
    OrderView,
    SessionOrderView,
    SessionView,
    StoreView,
    Summary,
)

#: The summary counts all of a seller's orders, so it is counted at most this often.
SUMMARY_FRESH_FOR = timedelta(seconds=1)
_SUMMARIES_KEPT = 1000

_SQL = load_sql(Path(__file__).parents[1] / "sql" / "reports.sql")
_SQL_ATTENTION = load_sql(Path(__file__).parents[1] / "sql" / "attention.sql")
_JSON_COLUMNS = frozenset({"record", "reasons", "items", "data", "tracking"})

Row = dict[str, Any]
V = TypeVar("V")


class PostgresReports:
    """See `Reports`."""

    def __init__(self, pool: asyncpg.Pool, *, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._proofs = PostgresProofs(pool)
        self._summaries: dict[str, tuple[Any, Summary]] = {}

    async def stores(self, seller_id: str, *, after: Cursor | None, limit: int) -> ListOf[StoreView]:
        """Return the seller's stores by id."""
        rows = await self._fetch(_SQL.list_stores, seller_id, after[0] if after else None, limit + 1, None)
        counts = {store.store_id: store for store in (await self.summary(seller_id)).stores}
        return _page(
            rows,
            limit,
            lambda row: store_view(row, _plain(counts.get(row["store_id"]))),
            lambda row: (row["store_id"],),
        )

    async def store(self, seller_id: str, store_id: str) -> StoreView | None:
        """Return one store."""
        rows = await self._fetch(_SQL.list_stores, seller_id, None, 1, store_id)
        counts = {store.store_id: store for store in (await self.summary(seller_id)).stores}
        return store_view(rows[0], _plain(counts.get(store_id))) if rows else None

    async def summary(self, seller_id: str) -> Summary:
        """Return the seller's orders in numbers, at most a second old."""
        now = self._clock.now()
        kept = self._summaries.get(seller_id)
        if kept is not None and timedelta() <= now - kept[0] < SUMMARY_FRESH_FOR:
            return kept[1]
        counts = await self._fetch(_SQL.count_orders, seller_id)
        reasons = await self._fetch(_SQL.count_reasons, seller_id)
        summary = summary_view(counts, reasons)
        if len(self._summaries) >= _SUMMARIES_KEPT:
            self._summaries.clear()
        self._summaries[seller_id] = (now, summary)
        return summary

    async def attention(self, seller_id: str, *, now: datetime) -> Attention:
        """Return what may need the seller at `now`."""
        stores = await self._fetch(_SQL_ATTENTION.attention_stores, seller_id, STORES_LOOKED_AT)
        failing = await self._fetch(_SQL_ATTENTION.failing_stores, seller_id, POLLS_LOOKED_AT)
        unreadable = await self._fetch(
            _SQL_ATTENTION.unreadable_orders, seller_id, now - UNREADABLE_FOR, SESSIONS_LOOKED_AT
        )
        waiting = await self._fetch(_SQL_ATTENTION.waiting_orders, seller_id, now - WAITS_LONG, WAITING_COUNTED)
        due = await self._fetch(_SQL_ATTENTION.due_orders, seller_id, now, now - LATE_FOR)
        stuck = await self._fetch(_SQL_ATTENTION.stuck_parcels, seller_id, now - LATE_FOR)
        endpoints = await self._fetch(_SQL_ATTENTION.disabled_endpoints, seller_id)
        found = Attention(
            stores=tuple(StoreRecord.model_validate(row["record"]) for row in stores),
            failing=tuple(FailingStore(**row) for row in failing),
            unreadable=tuple(UnreadableOrders(**row) for row in unreadable),
            waiting=tuple(WaitingOrders(**{**row, "code": ReasonCode(row["code"])}) for row in waiting),
            due=tuple(DueOrders(**row) for row in due),
            endpoints=tuple(WebhookEndpointRecord.model_validate(row["record"]) for row in endpoints),
            stuck=tuple(StuckParcels(**row) for row in stuck),
        )
        proofs = await self._proofs.of(seller_id, [store.store_id for store in found.stores])
        return proven_attention(found, proofs, await self._proofs.doubts(seller_id), now=now)

    async def sessions(
        self, seller_id: str, wanted: SessionFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[SessionView]:
        """Return sync sessions, newest first."""
        rows = await self._fetch(
            _SQL.list_sessions,
            seller_id,
            wanted.platform,
            wanted.store_id,
            wanted.way,
            wanted.state,
            wanted.since,
            wanted.until,
            wanted.with_orders_only,
            *(after or (None, None)),
            limit + 1,
        )
        return _page(rows, limit, session_view, lambda row: (row["listed_at"], row["session_id"]))

    async def session(self, seller_id: str, session_id: str) -> SessionView | None:
        """Return one sync session."""
        rows = await self._fetch(_SQL.find_session, seller_id, session_id)
        return session_view(rows[0]) if rows else None

    async def session_orders(
        self, seller_id: str, session_id: str, *, result: OrderResult | None, after: Cursor | None, limit: int
    ) -> ListOf[SessionOrderView] | None:
        """Return what a session did with each order, in the order they were read."""
        if not await self._fetch(_SQL.find_session, seller_id, session_id):
            return None
        rows = await self._fetch(
            _SQL.list_session_orders, session_id, result, *(after or (None, None, None)), limit + 1
        )
        return _page(rows, limit, session_order_view, lambda row: (row["part"], row["position"], row["entry_key"]))

    async def orders(
        self, seller_id: str, wanted: OrderFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[OrderView]:
        """Return orders, last placed first."""
        rows = await self._fetch(
            _SQL.list_orders,
            seller_id,
            wanted.platform,
            wanted.store_id,
            wanted.state,
            wanted.outcome,
            wanted.reason,
            wanted.text.lower() if wanted.text else None,
            wanted.since,
            wanted.until,
            *(after or (None, None)),
            limit + 1,
            wanted.deadline,
            wanted.now,
        )
        return _page(
            [_with_state(row) for row in rows], limit, order_view, lambda row: (row["listed_at"], row["order_key"])
        )

    async def order(self, seller_id: str, order_key: str) -> OrderDetail | None:
        """Return one order with its timeline."""
        rows = await self._fetch(_SQL.find_order, seller_id, order_key)
        if not rows:
            return None
        return order_detail(_with_state(rows[0]), await self._fetch(_SQL.list_timeline, order_key))

    async def _fetch(self, statement: str, *arguments: object) -> list[Row]:
        with translated_errors():
            return [_parsed(row) for row in await self._pool.fetch(statement, *arguments)]


def _with_state(row: Row) -> Row:
    """Return a row of `orders` with the state that the seller reads."""
    return {**row, "state": "delivered"} if row["state"] == "shipped" and row["arrived"] else row


def _parsed(row: asyncpg.Record) -> Row:
    return {
        name: orjson.loads(value) if name in _JSON_COLUMNS and isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _plain(counts: Counts | None) -> Counts:
    return Counts(**counts.model_dump(include=set(Counts.model_fields))) if counts else Counts()


def _page(rows: Sequence[Row], limit: int, view: Callable[[Row], V], place: Callable[[Row], Cursor]) -> ListOf[V]:
    # One row more than asked for was fetched: it tells whether the list goes on.
    after = written(place(rows[limit - 1])) if len(rows) > limit else None
    return ListOf(items=tuple(view(row) for row in rows[:limit]), next=after)
