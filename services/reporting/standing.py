"""How a store stands with its platform at a moment: when access ends, and where the seller connects it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from services.reporting.audit_answers import completeness_view
from services.reporting.deadlines import deadline_at
from services.reporting.views import AccessView, OrderView, Severity, StoreView
from services.reporting.watermark import Proof
from services.reporting.wording import Texts, day, load_texts

#: How long before its end the seller is told that access ends, and when that becomes urgent.
WARNED_BEFORE = timedelta(days=30)
URGENT_BEFORE = timedelta(days=7)

_STORE_PLACEHOLDER = "{store_id}"

Order = TypeVar("Order", bound=OrderView)


def access_of(ends_at: datetime | None, *, now: datetime, texts: Texts | None = None) -> AccessView | None:
    """Return when access ends and how much that matters by now; None when it does not end."""
    if ends_at is None:
        return None
    texts, left = texts or load_texts(), ends_at - now
    severity: Severity | None = None
    if left <= WARNED_BEFORE:
        severity = "urgent" if left <= URGENT_BEFORE else "warning"
    days = max(0, left.days)
    return AccessView(
        ends_at=ends_at,
        warned_from=ends_at - WARNED_BEFORE,
        days_left=days,
        severity=severity,
        sentence=texts(_access_text(left), date=day(ends_at), n=days),
    )


def connect_link(connect_at: str, store_id: str) -> str | None:
    """Return where a seller connects a store again; None where the installation does not say."""
    return connect_at.replace(_STORE_PLACEHOLDER, quote(store_id, safe="")) if connect_at else None


def with_standing(store: StoreView, *, now: datetime, connect_at: str, proof: Proof | None = None) -> StoreView:
    """Return a store with what depends on the time, on the installation, and on what proves it complete."""
    access = access_of(store.access_ends_at, now=now) if store.state == "linked" else None
    url = connect_link(connect_at, store.store_id) if store.state != "linked" or access else None
    complete = completeness_view(proof or Proof(store.store_id), store, now=now)
    return store.model_copy(update={"access": access, "connect_url": url, "completeness": complete})


def with_deadline(order: Order, *, now: datetime) -> Order:
    """Return an order with how it stands with its deadline."""
    deadline = deadline_at(now, at_risk=order.at_risk_from, ship_by=order.ship_by)
    return order.model_copy(update={"deadline": deadline})


def _access_text(left: timedelta) -> str:
    if left <= timedelta():
        return "access.ended"
    if left > WARNED_BEFORE:
        return "access.lasts"
    return "access.ends." + {0: "today", 1: "one"}.get(left.days, "other")
