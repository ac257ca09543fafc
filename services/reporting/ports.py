"""What the report needs of where it is kept: projections are written through one port and read through another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.audits import AuditBy, AuditScope, AuditState, OrdersListed
from schemas.decisions import Outcome
from schemas.order import Way
from schemas.sessions import OrderResult, SessionState, Window
from schemas.stores import StoreRecord
from schemas.tracking import PushState
from services.reporting.attention import Attention
from services.reporting.changes import OrderState
from services.reporting.comparing import HeldCount, HeldOrder
from services.reporting.completeness_views import AuditDetail, AuditView
from services.reporting.cursors import Cursor
from services.reporting.deadlines import Deadline
from services.reporting.facts import Located, Place
from services.reporting.tracking_views import ParcelView, TrackingSummary
from services.reporting.views import (
    ListOf,
    OrderDetail,
    OrderView,
    SessionOrderView,
    SessionView,
    StoreView,
    Summary,
)
from services.reporting.watermark import Doubt, Proof


class Projections(Protocol):
    """Keeps the report's rows and, with them, how far each partition is in them.

    `apply` is atomic: after it, rows and positions hold every given fact; after an error, none of them. A fact that
    stands before its partition's position is skipped, so that giving facts again changes nothing. Facts of one
    partition come in its order; nothing is assumed about the order between partitions. `TransientError` when the
    database is away.
    """

    async def positions(self, places: Collection[Place]) -> Mapping[Place, int]:
        """Return the offset of the next record wanted of each partition; one never read is left out."""
        ...

    async def apply(self, facts: Sequence[Located]) -> None:
        """Take the facts in."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """Which rows of a seller changed in one commit. `change_id` tells commits apart, in every process alike.

    `complete` is False when more changed than the (bounded) lists say: read anew.
    """

    change_id: str
    seller_id: str
    sessions: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    audits: tuple[str, ...] = ()
    complete: bool = True


#: Something may have changed for anybody: everyone reads anew.
ANYTHING = Change(change_id="", seller_id="", complete=False)


class Feed(Protocol):
    """Tells of changes as they are committed, by whichever process, in the order of the commits.

    When changes may have been missed (at the beginning, and after the database was away) it tells ANYTHING.
    """

    def changes(self) -> AsyncIterator[Change]:
        """Yield changes from now on, for ever."""
        ...


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sync sessions; None does not filter. Times are [since, until) of the session's start."""

    platform: str | None = None
    store_id: str | None = None
    way: Way | None = None
    state: SessionState | None = None
    since: datetime | None = None
    until: datetime | None = None
    with_orders_only: bool = False


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; None does not filter.

    `text` is a piece of the display name, the platform's id or a SKU, in any case. Times are [since, until) of when
    the order was placed. `deadline` is as of `now`.
    What was delivered was shipped, too.
    """

    platform: str | None = None
    store_id: str | None = None
    state: OrderState | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    deadline: Deadline | None = None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParcelFilter:
    """Which parcels; None does not filter. Times are [since, until) of when they were shipped."""

    platform: str | None = None
    store_id: str | None = None
    state: PushState | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


#: Where pages of the lists go on: the types of their cursors.
STORE_CURSOR = (str,)
SESSION_CURSOR = (datetime, str)
SESSION_ORDER_CURSOR = (int, int, str)
ORDER_CURSOR = (datetime, str)
ALERT_CURSOR = (int, datetime, str)
AUDIT_CURSOR = (datetime, str)
PARCEL_CURSOR = (datetime, str)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audits; None does not filter."""

    store_id: str | None = None
    scope: AuditScope | None = None
    state: AuditState | None = None


class Reports(Protocol):
    """Answers what a seller asks; another seller's things are not there (None).

    Lists are stable under paging: an item that does not change its place appears exactly once. `after` must be a
    cursor of the same list. `TransientError` when the database is away.
    """

    async def stores(self, seller_id: str, *, after: Cursor | None, limit: int) -> ListOf[StoreView]:
        """Return the seller's stores by id."""
        ...

    async def store(self, seller_id: str, store_id: str) -> StoreView | None:
        """Return one store."""
        ...

    async def summary(self, seller_id: str) -> Summary:
        """Return the seller's orders in numbers."""
        ...

    async def attention(self, seller_id: str, *, now: datetime) -> Attention:
        """Return what may need the seller at `now`; the constants of `attention` bound it."""
        ...

    async def sessions(
        self, seller_id: str, wanted: SessionFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[SessionView]:
        """Return sync sessions, newest first."""
        ...

    async def session(self, seller_id: str, session_id: str) -> SessionView | None:
        """Return one sync session."""
        ...

    async def session_orders(
        self, seller_id: str, session_id: str, *, result: OrderResult | None, after: Cursor | None, limit: int
    ) -> ListOf[SessionOrderView] | None:
        """Return what a session did with each order, in the order they were read."""
        ...

    async def orders(
        self, seller_id: str, wanted: OrderFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[OrderView]:
        """Return orders, last placed first."""
        ...

    async def order(self, seller_id: str, order_key: str) -> OrderDetail | None:
        """Return one order with its timeline."""
        ...


class Parcels(Protocol):
    """Answers how parcels' numbers get to their platforms, as `Reports` does."""

    async def parcels(
        self, seller_id: str, wanted: ParcelFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[ParcelView]:
        """Return parcels, last shipped first."""
        ...

    async def parcel(self, seller_id: str, push_id: str) -> ParcelView | None:
        """Return one parcel."""
        ...

    async def summary(self, seller_id: str, wanted: ParcelFilter) -> TrackingSummary:
        """Return the parcels in numbers."""
        ...


class Proofs(Protocol):
    """Answers what proves that stores are complete; another seller's stores are not there.

    Lists are as those of `Reports`. `TransientError` when the database is away.
    """

    async def of(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, Proof]:
        """Return what proves each of these stores complete."""
        ...

    async def of_all(self) -> Sequence[tuple[StoreRecord, Proof]]:
        """Return every store, whoever's, with what proves it complete."""
        ...

    async def doubts(self, seller_id: str) -> tuple[Doubt, ...]:
        """Return the audits of the seller whose unsettled orders no later audit settled, earliest orders first."""
        ...

    async def audits(
        self, seller_id: str, wanted: AuditFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[AuditView]:
        """Return audits, newest first."""
        ...

    async def audit(self, seller_id: str, audit_id: str) -> AuditDetail | None:
        """Return one audit with the orders that it found."""
        ...

    async def newest(self, seller_id: str, store_ids: Sequence[str]) -> Mapping[str, tuple[AuditView, ...]]:
        """Return of each store the newest audit of each scope, newest first."""
        ...

    async def covering(
        self, seller_id: str, store_id: str, window: Window, *, by: AuditBy, limit: int
    ) -> tuple[AuditView, ...]:
        """Return the newest audits by that time whose window holds this one."""
        ...

    async def count(self, seller_id: str, store_id: str, window: Window, *, by: AuditBy) -> int:
        """Return how many judged orders were created, or last changed, in the window."""
        ...


class Holdings(Protocol):
    """Tells what the report has beside a platform's list. `TransientError` when the database is away."""

    async def beside(self, listed: OrdersListed) -> Mapping[str, HeldOrder]:
        """Return by platform's id the judged orders among those listed and, with a span, all others in it."""
        ...

    async def held_in(self, seller_id: str, store_id: str, span: Window) -> HeldCount:
        """Return how many judged orders of a store were last changed, and placed, in a span."""
        ...
