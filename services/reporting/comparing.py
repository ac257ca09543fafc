"""A part of a platform's list beside what the report has: every difference is found, nothing else is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.audits import CountedOrders, CountsCompared, FoundOrder, OrdersCompared, OrdersListed
from schemas.ids import fact_id


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order that the report has and that was judged: at which revision last, and when it was placed."""

    external_id: str
    revised_at: datetime
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class HeldCount:
    """How many judged orders of a store were last changed, and placed, in a span; the newest of those changes."""

    updated: int
    created: int
    newest: datetime | None


def compared(listed: OrdersListed, held: Mapping[str, HeldOrder], *, now: datetime) -> OrdersCompared:
    """Return what the report has beside the list; the same part gets the same event id whenever it is compared."""
    wanted = {order.external_id: order.at for order in sorted(listed.orders, key=lambda order: order.at)}
    found = (*_missing_or_stale(listed, wanted, held), *_unknown(listed, wanted, held))
    return OrdersCompared(
        event_id=fact_id("audit.compared", listed.audit_id, str(listed.round), str(listed.part)),
        occurred_at=now,
        seller_id=listed.seller_id,
        audit_id=listed.audit_id,
        store_id=listed.store_id,
        platform=listed.platform,
        round=listed.round,
        part=listed.part,
        held=sum(external_id in held for external_id in wanted),
        found=found,
    )


def counted(listed: OrdersListed, told: CountedOrders, held: HeldCount, *, now: datetime) -> OrdersCompared:
    """Return whether the report has as many orders as the platform counts."""
    agree = (told.updated, told.created) == (held.updated, held.created)
    answer = compared(listed, {}, now=now)
    return answer.model_copy(update={"held": held.updated, "counted": CountsCompared(agree=agree, newest=held.newest)})


def _missing_or_stale(
    listed: OrdersListed, wanted: Mapping[str, datetime], held: Mapping[str, HeldOrder]
) -> Iterator[FoundOrder]:
    # A list by creation names no revision, so there is nothing that ours could be older than.
    names_revisions = listed.by == "updated" or listed.span is None
    for external_id, at in wanted.items():
        ours = held.get(external_id)
        if ours is None:
            yield FoundOrder(external_id=external_id, finding="missing", at=at)
        elif names_revisions and ours.revised_at < at:
            yield FoundOrder(external_id=external_id, finding="stale", at=at)


def _unknown(
    listed: OrdersListed, wanted: Mapping[str, datetime], held: Mapping[str, HeldOrder]
) -> Iterator[FoundOrder]:
    if listed.span is None:
        return
    for external_id, ours in held.items():
        at = ours.revised_at if listed.by == "updated" else ours.placed_at
        if external_id not in wanted and listed.span.start <= at < listed.span.end:
            yield FoundOrder(external_id=external_id, finding="unknown", at=at)
