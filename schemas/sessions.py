"""`sync.sessions`: every run of a sync as the seller sees it, with the outcome of each order. No personal data."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Event, UtcTime, Value
from schemas.ids import OrderKey, PlatformSlug, SessionId, StoreId

#: new: first time seen. updated: a newer revision. existing: nothing new. failed: could not be read (a dead letter).
OrderResult = Literal["new", "updated", "existing", "failed"]
SessionWay = Literal["webhook", "poll", "backfill", "api", "import", "form"]
SessionState = Literal["running", "succeeded", "partial", "failed", "cancelled"]


class Window(Value):
    """A half-open period [start, end) in UTC."""

    start: UtcTime
    end: UtcTime


class OrderOutcome(Value):
    """What became of one listed order. `order_key` is None when the order could not even be identified."""

    external_id: str
    order_key: OrderKey | None = None
    display_name: str | None = None
    placed_at: UtcTime | None = None
    revised_at: UtcTime | None = None
    result: OrderResult
    problem: str | None = None


class SessionStarted(Event):
    """A sync began. `way` says how orders come; `started_by` is "schedule", "platform" or an API key's id."""

    type: Literal["session.started"] = "session.started"
    session_id: SessionId
    store_id: StoreId
    platform: PlatformSlug
    way: SessionWay
    automatic: bool
    started_by: str
    window: Window | None = None


class SessionProgressed(Event):
    """Orders were read. `part` numbers the parts of a session from 1, so that a repeated part counts once.

    `total` is what the platform says the window holds, where it says so. `way` is how they came, as the session's start
    says; None of who does not say it again.
    """

    type: Literal["session.progressed"] = "session.progressed"
    session_id: SessionId
    store_id: StoreId
    part: int = Field(ge=1)
    total: int | None = None
    way: SessionWay | None = None
    outcomes: tuple[OrderOutcome, ...] = ()


class SessionFinished(Event):
    """The sync ended. `problem` is a sentence for the seller when it did not succeed.

    `read_through` is the time before which, exclusive, all of its window is durable. `healed` is a sentence that says
    what of the store's webhooks was broken, what was done, and from when on orders were read again because of it.
    `next_at` and `next_because` say when the store is synced next by itself, and why then.
    """

    type: Literal["session.finished"] = "session.finished"
    session_id: SessionId
    store_id: StoreId
    state: Literal["succeeded", "partial", "failed", "cancelled"]
    problem: str | None = None
    read_through: UtcTime | None = None
    healed: str | None = None
    next_at: UtcTime | None = None
    next_because: str | None = None


SessionEvent = Annotated[
    SessionStarted | SessionProgressed | SessionFinished,
    Field(discriminator="type"),
]
SESSION_EVENT: TypeAdapter[SessionEvent] = TypeAdapter(SessionEvent)
