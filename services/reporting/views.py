"""What the API answers."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from schemas.decisions import Cause, Outcome
from schemas.money import Money
from schemas.order import Way
from schemas.reasons import Actor, Fact, ReasonCode
from schemas.sessions import OrderResult, SessionState, Window
from schemas.stores import StoreSettings, StoreState
from services.reporting.changes import OrderState, ProductionState
from services.reporting.deadlines import Deadline
from services.reporting.timeline import EntryKind
from services.reporting.tracking_views import ParcelView
from services.reporting.view_base import ListOf as ListOf  # noqa: PLC0414 - it is offered here, too
from services.reporting.view_base import View as View  # noqa: PLC0414

#: urgent: orders stand still, or soon will. warning: something waits for the seller. info: good to know.
Severity = Literal["urgent", "warning", "info"]
AlertCode = Literal[
    "STORE_RECONNECT",
    "ACCESS_ENDS",
    "SYNCS_FAIL",
    "ORDERS_UNREADABLE",
    "ADDRESSES_HIDDEN",
    "TRACKING_REFUSED",
    "WEBHOOKS_OFF",
    "ORDERS_WAIT",
    "WATERMARK_BEHIND",
    "AUDIT_DIFFERS",
    "WEBHOOKS_HEALED",
    "SHIP_BY_AT_RISK",
    "SHIP_BY_LATE",
    "TRACKING_NEEDS_YOU",
    "TRACKING_REFUSED_ORDERS",
    "ENDPOINT_DISABLED",
]


class Counts(View):
    """How far orders are. Each order is undecided, held, rejected or released; `imported` is their sum.

    `held_by_reason` and `rejected_by_reason` count an order under each of its reasons.
    """

    imported: int = 0
    undecided: int = 0
    held: int = 0
    rejected: int = 0
    released: int = 0
    accepted: int = 0
    on_hold: int = 0
    shipped: int = 0
    cancelled: int = 0
    held_by_reason: dict[str, int] = Field(default_factory=dict)
    rejected_by_reason: dict[str, int] = Field(default_factory=dict)
    remarked_by_reason: dict[str, int] = Field(
        default_factory=dict, description="Reasons that released orders carry, such as a change that came too late."
    )


class StoreCounts(Counts):
    """The counts of one store."""

    platform: str
    store_id: str


class Wait(View):
    """Orders that wait for one kind of thing."""

    code: ReasonCode
    orders: int
    actor: Actor
    rechecked_by: tuple[Fact, ...]
    title: str


class Summary(View):
    """The seller's orders in numbers: in all, by platform, by store, and what they wait for."""

    total: Counts
    platforms: dict[str, Counts]
    stores: tuple[StoreCounts, ...]
    waits: tuple[Wait, ...]


class LastSession(View):
    """A store's newest sync session."""

    session_id: str
    at: datetime
    state: SessionState


class LastSuccess(View):
    """A store's newest poll that went to its end. `read_through` is the end of the period that it read."""

    session_id: str
    at: datetime
    read_through: datetime | None


class CapabilityView(View):
    """What a store may do for us or not (`allowed` null: not known yet), what that means, and what to do."""

    name: str
    title: str
    allowed: bool | None
    sentence: str


class AccessView(View):
    """When the seller must have connected the store again. `severity` is null until `warned_from`, 30 days before."""

    ends_at: datetime
    warned_from: datetime
    days_left: int
    severity: Severity | None
    sentence: str


class HealedView(View):
    """The newest sync that mended the store's webhooks: what was broken, and what was done."""

    session_id: str
    at: datetime
    sentence: str


class CompletenessView(View):
    """Every order that changed in [`complete_from`, `complete_through`) is proven to be in this report.

    Both null: nothing is proven yet. `because` says what stands in the way of more, `audit_id` which audit, where one
    does. `late`: it is older than it may be (see docs/completeness.md). `next_sync_at` and `next_sync_because` are what
    the newest sync said.
    """

    complete_from: datetime | None
    complete_through: datetime | None
    behind_seconds: float | None
    late: bool
    because: str
    audit_id: str | None = None
    next_sync_at: datetime | None = None
    next_sync_because: str | None = None
    last_healed: HealedView | None = None


