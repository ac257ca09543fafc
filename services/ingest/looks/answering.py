"""What a platform's word on an order answers to the question whether it still stands as it is known; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from schemas.ids import OrderKey
from schemas.looks import LookOutcome, LookProblem, LookWanted, order_looked
from schemas.order import RawOrder, order_gone, order_revised
from schemas.topics import ORDERS_RAW
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import StoreRef
from services.ingest.listing import dead_letter, event_message, seen_as, too_large
from services.ingest.ports import Seen
from services.kit.kafka.publisher import Message

#: What an answer says, as it is counted.
Said = Literal["unchanged", "changed", "gone"] | LookProblem


@dataclass(slots=True)
class Answers:
    """Answers to questions: `messages` must reach Kafka before `seen` may be kept and the questions forgotten."""

    messages: list[Message] = field(default_factory=list)
    seen: dict[OrderKey, Seen] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)

    def add(self, said: Said, *messages: Message) -> None:
        """Add one."""
        self.said.append(said)
        self.messages += messages


def answers_of(
    wanted: Iterable[LookWanted],
    found: Mapping[str, RawOrder | Unreadable | None],
    *,
    store: StoreRef,
    now: datetime,
) -> Answers:
    """Answer questions by what the platform says of each order."""
    answers = Answers()
    for one in wanted:
        _answer(answers, one, found.get(one.external_id), store=store, now=now)
    return answers


def refusals_of(wanted: Iterable[LookWanted], problem: LookProblem, *, now: datetime) -> Answers:
    """Answer all questions alike: the platform cannot be asked."""
    answers = Answers()
    for one in wanted:
        answers.add(problem, _looked(one, "unread", now=now, problem=problem))
    return answers


def _answer(
    answers: Answers, wanted: LookWanted, order: RawOrder | Unreadable | None, *, store: StoreRef, now: datetime
) -> None:
    match order:
        case None:
            answers.add("gone", _gone(wanted, now=now))
        case Unreadable():
            refused = _looked(wanted, "unread", now=now, problem="unreadable")
            answers.add("unreadable", dead_letter(order, store=store, now=now), refused)
        case RawOrder() if order.revised_at < wanted.revised_at:
            answers.add("older", _looked(wanted, "unread", now=now, problem="older"))
        case RawOrder():
            _compare(answers, wanted, order, store=store, now=now)


def _compare(answers: Answers, wanted: LookWanted, order: RawOrder, *, store: StoreRef, now: datetime) -> None:
    event = order_revised(order)
    if event.event_id == wanted.raw_event_id:
        answers.add("unchanged", _looked(wanted, "unchanged", now=order.fetched_at))
        return
    message = event_message(event)
    if message is None:
        _answer(answers, wanted, too_large(order), store=store, now=now)
        return
    answers.add("changed", message)
    answers.seen[order.key] = seen_as(event)


def _gone(wanted: LookWanted, *, now: datetime) -> Message:
    event = order_gone(
        wanted.order_key,
        seller_id=wanted.seller_id,
        store_id=wanted.store_id,
        platform=wanted.platform,
        external_id=wanted.external_id,
        after=wanted.revised_at,
        noticed_at=now,
    )
    return Message(ORDERS_RAW.name, wanted.order_key, event.to_bytes())


def _looked(wanted: LookWanted, outcome: LookOutcome, *, now: datetime, problem: LookProblem | None = None) -> Message:
    event = order_looked(wanted, outcome, looked_at=now, problem=problem)
    return Message(ORDERS_RAW.name, wanted.order_key, event.to_bytes())
