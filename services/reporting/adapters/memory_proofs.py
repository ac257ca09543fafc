"""The twin of `sql/completeness.sql`: what proves stores complete, found among the values in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from schemas.audits import AuditBy, OrdersListed
from schemas.sessions import Window
from schemas.stores import StoreRecord
from services.reporting.audit_answers import audit_detail, audit_view, found_keys
from services.reporting.changes import SessionChange
from services.reporting.comparing import HeldCount, HeldOrder
from services.reporting.completeness_views import AuditDetail, AuditView
from services.reporting.cursors import Cursor, written
from services.reporting.ports import AuditFilter
from services.reporting.projections import Changes
from services.reporting.rows import Row, audit_row, whole_order_row
from services.reporting.views import ListOf
from services.reporting.watermark import WAITING_COUNTED, Audited, Doubt, Healed, Proof, Span, doubts_in, united


class Keeping(Protocol):
    """A `MemoryProjections`."""

    @property
    def kept(self) -> Changes:
        """All that it was told."""
        ...


class MemoryProofs:
    """See `Proofs` and `Holdings`: reads what a `MemoryProjections` keeps."""

    def __init__(self, projections: Keeping) -> None:
        self._projections = projections

    @property
    def _kept(self) -> Changes:
        return self._projections.kept

    async def of(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, Proof]:
        """Return what proves each of these stores complete."""
        stores = self._kept.stores.values()
        return {
            store.store_id: self._proof(store)
            for store in stores
            if store.seller_id == seller_id and store.store_id in store_ids
        }

    async def of_all(self) -> Sequence[tuple[StoreRecord, Proof]]:
        """Return every store, whoever's, with what proves it complete."""
        return [(store, self._proof(store)) for _, store in sorted(self._kept.stores.items())]

    async def doubts(self, seller_id: str) -> tuple[Doubt, ...]:
        """Return the audits of the seller whose unsettled orders no later audit settled."""
        return self._doubts([row for row in self._audit_rows() if row["seller_id"] == seller_id])

    async def audits(
        self, seller_id: str, wanted: AuditFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[AuditView]:
        """Return audits, newest first."""
        rows = [
            row
            for row in self._audit_rows()
            if row["seller_id"] == seller_id
            and wanted.store_id in (None, row["store_id"])
            and wanted.scope in (None, row["scope"])
            and wanted.state in (None, row["finished_state"] or "running")
            and (after is None or (row["listed_at"], row["audit_id"]) < after)
        ]
        more = len(rows) > limit
        place = written((rows[limit - 1]["listed_at"], rows[limit - 1]["audit_id"])) if more else None
        return ListOf(items=tuple(audit_view(row) for row in rows[:limit]), next=place)

    async def audit(self, seller_id: str, audit_id: str) -> AuditDetail | None:
        """Return one audit with the orders that it found."""
        rows = [row for row in self._audit_rows() if (row["seller_id"], row["audit_id"]) == (seller_id, audit_id)]
        if not rows:
            return None
        keys = set(found_keys(rows[0]))
        named = [row for row in self._order_rows(seller_id) if row["order_key"] in keys]
        for row in named:
            row["display_name"] = row["display_name"] or row["heard_display_name"]
        return audit_detail(rows[0], {row["order_key"]: row for row in named})

    async def newest(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, tuple[AuditView, ...]]:
        """Return of each store the newest audit of each scope, newest first."""
        found: dict[str, list[AuditView]] = {}
        for row in self._audit_rows():
            mine = row["seller_id"] == seller_id and row["store_id"] in store_ids and row["scope"] is not None
            if mine and row["scope"] not in {view.scope for view in found.get(row["store_id"], ())}:
                found.setdefault(row["store_id"], []).append(audit_view(row))
        return {store_id: tuple(views) for store_id, views in found.items()}

    async def covering(
        self, seller_id: str, store_id: str, window: Window, *, by: AuditBy, limit: int
    ) -> tuple[AuditView, ...]:
        """Return the newest audits by that time whose window holds this one."""
        return tuple(
            audit_view(row)
            for row in self._audit_rows()
            if (row["seller_id"], row["store_id"], row["by"]) == (seller_id, store_id, by)
            and row["window_start"]
            and row["window_start"] <= window.start
            and window.end <= row["window_end"]
        )[:limit]

    async def count(self, seller_id: str, store_id: str, window: Window, *, by: AuditBy) -> int:
        """Return how many judged orders were created, or last changed, in the window."""
        return sum(
            window.start <= _time(row, by) < window.end
            for row in self._order_rows(seller_id)
            if row["store_id"] == store_id and row["judged_revised_at"]
        )

    async def beside(self, listed: OrdersListed) -> Mapping[str, HeldOrder]:
        """Return by platform's id the judged orders among those listed and, with a span, all others in it."""
        wanted = {order.external_id for order in listed.orders}
        span = listed.span
        return {
            row["external_id"]: HeldOrder(row["external_id"], row["judged_revised_at"], row["listed_at"])
            for row in self._order_rows(listed.seller_id)
            if row["store_id"] == listed.store_id
            and row["judged_revised_at"]
            and (row["external_id"] in wanted or (span and span.start <= _time(row, listed.by) < span.end))
        }

    async def held_in(self, seller_id: str, store_id: str, span: Window) -> HeldCount:
        """Return how many judged orders of a store were last changed, and placed, in a span."""
        rows = [row for row in self._order_rows(seller_id) if row["store_id"] == store_id and row["judged_revised_at"]]
        changed = [at for row in rows if span.start <= (at := _time(row, "updated")) < span.end]
        placed = sum(span.start <= _time(row, "created") < span.end for row in rows)
        return HeldCount(len(changed), placed, max(changed, default=None))

    def _proof(self, store: StoreRecord) -> Proof:
        polls = [session for session in self._kept.sessions.values() if session.store_id == store.store_id]
        ended = [one for one in polls if one.finished and one.started and one.started.way == "poll"]
        newest = max(ended, key=_place, default=None)
        polled, waiting = self._polled(ended)
        audits = [row for row in self._audit_rows() if row["store_id"] == store.store_id]
        finished = newest.finished if newest else None
        return Proof(
            store_id=store.store_id,
            polled=united(polled),
            covered=united((*polled, *_proven(audits))),
            doubts=self._doubts(audits),
            waiting=waiting,
            polled_at=finished.occurred_at if finished else None,
            next_at=finished.next_at if finished else None,
            next_because=finished.next_because if finished else None,
            healed=_healed(polls),
        )

    def _polled(self, polls: Sequence[SessionChange]) -> tuple[list[Span], int]:
        spans, waiting = [], set()
        for poll in polls:
            window = poll.started.window if poll.started else None
            through = poll.finished.read_through if poll.finished else None
            if window is None or through is None or window.start >= through:
                continue
            unjudged = set(self._unjudged(poll.session_id))
            waiting |= unjudged
            if not unjudged:
                spans.append((window.start, through))
        return spans, min(len(waiting), WAITING_COUNTED)

    def _unjudged(self, session_id: str) -> Iterator[str]:
        for listed in self._kept.session_orders.values():
            if listed.session_id != session_id or listed.revision_told is None:
                continue
            ours = self._kept.orders.get(listed.entry_key)
            if ours is None or ours.judged_revised_at is None or ours.judged_revised_at < listed.revision_told:
                yield listed.entry_key

    def _doubts(self, rows: Sequence[Row]) -> tuple[Doubt, ...]:
        doubted = [
            (Doubt(row["audit_id"], row["store_id"], row["unsettled"], _since(row), row["finished_at"]), _audited(row))
            for row in rows
            if row["unsettled"] and row["finished_state"] not in {"agreed", "explained"}
        ]
        doubted.sort(key=lambda pair: (pair[0].since, pair[0].audit_id))
        return doubts_in(doubted, [_audited(row) for row in rows])

    def _audit_rows(self) -> list[Row]:
        rows = [audit_row(change) for change in self._kept.audits.values()]
        for row in rows:
            row["listed_at"] = row["started_at"] or row["first_at"]
        return sorted(rows, key=lambda row: (row["listed_at"], row["audit_id"]), reverse=True)

    def _order_rows(self, seller_id: str) -> list[Row]:
        return [whole_order_row(change) for change in self._kept.orders.values() if change.seller_id == seller_id]


def _place(session: SessionChange) -> tuple[datetime, str]:
    return (session.started.occurred_at if session.started else session.first_at, session.session_id)


def _proven(rows: Sequence[Row]) -> list[Span]:
    return [
        (row["window_start"], row["window_end"])
        for row in rows
        if row["window_start"] and row["by"] == "updated" and row["finished_state"] in {"agreed", "explained"}
    ]


def _healed(sessions: Sequence[SessionChange]) -> Healed | None:
    found = [one.finished for one in sessions if one.finished and one.finished.healed]
    newest = max(found, key=lambda one: (one.occurred_at, one.session_id), default=None)
    if newest is None:
        return None
    return Healed(newest.store_id, newest.session_id, newest.occurred_at, newest.healed or "")


def _audited(row: Row) -> Audited:
    window = (row["window_start"], row["window_end"]) if row["window_start"] else None
    return Audited(
        row["store_id"],
        row["by"] or "",
        row["listed_at"],
        window,
        row["finished_state"] or "running",
        _since(row),
    )


def _since(row: Row) -> datetime:
    since: datetime = row["unsettled_since"] or row["window_start"] or row["listed_at"]
    return since


def _time(row: Row, by: AuditBy) -> datetime:
    time: datetime = row["judged_revised_at"] if by == "updated" else row["listed_at"]
    return time
