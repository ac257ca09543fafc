"""What `/v1/tracking` takes and shows."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.tracking import PushState
from services.ingest.tracking.carriers import BY_ID
from services.ingest.tracking.push import Push


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PushView(BaseModel):
    """A parcel on its way to being known by its platform.

    `state`: queued (waits for its turn, or for what `problem` says), sent (the platform is being told, or did not
    answer), accepted (it took the number, and does not show it yet), verified (it shows the number), refused (it will
    not take it), needs_attention (the seller must act) or off (it is not to be told). `code` is a stable word for
    `problem`. `attempts` counts calls; `next_try_at` is when it is looked at again by itself. `lines` are units by the
    platform's line id.
    """

    push_id: str
    store_id: str
    platform: str
    order_key: str
    external_id: str
    shipment_id: str
    number: int
    state: PushState
    code: str | None
    problem: str | None
    carrier: str
    service: str | None
    tracking_number: str
    tracking_url: str
    replaces: str | None
    lines: dict[str, int]
    shipped_at: datetime
    ship_by: datetime | None
    scanned_at: datetime | None
    verified_at: datetime | None
    parcel_id: str | None
    attempts: int
    next_try_at: datetime | None
    created_at: datetime
    changed_at: datetime


class PushPage(BaseModel):
    """Some parcels, the newest first; `next` asks for more."""

    items: list[PushView]
    next: str | None


class PushPath(BaseModel):
    """One parcel."""

    push_id: str = Field(max_length=64)


class PushQuery(BaseModel):
    """Which parcels to list."""

    state: PushState | None = Field(default=None, description="In this state only.")
    code: str | None = Field(default=None, max_length=64, description="With this code only.")
    store_id: str | None = Field(default=None, max_length=64, description="Of one store only.")
    cursor: str | None = Field(default=None, max_length=128, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


class RetryAll(_Body):
    """Which parcels to try again: all with a code, of one store or of all."""

    code: str = Field(min_length=1, max_length=64)
    store_id: str | None = Field(default=None, max_length=64)


class Switches(_Body):
    """What to choose for all of a seller's stores, or for those of one platform; what is absent stays."""

    platform: str | None = Field(default=None, min_length=1, max_length=31, description="Its stores only.")
    sync_tracking: bool | None = Field(default=None, description="Tell platforms of parcels and their numbers.")
    notify_buyer: bool | None = Field(default=None, description="Have platforms write to the buyer of each parcel.")
    replace_tracking: bool | None = Field(default=None, description="Tell platforms when a parcel got another label.")
    hold_until_scanned: bool | None = Field(default=None, description="Tell of a parcel only after its first scan.")


class Switched(BaseModel):
    """How many stores the choice holds for."""

    stores: int


class Retried(BaseModel):
    """How many parcels are tried again."""

    retried: int


def push_view(push: Push) -> PushView:
    """A push as its seller sees it."""
    order = push.order
    return PushView(
        push_id=push.push_id,
        store_id=order.store_id,
        platform=order.platform,
        order_key=order.order_key,
        external_id=order.external_id,
        shipment_id=push.shipment_id,
        number=push.number,
        state=push.state,
        code=push.code,
        problem=push.problem,
        carrier=BY_ID[push.carrier].name if push.carrier in BY_ID else push.carrier_name,
        service=push.service,
        tracking_number=push.tracking_number,
        tracking_url=push.tracking_url,
        replaces=push.replaces,
        lines=dict(push.lines),
        shipped_at=push.shipped_at,
        ship_by=order.ship_by,
        scanned_at=push.scanned_at,
        verified_at=push.verified_at,
        parcel_id=push.parcel_id,
        attempts=push.attempts,
        next_try_at=push.due_at,
        created_at=push.created_at,
        changed_at=push.changed_at,
    )


def cursor_of(push: Push) -> str:
    """Where the list goes on after a push."""
    # Without a plus, which nobody who builds an address by hand remembers to escape.
    return f"{push.created_at.isoformat().replace('+00:00', 'Z')}~{push.push_id}"


def place_of(cursor: str) -> tuple[datetime, str]:
    """The time and id in a cursor. Raises ValueError for anything else."""
    moment, mark, push_id = cursor.partition("~")
    at = datetime.fromisoformat(moment)
    if not mark or at.tzinfo is None:
        raise ValueError("a cursor is a moment and an id")
    return at, push_id
