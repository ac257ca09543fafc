"""What happened to an order, as entries: one fact, one entry, whichever message tells it first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schemas.decisions import OrderDecided
from schemas.ids import OrderKey, fact_id
from schemas.production import (
    Shipment,
    UpdateCancelled,
    UpdateCancelRefused,
    UpdateDelivered,
    UpdateLabelReplaced,
    UpdateLabelVoided,
    UpdateOnHold,
    UpdateScanned,
    UpdateShipped,
)
from schemas.sessions import SessionProgressed
from schemas.tracking import PushState, TrackingPushed
from services.reporting.facts import Update

EntryKind = Literal[
    "imported",
    "revised",
    "decided",
    "released",
    "amended",
    "cancel_asked",
    "accepted",
    "on_hold",
    "in_production",
    "shipped",
    "cancelled",
    "cancel_refused",
    "scanned",
    "delivered",
    "label_voided",
    "label_replaced",
    "tracking_queued",
    "tracking_sent",
    "tracking_accepted",
    "tracking_verified",
    "tracking_refused",
    "tracking_needs_attention",
    "tracking_off",
]

#: Which of two entries of one moment is told first.
SEQUENCE: dict[EntryKind, int] = {
    "imported": 0,
    "revised": 1,
    "decided": 2,
    "released": 3,
    "amended": 3,
    "cancel_asked": 3,
    "accepted": 4,
    "on_hold": 5,
    "in_production": 6,
    "cancelled": 7,
    "cancel_refused": 7,
    "shipped": 8,
    "label_voided": 9,
    "label_replaced": 9,
    "scanned": 10,
    "delivered": 11,
    "tracking_queued": 12,
    "tracking_off": 13,
    "tracking_sent": 13,
    "tracking_accepted": 14,
    "tracking_verified": 15,
    "tracking_refused": 15,
    "tracking_needs_attention": 15,
}
_STEP_KIND: dict[str, EntryKind] = {"released": "released", "amended": "amended", "cancelled": "cancel_asked"}
_UPDATE_KIND: dict[str, EntryKind] = {
    "production.accepted": "accepted",
    "production.on_hold": "on_hold",
    "production.in_production": "in_production",
    "production.shipped": "shipped",
    "production.cancelled": "cancelled",
    "production.cancel_refused": "cancel_refused",
    "production.scanned": "scanned",
    "production.delivered": "delivered",
    "production.label_voided": "label_voided",
    "production.label_replaced": "label_replaced",
}
_PUSH_KIND: dict[PushState, EntryKind] = {
    "queued": "tracking_queued",
    "sent": "tracking_sent",
    "accepted": "tracking_accepted",
    "verified": "tracking_verified",
    "refused": "tracking_refused",
    "needs_attention": "tracking_needs_attention",
    "off": "tracking_off",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `data` is JSON without personal data; its form depends on `kind`.

    A revision is told by its session and by the decision about it: both give the same `entry_id`, and the earlier
    `at` stands (`source` settles a tie).
    """

    order_key: OrderKey
    entry_id: str
    at: datetime
    source: str
    kind: EntryKind
    data: dict[str, Any]

    @property
    def rank(self) -> tuple[datetime, str]:
        """The lower one stands."""
        return (self.at, self.source)


def entries_of_decision(decided: OrderDecided) -> Iterator[Entry]:
    """Yield the revision that was judged, the decision, and the step that followed from it."""
    if decided.number == 1:
        yield _revision(decided.order_key, None, decided.summary.imported_at, f"0{decided.event_id}", _brought(decided))
    elif decided.cause == "revision":
        at = decided.summary.revised_at
        yield _revision(decided.order_key, at, decided.occurred_at, f"0{decided.event_id}", _brought(decided))
    yield Entry(decided.order_key, decided.event_id, decided.occurred_at, decided.event_id, "decided", _judged(decided))
    if decided.step:
        entry_id = fact_id(decided.event_id, decided.step)
        data = {"cost": decided.cost.model_dump() if decided.cost else None, "number": decided.number}
        yield Entry(decided.order_key, entry_id, decided.occurred_at, entry_id, _STEP_KIND[decided.step], data)


def entries_of_session(fact: SessionProgressed) -> Iterator[Entry]:
    """Yield an entry for every order that the session brought: the first time, or as a newer revision."""
    brought = {"session_id": fact.session_id} | ({"way": fact.way} if fact.way else {})
    for position, outcome in enumerate(fact.outcomes):
        if outcome.order_key is None or outcome.result not in {"new", "updated"}:
            continue
        if outcome.result == "updated" and outcome.revised_at is None:
            continue
        revised_at = outcome.revised_at if outcome.result == "updated" else None
        source = f"1{fact.event_id}.{position:06d}"
        yield _revision(outcome.order_key, revised_at, fact.occurred_at, source, brought)


def entry_of_update(update: Update) -> Entry:
    """Return what production told."""
    data: dict[str, Any] = {}
    match update:
        case UpdateOnHold():
            data["problem"] = update.problem
        case UpdateShipped():
            data = _parcel(update.shipment)
        case UpdateCancelled() | UpdateCancelRefused():
            data["reason"] = update.reason
        case UpdateLabelVoided():
            data = {"shipment_id": update.shipment_id, "reason": update.reason}
        case UpdateLabelReplaced():
            data = {**_parcel(update.shipment), "replaced_shipment_id": update.shipment_id}
        case UpdateScanned() | UpdateDelivered():
            data["shipment_id"] = update.shipment_id
    return Entry(
        update.order_key, update.event_id, update.occurred_at, update.event_id, _UPDATE_KIND[update.type], data
    )


def entry_of_push(pushed: TrackingPushed) -> Entry:
    """Return what became of a parcel's tracking number.

    One that waits for the same thing again and again, or is tried again, is told of once: the first time.
    """
    data: dict[str, Any] = {
        "push_id": pushed.push_id,
        "shipment_id": pushed.shipment_id,
        "carrier": pushed.carrier,
        "tracking_number": pushed.tracking_number,
        "code": pushed.code,
        "problem": pushed.problem,
    }
    entry_id = fact_id("tracking", pushed.push_id, pushed.state, pushed.code or "")
    return Entry(pushed.order_key, entry_id, pushed.occurred_at, pushed.event_id, _PUSH_KIND[pushed.state], data)


def _revision(key: OrderKey, revised_at: datetime | None, at: datetime, source: str, data: dict[str, Any]) -> Entry:
    if revised_at is None:
        return Entry(key, fact_id("imported", key), at, source, "imported", data)
    entry_id = fact_id("revised", key, revised_at.isoformat())
    return Entry(key, entry_id, at, source, "revised", {**data, "revised_at": revised_at.isoformat()})


def _brought(decided: OrderDecided) -> dict[str, Any]:
    return {"session_id": decided.session_id, "way": decided.summary.way}


def _judged(decided: OrderDecided) -> dict[str, Any]:
    return {
        "number": decided.number,
        "cause": decided.cause,
        "outcome": decided.outcome,
        "reasons": [reason.model_dump(mode="json") for reason in decided.reasons],
        "rules_version": decided.rules_version,
    }


def _parcel(shipment: Shipment) -> dict[str, Any]:
    return {
        "shipment_id": shipment.shipment_id,
        "carrier": shipment.carrier,
        "service": shipment.service,
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
        "items": [item.model_dump() for item in shipment.items],
    }
