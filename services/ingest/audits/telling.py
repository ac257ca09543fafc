"""What is told of audits: lists for the report to compare, and how far each audit is; all pure and repeatable.

Every event's id follows from its audit and what it tells, so telling the same thing twice tells it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice

from schemas.audits import (
    AuditEvent,
    AuditFinished,
    AuditProgressed,
    AuditStarted,
    CountedOrders,
    ListedOrder,
    OrdersListed,
)
from schemas.ids import fact_id
from schemas.sessions import Window as Span
from schemas.topics import SYNC_AUDITS, SYNC_LISTINGS
from services.ingest.audits.audit import Audit, Difference, Differences, told_orders
from services.kit.kafka.publisher import Message

#: Orders in one message, unless more than this share one time.
A_PART = 1_000
#: Orders of one time that still go into one message: it holds about twice as many.
MOST_AT_ONCE = 5_000

#: An order's id and time.
Entry = tuple[str, datetime]
Part = tuple[Span | None, Sequence[Entry]]


def told_start(audit: Audit) -> Message:
    """The message that an audit began. Raises ValueError when it did not."""
    if audit.started_at is None:
        raise ValueError("an audit that did not begin has no beginning to tell")
    return _message(
        AuditStarted(
            event_id=fact_id("audit.started", audit.audit_id),
            occurred_at=audit.started_at,
            seller_id=audit.seller_id,
            audit_id=audit.audit_id,
            store_id=audit.store_id,
            platform=audit.platform,
            scope=audit.scope,
            by=audit.by,
            window=audit.window,
            started_by=audit.started_by,
        )
    )


def told_progress(audit: Audit, differences: Differences, *, now: datetime) -> Message:
    """The message of an audit's latest step."""
    tally = audit.tally
    return _message(
        AuditProgressed(
            event_id=fact_id("audit.progressed", audit.audit_id, str(audit.step)),
            occurred_at=now,
            seller_id=audit.seller_id,
            audit_id=audit.audit_id,
            store_id=audit.store_id,
            step=audit.step,
            listed=audit.listed,
            held=audit.held,
            missing=tally.missing,
            stale=tally.stale,
            unknown=tally.unknown,
            fetched=tally.fetched,
            unsettled=tally.unsettled,
            unsettled_since=tally.unsettled_since,
            found=told_orders(differences),
        )
    )


def told_end(audit: Audit) -> Message:
    """The message that an audit ended. Raises ValueError when it did not."""
    if audit.finished_at is None or audit.state == "running":
        raise ValueError("a running audit has no end to tell")
    return _message(
        AuditFinished(
            event_id=fact_id("audit.finished", audit.audit_id),
            occurred_at=audit.finished_at,
            seller_id=audit.seller_id,
            audit_id=audit.audit_id,
            store_id=audit.store_id,
            state=audit.state,
            problem=audit.problem,
        )
    )


def told_list(audit: Audit, parts: Sequence[Part], *, now: datetime) -> list[Message]:
    """The messages that ask the report to compare; `audit` is that of the round that they begin."""
    return [
        Message(SYNC_LISTINGS.name, audit.store_id, _listed(audit, number, part, now).to_bytes())
        for number, part in enumerate(parts, start=1)
    ]


def told_count(audit: Audit, counted: CountedOrders, *, now: datetime) -> Message:
    """The message that asks the report whether it has as many; `audit` is that of the round that it begins."""
    listed = _listed(audit, 1, (None, ()), now)
    return Message(SYNC_LISTINGS.name, audit.store_id, listed.model_copy(update={"counted": counted}).to_bytes())


def cut(orders: Sequence[Entry], window: Span) -> list[Part]:
    """Cut a list, ascending by time, into parts whose spans adjoin and together are the window; at least one.

    Orders of one time are never in two spans. When they are too many for one message, they go without a span, and the
    time is left out of the spans around it. A time outside of the window counts with the part next to it.
    """
    parts: list[Part] = []
    start, held = window.start, list[Entry]()
    for at, group in groupby(orders, key=lambda entry: min(max(entry[1], window.start), window.end)):
        same = list(group)
        if held and len(held) + len(same) > A_PART and window.start < at < window.end:
            parts.append((Span(start=start, end=at), held))
            start, held = at, []
        if len(same) > MOST_AT_ONCE:
            parts += [(None, chunk) for chunk in chunks(same)]
            if at > start or held:
                parts.append((Span(start=start, end=at), held))
            start, held = _after(at, window), []
        else:
            held += same
    if start < window.end or not parts:
        parts.append((Span(start=start, end=window.end), held))
    return parts


def open_parts(orders: Sequence[Entry]) -> list[Part]:
    """Cut orders that are compared one by one, without a span; at least one part."""
    return [(None, chunk) for chunk in chunks(orders)] or [(None, ())]


def wanted_of(differences: Sequence[Difference]) -> list[Entry]:
    """What the report must show of these."""
    return [(one.external_id, one.wanted or one.at) for one in differences]


def chunks(orders: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """A part each."""
    rest = iter(orders)
    while chunk := list(islice(rest, A_PART)):
        yield chunk


def _after(at: datetime, window: Span) -> datetime:
    # Times are whole microseconds everywhere: there is none in between.
    return min(at + datetime.resolution, window.end)


def _listed(audit: Audit, number: int, part: Part, now: datetime) -> OrdersListed:
    span, orders = part
    return OrdersListed(
        event_id=fact_id("audit.listed", audit.audit_id, str(audit.round), str(number)),
        occurred_at=now,
        seller_id=audit.seller_id,
        audit_id=audit.audit_id,
        store_id=audit.store_id,
        platform=audit.platform,
        round=audit.round,
        part=number,
        by=audit.by,
        span=span,
        orders=tuple(ListedOrder(external_id=external_id, at=at) for external_id, at in orders),
    )


def _message(event: AuditEvent) -> Message:
    return Message(SYNC_AUDITS.name, event.store_id, event.to_bytes())
