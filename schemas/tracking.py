"""`tracking.pushes`: how each parcel's tracking number comes back to its platform. No personal data."""

from typing import Literal

from pydantic import Field

from schemas.base import Event, UtcTime
from schemas.ids import OrderKey, PlatformSlug, StoreId

#: queued: waits for its turn, or for what `problem` says. sent: the platform is being told, or was and did not answer.
#: accepted: it took the number, which is not proven to stay. verified: it was read back. refused: it will not be taken.
#: needs_attention: the seller must act. off: the store's settings say not to tell.
PushState = Literal["queued", "sent", "accepted", "verified", "refused", "needs_attention", "off"]


class TrackingPushed(Event):
    """A parcel's push changed its state; of several the highest `step` stands.

    `code` is a stable word for why it waits, was refused or needs attention; `problem` says it to the seller, with what
    to do. `due_at` is when it is tried next by itself; `ship_by` is the platform's deadline for the order.
    """

    type: Literal["tracking.pushed"] = "tracking.pushed"
    push_id: str
    order_key: OrderKey
    store_id: StoreId
    platform: PlatformSlug
    shipment_id: str
    step: int = Field(ge=1)
    state: PushState
    carrier: str
    tracking_number: str
    tracking_url: str | None = None
    shipped_at: UtcTime
    attempts: int = Field(default=0, ge=0)
    code: str | None = None
    problem: str | None = None
    due_at: UtcTime | None = None
    ship_by: UtcTime | None = None
    verified_at: UtcTime | None = None
