"""What the API answers about tracking numbers on their way to platforms."""

from datetime import datetime

from pydantic import Field

from schemas.tracking import PushState
from services.reporting.view_base import View


class ParcelView(View):
    """How the number of a parcel gets to its platform. `problem` says what it waits for, or what to do.

    `due_at` is when it is tried next by itself, `ship_by` the platform's deadline. `title` names the code.
    `retryable`: asking for it again does something.
    """

    push_id: str
    order_key: str
    store_id: str
    platform: str
    external_id: str
    display_name: str | None
    shipment_id: str
    state: PushState
    carrier: str
    tracking_number: str
    tracking_url: str | None
    shipped_at: datetime
    attempts: int
    code: str | None
    title: str | None
    problem: str | None
    due_at: datetime | None
    ship_by: datetime | None
    verified_at: datetime | None
    changed_at: datetime
    retryable: bool


class TrackingCount(View):
    """Parcels of a store that are in one state for one reason.

    `title` names the reason in short and `remedy` says what it means and what to do, of the newest parcel; both null
    where there is nothing to be said. `retryable`: asking for these again does something.
    """

    store_id: str
    platform: str
    state: PushState
    code: str | None
    title: str | None
    remedy: str | None
    parcels: int
    since: datetime
    retryable: bool


class TrackingSummary(View):
    """A seller's parcels in numbers, as far as the filters reach."""

    parcels: int
    states: dict[str, int] = Field(description="Parcels by state.")
    counts: tuple[TrackingCount, ...] = Field(description="By store, state and reason, most urgent states first.")


class RetryAsked(View):
    """What was asked for; parcels that can be told again are, within seconds, and say so themselves."""

    requests: int = Field(description="How many stores were asked.")
