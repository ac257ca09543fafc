"""How rows become what the API answers; both forms of the tables give the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from schemas.money import Money
from schemas.reasons import REASONS, Reason, ReasonCode
from schemas.sessions import Window
from schemas.stores import Capability, StoreRecord
from services.reporting.deadlines import deadline_of, is_open
from services.reporting.tracking_answers import parcel_view
from services.reporting.views import (
    CapabilityView,
    Counts,
    EntryView,
    ItemView,
    LastSession,
    LastSuccess,
    OrderDetail,
    OrderView,
    ReasonView,
    SessionOrderView,
    SessionView,
    StoreCounts,
    StoreView,
    Summary,
    Wait,
)
from services.reporting.wording import (
    capability_sentence,
    capability_title,
    entry_sentence,
    reason_sentence,
    reason_title,
)

Row = Mapping[str, Any]


def reason_view(reason: Mapping[str, Any]) -> ReasonView:
    """Return a reason as it stands in a row's JSON, with its words."""
    known = Reason.model_validate(reason)
    text = REASONS[known.code]
    return ReasonView(
        code=known.code,
        item_id=known.item_id,
        sentence=reason_sentence(known),
        actor=text.actor,
        rechecked_by=text.rechecked_by,
        evidence=known.evidence,
    )


def session_view(row: Row) -> SessionView:
    """Return a row of `sessions`."""
    window = Window(start=row["window_start"], end=row["window_end"]) if row["window_start"] else None
    started_at: datetime = row["started_at"] or row["first_at"]
    finished_at: datetime | None = row["finished_at"]
    return SessionView(
        session_id=row["session_id"],
        store_id=row["store_id"],
        platform=row["platform"],
        way=row["way"],
        automatic=row["automatic"],
        started_by=row["started_by"],
        window=window,
        state=row["finished_state"] or "running",
        problem=row["problem"],
        started_at=started_at,
        finished_at=finished_at,
        changed_at=row["changed_at"],
        duration_seconds=(finished_at - started_at).total_seconds() if finished_at else None,
        total=row["total"],
        listed=row["listed"],
        new=row["new_orders"],
        updated=row["updated_orders"],
        existing=row["existing_orders"],
        failed=row["failed_orders"],
        read_through=row["read_through"],
        healed=row["healed"],
        next_at=row["next_at"],
        next_because=row["next_because"],
    )


def session_order_view(row: Row) -> SessionOrderView:
    """Return a row of `session_orders`."""
    return SessionOrderView(**{name: row[name] for name in SessionOrderView.model_fields})


def order_view(row: Row) -> OrderView:
    """Return a row of `orders`, with `state` in it."""
    return OrderView(**_order_fields(row))


def order_detail(row: Row, entries: Sequence[Row]) -> OrderDetail:
    """Return a row of `orders` with its rows of `timeline`."""
    return OrderDetail(
        **_order_fields(row),
        revised_at=row["revised_at"],
        way=row["way"],
        payment=row["payment"],
        fulfilment=row["fulfilment"],
        cancelled_on_platform_at=row["cancelled_on_platform"],
        cause=row["cause"],
        decided_at=row["decided_at"],
        decision_number=row["decision_number"],
        cost=_money(row["cost_amount"], row["cost_currency"]),
        released_at=row["released_at"],
        shipped_at=row["shipped_at"],
        production_state=row["production_state"],
        production_problem=row["production_problem"],
        items=tuple(ItemView.model_validate(item) for item in row["items"] or ()),
        timeline=tuple(entry_view(entry) for entry in entries),
    )


def entry_view(row: Row) -> EntryView:
    """Return a row of `timeline` in words."""
    data = row["data"]
    return EntryView(
        entry_id=row["entry_id"],
        at=row["at"],
        kind=row["kind"],
        sentence=entry_sentence(row["kind"], data),
        reasons=tuple(reason_view(reason) for reason in data.get("reasons", ())),
        data={name: value for name, value in data.items() if name != "reasons"},
    )


