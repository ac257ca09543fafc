"""Keeps one seller's orders under their creation and change times, and what is due to happen to them later."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from deploy.sandbox.amazon.orders import Order

Family = Literal["created", "lastUpdated"]
_LAST = "\U0010ffff"


@dataclass(slots=True)
class Ledger:
    """The orders of one seller; times are Unix milliseconds."""

    deleted: list[Order] = field(default_factory=list)
    _orders: dict[str, Order] = field(default_factory=dict)
    _created: list[tuple[int, str]] = field(default_factory=list)
    _updated: list[tuple[int, str]] = field(default_factory=list)
    _due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _planned: int = 0

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def get(self, order_id: str) -> Order | None:
        """The order, or None when this seller has none of that id."""
        return self._orders.get(order_id)

    def add(self, order: Order) -> None:
        """Take a new order in."""
        self._orders[order.order_id] = order
        insort(self._created, (order.created, order.order_id))
        insort(self._updated, (order.updated, order.order_id))

    def touch(self, order: Order, *, at: int) -> None:
        """The order changed."""
        _drop(self._updated, (order.updated, order.order_id))
        order.touched(at)
        insort(self._updated, (order.updated, order.order_id))

    def remove(self, order: Order) -> None:
        """Let the order vanish."""
        del self._orders[order.order_id]
        _drop(self._created, (order.created, order.order_id))
        _drop(self._updated, (order.updated, order.order_id))
        order.deleted = True
        self.deleted.append(order)

    def window(self, family: Family, *, low: int, high: int) -> list[Order]:
        """The orders with low <= time <= high, ascending."""
        index = self._created if family == "created" else self._updated
        first = bisect_left(index, (low, ""))
        last = bisect_right(index, (high, _LAST))
        return [self._orders[order_id] for _, order_id in index[first:last]]

    def later(self, at: int, happens: Callable[[int], None]) -> None:
        """Plan something; it is told its own time when `settle` reaches it."""
        self._planned += 1
        heapq.heappush(self._due, (at, self._planned, happens))

    def settle(self, now: int) -> None:
        """Let happen what is due."""
        while self._due and self._due[0][0] <= now:
            at, _, happens = heapq.heappop(self._due)
            happens(at)


def _drop(index: list[tuple[int, str]], entry: tuple[int, str]) -> None:
    del index[bisect_left(index, entry)]
