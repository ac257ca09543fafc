"""The factory floor: decides what is answered to a command and when, so that a restart answers nothing twice."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deploy.sandbox.factory.answers import Answer, answer, answer_id, shipments
from deploy.sandbox.factory.book import Book, Entry
from deploy.sandbox.factory.parcels import SHIPPED, Parcels

ACCEPTED = "production.accepted"
ON_HOLD = "production.on_hold"
IN_PRODUCTION = "production.in_production"
CANCELLED = "production.cancelled"
CANCEL_REFUSED = "production.cancel_refused"
_TOO_LATE = ("in_production", "shipped")


@dataclass(slots=True)
class Pace:
    """How fast the floor works and how much goes wrong; may change while it runs.

    `seconds` lie between accepting and starting an order, and again between starting and shipping it; 0: at once.
    `hold_share` of the orders (0 to 1) are put on hold until they are amended or resumed. An order of several units
    goes out in up to `parcels` parcels.
    """

    seconds: float = 0.0
    hold_share: float = 0.0
    parcels: int = 1


@dataclass(slots=True)
class _Job:
    """An order on the floor, until it is shipped or cancelled."""

    order: dict[str, Any]
    seller_id: str


@dataclass(slots=True)
class Floor:
    """Takes commands in the order of their partition; the caller sends the answers.

    `take` only accepts, holds and cancels; `due` starts and ships. Call it once everything old has been taken.

    `answered` holds the event ids that stand on `production.updates` already. Reading all commands again after a
    restart, the floor walks over what they prove to have happened and answers only what is missing.
    """

    book: Book = field(default_factory=Book)
    pace: Pace = field(default_factory=Pace)
    answered: Container[str] = frozenset()
    parcels: Parcels = field(default_factory=Parcels)
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _due: list[tuple[datetime, str, int]] = field(default_factory=list)

    def take(self, command: dict[str, Any], *, now: datetime) -> list[Answer]:
        """Carry out one command of `orders.production`; KeyError when it is not what was agreed."""
        if self.book.is_repeated(command["event_id"]):
            return []
        match command["type"]:
            case "order.released":
                answers = self._release(command, now=now)
            case "order.amended":
                answers = self._amend(command, now=now)
            case "order.cancelled":
                answers = self._cancel(command, now=now)
            case _:
                raise KeyError("type")
        return self._unanswered(answers)

    def due(self, now: datetime, *, at_most: int = 1_000) -> list[Answer]:
        """Start and ship what is due, in about this many answers; call again for the rest."""
        answers: list[Answer] = []
        while self._due and self._due[0][0] <= now and len(answers) < at_most:
            _, key, revision = heapq.heappop(self._due)
            entry = self.book.entry(key)
            if entry.revision == revision and entry.state in ("accepted", "in_production"):
                answers += self._advance(key, entry, now=now)
        return self._unanswered(answers)

    def next_due(self) -> datetime | None:
        """When `due` has something to do next."""
        return self._due[0][0] if self._due else None

    def resume(self, *, now: datetime) -> int:
        """Take every order off hold; answers how many."""
        held = [(key, entry) for key, entry in self.book.orders.items() if entry.state == "on_hold"]
        for key, entry in held:
            entry.state = "accepted"
            heapq.heappush(self._due, (now, key, entry.revision))
        return len(held)

    def _release(self, command: dict[str, Any], *, now: datetime) -> list[Answer]:
        key, order = command["order_key"], command["order"]
        entry = self.book.entry(key)
        entry.releases += 1
        if entry.releases > 1:
            self.book.duplicate_releases += 1
            return []
        self._follow(entry, order["revision"])
        entry.revision, entry.state = order["revision"], "accepted"
        self._jobs[key] = _Job(order, command["seller_id"])
        return [self._say(key, ACCEPTED, revision=1, now=now), *self._proceed(key, entry, now=now)]

    def _amend(self, command: dict[str, Any], *, now: datetime) -> list[Answer]:
        key, order = command["order_key"], command["order"]
        entry = self.book.entry(key)
        self._follow(entry, order["revision"])
        entry.amendments += 1
        if entry.state in (*_TOO_LATE, "cancelled", None):
            entry.late += 1
            return []
        entry.revision, entry.state = order["revision"], "accepted"
        self._jobs[key] = _Job(order, command["seller_id"])
        return self._proceed(key, entry, now=now)

    def _cancel(self, command: dict[str, Any], *, now: datetime) -> list[Answer]:
        key, revision = command["order_key"], command["revision"]
        entry = self.book.entry(key)
        self._follow(entry, revision)
        entry.cancellations += 1
        seller_id = command["seller_id"]
        if entry.state in _TOO_LATE:
            entry.late += 1
            refusal = "The order is already being made."
            return [answer(key, CANCEL_REFUSED, revision=revision, seller_id=seller_id, now=now, reason=refusal)]
        entry.state = "cancelled"
        self._jobs.pop(key, None)
        reason = "Cancelled as asked, before production began."
        return [answer(key, CANCELLED, revision=revision, seller_id=seller_id, now=now, reason=reason)]

    def _follow(self, entry: Entry, revision: int) -> None:
        """Revisions count what production was told; the next one must follow the last one seen."""
        if not entry.releases or revision != entry.told + 1:
            self.book.holes += 1
        entry.told = max(entry.told, revision)

    def _proceed(self, key: str, entry: Entry, *, now: datetime) -> list[Answer]:
        """Go on after acceptance: over what is answered already, then on hold or to its turn.

        Nothing starts here, even at no pace: a cancellation may follow in what is read again after a restart.
        """
        started = answer_id(key, IN_PRODUCTION, revision=entry.revision) in self.answered
        if not started and self._is_held(key, entry):
            entry.state = "on_hold"
            problem = "The artwork's resolution is too low to print."
            return [self._say(key, ON_HOLD, revision=entry.revision, now=now, problem=problem)]
        if started:
            return self._advance(key, entry, now=now)
        self._later(key, entry, now=now)
        return []

    def _advance(self, key: str, entry: Entry, *, now: datetime) -> list[Answer]:
        """Take the next step, and the one after it when that is answered already."""
        if entry.state == "accepted":
            entry.state = "in_production"
            started = self._say(key, IN_PRODUCTION, revision=entry.revision, now=now)
            shipped = answer_id(key, SHIPPED, revision=entry.revision) in self.answered
            if shipped:
                return [started, *self._advance(key, entry, now=now)]
            self._later(key, entry, now=now)
            return [started]
        job = self._jobs.pop(key)
        parcels = shipments(key, job.order, at_most=self.pace.parcels, now=now)
        entry.state = "shipped"
        entry.units_made = sum(item["quantity"] for parcel in parcels for item in parcel["items"])
        return [self.parcels.leaves(key, parcel, job.seller_id, revision=entry.revision, now=now) for parcel in parcels]

    def _later(self, key: str, entry: Entry, *, now: datetime) -> None:
        at = now + timedelta(seconds=self.pace.seconds)
        heapq.heappush(self._due, (at, key, entry.revision))

    def _is_held(self, key: str, entry: Entry) -> bool:
        """By the key, so that the same orders are held after a restart; an amendment mends the problem."""
        return entry.revision == 1 and zlib.crc32(key.encode()) < self.pace.hold_share * 2**32

    def _say(self, key: str, kind: str, *, revision: int, now: datetime, **facts: Any) -> Answer:
        return answer(key, kind, revision=revision, seller_id=self._jobs[key].seller_id, now=now, **facts)

    def _unanswered(self, answers: list[Answer]) -> list[Answer]:
        return [one for one in answers if one.event_id not in self.answered]
