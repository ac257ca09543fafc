"""Webhooks, and single orders by API, are answered when Kafka has them; what the report needs follows in batches.

What waits here is lost with the process: a crash loses a second of session rows and `seen` marks, never an order.
The decision about the order still shows it, and the next poll lists it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from schemas.ids import OrderKey, SessionId
from schemas.order import OrderRevised
from schemas.sessions import OrderOutcome
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import StoreRef
from services.ingest.listing import failed_outcome, outcome_of, result_of, seen_as
from services.ingest.ports import Seen, SeenOrders, WebhookBooks
from services.ingest.sessions import (
    Session,
    hour_of,
    hourly_session_id,
    told_end,
    told_part,
    told_start,
)
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.kafka.publisher import Message
from services.kit.metrics import Metrics

log = structlog.get_logger()

_FLUSH_EVERY_SECONDS = 0.25
_AFTER_TROUBLE_SECONDS = 1.0
#: So many are worked on before whoever waits for an answer gets a turn.
_AT_ONCE = 100
#: Some minutes of an outage of Postgres at full load; then the oldest notes go first.
_MOST_NOTES = 50_000
#: A session outlives its hour by this, for webhooks that were being answered at its end.
_GRACE = timedelta(seconds=5)
#: One flush takes some statements, each with a time limit of its own.
_STANDSTILL = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Note:
    """One order that a webhook, or a seller's single request, brought, and that Kafka has.

    `by` is who brought it: "platform", or an API key's id.
    """

    store: StoreRef
    at: datetime
    told: OrderRevised | Unreadable
    way: Literal["webhook", "api", "form"] = "webhook"
    by: str = "platform"


@dataclass(frozen=True, slots=True)
class _Batch:
    sessions: dict[SessionId, Session]
    seen: dict[OrderKey, Seen]
    messages: list[Message]


class Bookkeeping:
    """Keeps notes of webhooks and single orders, one sync session a store, hour and process; of keys, one each."""

    def __init__(self, books: WebhookBooks, seen: SeenOrders, *, instance: str, clock: Clock, metrics: Metrics) -> None:
        self._books = books
        self._seen = seen
        self._instance = instance
        self._clock = clock
        self._metrics = metrics
        self._notes: deque[Note] = deque()
        self._open: dict[SessionId, Session] = {}
        self._prepared: _Batch | None = None
        self._pulse = Pulse("the bookkeeping of webhooks", clock=clock, within=_STANDSTILL)

    def liveness(self) -> list[str]:
        """Whether notes are still written down."""
        return self._pulse.liveness()

    def session_id(self, store_id: str, at: datetime, *, way: str = "webhook", by: str = "platform") -> SessionId:
        """The session that a webhook, or a single order of the key `by`, of this moment belongs to."""
        return hourly_session_id(store_id, hour_of(at).start, self._instance, way=way, by=by)

    def note(self, note: Note) -> None:
        """Remember; never waits."""
        if len(self._notes) >= _MOST_NOTES:
            self._notes.popleft()
            self._metrics.increment("syncorder_webhook_notes_lost_total")
        self._notes.append(note)

    async def run(self, stop: asyncio.Event) -> None:
        """Flush until `stop`."""
        while not stop.is_set():
            self._pulse.beat()
            pause = _FLUSH_EVERY_SECONDS if await self.flush() else _AFTER_TROUBLE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def close(self) -> None:
        """Flush what is left and end the open sessions."""
        await self.flush(ending=True)

    async def flush(self, *, ending: bool = False) -> bool:
        """Record the notes there are; False when Postgres is away, and then they are kept for the next time."""
        # What arrives meanwhile waits for the next time: small batches cost more than they hurry.
        rounds = len(self._notes) // _AT_ONCE + 1
        try:
            for _ in range(rounds + (self._prepared is not None)):
                # A batch that failed is repeated as it was: its parts are numbered already.
                self._prepared = self._prepared or await self._prepare(ending=ending)
                if self._prepared is None:
                    break
                batch = self._prepared
                await self._books.record(list(batch.sessions.values()), seen=batch.seen, messages=batch.messages)
                self._prepared = None
                self._keep_open(batch)
        except TransientError as error:
            log.warning("bookkeeping.waiting", problem=str(error), notes=len(self._notes))
            return False
        return True

    def _keep_open(self, batch: _Batch) -> None:
        self._open.update(batch.sessions)
        self._open = {name: session for name, session in self._open.items() if session.state == "running"}

    async def _prepare(self, *, ending: bool) -> _Batch | None:
        notes = [self._notes[place] for place in range(min(len(self._notes), _AT_ONCE))]
        keys = {note.told.order.key for note in notes if isinstance(note.told, OrderRevised)}
        known = dict(await self._seen.seen(keys)) if keys else {}
        for _ in notes:
            self._notes.popleft()
        batch = _Batch({}, {}, [])
        for session_id, members in self._by_session(notes).items():
            self._add_part(batch, session_id, members, known)
        if not self._notes:
            self._add_ends(batch, ending=ending)
        return batch if batch.sessions else None

    def _by_session(self, notes: Sequence[Note]) -> dict[SessionId, list[Note]]:
        members: defaultdict[SessionId, list[Note]] = defaultdict(list)
        for note in notes:
            members[self.session_id(note.store.store_id, note.at, way=note.way, by=note.by)].append(note)
        return members

    def _add_part(
        self, batch: _Batch, session_id: SessionId, notes: Sequence[Note], known: dict[OrderKey, Seen]
    ) -> None:
        session = self._open.get(session_id)
        if session is None:
            session = _begun(session_id, notes[0])
            batch.messages.append(told_start(session))
        outcomes = [self._outcome(note, session_id, known, batch.seen) for note in notes]
        session = session.progressed(outcomes)
        batch.messages.append(told_part(session, outcomes, now=notes[-1].at))
        batch.sessions[session_id] = session

    def _outcome(
        self, note: Note, session_id: SessionId, known: dict[OrderKey, Seen], seen: dict[OrderKey, Seen]
    ) -> OrderOutcome:
        if isinstance(note.told, Unreadable):
            outcome = failed_outcome(note.told, store=note.store)
        else:
            order = note.told.order
            result = result_of(note.told, known.get(order.key))
            if result != "existing":
                seen[order.key] = known[order.key] = replace(seen_as(note.told), session_id=session_id)
            outcome = outcome_of(order, result)
        self._metrics.increment(
            "syncorder_orders_listed_total", platform=note.store.platform, way=note.way, result=outcome.result
        )
        return outcome

    def _add_ends(self, batch: _Batch, *, ending: bool) -> None:
        now = self._clock.now()
        for session_id, held in {**self._open, **batch.sessions}.items():
            if ending or held.window.end + _GRACE <= now:
                ended = held.finished("succeeded", now=now)
                batch.sessions[session_id] = ended
                batch.messages.append(told_end(ended))


def _begun(session_id: SessionId, note: Note) -> Session:
    window = hour_of(note.at)
    return Session(
        session_id=session_id,
        store_id=note.store.store_id,
        seller_id=note.store.seller_id,
        platform=note.store.platform,
        way=note.way,
        started_by=note.by,
        window=window,
        started_at=note.at,
        read_through=window.start,
    )
