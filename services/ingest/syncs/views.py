"""What `/v1/syncs` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from services.ingest.stores.choosing import MOST_STORES
from services.ingest.syncs.rehearsing import Reason, Rehearsal
from services.ingest.syncs.sync import State, Sync

#: More syncs of a store that have not ended than this are not taken.
MOST_UNFINISHED = 20

_EXAMPLE: dict[str, JsonValue] = {
    "stores": ["8d5f0c1e2a3b4c5d"],
    "period": {"from": "2026-11-01", "to": "2026-11-07"},
    "zone": "Eastern",
    "by": "created",
    "dry_run": False,
}
_DRY_RUN: dict[str, JsonValue] = {
    "stores": ["8d5f0c1e2a3b4c5d", "1f2e3d4c5b6a7988"],
    "period": {"from": "2026-11-01T08:00", "to": "2026-11-01T20:00"},
    "zone": "Europe/Berlin",
    "dry_run": True,
}


class PeriodAsked(BaseModel):
    """Local dates (the days of both belong to the period) or local times (that of `to` does not)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    start: str = Field(alias="from", max_length=19, description="2026-11-01 or 2026-11-01T08:00")
    end: str = Field(alias="to", max_length=19, description="2026-11-07 or 2026-11-01T20:00")


class AskSync(BaseModel):
    """The orders of a period, of some stores or of all stores of a platform."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": [_EXAMPLE, _DRY_RUN]}
    )

    stores: list[str] | None = Field(default=None, min_length=1, max_length=MOST_STORES)
    platform: str | None = Field(default=None, min_length=1, max_length=31, description="All linked stores there.")
    period: PeriodAsked
    zone: str = Field(
        max_length=64,
        description="Eastern, Central, Mountain, Arizona, Pacific, Alaska, Hawaii, or an IANA name.",
    )
    by: Literal["created", "updated"] = Field(default="created", description="Which of an order's times is meant.")
    dry_run: bool = Field(default=False, description="Say what it would bring, and store nothing.")

    @model_validator(mode="after")
    def _one_choice(self) -> AskSync:
        if (self.stores is None) == (self.platform is None):
            raise ValueError("give stores or a platform, and not both")
        return self


class WindowView(BaseModel):
    """The moments that a period means: [start, end) in UTC."""

    start: datetime
    end: datetime


class PeriodView(BaseModel):
    """A period in the seller's words."""

    model_config = ConfigDict(populate_by_name=True)

    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")


class SyncView(BaseModel):
    """A manual sync as its seller sees it.

    `notes` are the rules that were applied to the period, `reaches_back_to` is since when the platform gives orders
    (null: no limit known). `listed` counts the orders of the period so far, `total` is what the platform says it holds,
    where it says so. `problem` says why it ended as it did, or what it waits for until `next_try_at`.
    """

    sync_id: str
    store_id: str
    platform: str
    state: State
    period: PeriodView
    zone: str
    by: Literal["created", "updated"]
    window: WindowView
    notes: list[str]
    reaches_back_to: datetime | None
    started_by: str
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    total: int | None
    listed: int
    new: int
    updated: int
    existing: int
    failed: int
    problem: str | None
    next_try_at: datetime | None


class SyncPage(BaseModel):
    """Some syncs, the newest first; `next` asks for more."""

    items: list[SyncView]
    next: str | None


class ReasonView(BaseModel):
    """How many of the orders looked at would not be made at once, and why."""

    reason: Reason
    orders: int


class RehearsalView(BaseModel):
    """What a sync of one store would bring.

    `orders` is how many the period holds (null: the platform does not count, and not all were looked at). `new`,
    `known` and `reasons` are of the first `looked_at` orders; `complete` says that these are all. `seconds` estimates
    how long the sync takes at today's quota. `problem` says why not all could be found out.
    """

    store_id: str
    platform: str
    window: WindowView
    notes: list[str]
    reaches_back_to: datetime | None
    complete: bool
    orders: int | None
    looked_at: int
    new: int
    known: int
    reasons: list[ReasonView]
    seconds: float | None
    problem: str | None


class RehearsalPage(BaseModel):
    """A dry run, one item a store."""

    dry_run: Literal[True] = True
    items: list[RehearsalView]
    next: None = None


class SyncPath(BaseModel):
    """One sync."""

    sync_id: str = Field(max_length=64)


class SyncQuery(BaseModel):
    """A part of the list."""

    store_id: str | None = Field(default=None, max_length=64, description="Of one store only.")
    cursor: str | None = Field(default=None, max_length=64, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


def sync_view(sync: Sync) -> SyncView:
    """A sync as its seller sees it."""
    session, counts = sync.session, sync.session.counts
    return SyncView(
        sync_id=sync.sync_id,
        store_id=session.store_id,
        platform=session.platform,
        state=sync.state,
        period=PeriodView(start=sync.asked.start, end=sync.asked.end),
        zone=sync.asked.zone,
        by=sync.asked.by,
        window=WindowView(start=session.window.start, end=session.window.end),
        notes=list(sync.notes),
        reaches_back_to=sync.reaches_back_to,
        started_by=session.started_by,
        asked_at=sync.asked_at,
        started_at=session.started_at if sync.begun else None,
        finished_at=session.finished_at,
        total=session.total,
        listed=counts.listed,
        new=counts.new,
        updated=counts.updated,
        existing=counts.existing,
        failed=counts.failed,
        problem=session.problem or sync.waiting,
        next_try_at=sync.due_at if sync.waiting else None,
    )


def rehearsal_view(sync: Sync, found: Rehearsal) -> RehearsalView:
    """A dry run as its seller sees it; the most frequent reasons first."""
    session = sync.session
    return RehearsalView(
        store_id=session.store_id,
        platform=session.platform,
        window=WindowView(start=session.window.start, end=session.window.end),
        notes=list(sync.notes),
        reaches_back_to=sync.reaches_back_to,
        complete=found.complete,
        orders=found.orders,
        looked_at=found.looked_at,
        new=found.new,
        known=found.known,
        reasons=[ReasonView(reason=reason, orders=orders) for reason, orders in found.reasons.most_common()],
        seconds=found.seconds,
        problem=found.problem,
    )
