"""What is known of a row, as values whose merge gives the same in any order and however often they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted
from schemas.decisions import OrderDecided
from schemas.ids import OrderKey
from schemas.sessions import OrderOutcome, OrderResult, SessionFinished, SessionStarted
from schemas.tracking import TrackingPushed

ProductionState = Literal["accepted", "on_hold", "in_production", "shipped", "cancelled"]
OrderState = Literal[
    "imported",
    "eligible",
    "held",
    "rejected",
    "released",
    "accepted",
    "on_hold",
    "in_production",
    "shipped",
    "delivered",
    "cancelling",
    "cancelled",
]

#: Which word stands for an order that one session lists several times: a failure must not hide behind a success.
PRECEDENCE: dict[OrderResult, int] = {"existing": 0, "updated": 1, "new": 2, "failed": 3}

#: Which of two updates with the same time came last.
PRODUCTION_RANK: dict[ProductionState, int] = {
    "accepted": 1,
    "on_hold": 2,
    "in_production": 3,
    "cancelled": 4,
    "shipped": 5,
}
#: In production or later: a cancellation no longer stops the order.
_TOO_LATE_TO_CANCEL = ("in_production", "shipped")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a sync session told of an order: enough for a row until the first decision arrives."""

    revised_at: datetime
    source: str
    display_name: str | None
    placed_at: datetime | None

    @property
    def rank(self) -> tuple[datetime, str]:
        """The later revision is the better known one."""
        return (self.revised_at, self.source)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The valid decision."""

    decided: OrderDecided

    @property
    def rank(self) -> int:
        """The highest number is valid."""
        return self.decided.number


@dataclass(frozen=True, slots=True)
class Production:
    """Where production stands with an order."""

    at: datetime
    event_id: str
    state: ProductionState
    problem: str | None

    @property
    def rank(self) -> tuple[datetime, int, str]:
        """What happened last counts."""
        return (self.at, PRODUCTION_RANK[self.state], self.event_id)


@dataclass(frozen=True, slots=True)
class OrderChange:
    """All that is known of one order; merging two gives what both know."""

    order_key: OrderKey
    seller_id: str
    changed_at: datetime
    imported_at: datetime | None = None
    released_at: datetime | None = None
    shipped_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    cancel_refused_at: datetime | None = None
    heard: Heard | None = None
    verdict: Verdict | None = None
    production: Production | None = None
    #: The latest revision that any decision was about; it never falls back.
    judged_revised_at: datetime | None = None
    #: Shipments that left production, that arrived, and whose label was given back or replaced.
    parcels_left: frozenset[str] = frozenset()
    parcels_arrived: frozenset[str] = frozenset()
    parcels_void: frozenset[str] = frozenset()

    def merged(self, other: OrderChange) -> OrderChange:
        """Return what both know."""
        return OrderChange(
            order_key=self.order_key,
            seller_id=self.seller_id,
            changed_at=max(self.changed_at, other.changed_at),
            imported_at=_earliest(self.imported_at, other.imported_at),
            released_at=_earliest(self.released_at, other.released_at),
            shipped_at=_earliest(self.shipped_at, other.shipped_at),
            cancel_asked_at=_earliest(self.cancel_asked_at, other.cancel_asked_at),
            cancel_refused_at=_earliest(self.cancel_refused_at, other.cancel_refused_at),
            heard=_higher(self.heard, other.heard),
            verdict=_higher(self.verdict, other.verdict),
            production=_higher(self.production, other.production),
            judged_revised_at=_latest(self.judged_revised_at, other.judged_revised_at),
            parcels_left=self.parcels_left | other.parcels_left,
            parcels_arrived=self.parcels_arrived | other.parcels_arrived,
            parcels_void=self.parcels_void | other.parcels_void,
        )

    @property
    def state(self) -> OrderState:
        """Where the order stands, as the seller reads it.

        The generated column `orders.state` says the same, but for what was delivered, which is told by queries.
        """
        production = self.production.state if self.production else None
        if self.shipped_at:
            return "delivered" if self._is_delivered else "shipped"
        if production == "cancelled":
            return "cancelled"
        if self.cancel_asked_at and not self.cancel_refused_at and production not in _TOO_LATE_TO_CANCEL:
            return "cancelling"
        if production:
            return production
        if self.released_at:
            return "released"
        return self.verdict.decided.outcome if self.verdict else "imported"

    @property
    def _is_delivered(self) -> bool:
        """Whether all that left and still travels arrived."""
        return bool(self.parcels_arrived) and self.parcels_left <= self.parcels_arrived | self.parcels_void


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What is known of one sync session; its counts are counted from its orders."""

    session_id: str
    seller_id: str
    store_id: str
    first_at: datetime
    changed_at: datetime
    started: SessionStarted | None = None
    last_part: int = 0
    total: int | None = None
    finished: SessionFinished | None = None

    def merged(self, other: SessionChange) -> SessionChange:
        """Return what both know."""
        ahead = max(self, other, key=lambda change: (change.last_part, change.total or 0))
        return SessionChange(
            session_id=self.session_id,
            seller_id=self.seller_id,
            store_id=self.store_id,
            first_at=min(self.first_at, other.first_at),
            changed_at=max(self.changed_at, other.changed_at),
            started=_first_event(self.started, other.started),
            last_part=ahead.last_part,
            total=ahead.total,
            finished=_first_event(self.finished, other.finished),
        )


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """What one session did with one order. `entry_key` tells the orders of a session apart."""

    session_id: str
    entry_key: str
    part: int
    position: int
    outcome: OrderOutcome
    told_at: datetime
    #: The latest revision that the session told of the order and could read.
    revision_told: datetime | None = None

    def merged(self, other: SessionOrder) -> SessionOrder:
        """Return the stronger of the two, with the latest revision that either told."""
        stronger = other if other.rank > self.rank else self
        return replace(stronger, revision_told=_latest(self.revision_told, other.revision_told))

    @property
    def rank(self) -> tuple[int, int, int, float]:
        """The strongest word stands; of two equal ones the first."""
        return (PRECEDENCE[self.outcome.result], -self.part, -self.position, -self.told_at.timestamp())


