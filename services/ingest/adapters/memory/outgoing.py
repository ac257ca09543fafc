"""Outgoing webhooks in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from services.ingest.outgoing.endpoints import Delivery, Endpoint, news_of
from services.kit.kafka.publisher import Message


class MemoryOutgoing:
    """`Outgoing` in dictionaries."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.outbox: list[Message] = []

    async def add(self, endpoint: Endpoint) -> None:
        """At once."""
        self.endpoints[endpoint.endpoint_id] = endpoint

    async def get(self, endpoint_id: str) -> Endpoint | None:
        """If it is there."""
        return self.endpoints.get(endpoint_id)

    async def of_sellers(self, seller_ids: Collection[str]) -> Sequence[Endpoint]:
        """By age."""
        found = [endpoint for endpoint in self.endpoints.values() if endpoint.seller_id in seller_ids]
        return sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.endpoint_id))

    async def is_wanted(self) -> bool:
        """By looking."""
        return any(endpoint.state == "enabled" for endpoint in self.endpoints.values())

    async def change(
        self, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, now: datetime
    ) -> Endpoint | None:
        """At once."""
        if endpoint_id not in self.endpoints:
            return None
        held = self.endpoints[endpoint_id]
        self.endpoints[endpoint_id] = changed = change(held)
        self.outbox += news_of(held, changed, now=now)
        return changed

    async def remove(self, endpoint_id: str, *, now: datetime) -> None:
        """With its deliveries."""
        held = self.endpoints.pop(endpoint_id, None)
        self.outbox += news_of(held, None, now=now) if held else ()
        self.deliveries = {key: each for key, each in self.deliveries.items() if each.endpoint_id != endpoint_id}

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Those that are new, to addresses that are there."""
        for delivery in deliveries:
            if delivery.endpoint_id in self.endpoints:
                self.deliveries.setdefault(delivery.delivery_id, delivery)

    async def due(self, *, now: datetime, until: datetime, each: int, limit: int) -> Sequence[Delivery]:
        """The longest due first."""
        taken: Counter[str] = Counter()
        found: list[Delivery] = []
        for delivery in sorted(self.deliveries.values(), key=lambda one: one.due_at):
            endpoint = self.endpoints[delivery.endpoint_id]
            is_due = delivery.state == "waiting" and delivery.due_at <= now and endpoint.state == "enabled"
            if is_due and taken[delivery.endpoint_id] < each and len(found) < limit:
                taken[delivery.endpoint_id] += 1
                self.deliveries[delivery.delivery_id] = replace(delivery, due_at=until)
                found.append(self.deliveries[delivery.delivery_id])
        return found

    async def keep(self, delivery: Delivery) -> None:
        """If it is still there."""
        if delivery.delivery_id in self.deliveries:
            self.deliveries[delivery.delivery_id] = delivery

    async def find(self, delivery_id: str) -> Delivery | None:
        """If it is there."""
        return self.deliveries.get(delivery_id)

    async def log(self, endpoint_id: str, *, before: tuple[datetime, str] | None, limit: int) -> Sequence[Delivery]:
        """By age."""
        found = sorted(
            (each for each in self.deliveries.values() if each.endpoint_id == endpoint_id), key=_age, reverse=True
        )
        return [each for each in found if before is None or _age(each) < before][:limit]

    async def forget(self, *, before: datetime) -> None:
        """Those that ended."""
        held = self.deliveries.items()
        self.deliveries = {key: each for key, each in held if each.state == "waiting" or each.created_at >= before}


def _age(delivery: Delivery) -> tuple[datetime, str]:
    return delivery.created_at, delivery.delivery_id