class StoreView(View):
    """A store: its state and, where something is wrong, why in plain words.

    `connect_url` is where the seller connects it again, where the installation names such a place.
    """

    store_id: str
    platform: str
    platform_name: str | None
    external_id: str
    name: str
    currency: str | None
    time_zone: str | None
    state: StoreState
    problem: str | None
    linked_at: datetime
    import_since: datetime
    settings: StoreSettings
    access_ends_at: datetime | None
    access: AccessView | None = None
    connect_url: str | None = None
    capabilities: tuple[CapabilityView, ...] = ()
    last_session: LastSession | None
    last_success: LastSuccess | None
    last_order_at: datetime | None
    completeness: CompletenessView | None = None
    counts: Counts


class AlertView(View):
    """Something that needs the seller.

    `id` stays the same as long as the alert does. What only a store's record tells has been so since `since` at the
    latest. `link` is a path of the page, or the address where the seller acts.
    """

    id: str
    code: AlertCode
    severity: Severity
    since: datetime
    store_id: str | None = None
    store_name: str | None = None
    platform: str | None = None
    platform_name: str | None = None
    reason: ReasonCode | None = None
    orders: int | None = None
    title: str
    sentence: str
    remedy: str
    link: str


class SessionView(View):
    """A sync session. Counts are of different orders; `total` is what the platform says there is, where it does.

    Of its window, all before `read_through` is read. `healed` says what of the store's webhooks it mended, `next_at`
    and `next_because` when the store is synced next by itself, and why then.
    """

    session_id: str
    store_id: str
    platform: str | None
    way: Way | None
    automatic: bool | None
    started_by: str | None
    window: Window | None
    state: SessionState
    problem: str | None
    started_at: datetime
    finished_at: datetime | None
    changed_at: datetime
    duration_seconds: float | None
    total: int | None
    listed: int
    new: int
    updated: int
    existing: int
    failed: int
    read_through: datetime | None = None
    healed: str | None = None
    next_at: datetime | None = None
    next_because: str | None = None


class SessionOrderView(View):
    """What one session did with one order."""

    order_key: str | None
    external_id: str
    display_name: str | None
    placed_at: datetime | None
    revised_at: datetime | None
    result: OrderResult
    problem: str | None


class ReasonView(View):
    """One objection in plain words, who must act, and what has the order judged again by itself."""

    code: ReasonCode
    item_id: str | None
    sentence: str
    actor: Actor
    rechecked_by: tuple[Fact, ...]
    evidence: dict[str, str]


class ItemView(View):
    """One line of an order."""

    external_id: str
    title: str
    sku: str | None
    kind: str
    quantity: int
    quantity_to_make: int
    made_as: str | None


class OrderView(View):
    """An order in a list.

    `ship_by` is until when its platform wants it shipped. `at_risk_from` is null once it is shipped and its platform
    was told of every parcel; until then `deadline` says whether that is in danger.
    """

    order_key: str
    store_id: str
    platform: str
    external_id: str
    display_name: str | None
    placed_at: datetime | None
    imported_at: datetime | None
    changed_at: datetime
    state: OrderState
    outcome: Outcome | None
    reasons: tuple[ReasonView, ...]
    total: Money | None
    test: bool | None
    ship_by: datetime | None
    at_risk_from: datetime | None
    deadline: Deadline | None = None
    tracking: tuple[ParcelView, ...]


class EntryView(View):
    """One thing that happened. `data` depends on `kind`."""

    entry_id: str
    at: datetime
    kind: EntryKind
    sentence: str
    reasons: tuple[ReasonView, ...]
    data: dict[str, Any]


class OrderDetail(OrderView):
    """An order with all that happened to it, oldest first."""

    revised_at: datetime | None
    way: Way | None
    payment: str | None
    fulfilment: str | None
    cancelled_on_platform_at: datetime | None
    cause: Cause | None
    decided_at: datetime | None
    decision_number: int | None
    cost: Money | None
    released_at: datetime | None
    shipped_at: datetime | None
    production_state: ProductionState | None
    production_problem: str | None
    items: tuple[ItemView, ...]
    timeline: tuple[EntryView, ...]
