"""Facts for the report's tests; a test states only what matters to it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted, FoundOrder
from schemas.decisions import ItemSummary, OrderDecided, OrderSummary
from schemas.ids import OrderKey, SellerId, SessionId, StoreId, fact_id, order_key, split_order_key
from schemas.money import Money
from schemas.production import (
    Shipment,
    ShippedItem,
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
from schemas.reasons import Reason, ReasonCode
from schemas.sessions import OrderOutcome, SessionFinished, SessionProgressed, SessionStarted, Window
from schemas.stores import Capability, StoreRecord
from schemas.tracking import TrackingPushed
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.facts import Fact, Located

SELLER = SellerId("seller-1")
STORE = StoreId("store-1")
SESSION = SessionId("session-1")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A moment after START."""
    return START + timedelta(minutes=minutes)


def key(number: int = 1, *, platform: str = "etsy", store: str = STORE) -> OrderKey:
    return order_key(platform, store, str(1000 + number))


def store(**other: Any) -> StoreRecord:
    values: dict[str, Any] = {
        "store_id": STORE,
        "seller_id": SELLER,
        "platform": "etsy",
        "external_id": "77",
        "name": "Paper Moon",
        "currency": "USD",
        "state": "linked",
        "linked_at": at(-100),
        "import_since": at(-100),
        "changed_at": at(-100),
    }
    return StoreRecord(**(values | other))


def decided(
    order: OrderKey | None = None,
    *,
    number: int = 1,
    minute: float = 2,
    reasons: tuple[Reason, ...] = (),
    seller: str = SELLER,
    **other: Any,
) -> OrderDecided:
    order = order or key()
    parts = split_order_key(order)
    outcome = "held" if reasons else "eligible"
    values: dict[str, Any] = {
        "event_id": fact_id("order.decided", order, str(number)),
        "occurred_at": at(minute),
        "seller_id": seller,
        "order_key": order,
        "store_id": parts.store_id,
        "platform": parts.platform,
        "external_id": parts.external_id,
        "number": number,
        "raw_event_id": fact_id(order, "raw"),
        "session_id": SESSION,
        "cause": "revision",
        "outcome": outcome,
        "reasons": reasons,
        "step": "released" if outcome == "eligible" and number == 1 else None,
        "cost": Money(amount=899, currency="USD"),
        "rules_version": "1",
        "summary": summary(order),
    }
    return OrderDecided(**(values | other))


def summary(order: OrderKey, **other: Any) -> OrderSummary:
    external_id = split_order_key(order).external_id
    values: dict[str, Any] = {
        "display_name": f"#{external_id}",
        "placed_at": at(-int(external_id) % 1000),
        "revised_at": at(0),
        "imported_at": at(1),
        "way": "poll",
        "test": False,
        "payment": "paid",
        "fulfilment": "unfulfilled",
        "total": Money(amount=2500, currency="USD"),
        "items": (
            ItemSummary(
                external_id="line-1",
                title="Mug",
                sku="MUG-11",
                quantity=1,
                quantity_to_make=1,
                made_as="SKU-MUG",
            ),
        ),
    }
    return OrderSummary(**(values | other))


def not_matched(sku: str = "MUG-11") -> Reason:
    return Reason(code=ReasonCode.ITEM_NOT_MATCHED, item_id="line-1", evidence={"sku": sku})


def started(session: str = SESSION, *, minute: float = 0, seller: str = SELLER, **other: Any) -> SessionStarted:
    values: dict[str, Any] = {
        "event_id": fact_id("session.started", session),
        "occurred_at": at(minute),
        "seller_id": seller,
        "session_id": session,
        "store_id": STORE,
        "platform": "etsy",
        "way": "poll",
        "automatic": True,
        "started_by": "schedule",
        "window": Window(start=at(-60), end=at(0)),
    }
    return SessionStarted(**(values | other))


def progressed(
    *outcomes: OrderOutcome,
    session: str = SESSION,
    part: int = 1,
    minute: float = 1.5,
    seller: str = SELLER,
    **other: Any,
) -> SessionProgressed:
    values: dict[str, Any] = {
        "event_id": fact_id("session.progressed", session, str(part)),
        "occurred_at": at(minute),
        "seller_id": seller,
        "session_id": session,
        "store_id": STORE,
        "part": part,
        "outcomes": outcomes,
    }
    return SessionProgressed(**(values | other))


def outcome(number: int = 1, result: str = "new", **other: Any) -> OrderOutcome:
    values: dict[str, Any] = {
        "external_id": str(1000 + number),
        "order_key": key(number),
        "display_name": f"#{1000 + number}",
        "placed_at": at(-int(1000 + number) % 1000),
        "revised_at": at(0),
        "result": result,
    }
    return OrderOutcome(**(values | other))


