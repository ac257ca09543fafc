"""Pushes in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from schemas.ids import OrderKey
from services.ingest.adapters.memory import Memory
from services.ingest.ports import LeaseLost
from services.ingest.stores.store import Store
from services.ingest.tracking.ports import ORDERS_OF_A_STORE, Block, Change, News, Pushes, PushFilter, PushLease
from services.ingest.tracking.push import Push, PushOrder, push_order_due, told, wanted_again

_NEXT_PROBE = timedelta(days=1)
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass
class _Order:
    order: PushOrder
    queued_at: datetime
    ship_by: datetime | None = None
    due_at: datetime | None = None
    after_grant: int | None = None
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None
    pushes: dict[str, Push] = field(default_factory=dict)

    def is_free(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at <= now

    @property
    def rank(self) -> tuple[datetime, datetime, str]:
        return self.ship_by or _LATEST, self.queued_at, self.order.order_key


class MemoryPushes:
    """`PushStorage` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.orders: dict[OrderKey, _Order] = {}
        self.blocks: dict[str, Block] = {}

    async def take(self, news: Sequence[News], *, now: datetime) -> None:
        """At once."""
        for each in news:
            row = self.orders.setdefault(each.order.order_key, _Order(each.order, now, each.order.ship_by))
            self._apply(row, each.change, now=now)

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[PushLease]:
        """Whatever is due and free."""
        due: dict[str, list[_Order]] = defaultdict(list)
        busy: Counter[str] = Counter()
        for row in self.orders.values():
            if not row.is_free(now):
                busy[row.order.store_id] += row.owner is not None
            elif self._is_due(row, platforms, now):
                due[row.order.store_id].append(row)
        ranked = [
            (place, row.rank, row)
            for store_id, rows in due.items()
            for place, row in enumerate(nsmallest(ORDERS_OF_A_STORE, rows, key=_rank), busy[store_id] + 1)
            if place <= ORDERS_OF_A_STORE
        ]
        chosen = [row for _, _, row in sorted(ranked, key=lambda each: each[:2])]
        leases = []
        for row in sorted(chosen[:limit], key=_rank):
            row.owner, row.number, row.expires_at = owner, row.number + 1, until
            store = self._memory.stores[row.order.store_id]
            leases.append(PushLease(row.order.order_key, store, owner, row.number))
        return leases

    async def renew(self, lease: PushLease, *, until: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.expires_at = max(row.expires_at or until, until)

    async def give_back(self, lease: PushLease, *, due: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.owner = row.expires_at = None
        row.due_at = max(row.due_at or due, due)

    async def change(self, lease: PushLease, change: Change, *, now: datetime) -> Pushes:
        """If it is still ours."""
        return self._apply(self._ours(lease), change, now=now)

    async def leave(self, lease: PushLease) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.owner = row.expires_at = None
        row.due_at = push_order_due(row.pushes)[0]

    async def of_order(self, order_key: OrderKey) -> Pushes:
        """All of them."""
        row = self.orders.get(order_key)
        return dict(row.pushes) if row else {}

    async def get(self, push_id: str) -> Push | None:
        """One."""
        return next((row.pushes[push_id] for row in self.orders.values() if push_id in row.pushes), None)

    async def page(self, wanted: PushFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Push]:
        """The newest first."""
        found = [
            push
            for push in self._of(wanted)
            if wanted_again(push, wanted.state, wanted.code)
            and (after is None or (push.created_at, push.push_id) < after)
        ]
        return sorted(found, key=lambda push: (push.created_at, push.push_id), reverse=True)[:limit]

    async def retry(self, push_id: str, *, now: datetime) -> Push | None:
        """At once."""
        held = await self.get(push_id)
        if held is None:
            return None
        self._drop_blocks(PushFilter(held.order.seller_id, None, held.code, held.order.store_id))
        row = self.orders[held.order.order_key]
        return self._apply(row, lambda pushes: [pushes[push_id].retried(now=now)], now=now)[push_id]

    async def retry_all(self, wanted: PushFilter, *, now: datetime) -> int:
        """At once."""
        self._drop_blocks(wanted)
        return self._retry(self._of(wanted), lambda push: wanted_again(push, wanted.state, wanted.code), now)

    async def blocked(self, store: Store, *, now: datetime) -> Block | None:
        """At once."""
        block = self.blocks.get(store.store_id)
        if block is None or store.grants > block.grants:
            self.blocks.pop(store.store_id, None)
            return None
        if block.probe_at > now:
            return block
        self.blocks[store.store_id] = replace(block, probe_at=now + _NEXT_PROBE)
        return None

    async def block(self, block: Block) -> None:
        """One."""
        self.blocks[block.store_id] = block

    async def lift(self, store_id: str, *, now: datetime) -> None:
        """At once."""
        if self.blocks.pop(store_id, None) is not None:
            pushes = [push for row in self.orders.values() for push in row.pushes.values()]
            waiting = [push for push in pushes if push.order.store_id == store_id]
            self._retry(waiting, lambda push: push.after_grant is not None, now)

    async def forget(self, *, before: datetime) -> None:
        """All of them."""
        self.orders = {
            key: row
            for key, row in self.orders.items()
            if row.queued_at >= before or row.due_at or row.after_grant is not None or row.owner
        }

    def _apply(self, row: _Order, change: Change, *, now: datetime) -> Pushes:
        for push in change(dict(row.pushes)):
            before = row.pushes.get(push.push_id)
            if push == before:
                continue
            row.pushes[push.push_id], messages = told(before, push, now=now)
            self._memory.outbox.extend(messages)
            row.due_at, row.after_grant, ship_by = push_order_due(row.pushes)
            row.ship_by = ship_by or row.ship_by
        return dict(row.pushes)

    def _retry(self, pushes: list[Push], wanted: Callable[[Push], bool], now: datetime) -> int:
        again = [push for push in pushes if wanted(push) and push.retried(now=now) != push]
        for push in again:
            row = self.orders[push.order.order_key]
            self._apply(row, lambda held, push=push: [held[push.push_id].retried(now=now)], now=now)  # type: ignore[misc]
        return len(again)

    def _of(self, wanted: PushFilter) -> list[Push]:
        pushes = [push for row in self.orders.values() for push in row.pushes.values()]
        return [
            push
            for push in pushes
            if push.order.seller_id == wanted.seller_id and wanted.store_id in (None, push.order.store_id)
        ]

    def _drop_blocks(self, wanted: PushFilter) -> None:
        for store_id, block in list(self.blocks.items()):
            mine = self._memory.stores[store_id].seller_id == wanted.seller_id
            if mine and block.code == wanted.code and wanted.store_id in (None, store_id):
                del self.blocks[store_id]

    def _ours(self, lease: PushLease) -> _Order:
        row = self.orders[lease.order_key]
        if (row.owner, row.number) != (lease.owner, lease.number):
            raise LeaseLost("another process tells the platform of the order's parcels")
        return row

    def _is_due(self, row: _Order, platforms: Collection[str], now: datetime) -> bool:
        if row.order.platform not in platforms:
            return False
        if row.due_at is not None and row.due_at <= now:
            return True
        return row.after_grant is not None and self._memory.stores[row.order.store_id].grants > row.after_grant


def _rank(row: _Order) -> tuple[datetime, datetime, str]:
    return row.rank
