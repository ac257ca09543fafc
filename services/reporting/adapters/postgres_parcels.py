"""Parcels out of Postgres: plain SQL, a page at a time."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.reporting.cursors import Cursor, written
from services.reporting.ports import ParcelFilter
from services.reporting.rows import Row
from services.reporting.tracking_answers import parcel_view, summary_of
from services.reporting.tracking_views import ParcelView, TrackingSummary
from services.reporting.view_base import ListOf

_SQL = load_sql(Path(__file__).parents[1] / "sql" / "tracking.sql")


class PostgresParcels:
    """See `Parcels`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def parcels(
        self, seller_id: str, wanted: ParcelFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[ParcelView]:
        """Return parcels, last shipped first."""
        place = after or (None, None)
        rows = await self._fetch(_SQL.list_parcels, seller_id, *_columns(wanted), *place, limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return ListOf(
            items=tuple(parcel_view(row, display_name=row["display_name"]) for row in rows[:limit]),
            next=written((last["shipped_at"], last["push_id"])) if last else None,
        )

    async def parcel(self, seller_id: str, push_id: str) -> ParcelView | None:
        """Return one parcel."""
        rows = await self._fetch(_SQL.find_parcel, seller_id, push_id)
        return parcel_view(rows[0], display_name=rows[0]["display_name"]) if rows else None

    async def summary(self, seller_id: str, wanted: ParcelFilter) -> TrackingSummary:
        """Return the parcels in numbers."""
        return summary_of(await self._fetch(_SQL.count_parcels, seller_id, *_columns(wanted)))

    async def _fetch(self, statement: str, *arguments: object) -> list[Row]:
        with translated_errors():
            return [dict(row) for row in await self._pool.fetch(statement, *arguments)]


def _columns(wanted: ParcelFilter) -> tuple[object, ...]:
    return (wanted.platform, wanted.store_id, wanted.state, wanted.code, wanted.since, wanted.until)
