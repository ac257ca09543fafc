"""Sync sessions: their ids, their counts, and the events that tell of them; all pure and repeatable.

Every event's id follows from its session and part, so telling the same thing twice tells it once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.ids import SellerId, SessionId, StoreId, fact_id
from schemas.order import Way
from schemas.sessions import (
    OrderOutcome,
    SessionEvent,
    SessionFinished,
    SessionProgressed,
    SessionStarted,
    SessionState,
    Window,
)
from schemas.topics import SYNC_SESSIONS
from services.kit.kafka.publisher import Message

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many orders a session listed, by result."""

    new: int = 0
    updated: int = 0
    existing: int = 0
    failed: int = 0

    @property
    def listed(self) -> int:
        """All of them."""
        return self.new + self.updated + self.existing + self.failed

    def plus(self, outcomes: Sequence[OrderOutcome]) -> Counts:
        """The counts after `outcomes`."""
        found = Counter(outcome.result for outcome in outcomes)
        return Counts(
            self.new + found["new"],
            self.updated + found["updated"],
            self.existing + found["existing"],
            self.failed + found["failed"],
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One sync session as far as it got.

    `part` is the number of the last part told. `read_through` is the change time up to which, exclusive, the window
    is durable: where an interrupted session goes on. `total` is what the platform says the window holds.
    """

    session_id: SessionId
    store_id: StoreId
    seller_id: SellerId
    platform: str
    way: Way
    started_by: str
    window: Window
    started_at: datetime
    read_through: datetime
    state: SessionState = "running"
    part: int = 0
    total: int | None = None
    counts: Counts = Counts()
    finished_at: datetime | None = None
    problem: str | None = None

    def progressed(
        self, outcomes: Sequence[OrderOutcome], *, read_through: datetime | None = None, total: int | None = None
    ) -> Session:
        """The session after one more part."""
        return replace(
            self,
            part=self.part + 1,
            counts=self.counts.plus(outcomes),
            read_through=max(read_through or self.read_through, self.read_through),
            total=total if total is not None else self.total,
        )

    def read_to(self, read_through: datetime) -> Session:
        """The session after a part of its window turned out to hold nothing to tell."""
        return replace(self, read_through=max(read_through, self.read_through))

    def finished(
        self,
        state: Literal["succeeded", "partial", "failed", "cancelled"],
        *,
        now: datetime,
        problem: str | None = None,
    ) -> Session:
        """The session at its end."""
        return replace(self, state=state, finished_at=now, problem=problem)


def hourly_session_id(
    store_id: str, hour: datetime, instance: str, *, way: str = "webhook", by: str = "platform"
) -> SessionId:
    """The session of what comes one by one to a store in one UTC hour at one process, whose parts only it numbers."""
    key = () if way == "webhook" else (by,)
    return SessionId(fact_id(way, store_id, hour.isoformat(), instance, *key))


def hour_of(moment: datetime) -> Window:
    """The UTC hour that `moment` is in."""
    start = moment.replace(minute=0, second=0, microsecond=0)
    return Window(start=start, end=start + HOUR)


def told_start(session: Session) -> Message:
    """The message that a session began."""
    return _message(
        SessionStarted(
            event_id=fact_id("session.started", session.session_id),
            occurred_at=session.started_at,
            seller_id=session.seller_id,
            session_id=session.session_id,
            store_id=session.store_id,
            platform=session.platform,
            way=session.way,
            automatic=session.started_by in {"schedule", "platform"},
            started_by=session.started_by,
            window=session.window,
        )
    )


def told_part(session: Session, outcomes: Sequence[OrderOutcome], *, now: datetime) -> Message:
    """The message of a session's latest part."""
    return _message(
        SessionProgressed(
            event_id=fact_id("session.progressed", session.session_id, str(session.part)),
            occurred_at=now,
            seller_id=session.seller_id,
            session_id=session.session_id,
            store_id=session.store_id,
            part=session.part,
            total=session.total,
            way=session.way,
            outcomes=tuple(outcomes),
        )
    )


def told_end(
    session: Session,
    *,
    healed: str | None = None,
    next_at: datetime | None = None,
    next_because: str | None = None,
) -> Message:
    """The message that a session ended. Raises ValueError when it did not.

    How far it is read says something of all changes only where the platform was asked for all of them: by a poll.
    """
    if session.finished_at is None or session.state == "running":
        raise ValueError("a running session has no end to tell")
    return _message(
        SessionFinished(
            event_id=fact_id("session.finished", session.session_id),
            occurred_at=session.finished_at,
            seller_id=session.seller_id,
            session_id=session.session_id,
            store_id=session.store_id,
            state=session.state,
            problem=session.problem,
            read_through=session.read_through if session.way == "poll" else None,
            healed=healed,
            next_at=next_at,
            next_because=next_because,
        )
    )


def _message(event: SessionEvent) -> Message:
    return Message(SYNC_SESSIONS.name, event.session_id, event.to_bytes())
