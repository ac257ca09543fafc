"""Leases, sessions, seen orders and the outbox in memory."""

from __future__ import annotations

import heapq
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from schemas.ids import OrderKey
from services.ingest.adapters.memory import Memory, Poll
from services.ingest.polls.cadence import PRIOR, Sharer
from services.ingest.ports import Habits, Lease, LeaseLost, NextPoll, Progress, Seen
from services.ingest.sessions import Session, told_end
from services.kit.kafka.publisher import Message

#: A store that was to rest for less was a failure's to be tried again, and is not the more urgent for it.
_LEAST_REST = timedelta(minutes=1)
_AT_ONCE = datetime.min.replace(tzinfo=UTC)


class MemoryPolls:
    """`Polls` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[Lease]:
        """Whatever is due and free."""
        due = (store_id for store_id in self._may_be_due(now) if self._due(store_id, platforms, now))
        chosen = heapq.nsmallest(limit, due, key=lambda store_id: self._urgency(store_id, now))
        return [self._leased(store_id, owner, now, until) for store_id in chosen]

    async def renew(self, lease: Lease, *, until: datetime) -> None:
        """If it is still ours."""
        poll = self._held(lease)
        poll.expires_at = max(poll.expires_at or until, until)

    async def give_back(self, lease: Lease, *, due: datetime, because: str | None = None) -> None:
        """If it is still ours."""
        poll = self._held(lease)
        poll.owner = poll.expires_at = None
        poll.next_poll_at, poll.next_because = due, because or poll.next_because
        self._place(lease.store.store_id, poll)

    async def hurry(self, store_id: str, *, now: datetime, because: str) -> None:
        """At once."""
        poll = self._memory.polls[store_id]
        if poll.next_poll_at is not None and poll.next_poll_at > now:
            poll.next_poll_at, poll.next_because, poll.failures = now, because, 0
            self._place(store_id, poll)

    async def sharers(self, budgets: Collection[str]) -> Mapping[str, Sequence[Sharer]]:
        """Whoever took from them."""
        found: dict[str, list[Sharer]] = {budget: [] for budget in budgets}
        stores = self._memory.stores
        for budget, sharers in found.items():
            for store_id, poll in self._memory.polls.items():
                cost = poll.costs.get(budget)
                if cost is not None and (store := stores[store_id]).state == "linked" and store.settings.auto_sync:
                    activity = PRIOR if poll.activity is None else poll.activity
                    pushed = bool(store.subscriptions) and store.push_problem is None
                    sharers.append(Sharer(store_id, activity, cost, pushed))
        return found

    async def ask(self, store_id: str, *, by: str, now: datetime) -> None:
        """At once."""
        if store_id in self._memory.polls:
            self._memory.polls[store_id].asked_at = now
            self._memory.polls[store_id].asked_by = by
            self._place(store_id, self._memory.polls[store_id])

    async def cancel(self, store_id: str, *, now: datetime) -> None:
        """At once."""
        poll = self._memory.polls[store_id]
        poll.number, poll.owner, poll.expires_at, poll.asked_at = poll.number + 1, None, None, None
        session = self._running(store_id)
        if session is not None:
            cancelled = session.finished("cancelled", now=now)
            self._memory.keep_session(cancelled)
            self._memory.outbox.append(told_end(cancelled))

    async def progress(self, store_ids: Collection[str]) -> Mapping[str, Progress]:
        """Of those that exist."""
        return {
            store_id: Progress(poll.cursor, poll.next_poll_at, poll.last_poll_at, poll.next_because)
            for store_id in store_ids
            if (poll := self._memory.polls.get(store_id))
        }

    async def interrupted(self, lease: Lease) -> Session | None:
        """At most one."""
        return self._running(lease.store.store_id)

    async def begin(self, lease: Lease, session: Session, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        self._held(lease)
        if session.session_id not in self._memory.sessions:
            self._memory.keep_session(session)
            self._memory.outbox.extend(messages)

    async def record(
        self, lease: Lease, session: Session, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Under the lease."""
        self._held(lease)
        kept = self._memory.sessions.get(session.session_id)
        if kept is not None and kept.part >= session.part:
            return
        self._memory.keep_seen(seen)
        self._memory.keep_session(session)
        self._memory.outbox.extend(messages)

    async def end(
        self,
        lease: Lease,
        session: Session,
        *,
        cursor: datetime | None,
        next_poll: NextPoll,
        failures: int,
        messages: Sequence[Message],
        habits: Habits | None = None,
    ) -> None:
        """Under the lease."""
        poll = self._held(lease)
        poll.cursor = max(filter(None, (poll.cursor, cursor)), default=None)
        poll.next_poll_at, poll.failures, poll.last_poll_at = next_poll.at, failures, session.finished_at
        poll.next_because = next_poll.because
        if session.finished_at:
            poll.rest = max(next_poll.at - session.finished_at, timedelta())
        if habits:
            poll.activity, poll.costs = habits.activity, dict(habits.costs)
        if poll.asked_at and poll.claimed_at and poll.asked_at <= poll.claimed_at:
            poll.asked_at = None
        poll.owner = poll.expires_at = None
        self._place(lease.store.store_id, poll)
        self._memory.keep_session(session)
        self._memory.outbox.extend(messages)

    def _running(self, store_id: str) -> Session | None:
        open_session = self._memory.polling.get(store_id)
        return self._memory.sessions[open_session] if open_session else None

    def _may_be_due(self, now: datetime) -> list[str]:
        """The stores whose time has come, the first that was added first; looked at again until it is set anew."""
        places, heap, found = self._memory.poll_places, self._memory.due_polls, set[tuple[int, str]]()
        if len(places) != len(self._memory.polls):
            places.clear()
            heap.clear()
            for number, (store_id, poll) in enumerate(self._memory.polls.items()):
                places[store_id] = (_AT_ONCE, number)
                self._place(store_id, poll)
        while heap and heap[0][0] <= now:
            at, number, store_id = heapq.heappop(heap)
            if places.get(store_id) == (at, number):
                found.add((number, store_id))
        for _, store_id in found:
            self._place(store_id, self._memory.polls[store_id])
        return [store_id for _, store_id in sorted(found)]

    def _place(self, store_id: str, poll: Poll) -> None:
        held = self._memory.poll_places.get(store_id)
        if held is not None:
            at = _AT_ONCE if poll.asked_at or poll.next_poll_at is None else poll.next_poll_at
            self._memory.poll_places[store_id] = (at, held[1])
            heapq.heappush(self._memory.due_polls, (at, held[1], store_id))

    def _due(self, store_id: str, platforms: Collection[str], now: datetime) -> bool:
        store, poll = self._memory.stores[store_id], self._memory.polls[store_id]
        automatic = store.settings.auto_sync and (poll.next_poll_at is None or poll.next_poll_at <= now)
        free = poll.expires_at is None or poll.expires_at <= now
        return (
            store.state == "linked" and store.platform in platforms and (automatic or _asked_is_due(poll, now)) and free
        )

    def _urgency(self, store_id: str, now: datetime) -> tuple[bool, float, float]:
        poll = self._memory.polls[store_id]
        asked = poll.asked_at.timestamp() if poll.asked_at else 0.0
        late = (now - poll.last_poll_at) / max(poll.rest, _LEAST_REST) if poll.last_poll_at else math.inf
        return poll.asked_at is None, asked, -late

    def _leased(self, store_id: str, owner: str, now: datetime, until: datetime) -> Lease:
        poll = self._memory.polls[store_id]
        poll.owner, poll.number, poll.expires_at, poll.claimed_at = owner, poll.number + 1, until, now
        asked_by = poll.asked_by if poll.asked_at is not None else None
        store, habits = self._memory.stores[store_id], (poll.activity, poll.costs)
        return Lease(store, owner, poll.number, poll.cursor, poll.failures, now, asked_by, *habits)

    def _held(self, lease: Lease) -> Poll:
        poll = self._memory.polls.get(lease.store.store_id)
        if poll is None or (poll.owner, poll.number) != (lease.owner, lease.number):
            raise LeaseLost("another process holds the store's lease")
        return poll


