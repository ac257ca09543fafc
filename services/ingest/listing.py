"""What a page of orders means beside what was seen before: which are news, and what became of each; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson

from schemas.ids import OrderKey, SessionId, order_key
from schemas.order import OrderRevised, RawOrder, order_revised
from schemas.sessions import OrderOutcome, OrderResult
from schemas.topics import ORDERS_RAW
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import StoreRef
from services.ingest.ports import Seen
from services.kit.kafka.dead_letters import DETAIL, GROUP, REASON, SOURCE_TOPIC, TIME
from services.kit.kafka.publisher import Message
from services.kit.kafka.topics import MAX_MESSAGE_BYTES

#: Room for the key, headers and the framing of a batch.
LARGEST_EVENT_BYTES = MAX_MESSAGE_BYTES - 8 * 1024

#: Payments that never arrived, or not wholly: orders that a `paid_only` store does not import for a start.
UNPAID = frozenset({"pending", "authorized", "partially_paid", "voided", "expired"})
#: Payments after which nothing more is to be expected of an order.
_PAID_BACK = frozenset({"refunded", "voided", "expired"})


@dataclass(slots=True)
class Listed:
    """A page, judged: `messages` must reach Kafka before `seen` and `outcomes` may be kept."""

    messages: list[Message] = field(default_factory=list)
    seen: dict[OrderKey, Seen] = field(default_factory=dict)
    outcomes: list[OrderOutcome] = field(default_factory=list)


def judge_page(
    orders: Sequence[RawOrder | Unreadable],
    *,
    store: StoreRef,
    seen: Mapping[OrderKey, Seen],
    session_id: SessionId | None,
    paid_only: bool,
    now: datetime,
) -> Listed:
    """Sort a page into news, what is known, and what cannot be read.

    An order that is on two pages of one session counts once. With `paid_only`, an order that is not paid and was never
    seen is passed over: it has no outcome, and counts when it is paid, for then its change time rises.
    """
    listed = Listed()
    known = dict(seen)
    for order in orders:
        if isinstance(order, Unreadable):
            _add_unreadable(listed, order, store=store, now=now)
            continue
        held = known.get(order.key)
        if paid_only and held is None and order.payment in UNPAID:
            continue
        event = order_revised(order, session_id=session_id)
        result = result_of(event, held)
        if result == "existing" and held is not None:
            still_open = is_open(order) if held.event_id == event.event_id else held.open
            listed.seen[order.key] = replace(held, session_id=session_id, open=still_open)
            if session_id is not None and held.session_id == session_id:
                continue
        else:
            message = event_message(event)
            if message is None:
                _add_unreadable(listed, too_large(order), store=store, now=now)
                continue
            listed.messages.append(message)
            listed.seen[order.key] = seen_as(event)
        known[order.key] = listed.seen[order.key]
        listed.outcomes.append(outcome_of(order, result))
    return listed


def is_open(order: RawOrder) -> bool:
    """Whether more is to be expected of an order: it is not shipped, cancelled, paid back or deleted."""
    return (
        order.fulfilment != "fulfilled"
        and order.cancelled_at is None
        and not order.deleted
        and order.payment not in _PAID_BACK
    )


def seen_as(event: OrderRevised) -> Seen:
    """The revision as it is kept once Kafka has it."""
    order = event.order
    return Seen(
        order.revised_at,
        event.event_id,
        event.session_id,
        open=is_open(order),
        read_at=order.fetched_at,
        ship_by=order.ship_by,
    )


def result_of(event: OrderRevised, held: Seen | None) -> OrderResult:
    """What a revision is beside the newest one seen.

    Change times are coarse: with the same time but other content, what was read later is news.
    """
    if held is None:
        return "new"
    if held.event_id == event.event_id or held.revised_at > event.order.revised_at:
        return "existing"
    return "updated"


def outcome_of(order: RawOrder, result: OrderResult) -> OrderOutcome:
    """The row of an order in its session; without personal data."""
    return OrderOutcome(
        external_id=order.external_id,
        order_key=order.key,
        display_name=order.display_name,
        placed_at=order.placed_at,
        revised_at=order.revised_at,
        result=result,
    )


def failed_outcome(unreadable: Unreadable, *, store: StoreRef) -> OrderOutcome:
    """The row of an order that cannot be read."""
    return OrderOutcome(
        external_id=unreadable.external_id or "unknown",
        order_key=_key(unreadable, store) if unreadable.external_id else None,
        result="failed",
        problem=f"{unreadable.path}: {unreadable.problem}",
    )


def event_message(event: OrderRevised) -> Message | None:
    """The message of a revision; None when it is larger than Kafka takes."""
    value = event.to_bytes()
    return Message(ORDERS_RAW.name, event.order.key, value) if len(value) <= LARGEST_EVENT_BYTES else None


def too_large(order: RawOrder) -> Unreadable:
    """An order that is whole but larger than a message may be."""
    return Unreadable(order.external_id, "", "the order is larger than a message may be", order.payload.body)


def dead_letter(unreadable: Unreadable, *, store: StoreRef, now: datetime) -> Message:
    """The message that keeps an unreadable order with its reason, beside the dead letters of `orders.raw`' readers.

    Its value tells where the order came from and holds the platform's own text (personal data: kept for 7 days), left
    out when it is too large to be kept.
    """
    letter = {
        "type": "order.unreadable",
        "platform": store.platform,
        "store_id": store.store_id,
        "seller_id": store.seller_id,
        "external_id": unreadable.external_id,
        "path": unreadable.path,
        "problem": unreadable.problem,
        "body": unreadable.body,
    }
    value = orjson.dumps(letter)
    if len(value) > LARGEST_EVENT_BYTES:
        value = orjson.dumps({**letter, "body": None})
    headers = {
        REASON: "unreadable_order",
        DETAIL: f"{unreadable.path}: {unreadable.problem}",
        SOURCE_TOPIC: ORDERS_RAW.name,
        GROUP: "ingest",
        TIME: now.isoformat(),
    }
    return Message(
        ORDERS_RAW.dead_letters,
        _key(unreadable, store),
        value,
        tuple((name, text.encode()) for name, text in headers.items()),
    )


def results(outcomes: Iterable[OrderOutcome]) -> dict[OrderResult, int]:
    """How many outcomes of each kind."""
    counts: dict[OrderResult, int] = {}
    for outcome in outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    return counts


def _add_unreadable(listed: Listed, unreadable: Unreadable, *, store: StoreRef, now: datetime) -> None:
    listed.messages.append(dead_letter(unreadable, store=store, now=now))
    listed.outcomes.append(failed_outcome(unreadable, store=store))


def _key(unreadable: Unreadable, store: StoreRef) -> OrderKey:
    return order_key(store.platform, store.store_id, unreadable.external_id or "unknown")
