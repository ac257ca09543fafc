"""Ingest's ports in memory: the twins, bound by the same contract as the real ones. One event loop, one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from schemas.ids import OrderKey
from services.ingest.ports import (
    AlreadyLinked,
    Authorization,
    Lease,
    LeaseLost,
    Progress,
    Seen,
    StoredAccess,
)
from services.ingest.sessions import Session, told_end
from services.ingest.store import Store, announcements
from services.kit.kafka.publisher import Message


@dataclass
class _Poll:
    cursor: datetime | None = None
    next_poll_at: datetime | None = None
    asked_at: datetime | None = None
    last_poll_at: datetime | None = None
    claimed_at: datetime | None = None
    failures: int = 0
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None


@dataclass
class Memory:
    """What all twins of one test share, as the real ones share a database."""

    stores: dict[str, Store] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    authorizations: dict[bytes, Authorization] = field(default_factory=dict)
    polls: dict[str, _Poll] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    seen: dict[OrderKey, Seen] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)

    def keep_seen(self, seen: Mapping[OrderKey, Seen]) -> None:
        """Keep what is newest."""
        for key, row in seen.items():
            held = self.seen.get(key)
            if held is None or held.revised_at <= row.revised_at:
                self.seen[key] = row

    def keep_session(self, session: Session) -> None:
        """Keep what got furthest."""
        held = self.sessions.get(session.session_id)
        if held is None or (held.state == "running" and held.part <= session.part):
            self.sessions[session.session_id] = session


class MemoryStores:
    """`Stores` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, store: Store) -> None:
        """Keep a new store."""
        self._refuse_second(store)
        self._memory.stores[store.store_id] = store
        self._memory.polls[store.store_id] = _Poll()
        self._memory.outbox.extend(announcements(store))

    async def get(self, store_id: str) -> Store | None:
        """One store."""
        return self._memory.stores.get(store_id)

    async def find(self, seller_id: str, *, platform: str, external_id: str) -> Store | None:
        """By its three names."""
        wanted = (seller_id, platform, external_id)
        return next((store for store in self._memory.stores.values() if _names(store) == wanted), None)

    async def page(self, seller_id: str, *, after: str | None, limit: int) -> list[Store]:
        """By id."""
        found = sorted(
            (store for store in self._memory.stores.values() if store.seller_id == seller_id),
            key=lambda store: store.store_id,
        )
        return [store for store in found if store.store_id > (after or "")][:limit]

    async def open(self, store_id: str) -> StoredAccess | None:
        """Both."""
        store = self._memory.stores.get(store_id)
        return StoredAccess(store, self._memory.secrets.get(store_id)) if store else None

    async def change(
        self, store_id: str, change: Callable[[Store], Store], *, secrets: bytes | None = None, erase: bool = False
    ) -> Store | None:
        """Change and announce."""
        store = self._memory.stores.get(store_id)
        if store is None:
            return None
        changed = change(store)
        self._refuse_second(changed)
        if changed != store:
            self._memory.stores[store_id] = changed
            self._memory.outbox.extend(announcements(changed))
        if erase:
            self._memory.secrets.pop(store_id, None)
        elif secrets is not None:
            self._memory.secrets[store_id] = secrets
        return changed

    async def drop_pending(self, store_id: str) -> None:
        """Only while it is pending."""
        store = self._memory.stores.get(store_id)
        if store and store.state == "pending" and store.linked_at is None:
            del self._memory.stores[store_id]
            del self._memory.polls[store_id]

    def _refuse_second(self, store: Store) -> None:
        if store.external_id is not None and any(
            _names(other) == _names(store) and other.store_id != store.store_id
            for other in self._memory.stores.values()
        ):
            raise AlreadyLinked(store.store_id)


def _names(store: Store) -> tuple[str, str, str | None]:
    return store.seller_id, store.platform, store.external_id


class _Turn:
    def __init__(self, memory: Memory, store_id: str) -> None:
        self._memory = memory
        self._store_id = store_id
        self.sealed = memory.secrets.get(store_id)
        self.kept: bytes | None = None

    async def keep(self, sealed: bytes) -> None:
        """At the end of the turn."""
        self.kept = sealed


