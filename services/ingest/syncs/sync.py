"""A manual sync: what a seller asked for, how far it is read, and everything that may become of it; all pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.ids import SessionId
from schemas.order import RawOrder
from schemas.sessions import OrderOutcome
from schemas.sessions import Window as Span
from services.ingest.contract.reading import By, Pace, Page, Unreadable, Window
from services.ingest.sessions import Session, told_end
from services.ingest.stores.store import Store
from services.kit.kafka.publisher import Message
from services.kit.periods import Period

#: queued: has not begun. The others are a session's, and paused.
State = Literal["queued", "running", "paused", "succeeded", "partial", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"succeeded", "partial", "failed", "cancelled"})
#: A platform's cursor is used this long; then its part of the window is read from the part's beginning. Of the
#: platforms that say so, the shortest-lived cursor lives a day.
CURSOR_LIFE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the seller asked for, in their own words; `zone` is the IANA name of what they named."""

    start: str
    end: str
    zone: str
    by: By


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: after a platform's cursor, which is good for this window only."""

    after: str
    window: Window
    kept_at: datetime


@dataclass(frozen=True, slots=True)
class Sync:
    """One manual sync of one store.

    `session` is what the report shows of it: its window is the period that was asked for, and its id is the sync's.
    `reads_from` is where its widened window begins, and `outside` counts orders that only the widening listed. `due_at`
    is when it goes on at the earliest, `waiting` says why it waits, `progressed_at` is when it last got further.
    """

    session: Session
    asked: Asked
    reads_from: datetime
    asked_at: datetime
    due_at: datetime
    progressed_at: datetime
    notes: tuple[str, ...] = ()
    reaches_back_to: datetime | None = None
    begun: bool = False
    paused: bool = False
    place: Place | None = None
    outside: int = 0
    failures: int = 0
    waiting: str | None = None

    @property
    def sync_id(self) -> SessionId:
        """Its id."""
        return self.session.session_id

    @property
    def state(self) -> State:
        """What the seller sees."""
        if self.session.state != "running":
            return self.session.state
        if self.paused:
            return "paused"
        return "running" if self.begun else "queued"

    def began(self, *, now: datetime) -> Sync:
        """The sync under way."""
        return replace(self, begun=True, session=replace(self.session, started_at=now), progressed_at=now)

    def progressed(
        self, page: Page, outcomes: Sequence[OrderOutcome], *, outside: int, window: Window, now: datetime
    ) -> Sync:
        """The sync after one more page of `window` is durable, `outside` of its orders not being asked for."""
        before = self.session
        total = before.total + self.outside if before.total is not None else page.total
        left_out = self.outside + outside
        session = before.progressed(outcomes, read_through=min(page.read_through, window.end))
        got_further = bool(outcomes) or page.after is not None or session.read_through > before.read_through
        if total is not None:
            session = replace(session, total=max(total - left_out, session.counts.listed))
        place = Place(page.after, window, now) if page.after is not None else None
        further = replace(self, session=session, place=place, outside=left_out)
        return replace(further, failures=0, waiting=None, progressed_at=now) if got_further else further

    def rested(self, problem: str, *, due_at: datetime, forget_place: bool) -> Sync:
        """The sync while it waits for what passes by itself."""
        place = None if forget_place else self.place
        return replace(self, place=place, failures=self.failures + 1, waiting=problem, due_at=due_at)

    def ended(
        self,
        state: Literal["succeeded", "partial", "failed", "cancelled"],
        *,
        now: datetime,
        problem: str | None = None,
    ) -> Sync:
        """The sync at its end."""
        session = self.session.finished(state, now=now, problem=problem)
        return replace(self, session=session, paused=False, place=None, waiting=None)


