"""Says when an order must be looked at once more before it is made, and what follows from the answers; pure.

An order that waited may have been cancelled, refunded or changed since it was read, and not every platform says so.
What was read a moment ago goes straight through: it costs a comparison of two times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.looks import LookProblem, OrderLooked, look_id, look_wanted
from schemas.order import OrderRevised, RawOrder, Way
from schemas.reasons import Reason, ReasonCode
from services.eligibility.dossier import Look, OutboxMessage
from services.eligibility.revisions import Standing

LOOKS = "looks"

#: How long the first question has for its answer; each further one has twice as long.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=1)
#: A seller who approves sooner after the question than this may not have seen it: it is the approval before, twice.
SEEN_AFTER = timedelta(minutes=1)
#: How old an answer may be in any case: one that took longer than a very short `after` would never count.
ANSWER_HOLDS = FIRST_WAIT
#: There was no answer in all the time that one had.
_UNANSWERED = "unanswered"
#: Orders that were given to us by hand: there is no platform to look at.
_GIVEN: frozenset[Way] = frozenset({"api", "import", "form"})
_PROBLEMS: dict[LookProblem | str, str] = {
    "unlinked": "the store is not linked",
    "reconnect": "the platform refuses our access, so connect the store again",
    "away": "it does not answer, or has no calls left for us",
    "unreadable": "what it answers cannot be read",
    "older": "it shows an older state of the order than it did before",
    _UNANSWERED: "there is no answer yet",
}


def must_look(
    order: RawOrder, standing: Standing, look: Look | None, *, now: datetime, after: timedelta | None
) -> bool:
    """Tell whether the order was read, in any way, longer ago than `after`; None: nobody ever looks."""
    if after is None or now - standing.content.fetched_at <= after or order.way in _GIVEN:
        return False
    return look is None or look.read_at is None or now - look.read_at > max(after, ANSWER_HOLDS)


def asked(look: Look | None, *, now: datetime) -> tuple[Look, bool]:
    """Return the look of an order that waits for one, and whether the question is to be put (again) now."""
    if look is None or look.since is None or look.again_at is None:
        read_at = look.read_at if look else None
        return Look(read_at=read_at, since=now, asked=1, asked_at=now, again_at=now + FIRST_WAIT), True
    if now < look.again_at:
        return look, False
    again_at = now + _wait(look.asked + 1)
    problem = look.problem or _UNANSWERED
    return replace(look, asked=look.asked + 1, asked_at=now, again_at=again_at, problem=problem), True


def unasked(look: Look | None) -> Look | None:
    """Return the look of an order that waits for something else, or for nothing: what was read holds."""
    if look is None or look.read_at is None:
        return None
    return look if look.since is None else Look(read_at=look.read_at)


def heard(look: Look | None, answers: Iterable[OrderLooked], standing: Standing) -> Look | None:
    """Return the look after these answers; one about another revision than the valid one says nothing of it."""
    for answer in answers:
        if answer.raw_event_id != standing.content.event_id:
            continue
        if answer.outcome == "unchanged":
            look = _read(look, answer.looked_at)
        elif look is not None and look.asked_at and answer.look_id == look_id(answer.order_key, look.asked_at):
            look = replace(look, problem=answer.problem, again_at=answer.looked_at + _wait(look.asked))
    return look


def vouched(look: Look | None, *, now: datetime) -> Look | None:
    """Return the look after the seller approved the order: who can have seen that it waits for it answers it."""
    if look is None or look.since is None or now - look.since < SEEN_AFTER:
        return look
    return _read(look, now)


def reason_of(look: Look, standing: Standing) -> Reason:
    """Return why an order that waits for its look is held."""
    if look.problem is None:
        return Reason(code=ReasonCode.LAST_LOOK_ASKED, evidence={"read": _minute(_newest(look, standing))})
    evidence = {"since": _minute(look.since or standing.content.fetched_at), "problem": _PROBLEMS[look.problem]}
    return Reason(code=ReasonCode.LAST_LOOK_UNANSWERED, evidence=evidence)


def question(event: OrderRevised, look: Look, *, trace: str) -> OutboxMessage:
    """Return the message that asks."""
    order = event.order
    wanted = look_wanted(
        order.key,
        seller_id=order.seller_id,
        store_id=order.store_id,
        platform=order.platform,
        external_id=order.external_id,
        raw_event_id=event.event_id,
        revised_at=order.revised_at,
        asked_at=look.asked_at or order.fetched_at,
    )
    return OutboxMessage(LOOKS, order.key, wanted.to_bytes(), trace=trace)


def _read(look: Look | None, at: datetime) -> Look:
    """Return the look, waited for no longer, of an order that was as it is known at that time."""
    before = look.read_at if look else None
    return Look(read_at=max(before, at) if before else at)


def _newest(look: Look, standing: Standing) -> datetime:
    return max(look.read_at, standing.content.fetched_at) if look.read_at else standing.content.fetched_at


def _wait(times: int) -> timedelta:
    return min(FIRST_WAIT * (1 << min(times - 1, 8)), LONGEST_WAIT)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
