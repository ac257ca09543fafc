"""What proves stores complete, out of Postgres: the windows that were proven, audits, and the orders beside a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from schemas.audits import AuditBy, OrdersListed
from schemas.ids import order_key
from schemas.sessions import Window
from schemas.stores import StoreRecord
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.reporting.audit_answers import audit_detail, audit_view, found_keys
from services.reporting.comparing import HeldCount, HeldOrder
from services.reporting.completeness_views import AuditDetail, AuditView
from services.reporting.cursors import Cursor, written
from services.reporting.ports import AuditFilter
from services.reporting.views import ListOf
from services.reporting.watermark import WAITING_COUNTED, Doubt, Healed, Proof, Span

_SQL = load_sql(Path(__file__).parents[1] / "sql" / "completeness.sql")
_JSON_COLUMNS = frozenset({"record", "found"})

Row = dict[str, Any]


class PostgresProofs:
    """See `Proofs` and `Holdings`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def of(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, Proof]:
        """Return what proves each of these stores complete."""
        return await self._proofs(seller_id, list(store_ids))

    async def of_all(self) -> Sequence[tuple[StoreRecord, Proof]]:
        """Return every store, whoever's, with what proves it complete."""
        rows = await self._fetch(_SQL.all_stores)
        proofs = await self._proofs(None, None)
        return [
            (StoreRecord.model_validate(row["record"]), proofs.get(row["store_id"], Proof(row["store_id"])))
            for row in rows
        ]

    async def doubts(self, seller_id: str) -> tuple[Doubt, ...]:
        """Return the audits of the seller whose unsettled orders no later audit settled."""
        return tuple(Doubt(**row) for row in await self._fetch(_SQL.find_doubts, seller_id, None))

    async def audits(
        self, seller_id: str, wanted: AuditFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[AuditView]:
        """Return audits, newest first."""
        rows = await self._fetch(
            _SQL.list_audits,
            seller_id,
            wanted.store_id,
            wanted.scope,
            wanted.state,
            *(after or (None, None)),
            limit + 1,
        )
        more = len(rows) > limit
        place = written((rows[limit - 1]["listed_at"], rows[limit - 1]["audit_id"])) if more else None
        return ListOf(items=tuple(audit_view(row) for row in rows[:limit]), next=place)

    async def audit(self, seller_id: str, audit_id: str) -> AuditDetail | None:
        """Return one audit with the orders that it found."""
        rows = await self._fetch(_SQL.find_audit, seller_id, audit_id)
        if not rows:
            return None
        named = await self._fetch(_SQL.named_orders, seller_id, found_keys(rows[0]))
        return audit_detail(rows[0], {row["order_key"]: row for row in named})

    async def newest(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, tuple[AuditView, ...]]:
        """Return of each store the newest audit of each scope, newest first."""
        found: dict[str, tuple[AuditView, ...]] = {}
        for row in await self._fetch(_SQL.newest_audits, seller_id, list(store_ids)):
            found[row["store_id"]] = (*found.get(row["store_id"], ()), audit_view(row))
        return found

    async def covering(
        self, seller_id: str, store_id: str, window: Window, *, by: AuditBy, limit: int
    ) -> tuple[AuditView, ...]:
        """Return the newest audits by that time whose window holds this one."""
        rows = await self._fetch(_SQL.covering_audits, seller_id, store_id, by, window.start, window.end, limit)
        return tuple(audit_view(row) for row in rows)

    async def count(self, seller_id: str, store_id: str, window: Window, *, by: AuditBy) -> int:
        """Return how many judged orders were created, or last changed, in the window."""
        statement = _SQL.count_updated if by == "updated" else _SQL.count_created
        [row] = await self._fetch(statement, seller_id, store_id, window.start, window.end)
        return int(row["orders"])

    async def beside(self, listed: OrdersListed) -> Mapping[str, HeldOrder]:
        """Return by platform's id the judged orders among those listed and, with a span, all others in it."""
        held: dict[str, HeldOrder] = {}
        if listed.span is not None:
            statement = _SQL.held_by_change if listed.by == "updated" else _SQL.held_by_creation
            span = (listed.span.start, listed.span.end)
            held = await self._held(statement, listed.seller_id, listed.store_id, *span)
        # Nearly all that is listed in a span stands in it here, too: only the others are asked for one by one.
        others = {order.external_id for order in listed.orders} - held.keys()
        if others:
            keys = [order_key(listed.platform, listed.store_id, external_id) for external_id in others]
            held |= await self._held(_SQL.held_by_key, listed.seller_id, keys)
        return held

    async def held_in(self, seller_id: str, store_id: str, span: Window) -> HeldCount:
        """Return how many judged orders of a store were last changed, and placed, in a span."""
        [row] = await self._fetch(_SQL.held_counts, seller_id, store_id, span.start, span.end)
        return HeldCount(**row)

    async def _held(self, statement: str, *arguments: object) -> dict[str, HeldOrder]:
        with translated_errors():
            return {row[0]: HeldOrder(row[0], row[1], row[2]) for row in await self._pool.fetch(statement, *arguments)}

    async def _proofs(self, seller_id: str | None, store_ids: list[str] | None) -> dict[str, Proof]:
        doubts: dict[str, list[Doubt]] = {}
        for row in await self._fetch(_SQL.find_doubts, seller_id, store_ids):
            doubts.setdefault(row["store_id"], []).append(Doubt(**row))
        rows = await self._fetch(_SQL.find_proofs, seller_id, store_ids, WAITING_COUNTED)
        return {row["store_id"]: _proof(row, doubts.get(row["store_id"], ())) for row in rows}

    async def _fetch(self, statement: str, *arguments: object) -> list[Row]:
        with translated_errors():
            return [_parsed(row) for row in await self._pool.fetch(statement, *arguments)]


def _proof(row: Row, doubts: Sequence[Doubt]) -> Proof:
    healed = row["healed_session_id"]
    return Proof(
        store_id=row["store_id"],
        polled=_spans(row["polled"]),
        covered=_spans(row["covered"]),
        doubts=tuple(doubts),
        waiting=row["waiting"],
        polled_at=row["polled_at"],
        next_at=row["next_at"],
        next_because=row["next_because"],
        healed=Healed(row["store_id"], healed, row["healed_at"], row["healed"]) if healed else None,
    )


def _spans(ranges: Sequence[Any] | None) -> tuple[Span, ...]:
    return tuple((each.lower, each.upper) for each in ranges or ())


def _parsed(row: asyncpg.Record) -> Row:
    return {
        name: orjson.loads(value) if name in _JSON_COLUMNS and isinstance(value, bytes) else value
        for name, value in row.items()
    }
