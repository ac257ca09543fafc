"""Manual syncs in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from schemas.ids import OrderKey
from services.ingest.adapters.memory import Memory, SyncRow
from services.ingest.ports import LeaseLost, Seen, SyncLease
from services.ingest.syncs.sync import ENDED, Sync
from services.kit.kafka.publisher import Message


class MemorySyncs:
    """`Syncs` in a dictionary."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, syncs: Sequence[Sync]) -> None:
        """All that are new."""
        for sync in syncs:
            self._memory.syncs.setdefault(sync.sync_id, SyncRow(sync))

    async def get(self, sync_id: str) -> Sync | None:
        """One sync."""
        row = self._memory.syncs.get(sync_id)
        return row.sync if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Sync]:
        """By the time they were asked for."""
        last = self._memory.syncs.get(after) if after is not None else None
        if after is not None and last is None:
            return []
        found = [
            sync
            for sync in sorted((row.sync for row in self._memory.syncs.values()), key=_age, reverse=True)
            if sync.session.seller_id == seller_id
            and store_id in (None, sync.session.store_id)
            and (last is None or _age(sync) < _age(last.sync))
        ]
        return found[:limit]

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """Counted."""
        found = (row.sync for row in self._memory.syncs.values() if row.sync.state not in ENDED)
        return Counter(sync.session.store_id for sync in found if sync.session.store_id in store_ids)

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[SyncLease]:
        """Whatever is due and free."""
        due = [row for row in self._memory.syncs.values() if self._is_due(row, platforms, now)]
        leases = []
        for row in sorted(due, key=lambda row: row.sync.due_at)[:limit]:
            row.owner, row.number, row.expires_at = owner, row.number + 1, until
            leases.append(SyncLease(row.sync, self._memory.stores[row.sync.session.store_id], owner, row.number))
        return leases

    async def renew(self, lease: SyncLease, *, until: datetime) -> None:
        """If it is still ours."""
        row = self._held(lease)
        row.expires_at = max(row.expires_at or until, until)

    async def give_back(self, lease: SyncLease, *, due: datetime) -> None:
        """If it is still ours."""
        row = self._held(lease)
        row.owner = row.expires_at = None
        row.change(due_at=due)

    async def begin(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        row = self._held(lease)
        if not row.sync.begun:
            row.sync = sync
            self._memory.outbox.extend(messages)

    async def record(
        self, lease: SyncLease, sync: Sync, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Under the lease."""
        row = self._held(lease)
        if row.sync.session.part >= sync.session.part:
            return
        row.sync = sync
        self._memory.keep_seen(seen)
        self._memory.outbox.extend(messages)

    async def rest(self, lease: SyncLease, sync: Sync) -> None:
        """Under the lease."""
        self._leave(self._held(lease), sync, ())

    async def end(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        self._leave(self._held(lease), sync, messages)

    async def steer(self, sync_id: str, change: Callable[[Sync], tuple[Sync, Sequence[Message]]]) -> Sync | None:
        """At once."""
        row = self._memory.syncs.get(sync_id)
        if row is None:
            return None
        changed, messages = change(row.sync)
        if changed != row.sync:
            self._leave(row, changed, messages)
        return changed

    async def forget(self, *, before: datetime) -> None:
        """All of them."""
        held = self._memory.syncs
        self._memory.syncs = {
            sync_id: row
            for sync_id, row in held.items()
            if row.sync.session.finished_at is None or row.sync.session.finished_at >= before
        }

    def _leave(self, row: SyncRow, sync: Sync, messages: Sequence[Message]) -> None:
        row.sync, row.owner, row.expires_at, row.number = sync, None, None, row.number + 1
        self._memory.outbox.extend(messages)

    def _is_due(self, row: SyncRow, platforms: Collection[str], now: datetime) -> bool:
        sync = row.sync
        return (
            sync.state in {"queued", "running"}
            and sync.session.platform in platforms
            and sync.due_at <= now
            and row.is_free(now)
            and not any(self._comes_first(other, row, now) for other in self._memory.syncs.values())
        )

    def _comes_first(self, other: SyncRow, row: SyncRow, now: datetime) -> bool:
        mine, its = row.sync, other.sync
        if its.sync_id == mine.sync_id or its.session.store_id != mine.session.store_id or its.state in ENDED:
            return False
        return (its.sync_id < mine.sync_id and not its.paused) or not other.is_free(now)

    def _held(self, lease: SyncLease) -> SyncRow:
        row = self._memory.syncs.get(lease.sync.sync_id)
        if row is None or (row.owner, row.number) != (lease.owner, lease.number):
            raise LeaseLost("somebody else decides about the sync")
        return row


def _age(sync: Sync) -> tuple[datetime, str]:
    return sync.asked_at, sync.sync_id