def new_sync(
    sync_id: str,
    store: Store,
    asked: Asked,
    period: Period,
    *,
    pace: Pace,
    by_key: str,
    reaches_back_to: datetime | None,
    now: datetime,
) -> Sync:
    """A sync that was just asked for."""
    notes = period.notes
    if reaches_back_to is not None and reaches_back_to > period.start:
        notes = (*notes, f"The platform gives no orders of before {reaches_back_to:%Y-%m-%d %H:%M} UTC.")
    session = Session(
        session_id=SessionId(sync_id),
        store_id=store.store_id,
        seller_id=store.seller_id,
        platform=store.platform,
        way="backfill",
        started_by=by_key,
        window=Span(start=period.start, end=period.end),
        started_at=now,
        read_through=period.start - pace.overlap,
    )
    return Sync(
        session=session,
        asked=asked,
        reads_from=session.read_through,
        asked_at=now,
        due_at=now,
        progressed_at=now,
        notes=notes,
        reaches_back_to=reaches_back_to,
    )


def next_read(sync: Sync, *, pace: Pace, now: datetime) -> tuple[Window, str | None] | None:
    """The window to read next and where in it; None where all of the period is read, or none of the rest has settled.

    The window is wider than the period by the platform's lag, on both sides, as far as that has passed.
    """
    if is_read(sync):
        return None
    place = sync.place
    if place is not None and now - place.kept_at < CURSOR_LIFE:
        return place.window, place.after
    if now < settles_at(sync, pace=pace) and sync.session.read_through > sync.reads_from:
        # What had settled at first is read; the rest is read once, when all of it has.
        return None
    end = min(sync.session.window.end + pace.overlap, now - pace.settle)
    if end <= sync.session.read_through:
        return None
    return Window(sync.session.read_through, end, sync.asked.by), None


def is_read(sync: Sync) -> bool:
    """Whether all of the period is read."""
    return sync.place is None and sync.session.read_through >= sync.session.window.end


def settles_at(sync: Sync, *, pace: Pace) -> datetime:
    """When the end of the period can be read."""
    return sync.session.window.end + pace.settle


def within_period(
    orders: Sequence[RawOrder | Unreadable], sync: Sync, *, pace: Pace
) -> tuple[list[RawOrder | Unreadable], int]:
    """The orders that were asked for, and how many others the widening listed.

    Only an order whose time lies in what the window was widened by is left out. A time that is further off is not the
    one by which the platform lists (an order that was brought over from elsewhere keeps its old date): it belongs here.
    """
    kept = [order for order in orders if not _only_by_widening(order, sync, pace)]
    return kept, len(orders) - len(kept)


def _only_by_widening(order: RawOrder | Unreadable, sync: Sync, pace: Pace) -> bool:
    if isinstance(order, Unreadable):
        return False
    at, period = order.placed_at if sync.asked.by == "created" else order.revised_at, sync.session.window
    return period.start - pace.overlap <= at < period.start or period.end <= at < period.end + pace.overlap


class Unsteerable(Exception):  # noqa: N818 - the fact
    """The sync has ended."""


def paused(sync: Sync) -> tuple[Sync, Sequence[Message]]:
    """What pausing makes of a sync; harmless when repeated. Raises Unsteerable."""
    _refuse_ended(sync)
    return replace(sync, paused=True), ()


def resumed(sync: Sync, *, now: datetime) -> tuple[Sync, Sequence[Message]]:
    """What going on makes of a sync; one that waits tries again at once. Raises Unsteerable."""
    _refuse_ended(sync)
    if not sync.paused and sync.waiting is None:
        return sync, ()
    return replace(sync, paused=False, waiting=None, due_at=now, progressed_at=now), ()


def cancelled(sync: Sync, *, now: datetime) -> tuple[Sync, Sequence[Message]]:
    """What cancelling makes of a sync; harmless when repeated. Raises Unsteerable when it ended otherwise."""
    if sync.state == "cancelled":
        return sync, ()
    _refuse_ended(sync)
    ended = sync.ended("cancelled", now=now)
    # What never began was never told of.
    return ended, [told_end(ended.session)] if sync.begun else []


def _refuse_ended(sync: Sync) -> None:
    if sync.state in ENDED:
        raise Unsteerable(sync.state)


def unfinished_state(sync: Sync) -> Literal["partial", "failed"]:
    """The end of a sync that could not be read to the end."""
    return "partial" if sync.session.counts.listed else "failed"
