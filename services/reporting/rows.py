"""How changes lie in the tables: one flat mapping a row, with the names and types of the columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.decisions import OrderDecided
from schemas.ids import split_order_key
from schemas.stores import SellerRecord, StoreRecord
from schemas.tracking import TrackingPushed
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.changes import (
    PRECEDENCE,
    PRODUCTION_RANK,
    AuditChange,
    OrderChange,
    Production,
    SessionChange,
    SessionOrder,
)
from services.reporting.deadlines import at_risk_from
from services.reporting.timeline import SEQUENCE, Entry

Row = dict[str, Any]

#: What an audit counts.
AUDIT_COUNTS = ("listed", "held", "missing", "stale", "unknown", "fetched", "unsettled")


def seller_row(record: SellerRecord) -> Row:
    """Return the row of `sellers`."""
    return {
        "seller_id": record.seller_id,
        "changed_at": record.changed_at,
        "record": record.model_dump(mode="json"),
    }


def store_row(record: StoreRecord) -> Row:
    """Return the row of `stores`."""
    return {
        "store_id": record.store_id,
        "seller_id": record.seller_id,
        "changed_at": record.changed_at,
        "record": record.model_dump(mode="json"),
    }


def endpoint_row(record: WebhookEndpointRecord) -> Row:
    """Return the row of `webhook_endpoints`."""
    return {
        "endpoint_id": record.endpoint_id,
        "seller_id": record.seller_id,
        "changed_at": record.changed_at,
        "record": record.model_dump(mode="json"),
    }


def session_row(change: SessionChange) -> Row:
    """Return the row of `sessions`, without the counts."""
    started, finished = change.started, change.finished
    window = started.window if started else None
    return {
        "session_id": change.session_id,
        "seller_id": change.seller_id,
        "store_id": change.store_id,
        "first_at": change.first_at,
        "changed_at": change.changed_at,
        "start_event_id": started.event_id if started else None,
        "started_at": started.occurred_at if started else None,
        "platform": started.platform if started else None,
        "way": started.way if started else None,
        "automatic": started.automatic if started else None,
        "started_by": started.started_by if started else None,
        "window_start": window.start if window else None,
        "window_end": window.end if window else None,
        "last_part": change.last_part,
        "total": change.total,
        "finish_event_id": finished.event_id if finished else None,
        "finished_at": finished.occurred_at if finished else None,
        "finished_state": finished.state if finished else None,
        "problem": finished.problem if finished else None,
        "read_through": finished.read_through if finished else None,
        "healed": finished.healed if finished else None,
        "next_at": finished.next_at if finished else None,
        "next_because": finished.next_because if finished else None,
    }


def session_order_row(order: SessionOrder) -> Row:
    """Return the row of `session_orders`."""
    outcome = order.outcome
    return {
        "session_id": order.session_id,
        "entry_key": order.entry_key,
        "part": order.part,
        "position": order.position,
        "precedence": PRECEDENCE[outcome.result],
        "result": outcome.result,
        "external_id": outcome.external_id,
        "order_key": outcome.order_key,
        "display_name": outcome.display_name,
        "placed_at": outcome.placed_at,
        "revised_at": outcome.revised_at,
        "problem": outcome.problem,
        "told_at": order.told_at,
        "revision_told": order.revision_told,
    }


def audit_row(change: AuditChange) -> Row:
    """Return the row of `audits`, without the generated columns."""
    started, progress, finished = change.started, change.progress, change.finished
    window = started.window if started else None
    return {
        "audit_id": change.audit_id,
        "seller_id": change.seller_id,
        "store_id": change.store_id,
        "first_at": change.first_at,
        "changed_at": change.changed_at,
        "start_event_id": started.event_id if started else None,
        "started_at": started.occurred_at if started else None,
        "platform": started.platform if started else None,
        "scope": started.scope if started else None,
        "by": started.by if started else None,
        "window_start": window.start if window else None,
        "window_end": window.end if window else None,
        "started_by": started.started_by if started else None,
        "step": progress.step if progress else 0,
        "step_event_id": progress.event_id if progress else None,
        **{name: getattr(progress, name) if progress else 0 for name in AUDIT_COUNTS},
        "unsettled_since": progress.unsettled_since if progress else None,
        "found": [found.model_dump(mode="json") for found in progress.found] if progress else [],
        "finish_event_id": finished.event_id if finished else None,
        "finished_at": finished.occurred_at if finished else None,
        "finished_state": finished.state if finished else None,
        "problem": finished.problem if finished else None,
    }


def order_row(change: OrderChange) -> Row:
    """Return the row of `orders`, without the generated columns."""
    parts = split_order_key(change.order_key)
    heard = change.heard
    return {
        "order_key": change.order_key,
        "seller_id": change.seller_id,
        "store_id": parts.store_id,
        "platform": parts.platform,
        "external_id": parts.external_id,
        "changed_at": change.changed_at,
        "imported_at": change.imported_at,
        "released_at": change.released_at,
        "shipped_at": change.shipped_at,
        "cancel_asked_at": change.cancel_asked_at,
        "cancel_refused_at": change.cancel_refused_at,
        "heard_revised_at": heard.revised_at if heard else None,
        "heard_source": heard.source if heard else None,
        "heard_display_name": heard.display_name if heard else None,
        "heard_placed_at": heard.placed_at if heard else None,
        **(_decision_columns(change.verdict.decided) if change.verdict else _NO_DECISION),
        **_parcel_columns(change),
        "judged_revised_at": change.judged_revised_at,
        **_production_columns(change.production),
    }


def progress_row(change: OrderChange) -> Row:
    """Return the columns of `orders` that change after the release; for a change without decision and session."""
    parts = split_order_key(change.order_key)
    return {
        "order_key": change.order_key,
        "seller_id": change.seller_id,
        "store_id": parts.store_id,
        "platform": parts.platform,
        "external_id": parts.external_id,
        "changed_at": change.changed_at,
        "shipped_at": change.shipped_at,
        "cancel_refused_at": change.cancel_refused_at,
        **_parcel_columns(change),
        **_production_columns(change.production),
    }


def listed_at(row: Row) -> datetime:
    """Return the time by which an order is listed (the generated column says the same)."""
    at: datetime = row["placed_at"] or row["heard_placed_at"] or row["imported_at"] or row["changed_at"]
    return at


def whole_order_row(change: OrderChange) -> Row:
    """Return the row of `orders` with the columns that Postgres generates."""
    row = order_row(change)
    return {**row, "state": change.state, "listed_at": listed_at(row)}


def entry_row(entry: Entry) -> Row:
    """Return the row of `timeline`."""
    return {
        "order_key": entry.order_key,
        "entry_id": entry.entry_id,
        "at": entry.at,
        "source": entry.source,
        "kind": entry.kind,
        "sequence": SEQUENCE[entry.kind],
        "data": entry.data,
    }


def parcel_row(pushed: TrackingPushed) -> Row:
    """Return the row of `parcels`."""
    same = (
        "push_id",
        "seller_id",
        "store_id",
        "platform",
        "order_key",
        "shipment_id",
        "step",
        "event_id",
        "state",
        "carrier",
        "tracking_number",
        "tracking_url",
        "shipped_at",
        "attempts",
        "code",
        "problem",
        "due_at",
        "ship_by",
        "verified_at",
    )
    return {**{name: getattr(pushed, name) for name in same}, "changed_at": pushed.occurred_at}


def _parcel_columns(change: OrderChange) -> Row:
    return {name: sorted(getattr(change, name)) for name in ("parcels_left", "parcels_arrived", "parcels_void")}


def _decision_columns(decided: OrderDecided) -> Row:
    summary = decided.summary
    return {
        "decision_number": decided.number,
        "decided_at": decided.occurred_at,
        "cause": decided.cause,
        "outcome": decided.outcome,
        "reasons": [reason.model_dump(mode="json") for reason in decided.reasons],
        "reason_codes": sorted({str(reason.code) for reason in decided.reasons}),
        "display_name": summary.display_name,
        "placed_at": summary.placed_at,
        "revised_at": summary.revised_at,
        "way": summary.way,
        "test": summary.test,
        "payment": summary.payment,
        "fulfilment": summary.fulfilment,
        "cancelled_on_platform": summary.cancelled_at,
        "total_amount": summary.total.amount,
        "total_currency": summary.total.currency,
        "cost_amount": decided.cost.amount if decided.cost else None,
        "cost_currency": decided.cost.currency if decided.cost else None,
        "items": [item.model_dump(mode="json") for item in summary.items],
        "searched": _searched(decided),
        "ship_by": summary.ship_by,
        "at_risk_from": at_risk_from(summary.placed_at, summary.ship_by),
    }


def _production_columns(production: Production | None) -> Row:
    return {
        "production_at": production.at if production else None,
        "production_rank": PRODUCTION_RANK[production.state] if production else None,
        "production_event_id": production.event_id if production else None,
        "production_state": production.state if production else None,
        "production_problem": production.problem if production else None,
    }


_NO_DECISION: Row = dict.fromkeys(
    (
        "decision_number",
        "decided_at",
        "cause",
        "outcome",
        "reasons",
        "reason_codes",
        "display_name",
        "placed_at",
        "revised_at",
        "way",
        "test",
        "payment",
        "fulfilment",
        "cancelled_on_platform",
        "total_amount",
        "total_currency",
        "cost_amount",
        "cost_currency",
        "items",
        "searched",
        "ship_by",
        "at_risk_from",
    )
)


def _searched(decided: OrderDecided) -> str:
    skus = (sku for item in decided.summary.items for sku in (item.sku, item.made_as) if sku)
    return " ".join((decided.summary.display_name, decided.external_id, *skus)).lower()
