"""What is known of stores' webhooks, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from services.ingest.adapters.memory import Memory
from services.ingest.webhooks.ports import PushHealth


class MemoryPushRecords:
    """`PushRecords` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def get(self, store_id: str) -> PushHealth:
        """Nothing is known of a store at first."""
        return self._memory.webhook_health.get(store_id, PushHealth())

    async def hear(self, heard: Mapping[str, datetime]) -> None:
        """The latest counts."""
        for store_id, at in heard.items():
            if store_id in self._memory.stores:
                held = await self.get(store_id)
                self._memory.webhook_health[store_id] = replace(held, heard_at=max(held.heard_at or at, at))

    async def refuse(self, store_id: str, *, now: datetime, unless_since: datetime) -> bool:
        """The first in a while."""
        held = await self.get(store_id)
        if store_id not in self._memory.stores or (held.refused_at is not None and held.refused_at > unless_since):
            return False
        self._memory.webhook_health[store_id] = replace(held, refused_at=now)
        return True

    async def keep(self, store_id: str, health: PushHealth) -> None:
        """All but what is heard and refused."""
        if store_id in self._memory.stores:
            held = await self.get(store_id)
            kept = replace(health, heard_at=held.heard_at, refused_at=held.refused_at)
            self._memory.webhook_health[store_id] = kept
