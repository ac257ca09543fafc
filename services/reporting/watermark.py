"""Up to when a store's orders are proven complete: from what was read and compared alone, never from a clock. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from schemas.stores import StoreRecord
from services.reporting.views import StoreView

#: A half-open period [start, end) of change times.
Span = tuple[datetime, datetime]
#: never: no poll was proven yet. doubted: an audit found orders that differ. waiting: a poll read further, and some of
#: its orders are not judged yet. proven: nothing stands in the way.
Why = Literal["never", "doubted", "waiting", "proven"]

#: A store is late when so many of its intervals between polls passed without a proof, within these bounds.
LATE_AFTER_INTERVALS = 3
LATE_AT_THE_EARLIEST = timedelta(hours=1)
LATE_AT_THE_LATEST = timedelta(hours=8, minutes=30)

#: So many orders that wait are counted; of more it is known that they are many.
WAITING_COUNTED = 1000

#: Orders given to us directly: no platform lists them, so nothing is behind.
OUR_OWN = "direct"


@dataclass(frozen=True, slots=True)
class Doubt:
    """An audit with `orders` that differ without a reason, the earliest of `since`; no later audit settled them.

    `ended_at` None: it still fetches and compares.
    """

    audit_id: str
    store_id: str
    orders: int
    since: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Healed:
    """A sync that mended a store's webhooks; `sentence` says what was broken and done."""

    store_id: str
    session_id: str
    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the tables hold about one store.

    `polled` and `covered` are disjoint and ascending: what proven polls read, and the same with proven audits.
    `waiting` counts the unjudged orders of polls that are read and not proven, WAITING_COUNTED at most. `next_at` and
    `next_because` are of the newest poll that ended, at `polled_at`.
    """

    store_id: str
    polled: tuple[Span, ...] = ()
    covered: tuple[Span, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    waiting: int = 0
    polled_at: datetime | None = None
    next_at: datetime | None = None
    next_because: str | None = None
    healed: Healed | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """Every order that changed in [since, through) is proven to be here; both None: nothing is proven."""

    since: datetime | None
    through: datetime | None
    why: Why
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class LateStore:
    """A store whose watermark is older than it may be. `through` None: nothing of it is proven."""

    store_id: str
    through: datetime | None
    since: datetime


def watermark(proof: Proof) -> Watermark:
    """Return up to when the store is complete.

    The first poll sets the beginning; from there on only windows that begin before the end of what is proven count, so
    that a gap is never passed over.
    """
    if not proof.polled:
        return Watermark(None, None, "never")
    beginning = proof.polled[0][0]
    through = next(end for start, end in proof.covered if start <= beginning < end)
    doubt = min(proof.doubts, key=lambda one: (one.since, one.audit_id), default=None)
    if doubt and doubt.since < through:
        # What differs may have changed before the beginning: then nothing is left to vouch for.
        pulled = doubt.since if doubt.since > beginning else None
        return Watermark(beginning if pulled else None, pulled, "doubted", doubt)
    return Watermark(beginning, through, "waiting" if proof.waiting else "proven")


def late_after(proof: Proof) -> timedelta:
    """Return how old the watermark may be: three of the store's own intervals, within the bounds."""
    if proof.next_at is None or proof.polled_at is None:
        return LATE_AT_THE_LATEST
    own = LATE_AFTER_INTERVALS * (proof.next_at - proof.polled_at)
    return min(max(own, LATE_AT_THE_EARLIEST), LATE_AT_THE_LATEST)


def late_since(record: StoreRecord | StoreView, proof: Proof, *, now: datetime) -> datetime | None:
    """Return since when the store is late; None when it is not, or is not meant to be synced by itself."""
    if record.state != "linked" or not record.settings.auto_sync or record.platform == OUR_OWN:
        return None
    through = watermark(proof).through
    # Before its first poll is proven, a store had since its linking to get there.
    since = (through or record.linked_at) + late_after(proof)
    return since if since <= now else None


def late_stores(records: Iterable[StoreRecord], proofs: Mapping[str, Proof], *, now: datetime) -> tuple[LateStore, ...]:
    """Return the stores that are late."""
    late = []
    for record in records:
        proof = proofs.get(record.store_id, Proof(record.store_id))
        since = late_since(record, proof, now=now)
        if since is not None:
            late.append(LateStore(record.store_id, watermark(proof).through, since))
    return tuple(late)


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of half-open periods, disjoint and ascending; those that touch become one."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def behind(mark: Watermark, *, now: datetime) -> timedelta | None:
    """Return how old the watermark is; None without one."""
    return max(now - mark.through, timedelta()) if mark.through is not None else None


@dataclass(frozen=True, slots=True)
class Audited:
    """What decides whether one audit settles what another found."""

    store_id: str
    by: str
    started_at: datetime
    window: Span | None
    state: str
    unsettled_since: datetime | None = None


def settles(later: Audited, doubted: Audited) -> bool:
    """Say whether an audit looked again at all that an earlier one left unsettled, and left nothing.

    One by change time sees whatever had changed by the time of the earlier one, one by creation only what was created
    in its window, and one of open orders only those.
    """
    since, window = doubted.unsettled_since, doubted.window
    if later.store_id != doubted.store_id or later.started_at <= doubted.started_at or since is None:
        return False
    if later.state not in {"agreed", "explained"}:
        return False
    if later.window is None:
        return window is None
    if later.by == "updated":
        end = window[1] if window and doubted.by == "updated" else doubted.started_at
    elif window and doubted.by == "created":
        end = window[1]
    else:
        return False
    return later.window[0] <= since and end <= later.window[1]


def doubts_in(audits: Sequence[tuple[Doubt, Audited]], all_audits: Sequence[Audited]) -> tuple[Doubt, ...]:
    """Return the doubts that no later audit settled."""
    return tuple(doubt for doubt, doubted in audits if not any(settles(later, doubted) for later in all_audits))
