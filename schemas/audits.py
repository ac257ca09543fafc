"""Audits: the platform's own list of a store's orders beside what reached the report. No personal data.

Ingest lists (`sync.listings`), reporting compares and answers (`sync.comparisons`), ingest fetches what is missing or
stale and tells of every step (`sync.audits`). Sellers ask for audits and syncs on the page, too (`sync.requests`).
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Event, UtcTime, Value
from schemas.ids import PlatformSlug, SessionId, StoreId
from schemas.sessions import Window

#: Which orders an audit is about: those changed in the last day or week, all that are open, or what a seller asked for.
AuditScope = Literal["day", "week", "open", "asked"]
#: Which time of an order a window is about.
AuditBy = Literal["created", "updated"]
#: missing: the report does not have it. stale: the report has an earlier revision. unknown: the report has it in this
#: window, and the platform does not list it.
Finding = Literal["missing", "stale", "unknown"]
#: Why an order differs for good: deleted on the platform; passed over by the store's settings; a dead letter (it cannot
#: be read or processed); or changed on the platform since it was listed, so that a later audit will see it.
Explanation = Literal["deleted", "filtered", "dead_letter", "changed_since"]
AuditState = Literal["running", "agreed", "explained", "differs", "failed"]


class ListedOrder(Value):
    """An order as its platform lists it: its id there, and when it was changed last (created, in a window by that)."""

    external_id: str
    at: UtcTime


class CountedOrders(Value):
    """How many orders a platform counts in a span of whole seconds: by their last change, and by their creation."""

    span: Window
    updated: int = Field(ge=0)
    created: int = Field(ge=0)


class OrdersListed(Event):
    """`sync.listings`: a part of what a platform lists. `part` counts from 1 in each round of an audit.

    With a `span`, these are all orders of the platform in it, by the time that `by` names: whatever else the report has
    there is unknown. Without one only these orders are compared, and each `at` is the time of its last change. With
    `counted` nothing is listed: the report says whether it has as many.
    """

    type: Literal["audit.listed"] = "audit.listed"
    audit_id: str
    store_id: StoreId
    platform: PlatformSlug
    round: int = Field(ge=1)
    part: int = Field(ge=1)
    by: AuditBy
    span: Window | None = None
    orders: tuple[ListedOrder, ...] = ()
    counted: CountedOrders | None = None


class FoundOrder(Value):
    """An order that differs. `at` is the platform's time of it, of an unknown one the report's."""

    external_id: str
    finding: Finding
    at: UtcTime
    explanation: Explanation | None = None


class CountsCompared(Value):
    """Whether the report has as many orders as were counted, by both times, and when the newest of them changed."""

    agree: bool
    newest: UtcTime | None = None


class OrdersCompared(Event):
    """`sync.comparisons`: what the report has beside one `OrdersListed`. `held` counts the listed orders it has.

    `counted` answers a count, of which `held` is ours by change; a report that does not know counts leaves it out.
    """

    type: Literal["audit.compared"] = "audit.compared"
    audit_id: str
    store_id: StoreId
    platform: PlatformSlug
    round: int = Field(ge=1)
    part: int = Field(ge=1)
    held: int = Field(ge=0)
    found: tuple[FoundOrder, ...] = ()
    counted: CountsCompared | None = None


class AuditStarted(Event):
    """An audit began. `window` None: it is about open orders, each by its id. `started_by` as a session's."""

    type: Literal["audit.started"] = "audit.started"
    audit_id: str
    store_id: StoreId
    platform: PlatformSlug
    scope: AuditScope
    by: AuditBy
    window: Window | None = None
    started_by: str


class AuditProgressed(Event):
    """What an audit found by now. `step` rises, so that an earlier telling never beats a later one.

    `listed` is the platform's own count, `held` ours; `found` is every difference that was seen, at most 1,000 of them
    (the counts are exact), those that were fetched meanwhile included: these have no `explanation` and are not in
    `unsettled`, which counts what still differs without one. `unsettled_since` is the earliest time of those.
    """

    type: Literal["audit.progressed"] = "audit.progressed"
    audit_id: str
    store_id: StoreId
    step: int = Field(ge=1)
    listed: int = Field(ge=0)
    held: int = Field(ge=0)
    missing: int = Field(ge=0)
    stale: int = Field(ge=0)
    unknown: int = Field(ge=0)
    fetched: int = Field(ge=0)
    unsettled: int = Field(ge=0)
    unsettled_since: UtcTime | None = None
    found: tuple[FoundOrder, ...] = ()


class AuditFinished(Event):
    """An audit ended: agreed, explained (every difference has its reason), differs, or failed (not listed to the end).

    `problem` is a sentence for the seller.
    """

    type: Literal["audit.finished"] = "audit.finished"
    audit_id: str
    store_id: StoreId
    state: Literal["agreed", "explained", "differs", "failed"]
    problem: str | None = None


AuditEvent = Annotated[AuditStarted | AuditProgressed | AuditFinished, Field(discriminator="type")]
AUDIT_EVENT: TypeAdapter[AuditEvent] = TypeAdapter(AuditEvent)


class AuditRequested(Event):
    """`sync.requests`: a seller asks, on the page, for an audit of a store and period, by half-open UTC times."""

    type: Literal["audit.requested"] = "audit.requested"
    audit_id: str
    store_id: StoreId
    by: AuditBy
    window: Window
    asked_by: str


class SyncRequested(Event):
    """`sync.requests`: a seller asks, on the page, for a manual sync; `start` and `end` are in the seller's words.

    They are read as `POST /v1/syncs` reads them, in `zone`.
    """

    type: Literal["sync.requested"] = "sync.requested"
    sync_id: SessionId
    store_id: StoreId
    by: AuditBy
    start: str
    end: str
    zone: str
    asked_by: str


class TrackingRetryRequested(Event):
    """`sync.requests`: a seller asks, on the page, to tell the platform once more of parcels of a store.

    Of the one `push_id` names, or of all that have the `code`; one of the two is given.
    """

    type: Literal["tracking.retry_requested"] = "tracking.retry_requested"
    store_id: StoreId
    push_id: str | None = None
    code: str | None = None
    asked_by: str


SyncRequest = Annotated[AuditRequested | SyncRequested | TrackingRetryRequested, Field(discriminator="type")]
SYNC_REQUEST: TypeAdapter[SyncRequest] = TypeAdapter(SyncRequest)
