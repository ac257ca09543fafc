"""Reads a store's pages with access that the platform should accept, waiting out what passes by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.order import Way
from services.ingest.connector import Access, Connector, Page, Window
from services.ingest.patience import ENOUGH_SECONDS, patiently
from services.ingest.store import Store
from services.ingest.tokens import Tokens
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Message, Publisher
from services.kit.metrics import Metrics


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
        """One page, with renewed access where the platform refused ours."""

        async def read() -> Page:
            access = await self.access()
            try:
                return await self.connector.read_page(access, window, after=after, way=self.way)
            except AuthorizationError:
                self.held = await self.tokens.after_refusal(self.connector, access)
                return await self.connector.read_page(self.held, window, after=after, way=self.way)

        return await patiently(read, clock=self.clock, enough=self.enough)


async def publish(publisher: Publisher, messages: Sequence[Message], *, way: Way, metrics: Metrics) -> None:
    """Have Kafka acknowledge a page's messages."""
    started = time.perf_counter()
    await publisher.publish(messages)
    metrics.observe("syncorder_publish_seconds", time.perf_counter() - started, way=way)