class MemorySecrets:
    """`Secrets` by a lock a store."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, store_id: str) -> AsyncIterator[_Turn]:
        """Hold the lock for as long as the block lasts."""
        async with self._locks[store_id]:
            turn = _Turn(self._memory, store_id)
            yield turn
            if turn.kept is not None and store_id in self._memory.secrets:
                self._memory.secrets[store_id] = turn.kept


class MemoryAuthorizations:
    """`Authorizations` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, authorization: Authorization) -> None:
        """Keep one."""
        self._memory.authorizations[authorization.state_digest] = authorization

    async def take(self, state_digest: bytes, *, now: datetime) -> Authorization | None:
        """Once."""
        held = self._memory.authorizations.get(state_digest)
        if held is None or held.expires_at <= now:
            return None
        return self._memory.authorizations.pop(state_digest)

    async def forget_expired(self, *, now: datetime) -> None:
        """All at once."""
        held = self._memory.authorizations
        self._memory.authorizations = {digest: one for digest, one in held.items() if one.expires_at > now}


class MemoryPolls:
    """`Polls` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[Lease]:
        """Whatever is due and free."""
        chosen = sorted(
            (store_id for store_id in self._memory.stores if self._due(store_id, platforms, now)), key=self._urgency
        )[:limit]
        return [self._leased(store_id, owner, now, until) for store_id in chosen]

    async def renew(self, lease: Lease, *, until: datetime) -> None:
        """If it is still ours."""
        poll = self._held(lease)
        poll.expires_at = max(poll.expires_at or until, until)

    async def give_back(self, lease: Lease, *, due: datetime) -> None:
        """If it is still ours."""
        poll = self._held(lease)
        poll.owner = poll.expires_at = None
        poll.next_poll_at = due

    async def ask(self, store_id: str, *, now: datetime) -> None:
        """At once."""
        if store_id in self._memory.polls:
            self._memory.polls[store_id].asked_at = now

    async def progress(self, store_ids: Collection[str]) -> Mapping[str, Progress]:
        """Of those that exist."""
        return {
            store_id: Progress(poll.cursor, poll.next_poll_at, poll.last_poll_at)
            for store_id in store_ids
            if (poll := self._memory.polls.get(store_id))
        }

    async def interrupted(self, lease: Lease) -> Session | None:
        """At most one."""
        return next(
            (
                session
                for session in self._memory.sessions.values()
                if (session.store_id, session.way, session.state) == (lease.store.store_id, "poll", "running")
            ),
            None,
        )

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
        next_poll_at: datetime,
        failures: int,
        messages: Sequence[Message],
    ) -> None:
        """Under the lease."""
        poll = self._held(lease)
        poll.cursor = max(filter(None, (poll.cursor, cursor)), default=None)
        poll.next_poll_at, poll.failures, poll.last_poll_at = next_poll_at, failures, session.finished_at
        if poll.asked_at and poll.claimed_at and poll.asked_at <= poll.claimed_at:
            poll.asked_at = None
        poll.owner = poll.expires_at = None
        self._memory.keep_session(session)
        self._memory.outbox.extend(messages)

    def _due(self, store_id: str, platforms: Collection[str], now: datetime) -> bool:
        store, poll = self._memory.stores[store_id], self._memory.polls[store_id]
        automatic = store.settings.auto_sync and (poll.next_poll_at is None or poll.next_poll_at <= now)
        free = poll.expires_at is None or poll.expires_at <= now
        return (
            store.state == "linked"
            and store.platform in platforms
            and (poll.asked_at is not None or automatic)
            and free
        )

    def _urgency(self, store_id: str) -> tuple[bool, float, float]:
        poll = self._memory.polls[store_id]
        asked = poll.asked_at.timestamp() if poll.asked_at else 0.0
        return poll.asked_at is None, asked, poll.next_poll_at.timestamp() if poll.next_poll_at else 0.0

    def _leased(self, store_id: str, owner: str, now: datetime, until: datetime) -> Lease:
        poll = self._memory.polls[store_id]
        poll.owner, poll.number, poll.expires_at, poll.claimed_at = owner, poll.number + 1, until, now
        return Lease(self._memory.stores[store_id], owner, poll.number, poll.cursor, poll.failures, now)

    def _held(self, lease: Lease) -> _Poll:
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
            if session.way == "webhook" and session.state == "running" and session.window.end < before
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
