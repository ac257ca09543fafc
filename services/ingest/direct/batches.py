"""A batch of orders: what is right is taken, every line is answered, and one session tells of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.ids import SessionId
from schemas.order import Way
from schemas.sessions import OrderOutcome, Window
from services.ingest.contract.stores import StoreRef
from services.ingest.direct.giving import Giving, Refused, Taken
from services.ingest.platforms.direct.orders import DirectOrder
from services.ingest.platforms.direct.problems import FieldProblem
from services.ingest.ports import WebhookBooks
from services.ingest.sessions import Session, told_end, told_part, told_start
from services.kit.clock import Clock

#: Outcomes in one message about a session.
_TOLD_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no order. `reference` is there where at least that could be read."""

    reference: str | None
    problems: tuple[FieldProblem, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one line."""

    reference: str | None
    result: Taken | Refused


@dataclass(frozen=True, slots=True)
class Batches:
    """Takes batches."""

    giving: Giving
    books: WebhookBooks
    clock: Clock

    async def give(
        self, store: StoreRef, lines: Sequence[DirectOrder | Malformed], *, by: str, way: Way = "api"
    ) -> tuple[Session, tuple[Answered, ...]]:
        """Take what can be taken; `by` is the API key that gave it. Returns the session, and an answer for each line.

        Raises:
            TransientError: Kafka or Postgres is away; asking again is safe and completes what was begun.
        """
        session = _begun(store, way=way, by=by, total=len(lines), now=self.clock.now())
        orders = [line for line in lines if isinstance(line, DirectOrder)]
        handed = await self.giving.give(store, orders, way=way, session_id=session.session_id)
        results = iter(handed.results)
        answers = tuple(
            Answered(line.reference, _refused(line) if isinstance(line, Malformed) else next(results)) for line in lines
        )
        outcomes = [*handed.listed.outcomes, *_failures(answers)]
        messages = [told_start(session)]
        now = self.clock.now()
        for start in range(0, len(outcomes), _TOLD_AT_ONCE):
            part = outcomes[start : start + _TOLD_AT_ONCE]
            session = session.progressed(part)
            messages.append(told_part(session, part, now=now))
        session = _ended(session, refused=session.counts.failed, now=now)
        await self.books.record([session], seen=handed.listed.seen, messages=[*messages, told_end(session)])
        return session, answers


def _begun(store: StoreRef, *, way: Way, by: str, total: int, now: datetime) -> Session:
    return Session(
        session_id=SessionId(secrets.token_hex(16)),
        store_id=store.store_id,
        seller_id=store.seller_id,
        platform=store.platform,
        way=way,
        started_by=by,
        window=Window(start=now, end=now),
        started_at=now,
        read_through=now,
        total=total,
    )


def _ended(session: Session, *, refused: int, now: datetime) -> Session:
    if not refused:
        return session.finished("succeeded", now=now)
    state: Literal["failed", "partial"] = "failed" if refused == session.counts.listed else "partial"
    problem = f"{refused} of {session.total} orders were refused; each says why."
    return session.finished(state, now=now, problem=problem)


def _refused(line: Malformed) -> Refused:
    return Refused("invalid_order", line.problems[0].sentence, line.problems)


def _failures(answers: Sequence[Answered]) -> list[OrderOutcome]:
    return [
        OrderOutcome(external_id=answer.reference or f"line {place}", result="failed", problem=answer.result.sentence)
        for place, answer in enumerate(answers, 1)
        if isinstance(answer.result, Refused)
    ]
