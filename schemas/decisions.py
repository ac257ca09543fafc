"""`orders.decisions`: what was decided about an order and why, without personal data, so that it may be kept."""

from typing import Literal

from pydantic import Field

from schemas.base import Event, UtcTime, Value
from schemas.ids import OrderKey, PlatformSlug, SessionId, StoreId
from schemas.money import Money
from schemas.order import FulfilmentState, ItemKind, PaymentState, Way
from schemas.reasons import Reason

#: eligible: production may make it. held: for reasons that can be resolved. rejected: final for this revision.
Outcome = Literal["eligible", "held", "rejected"]
#: What had the order judged.
Cause = Literal[
    "revision", "match", "catalog", "approval", "balance", "settings", "address", "look", "production", "rules"
]
#: What this decision published on `orders.production`, in the same transaction.
ProductionStep = Literal["released", "amended", "cancelled"]


class ItemSummary(Value):
    """A line as the report shows it; no personalization, which is the buyer's."""

    external_id: str
    title: str
    sku: str | None = None
    kind: ItemKind = "physical"
    quantity: int
    quantity_to_make: int
    made_as: str | None = None


class OrderSummary(Value):
    """What the report may know of an order: no name, no address, no message, no payload."""

    display_name: str
    placed_at: UtcTime
    revised_at: UtcTime
    imported_at: UtcTime
    way: Way
    test: bool
    payment: PaymentState
    fulfilment: FulfilmentState
    cancelled_at: UtcTime | None = None
    ship_by: UtcTime | None = None
    total: Money
    items: tuple[ItemSummary, ...]


class OrderDecided(Event):
    """One decision. `number` counts the decisions about this order from 1: the highest is the valid one.

    `raw_event_id` and `session_id` tell which revision was judged and which sync session brought it.
    """

    type: Literal["order.decided"] = "order.decided"
    order_key: OrderKey
    store_id: StoreId
    platform: PlatformSlug
    external_id: str
    number: int = Field(ge=1)
    raw_event_id: str
    session_id: SessionId | None = None
    cause: Cause
    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    step: ProductionStep | None = None
    cost: Money | None = None
    rules_version: str
    summary: OrderSummary
