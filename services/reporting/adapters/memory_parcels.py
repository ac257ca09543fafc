"""The twin of `sql/tracking.sql`: parcels in memory, filtered in plain Python."""

from __future__ import annotations

from collections.abc import Iterator

from services.reporting.adapters.memory import MemoryProjections
from services.reporting.cursors import Cursor, written
from services.reporting.ports import ParcelFilter
from services.reporting.rows import Row, order_row, parcel_row
from services.reporting.tracking_answers import parcel_view, summary_of
from services.reporting.tracking_views import ParcelView, TrackingSummary
from services.reporting.view_base import ListOf


class MemoryParcels:
    """See `Parcels`: reads what a `MemoryProjections` keeps."""

    def __init__(self, projections: MemoryProjections) -> None:
        self._projections = projections

    async def parcels(
        self, seller_id: str, wanted: ParcelFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[ParcelView]:
        """Return parcels, last shipped first."""
        rows = sorted(self._rows(seller_id, wanted), key=_place, reverse=True)
        rest = [row for row in rows if after is None or _place(row) < after]
        following = written(_place(rest[limit - 1])) if len(rest) > limit else None
        return ListOf(items=tuple(self._view(row) for row in rest[:limit]), next=following)

    async def parcel(self, seller_id: str, push_id: str) -> ParcelView | None:
        """Return one parcel."""
        found = [row for row in self._rows(seller_id, ParcelFilter()) if row["push_id"] == push_id]
        return self._view(found[0]) if found else None

    async def summary(self, seller_id: str, wanted: ParcelFilter) -> TrackingSummary:
        """Return the parcels in numbers."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self._rows(seller_id, wanted):
            place = (row["store_id"], row["platform"], row["state"], row["code"] or "")
            groups.setdefault(place, []).append(row)
        return summary_of([_counted(rows) for rows in groups.values()])

    def _rows(self, seller_id: str, wanted: ParcelFilter) -> Iterator[Row]:
        for push in self._projections.kept.parcels.values():
            row = parcel_row(push)
            if row["seller_id"] == seller_id and _is_wanted(row, wanted):
                yield row

    def _view(self, row: Row) -> ParcelView:
        change = self._projections.kept.orders.get(row["order_key"])
        order = order_row(change) if change else {}
        return parcel_view(row, display_name=order.get("display_name") or order.get("heard_display_name"))


def _is_wanted(row: Row, wanted: ParcelFilter) -> bool:
    named = {"platform": wanted.platform, "store_id": wanted.store_id, "state": wanted.state, "code": wanted.code}
    return (
        all(value is None or row[name] == value for name, value in named.items())
        and (wanted.since is None or row["shipped_at"] >= wanted.since)
        and (wanted.until is None or row["shipped_at"] < wanted.until)
    )


def _place(row: Row) -> Cursor:
    return (row["shipped_at"], row["push_id"])


def _counted(rows: list[Row]) -> Row:
    newest = max(rows, key=lambda row: (row["changed_at"], row["push_id"]))
    same = {name: newest[name] for name in ("store_id", "platform", "state", "code", "problem")}
    return {**same, "parcels": len(rows), "since": min(row["changed_at"] for row in rows)}
