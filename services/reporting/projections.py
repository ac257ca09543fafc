"""Facts become row changes, and the result is the same in whatever order, and however often, the facts come.

Every value is the outcome of a merge that is commutative, associative and idempotent: the earliest or latest time,
the decision with the highest number, the update that happened last. Postgres merges a batch's changes into the rows
by the same rules (`sql/projections.sql`), the in-memory twin by the values' own (`changes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar, assert_never

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted
from schemas.decisions import OrderDecided
from schemas.ids import OrderKey
from schemas.production import (
    UpdateAccepted,
    UpdateCancelled,
    UpdateCancelRefused,
    UpdateDelivered,
    UpdateInProduction,
    UpdateLabelReplaced,
    UpdateLabelVoided,
    UpdateOnHold,
    UpdateScanned,
    UpdateShipped,
)
from schemas.sessions import OrderOutcome, SessionFinished, SessionProgressed, SessionStarted
from schemas.stores import SellerRecord, StoreRecord
from schemas.tracking import TrackingPushed
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.changes import (
    AuditChange,
    Heard,
    OrderChange,
    Production,
    ProductionState,
    SessionChange,
    SessionOrder,
    Verdict,
    later_push,
)
from services.reporting.facts import AuditFact, Fact, SessionFact, Update
from services.reporting.timeline import (
    Entry,
    entries_of_decision,
    entries_of_session,
    entry_of_push,
    entry_of_update,
)

#: Told of an order whose change time its session does not know: any decision about it will do.
_ANY_REVISION = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Changes:
    """The row changes of a batch of facts, at most one a row."""

    sellers: dict[str, SellerRecord] = field(default_factory=dict)
    stores: dict[str, StoreRecord] = field(default_factory=dict)
    endpoints: dict[str, WebhookEndpointRecord] = field(default_factory=dict)
    sessions: dict[str, SessionChange] = field(default_factory=dict)
    session_orders: dict[tuple[str, str], SessionOrder] = field(default_factory=dict)
    orders: dict[str, OrderChange] = field(default_factory=dict)
    timeline: dict[tuple[str, str], Entry] = field(default_factory=dict)
    audits: dict[str, AuditChange] = field(default_factory=dict)
    parcels: dict[str, TrackingPushed] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        """Take one more fact in."""
        match fact:
            case SellerRecord():
                kept_seller = self.sellers.get(fact.seller_id)
                self.sellers[fact.seller_id] = fact if kept_seller is None else later_record(kept_seller, fact)
            case StoreRecord():
                kept_store = self.stores.get(fact.store_id)
                self.stores[fact.store_id] = fact if kept_store is None else later_record(kept_store, fact)
            case WebhookEndpointRecord():
                kept_endpoint = self.endpoints.get(fact.endpoint_id)
                self.endpoints[fact.endpoint_id] = fact if kept_endpoint is None else later_record(kept_endpoint, fact)
            case SessionStarted() | SessionProgressed() | SessionFinished():
                self._add_session(fact)
            case AuditStarted() | AuditProgressed() | AuditFinished():
                self._add_audit(_of_audit(fact))
            case OrderDecided():
                self._add_order(_of_decision(fact))
                self._add_entries(entries_of_decision(fact))
            case TrackingPushed():
                self.parcels[fact.push_id] = later_push(self.parcels.get(fact.push_id), fact)
                self._add_order(OrderChange(fact.order_key, fact.seller_id, fact.occurred_at))
                self._add_entries([entry_of_push(fact)])
            case _:
                self._add_order(_of_update(fact))
                self._add_entries([entry_of_update(fact)])

    def merge(self, other: Changes) -> None:
        """Take the changes of another batch in; the twin's form of writing them to the tables."""
        for seller in other.sellers.values():
            self.add(seller)
        for store in other.stores.values():
            self.add(store)
        for endpoint in other.endpoints.values():
            self.add(endpoint)
        for session in other.sessions.values():
            self._add_session_change(session)
        for order in other.session_orders.values():
            self._add_session_order(order)
        for change in other.orders.values():
            self._add_order(change)
        for audit in other.audits.values():
            self._add_audit(audit)
        for push in other.parcels.values():
            self.parcels[push.push_id] = later_push(self.parcels.get(push.push_id), push)
        self._add_entries(other.timeline.values())

    def _add_session(self, fact: SessionFact) -> None:
        self._add_session_change(_of_session(fact))
        if not isinstance(fact, SessionProgressed):
            return
        for position, outcome in enumerate(fact.outcomes):
            self._add_session_order(_session_order(fact, position, outcome))
            if outcome.order_key and outcome.result in {"new", "updated"}:
                self._add_order(_of_outcome(fact, position, outcome, outcome.order_key))
        self._add_entries(entries_of_session(fact))

    def _add_session_change(self, change: SessionChange) -> None:
        kept = self.sessions.get(change.session_id)
        self.sessions[change.session_id] = kept.merged(change) if kept else change

    def _add_session_order(self, order: SessionOrder) -> None:
        place = (order.session_id, order.entry_key)
        kept = self.session_orders.get(place)
        self.session_orders[place] = kept.merged(order) if kept else order

    def _add_audit(self, change: AuditChange) -> None:
        kept = self.audits.get(change.audit_id)
        self.audits[change.audit_id] = kept.merged(change) if kept else change

    def _add_order(self, change: OrderChange) -> None:
        kept = self.orders.get(change.order_key)
        self.orders[change.order_key] = kept.merged(change) if kept else change

    def _add_entries(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            place = (entry.order_key, entry.entry_id)
            kept = self.timeline.get(place)
            if kept is None or entry.rank < kept.rank:
                self.timeline[place] = entry


def reduce_facts(facts: Iterable[Fact | None]) -> Changes:
    """Return the row changes of `facts`; None (a tombstone) changes nothing."""
    changes = Changes()
    for fact in facts:
        if fact is not None:
            changes.add(fact)
    return changes


R = TypeVar("R", SellerRecord, StoreRecord, WebhookEndpointRecord)


def later_record(kept: R, new: R) -> R:
    """Return the record that was changed last; of two changed at one moment the one that was told last.

    This alone depends on Kafka's order, which for one key is certain. Compaction keeps what was told last, so any other
    choice between the two could not be made again from the topic.
    """
    return new if new.changed_at >= kept.changed_at else kept


def _of_decision(decided: OrderDecided) -> OrderChange:
    at = decided.occurred_at
    return OrderChange(
        order_key=decided.order_key,
        seller_id=decided.seller_id,
        changed_at=at,
        imported_at=decided.summary.imported_at,
        released_at=at if decided.step == "released" else None,
        cancel_asked_at=at if decided.step == "cancelled" else None,
        verdict=Verdict(decided),
        judged_revised_at=decided.summary.revised_at,
    )


def _of_update(update: Update) -> OrderChange:
    at = update.occurred_at
    state: ProductionState | None
    problem: str | None = None
    match update:
        case UpdateAccepted():
            state = "accepted"
        case UpdateOnHold():
            state, problem = "on_hold", update.problem
        case UpdateInProduction():
            state = "in_production"
        case UpdateShipped():
            state = "shipped"
        case UpdateCancelled():
            state, problem = "cancelled", update.reason
        case UpdateCancelRefused() | UpdateScanned() | UpdateDelivered() | UpdateLabelVoided() | UpdateLabelReplaced():
            state = None
        case _:
            assert_never(update)
    return OrderChange(
        order_key=update.order_key,
        seller_id=update.seller_id,
        changed_at=at,
        shipped_at=update.shipment.shipped_at if isinstance(update, UpdateShipped) else None,
        cancel_refused_at=at if isinstance(update, UpdateCancelRefused) else None,
        production=Production(at, update.event_id, state, problem) if state else None,
        parcels_left=_parcels_left(update),
        parcels_arrived=frozenset({update.shipment_id} if isinstance(update, UpdateDelivered) else ()),
        parcels_void=frozenset(
            {update.shipment_id} if isinstance(update, UpdateLabelVoided | UpdateLabelReplaced) else ()
        ),
    )


def _parcels_left(update: Update) -> frozenset[str]:
    if isinstance(update, UpdateShipped | UpdateLabelReplaced):
        return frozenset({update.shipment.shipment_id})
    return frozenset()


def _of_outcome(fact: SessionProgressed, position: int, outcome: OrderOutcome, key: OrderKey) -> OrderChange:
    return OrderChange(
        order_key=key,
        seller_id=fact.seller_id,
        changed_at=fact.occurred_at,
        imported_at=fact.occurred_at,
        heard=Heard(
            revised_at=outcome.revised_at or fact.occurred_at,
            source=f"{fact.event_id}.{position}",
            display_name=outcome.display_name,
            placed_at=outcome.placed_at,
        ),
    )


def _of_session(fact: SessionFact) -> SessionChange:
    progressed = fact if isinstance(fact, SessionProgressed) else None
    return SessionChange(
        session_id=fact.session_id,
        seller_id=fact.seller_id,
        store_id=fact.store_id,
        first_at=fact.occurred_at,
        changed_at=fact.occurred_at,
        started=fact if isinstance(fact, SessionStarted) else None,
        last_part=progressed.part if progressed else 0,
        total=progressed.total if progressed else None,
        finished=fact if isinstance(fact, SessionFinished) else None,
    )


def _session_order(fact: SessionProgressed, position: int, outcome: OrderOutcome) -> SessionOrder:
    # What could not even be identified must not fall together with another such.
    entry_key = outcome.order_key or outcome.external_id or f"?{fact.part}.{position}"
    told = (outcome.revised_at or _ANY_REVISION) if outcome.order_key and outcome.result != "failed" else None
    return SessionOrder(fact.session_id, entry_key, fact.part, position, outcome, fact.occurred_at, told)


def _of_audit(fact: AuditFact) -> AuditChange:
    return AuditChange(
        audit_id=fact.audit_id,
        seller_id=fact.seller_id,
        store_id=fact.store_id,
        first_at=fact.occurred_at,
        changed_at=fact.occurred_at,
        started=fact if isinstance(fact, AuditStarted) else None,
        progress=fact if isinstance(fact, AuditProgressed) else None,
        finished=fact if isinstance(fact, AuditFinished) else None,
    )
