"""Which store a webhook is for and what verifies it, kept in memory for seconds so that Postgres is not on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ingest.contract.stores import Access
from services.ingest.ports import Stores
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import open_access
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.vault import Vault

#: How long a store's new settings or secrets may go unnoticed.
FRESH_FOR = timedelta(seconds=3)
#: While Postgres is away, what was known last serves on for so long; orders still reach Kafka.
STALE_FOR = timedelta(minutes=10)
_SIZE = 20_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A store whose webhooks can be verified."""

    store: Store
    access: Access


@dataclass(frozen=True, slots=True)
class _Held:
    opened: Opened | None
    known_at: datetime


class AccessCache:
    """Opens stores; many webhooks of one store ask Postgres once."""

    def __init__(self, stores: Stores, vault: Vault, clock: Clock) -> None:
        self._stores = stores
        self._vault = vault
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._asking: dict[str, asyncio.Task[_Held]] = {}

    async def get(self, store_id: str) -> Opened | None:
        """The store with what opens it; None when there is no such store, or it has no access.

        Raises:
            TransientError: Postgres is away and nothing recent is known.
        """
        held = self._held.get(store_id)
        age = self._clock.now() - held.known_at if held else STALE_FOR
        if held and timedelta() <= age < FRESH_FOR:
            return held.opened
        try:
            held = await self._asked_once(store_id)
        except TransientError:
            if held is None or held.opened is None or age >= STALE_FOR:
                raise
        return held.opened

    def forget(self, store_id: str) -> None:
        """Ask again at the next webhook."""
        self._held.pop(store_id, None)

    async def _asked_once(self, store_id: str) -> _Held:
        task = self._asking.get(store_id)
        if task is None:
            task = asyncio.create_task(self._ask(store_id))
            self._asking[store_id] = task
            task.add_done_callback(lambda _: self._asking.pop(store_id, None))
        # One caller's cancellation must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, store_id: str) -> _Held:
        known_at = self._clock.now()
        stored = await self._stores.open(store_id)
        opened = None
        if stored is not None and stored.store.state in {"linked", "reconnect"}:
            try:
                opened = Opened(stored.store, open_access(self._vault, stored))
            except AuthorizationError:
                opened = None
        held = _Held(opened, known_at)
        if len(self._held) >= _SIZE:
            self._held.clear()
        self._held[store_id] = held
        return held