def finished(session: str = SESSION, *, minute: float = 3, seller: str = SELLER, **other: Any) -> SessionFinished:
    values: dict[str, Any] = {
        "event_id": fact_id("session.finished", session),
        "occurred_at": at(minute),
        "seller_id": seller,
        "session_id": session,
        "store_id": STORE,
        "state": "succeeded",
    }
    return SessionFinished(**(values | other))


def polled(
    session: str,
    *outcomes: OrderOutcome,
    start: float = -60,
    through: float = 0,
    minute: float = 3,
    **other: Any,
) -> tuple[Fact, ...]:
    """A poll that read [start, through) and listed `outcomes`, told in order."""
    return (
        started(session, minute=minute - 2, window=Window(start=at(start), end=at(through))),
        *([progressed(*outcomes, session=session, minute=minute - 1)] if outcomes else []),
        finished(session, minute=minute, read_through=at(through), **other),
    )


def audit_started(audit: str = "audit-1", *, minute: float = 20, **other: Any) -> AuditStarted:
    values: dict[str, Any] = {
        "event_id": fact_id("audit.started", audit),
        "occurred_at": at(minute),
        "seller_id": SELLER,
        "audit_id": audit,
        "store_id": STORE,
        "platform": "etsy",
        "scope": "day",
        "by": "updated",
        "window": Window(start=at(-60), end=at(10)),
        "started_by": "schedule",
    }
    return AuditStarted(**(values | other))


def audit_progressed(audit: str = "audit-1", *, step: int = 1, minute: float = 21, **other: Any) -> AuditProgressed:
    values: dict[str, Any] = {
        "event_id": fact_id("audit.progressed", audit, str(step)),
        "occurred_at": at(minute),
        "seller_id": SELLER,
        "audit_id": audit,
        "store_id": STORE,
        "step": step,
        "listed": 3,
        "held": 3,
        **dict.fromkeys(("missing", "stale", "unknown", "fetched", "unsettled"), 0),
    }
    return AuditProgressed(**(values | other))


def audit_finished(audit: str = "audit-1", state: str = "agreed", *, minute: float = 22, **other: Any) -> AuditFinished:
    values: dict[str, Any] = {
        "event_id": fact_id("audit.finished", audit),
        "occurred_at": at(minute),
        "seller_id": SELLER,
        "audit_id": audit,
        "store_id": STORE,
        "state": state,
    }
    return AuditFinished(**(values | other))


def found(number: int = 1, finding: str = "missing", *, minute: float = 0, **other: Any) -> FoundOrder:
    values: dict[str, Any] = {"external_id": str(1000 + number), "finding": finding, "at": at(minute)}
    return FoundOrder(**(values | other))


def differing(audit: str = "audit-1", *orders: FoundOrder, minute: float = 20, **other: Any) -> tuple[Fact, ...]:
    """An audit that found `orders` and could settle none of them."""
    orders = orders or (found(),)
    counts = {f"{kind}": sum(one.finding == kind for one in orders) for kind in ("missing", "stale", "unknown")}
    told = audit_progressed(
        audit,
        minute=minute + 1,
        held=3 - counts["missing"],
        unsettled=len(orders),
        unsettled_since=min(one.at for one in orders),
        found=orders,
        **counts,
    )
    return (
        audit_started(audit, minute=minute, **other),
        told,
        audit_finished(audit, "differs", minute=minute + 2, problem="Two orders stayed away."),
    )


_UPDATES = {
    "accepted": UpdateAccepted,
    "on_hold": UpdateOnHold,
    "in_production": UpdateInProduction,
    "shipped": UpdateShipped,
    "cancelled": UpdateCancelled,
    "cancel_refused": UpdateCancelRefused,
    "scanned": UpdateScanned,
    "delivered": UpdateDelivered,
    "label_voided": UpdateLabelVoided,
    "label_replaced": UpdateLabelReplaced,
}


def update(kind: str, order: OrderKey | None = None, *, minute: float = 5, seller: str = SELLER, **other: Any) -> Fact:
    order = order or key()
    values: dict[str, Any] = {
        "event_id": fact_id(kind, order, str(minute)),
        "occurred_at": at(minute),
        "seller_id": seller,
        "order_key": order,
    }
    if kind == "on_hold":
        values["problem"] = "The artwork is too small."
    if kind in {"cancelled", "cancel_refused", "label_voided"}:
        values["reason"] = "Asked by the seller."
    if kind in {"scanned", "delivered"}:
        values[f"{kind}_at"] = at(minute)
    if kind in {"scanned", "delivered", "label_voided", "label_replaced"}:
        values["shipment_id"] = f"parcel-{order}"
    if kind in {"shipped", "label_replaced"}:
        values["shipment"] = shipment(f"parcel-{order}" if kind == "shipped" else f"again-{order}", minute=minute)
    return _UPDATES[kind](**(values | other))  # type: ignore[no-any-return]


def shipment(shipment_id: str, *, minute: float = 9) -> Shipment:
    return Shipment(
        shipment_id=shipment_id,
        carrier="USPS",
        tracking_number="9400111",
        shipped_at=at(minute),
        items=(ShippedItem(item_id="line-1", quantity=1),),
    )


