"""The twin of `sql/attention.sql`: what may need the seller, found among rows in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from schemas.reasons import ReasonCode
from schemas.stores import StoreRecord
from schemas.tracking import PushState
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.attention import (
    LATE_FOR,
    POLLS_LOOKED_AT,
    SESSIONS_LOOKED_AT,
    STORES_LOOKED_AT,
    UNREADABLE_FOR,
    WAITING_COUNTED,
    WAITS_LONG,
    Attention,
    DueOrders,
    FailingStore,
    StuckParcels,
    UnreadableOrders,
    WaitingOrders,
)
from services.reporting.deadlines import deadline_of, is_open
from services.reporting.rows import Row


def attention_in(
    stores: Sequence[StoreRecord],
    *,
    endpoints: Sequence[WebhookEndpointRecord],
    sessions: Sequence[Row],
    session_orders: Sequence[Row],
    orders: Sequence[Row],
    entries: Sequence[Row],
    now: datetime,
) -> Attention:
    """Return what may need the seller whose rows these are."""
    ordered = sorted(stores, key=lambda store: store.store_id)
    newest_first = sorted(sessions, key=lambda row: (row["listed_at"], row["session_id"]), reverse=True)
    unread = list(_unread(newest_first, session_orders, entries, since=now - UNREADABLE_FOR))
    return Attention(
        stores=tuple(ordered[:STORES_LOOKED_AT]),
        failing=tuple(found for store in ordered for found in _failing(store.store_id, newest_first)),
        unreadable=tuple(
            found for store_id in sorted({row["store_id"] for row in unread}) for found in _unreadable(store_id, unread)
        ),
        waiting=tuple(_waiting(orders, before=now - WAITS_LONG)),
        due=tuple(_due(orders, now=now)),
        endpoints=tuple(sorted((one for one in endpoints if one.state == "disabled"), key=lambda one: one.endpoint_id)),
        stuck=tuple(_stuck(orders, since=now - LATE_FOR)),
    )


def _failing(store_id: str, newest_first: Sequence[Row]) -> Iterator[FailingStore]:
    ended = [
        row for row in newest_first if row["store_id"] == store_id and row["way"] == "poll" and row["finished_state"]
    ]
    failed: list[Row] = []
    for row in ended[:POLLS_LOOKED_AT]:
        if row["finished_state"] not in {"failed", "partial"}:
            break
        failed.append(row)
    if failed:
        since = min(row["finished_at"] for row in failed)
        yield FailingStore(store_id, len(failed), since, failed[0]["session_id"], failed[0]["problem"])


def _unread(
    newest_first: Sequence[Row], session_orders: Sequence[Row], entries: Sequence[Row], *, since: datetime
) -> Iterator[Row]:
    looked_at = [row for row in newest_first if row["failed_orders"] and row["listed_at"] >= since]
    for session in looked_at[:SESSIONS_LOOKED_AT]:
        for order in session_orders:
            if order["session_id"] != session["session_id"] or order["result"] != "failed":
                continue
            read_later = any(
                entry["order_key"] == order["order_key"]
                and entry["kind"] in {"imported", "revised"}
                and entry["at"] > order["told_at"]
                for entry in entries
            )
            if not read_later:
                yield {**order, "store_id": session["store_id"], "way": session["way"]}


def _unreadable(store_id: str, unread: Sequence[Row]) -> Iterator[UnreadableOrders]:
    mine = [row for row in unread if row["store_id"] == store_id]
    orders = {row["entry_key"] for row in mine}
    since = min(row["told_at"] for row in mine)
    yield UnreadableOrders(store_id, len(orders), since, mine[0]["session_id"], mine[0]["way"])


def _waiting(orders: Sequence[Row], *, before: datetime) -> Iterator[WaitingOrders]:
    held = [row for row in orders if row["outcome"] == "held" and not row["released_at"]]
    oldest = sorted((row for row in held if row["imported_at"] < before), key=lambda row: row["imported_at"])
    oldest = oldest[:WAITING_COUNTED]
    counted = Counter(code for row in oldest for code in row["reason_codes"])
    for code, count in sorted(counted.items()):
        since = min(row["imported_at"] for row in oldest if code in row["reason_codes"])
        yield WaitingOrders(ReasonCode(code), count, since, at_least=len(oldest) >= WAITING_COUNTED)


def _due(orders: Sequence[Row], *, now: datetime) -> Iterator[DueOrders]:
    found: dict[tuple[str, bool], list[datetime]] = {}
    for row in orders:
        ship_by, at_risk = deadline_of(row)
        if ship_by and at_risk and at_risk <= now and ship_by > now - LATE_FOR and is_open(row):
            late = ship_by <= now
            found.setdefault((row["store_id"], late), []).append(ship_by if late else at_risk)
    for (store_id, late), since in sorted(found.items()):
        yield DueOrders(store_id, late, len(since), min(since))


def _stuck(orders: Sequence[Row], *, since: datetime) -> Iterator[StuckParcels]:
    found: dict[tuple[str, PushState], dict[str, datetime]] = {}
    for parcel in (parcel for row in orders for parcel in row["tracking"]):
        if parcel["state"] in {"refused", "needs_attention"} and parcel["changed_at"] > since:
            kept = found.setdefault((parcel["store_id"], parcel["state"]), {})
            kept[parcel["order_key"]] = min(kept.get(parcel["order_key"], parcel["changed_at"]), parcel["changed_at"])
    for (store_id, state), at in sorted(found.items()):
        yield StuckParcels(store_id, state, len(at), min(at.values()))