def store_view(row: Row, counts: Counts) -> StoreView:
    """Return a row of `stores` with its newest session and order."""
    record = StoreRecord.model_validate(row["record"])
    last = row["last_session_id"]
    same = set(StoreView.model_fields) & set(StoreRecord.model_fields) - {"capabilities"}
    return StoreView(
        **record.model_dump(include=same),
        capabilities=tuple(capability_view(capability) for capability in record.capabilities),
        last_session=LastSession(session_id=last, at=row["last_session_at"], state=row["last_session_state"])
        if last
        else None,
        last_success=LastSuccess(
            session_id=row["last_success_id"], at=row["last_success_at"], read_through=row["read_through"]
        )
        if row["last_success_id"]
        else None,
        last_order_at=row["last_order_at"],
        counts=counts,
    )


def capability_view(capability: Capability) -> CapabilityView:
    """Return what a store may do, in words."""
    return CapabilityView(
        name=capability.name,
        title=capability_title(capability.name),
        allowed=capability.allowed,
        sentence=capability_sentence(capability),
    )


def summary_view(counts: Sequence[Row], reasons: Sequence[Row]) -> Summary:
    """Return the counts of stores and the orders under each reason, added up."""
    stores = tuple(_store_counts(row, reasons) for row in counts)
    platforms = {
        platform: _added([store for store in stores if store.platform == platform])
        for platform in sorted({store.platform for store in stores})
    }
    return Summary(total=_added(stores), platforms=platforms, stores=stores, waits=_waits(reasons))


_BY_REASON: Mapping[str, Literal["held_by_reason", "rejected_by_reason", "remarked_by_reason"]] = {
    "held": "held_by_reason",
    "rejected": "rejected_by_reason",
    "remarked": "remarked_by_reason",
}
_NUMBERS = tuple(name for name in Counts.model_fields if not name.endswith("_by_reason"))


def _store_counts(row: Row, reasons: Sequence[Row]) -> StoreCounts:
    by_reason: dict[str, dict[str, int]] = {name: {} for name in _BY_REASON.values()}
    for reason in reasons:
        if reason["store_id"] == row["store_id"] and reason["platform"] == row["platform"]:
            place = by_reason.get(_BY_REASON.get(reason["effect"], ""))
            if place is not None:
                place[reason["code"]] = reason["orders"]
    numbers = {name: row[name] for name in _NUMBERS}
    return StoreCounts(platform=row["platform"], store_id=row["store_id"], **numbers, **by_reason)


def _added(counts: Sequence[StoreCounts]) -> Counts:
    total: dict[str, Any] = {name: sum(getattr(one, name) for one in counts) for name in _NUMBERS}
    for name in _BY_REASON.values():
        merged: dict[str, int] = {}
        for one in counts:
            for code, orders in getattr(one, name).items():
                merged[code] = merged.get(code, 0) + orders
        total[name] = dict(sorted(merged.items()))
    return Counts(**total)


def _waits(reasons: Sequence[Row]) -> tuple[Wait, ...]:
    orders: dict[ReasonCode, int] = {}
    for row in reasons:
        code = ReasonCode(row["code"])
        if row["effect"] in {"held", "remarked"} and REASONS[code].actor != "nobody":
            orders[code] = orders.get(code, 0) + row["orders"]
    return tuple(
        Wait(
            code=code,
            orders=count,
            actor=REASONS[code].actor,
            rechecked_by=REASONS[code].rechecked_by,
            title=reason_title(code),
        )
        for code, count in sorted(orders.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def _order_fields(row: Row) -> dict[str, Any]:
    name = row["display_name"] or row["heard_display_name"]
    ship_by, at_risk = deadline_of(row)
    return {
        "order_key": row["order_key"],
        "store_id": row["store_id"],
        "platform": row["platform"],
        "external_id": row["external_id"],
        "display_name": name,
        "placed_at": row["placed_at"] or row["heard_placed_at"],
        "imported_at": row["imported_at"],
        "changed_at": row["changed_at"],
        "state": row["state"],
        "outcome": row["outcome"],
        "reasons": tuple(reason_view(reason) for reason in row["reasons"] or ()),
        "total": _money(row["total_amount"], row["total_currency"]),
        "test": row["test"],
        "ship_by": ship_by or row["ship_by"],
        "at_risk_from": at_risk if is_open(row) else None,
        "tracking": tuple(parcel_view(parcel, display_name=name) for parcel in row["tracking"] or ()),
    }


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount=amount, currency=currency)