def pushed(
    state: str = "verified", order: OrderKey | None = None, *, step: int = 1, minute: float = 10, **other: Any
) -> TrackingPushed:
    """What became of the number of an order's parcel."""
    order = order or key()
    parts = split_order_key(order)
    push_id = other.pop("push_id", f"push-{order}")
    values: dict[str, Any] = {
        "event_id": fact_id("tracking.pushed", push_id, str(step)),
        "occurred_at": at(minute),
        "seller_id": SELLER,
        "push_id": push_id,
        "order_key": order,
        "store_id": parts.store_id,
        "platform": parts.platform,
        "shipment_id": f"parcel-{order}",
        "step": step,
        "state": state,
        "carrier": "USPS",
        "tracking_number": "9400111",
        "tracking_url": "https://carrier.example.com/9400111",
        "shipped_at": at(9),
        "verified_at": at(minute) if state == "verified" else None,
    }
    return TrackingPushed(**(values | other))


def stuck(code: str = "NUMBER_REFUSED", order: OrderKey | None = None, **other: Any) -> TrackingPushed:
    """A parcel that needs the seller."""
    said = "The platform does not take this number. Correct it and try again."
    return pushed("needs_attention", order, **({"code": code, "problem": said} | other))


def located(*facts: Fact, topic: str = "orders.decisions", partition: int = 0, first: int = 0) -> list[Located]:
    """The facts one after the other in one partition."""
    return [
        Located(topic, partition, offset, fact) for offset, fact in zip(itertools.count(first), facts, strict=False)
    ]


#: One of every kind, with rivals: same times, same orders, late and early ones.
FACTS: tuple[Fact, ...] = (
    store(),
    store(name="New name", changed_at=at(1)),
    store(
        state="reconnect",
        platform_name="Etsy",
        access_ends_at=at(10_000),
        capabilities=(Capability(name="addresses", allowed=False, detail="Grant the scope."),),
        changed_at=at(2),
    ),
    started(),
    progressed(outcome(1), outcome(2, "existing"), part=1, total=5),
    progressed(outcome(1, "updated", revised_at=at(3)), outcome(2, "failed", problem="no id"), part=2),
    progressed(outcome(1, "existing"), session="session-2", part=1, minute=1.5),
    progressed(outcome(2, "failed", problem="no id"), session="session-2", part=2, minute=2.5),
    finished(),
    decided(key(1), reasons=(not_matched(),)),
    decided(key(1), number=2, cause="match", step="released", minute=4),
    decided(key(1), number=3, minute=6, summary=summary(key(1), revised_at=at(3)), step="amended"),
    decided(key(1), number=4, minute=7, outcome="rejected", step="cancelled"),
    decided(key(2), minute=4),
    update("accepted", minute=5),
    update("on_hold", minute=5),
    update("in_production", minute=8),
    update("cancel_refused", minute=8),
    update("shipped", minute=9),
    update("shipped", key(2), minute=9),
    update("cancelled", key(2), minute=9),
    update("scanned", minute=10),
    update("label_replaced", minute=11),
    update("label_voided", key(2), minute=11),
    update("delivered", minute=12, shipment_id=f"again-{key()}"),
    update("delivered", key(2), minute=12),
    decided(key(8), summary=summary(key(8), ship_by=at(3000))),
    pushed("queued", step=1, minute=9.5),
    pushed("verified", step=4, minute=11),
    pushed("accepted", step=3, minute=10.5),
    pushed("sent", step=2, minute=10),
    pushed("refused", key(2), step=2, minute=10, code="SHIPPED_BY_HAND", problem="Add it by hand."),
    pushed("refused", key(2), step=2, minute=10, event_id="0", code="VANISHED", problem="Add it."),
    *polled(
        "proven",
        outcome(1, "updated", revised_at=at(3)),
        outcome(2),
        minute=10,
        through=5,
        healed="The webhook was gone and is there again.",
        next_at=at(14),
        next_because="about 14 orders a day change here",
    ),
    *polled("after-a-gap", start=30, through=40, minute=42),
    audit_started(),
    audit_progressed(step=2, minute=22),
    audit_progressed(step=1, minute=21, missing=1, unsettled=1, unsettled_since=at(0), found=(found(),)),
    audit_finished(),
    *differing("audit-2", found(7, "stale", minute=2), minute=30, scope="asked", by="created"),
)


def disabled_endpoint(**other: Any) -> WebhookEndpointRecord:
    values: dict[str, Any] = {
        "endpoint_id": "e-1",
        "seller_id": SELLER,
        "host": "shop.example.com",
        "state": "disabled",
        "problem": "Nothing was taken there for a day.",
        "failing_since": at(-1500),
        "changed_at": at(-60),
    }
    return WebhookEndpointRecord(**(values | other))
