"""How rows of parcels become answers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.ids import OrderKey, split_order_key
from schemas.tracking import PushState
from services.reporting.tracking_views import ParcelView, TrackingCount, TrackingSummary
from services.reporting.wording import Texts, load_texts, tracking_title

Row = Mapping[str, Any]

#: In which order states are told: what needs the seller first.
STATES: tuple[PushState, ...] = ("needs_attention", "refused", "queued", "sent", "accepted", "verified", "off")
#: From these a parcel is tried again when the seller asks.
_RETRIED = ("needs_attention", "refused", "queued", "off")
#: Nothing travels under such a label, or nobody wants to be told.
_SETTLED = frozenset({"VOIDED", "REPLACED", "VOIDED_AFTER_TELLING", "NOT_WANTED"})


def parcel_view(row: Row, *, display_name: str | None = None) -> ParcelView:
    """Return a row of `parcels`; its times may be text, as they stand in JSON."""
    values = {name: row[name] for name in _SAME}
    times = {name: _time(row[name]) for name in _TIMES}
    return ParcelView(
        **values,
        **times,
        external_id=split_order_key(OrderKey(row["order_key"])).external_id,
        display_name=display_name,
        title=tracking_title(row["code"]) if row["code"] else None,
        retryable=is_retryable(row["state"], row["code"]),
    )


def is_retryable(state: str, code: str | None) -> bool:
    """Say whether asking for a parcel again does something; one that only waits for its turn needs no asking."""
    return state in _RETRIED and code not in _SETTLED and (state != "queued" or code is not None)


def summary_of(rows: Sequence[Row], *, texts: Texts | None = None) -> TrackingSummary:
    """Return counts by store, state and code, added up."""
    texts = texts or load_texts()
    counts = tuple(sorted((_count(row, texts) for row in rows), key=_place))
    return TrackingSummary(
        parcels=sum(count.parcels for count in counts),
        states={state: _sum(count.parcels for count in counts if count.state == state) for state in STATES},
        counts=counts,
    )


def _count(row: Row, texts: Texts) -> TrackingCount:
    code = row["code"]
    return TrackingCount(
        store_id=row["store_id"],
        platform=row["platform"],
        state=row["state"],
        code=code,
        title=tracking_title(code, texts=texts) if code else None,
        remedy=row["problem"],
        parcels=row["parcels"],
        since=row["since"],
        retryable=is_retryable(row["state"], code),
    )


def _place(count: TrackingCount) -> tuple[int, int, str, str]:
    return (STATES.index(count.state), -count.parcels, count.store_id, count.code or "")


def _sum(numbers: Iterable[int]) -> int:
    return sum(numbers)


_TIMES = ("shipped_at", "due_at", "ship_by", "verified_at", "changed_at")
_MADE = ("external_id", "display_name", "title", "retryable")
_SAME = tuple(name for name in ParcelView.model_fields if name not in (*_TIMES, *_MADE))


def _time(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else value
