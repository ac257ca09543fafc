"""Stores, their secrets and their sellers' authorizations in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from services.ingest.adapters.memory import Memory, Poll
from services.ingest.ports import AlreadyLinked, Authorization, StoredAccess
from services.ingest.stores.store import Store, announcements, news


class MemoryStores:
    """`Stores` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, store: Store) -> None:
        """Keep a new store."""
        self._refuse_second(store)
        self._memory.stores[store.store_id] = store
        self._memory.polls[store.store_id] = Poll()
        self._memory.outbox.extend(announcements(store))

    async def get(self, store_id: str) -> Store | None:
        """One store."""
        return self._memory.stores.get(store_id)

    async def find(self, seller_id: str, *, platform: str, external_id: str) -> Store | None:
        """By its three names."""
        wanted = (seller_id, platform, external_id)
        return next((store for store in self._memory.stores.values() if _names(store) == wanted), None)

    async def of_platform(self, platform: str, external_id: str) -> list[Store]:
        """By their two names."""
        return [
            store
            for _, store in sorted(self._memory.stores.items())
            if (store.platform, store.external_id) == (platform, external_id) and store.state != "pending"
        ]

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
        if changed.external_id != store.external_id:
            self._refuse_second(changed)
        if changed != store:
            self._memory.stores[store_id] = changed
            self._memory.outbox.extend(news(store, changed))
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
