"""Given orders in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from schemas.ids import OrderKey
from services.ingest.direct.given import Given


class MemoryGivenOrders:
    """`GivenOrders` in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[OrderKey, Given] = {}

    async def claim(self, orders: Sequence[Given]) -> Mapping[OrderKey, Given]:
        """Whoever comes first."""
        return {order.order_key: self.rows.setdefault(order.order_key, order) for order in orders}

    async def get(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Given]:
        """Of those that are known."""
        return {key: self.rows[key] for key in keys if key in self.rows}

    async def change(self, key: OrderKey, change: Callable[[Given], Given]) -> Given | None:
        """At once."""
        if key not in self.rows:
            return None
        self.rows[key] = change(self.rows[key])
        return self.rows[key]
