"""Last looks in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.looks import LookWanted
from services.ingest.adapters.memory import Memory
from services.ingest.looks.ports import LookLease
from services.ingest.ports import LeaseLost


@dataclass
class _Asked:
    due_at: datetime | None = None
    failures: int = 0
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None
    looks: dict[str, LookWanted] = field(default_factory=dict)


class MemoryLooks:
    """`Looks` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.stores: dict[str, _Asked] = {}

    async def ask(self, wanted: Sequence[LookWanted], *, now: datetime) -> None:
        """One by one."""
        for one in wanted:
            if one.store_id not in self._memory.stores:
                continue
            row = self.stores.setdefault(one.store_id, _Asked())
            row.due_at = row.due_at or now
            held = row.looks.get(one.order_key)
            if held is None or held.occurred_at < one.occurred_at:
                row.looks[one.order_key] = one

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[LookLease]:
        """Whatever is due and free."""
        due = sorted(
            (row.due_at, store_id)
            for store_id, row in self.stores.items()
            if row.due_at is not None
            and row.due_at <= now
            and (row.expires_at is None or row.expires_at <= now)
            and self._memory.stores[store_id].platform in platforms
        )
        leases = []
        for _, store_id in due[:limit]:
            row = self.stores[store_id]
            row.owner, row.number, row.expires_at = owner, row.number + 1, until
            leases.append(LookLease(self._memory.stores[store_id], owner, row.number, row.failures))
        return leases

    async def renew(self, lease: LookLease, *, until: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.expires_at = max(row.expires_at or until, until)

    async def give_back(self, lease: LookLease, *, due: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.owner = row.expires_at = None
        row.due_at = max(row.due_at or due, due)

    async def next(self, lease: LookLease, *, limit: int) -> list[LookWanted]:
        """Those that were asked first."""
        looks = self.stores[lease.store.store_id].looks.values()
        return sorted(looks, key=lambda one: (one.occurred_at, one.order_key))[:limit]

    async def answered(self, lease: LookLease, wanted: Sequence[LookWanted]) -> None:
        """Under the lease."""
        row = self._ours(lease)
        for one in wanted:
            held = row.looks.get(one.order_key)
            if held is not None and held.event_id == one.event_id:
                del row.looks[one.order_key]

    async def leave(self, lease: LookLease, *, due: datetime, failures: int = 0) -> None:
        """Under the lease."""
        row = self._ours(lease)
        row.owner = row.expires_at = None
        row.due_at, row.failures = due if row.looks else None, failures

    def _ours(self, lease: LookLease) -> _Asked:
        row = self.stores[lease.store.store_id]
        if (row.owner, row.number) != (lease.owner, lease.number):
            raise LeaseLost("another process looks at the store's orders")
        return row