@dataclass(frozen=True, slots=True)
class AuditChange:
    """What is known of one audit: how it began, its latest step, how it ended."""

    audit_id: str
    seller_id: str
    store_id: str
    first_at: datetime
    changed_at: datetime
    started: AuditStarted | None = None
    progress: AuditProgressed | None = None
    finished: AuditFinished | None = None

    def merged(self, other: AuditChange) -> AuditChange:
        """Return what both know."""
        steps = [change.progress for change in (self, other) if change.progress]
        return AuditChange(
            audit_id=self.audit_id,
            seller_id=self.seller_id,
            store_id=self.store_id,
            first_at=min(self.first_at, other.first_at),
            changed_at=max(self.changed_at, other.changed_at),
            started=_first_event(self.started, other.started),
            progress=max(steps, key=lambda step: (step.step, step.event_id), default=None),
            finished=_first_event(self.finished, other.finished),
        )


def later_push(kept: TrackingPushed | None, new: TrackingPushed) -> TrackingPushed:
    """Return what stands of a parcel: the highest step."""
    return new if kept is None or (new.step, new.event_id) > (kept.step, kept.event_id) else kept


K = TypeVar("K", Heard, Verdict, Production)
E = TypeVar("E", SessionStarted, SessionFinished, AuditStarted, AuditFinished)


def _higher(left: K | None, right: K | None) -> K | None:
    if left is None or right is None:
        return left or right
    return right if right.rank > left.rank else left


def _first_event(left: E | None, right: E | None) -> E | None:
    if left is None or right is None:
        return left or right
    return min(left, right, key=lambda event: (event.occurred_at, event.event_id))


def _earliest(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return left or right
    return min(left, right)


def _latest(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return left or right
    return max(left, right)