class MemorySeenOrders:
    """`SeenOrders` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def seen(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Seen]:
        """Of those that are known."""
        return {key: self._memory.seen[key] for key in keys if key in self._memory.seen}


class MemoryWebhookBooks:
    """`WebhookBooks` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def record(
        self, sessions: Sequence[Session], *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """All of it."""
        self._memory.keep_seen(seen)
        for session in sessions:
            self._memory.keep_session(session)
        self._memory.outbox.extend(messages)

    async def end_abandoned(self, *, before: datetime, now: datetime) -> int:
        """All of them."""
        abandoned = [
            session
            for session in self._memory.sessions.values()
            if session.way in {"webhook", "api", "form"} and session.state == "running" and session.window.end < before
        ]
        for session in abandoned:
            ended = session.finished("succeeded", now=now)
            self._memory.keep_session(ended)
            self._memory.outbox.append(told_end(ended))
        return len(abandoned)

    async def forget_sessions(self, *, before: datetime) -> None:
        """All of them."""
        held = self._memory.sessions
        self._memory.sessions = {
            name: session
            for name, session in held.items()
            if session.finished_at is None or session.finished_at >= before
        }


def _asked_is_due(poll: Poll, now: datetime) -> bool:
    if poll.asked_at is None:
        return False
    not_tried = poll.claimed_at is None or poll.asked_at > poll.claimed_at
    return not_tried or poll.owner is not None or poll.next_poll_at is None or poll.next_poll_at <= now


class MemoryOutbox:
    """`Outbox` in a list."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def relay(self, publish: Callable[[Sequence[Message]], Awaitable[None]], *, limit: int) -> int:
        """The oldest first."""
        messages = self._memory.outbox[:limit]
        if messages:
            await publish(messages)
            del self._memory.outbox[: len(messages)]
        return len(messages)
