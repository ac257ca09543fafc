"""Reads a store's pages with access that the platform should accept, waiting out what passes by itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from schemas.order import RawOrder, Way
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Listing, Page, Unreadable, Window
from services.ingest.contract.stores import Access
from services.ingest.patience import ENOUGH_SECONDS, OutOfPatience, patiently
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Message, Publisher
from services.kit.metrics import Metrics

T = TypeVar("T")

#: More orders than this are gone at once only if they are less than half of those that are read together.
MOST_GONE = 10


@dataclass(frozen=True, slots=True)
class ReadInTurn:
    """Orders that were read by their ids, None those that the platform has not, and what `stopped` it before the end.

    What was read counts: on a budget that is nearly used up the rest is reached only if nothing is read twice.
    """

    found: Mapping[str, RawOrder | Unreadable | None]
    stopped: OutOfPatience | None = None

    @property
    def gone(self) -> int:
        """How many orders the platform has not."""
        return sum(order is None for order in self.found.values())


def is_believable(gone: int, *, of: int) -> bool:
    """Whether a platform's answer may be true: that most orders are gone at once is rather a fault of its own.

    To believe it would stop the production of them all.
    """
    return gone <= MOST_GONE or 2 * gone <= of


@dataclass(slots=True)
class StoreReading:
    """One run's way into one store, which waits at most `enough` seconds for the platform in one place.

    Its methods raise `OutOfPatience` and, when access that was renewed is refused too, `AuthorizationError`.
    """

    store: Store
    connector: Connector
    tokens: Tokens
    clock: Clock
    way: Way
    held: Access | None = None
    enough: float = ENOUGH_SECONDS

    async def access(self) -> Access:
        """Access that is not about to end."""
        if self.held is None or self.connector.refresh_due(self.held.secrets, now=self.clock.now()):
            self.held = await patiently(
                lambda: self.tokens.fresh(self.connector, self.store), clock=self.clock, enough=self.enough
            )
        return self.held

    async def page(self, window: Window, after: str | None) -> Page:
        """One page."""
        return await self._ask(lambda access: self.connector.read_page(access, window, after=after, way=self.way))

    async def listing(self, window: Window, after: str | None) -> Listing:
        """One part of the list."""
        return await self._ask(lambda access: self.connector.list_orders(access, window, after=after))

    async def count(self, window: Window) -> int | None:
        """The platform's own count."""
        return await self._ask(lambda access: self.connector.count_orders(access, window))

    async def orders(self, external_ids: Sequence[str]) -> Mapping[str, RawOrder | Unreadable | None]:
        """Orders by their ids, at most as many as the connector reads at once."""
        return await self._ask(lambda access: self.connector.read_orders(access, external_ids, way=self.way))

    async def orders_in_turn(self, external_ids: Sequence[str]) -> ReadInTurn:
        """Orders by their ids, however many: as far as the platform lets us; `OutOfPatience` only for the first."""
        found: dict[str, RawOrder | Unreadable | None] = {}
        size = self.connector.ids_at_once
        for start in range(0, len(external_ids), size):
            asked = external_ids[start : start + size]
            try:
                answer = await self.orders(asked)
            except OutOfPatience as error:
                if not found:
                    raise
                return ReadInTurn(found, error)
            found.update({number: answer.get(number) for number in asked})
        return ReadInTurn(found)

    async def _ask(self, call: Callable[[Access], Awaitable[T]]) -> T:
        """Call the platform, with renewed access where it refused ours."""

        async def asked() -> T:
            access = await self.access()
            try:
                return await call(access)
            except AuthorizationError:
                self.held = await self.tokens.after_refusal(self.connector, access)
                return await call(self.held)

        return await patiently(asked, clock=self.clock, enough=self.enough)


async def publish(publisher: Publisher, messages: Sequence[Message], *, way: Way, metrics: Metrics) -> None:
    """Have Kafka acknowledge a page's messages."""
    started = time.perf_counter()
    await publisher.publish(messages)
    metrics.observe("syncorder_publish_seconds", time.perf_counter() - started, way=way)
