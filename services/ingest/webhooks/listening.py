"""Follows the queues of platforms that do not call us: an order that a message names is read again, then it is done.

A message leaves its queue only when Kafka has the order; whoever is killed in between has it delivered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from schemas.ids import SellerId, StoreId
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import StoreRef
from services.ingest.contract.webhooks import Hint, Listener, MisreadHint
from services.ingest.listing import dead_letter
from services.ingest.webhooks.receiving import Webhooks
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.metrics import Metrics

log = structlog.get_logger()

_AFTER_TROUBLE_SECONDS = 5.0
#: A queue is asked at least every 20 s, and reading its orders may have to wait for a platform's budget.
_STANDSTILL = timedelta(minutes=10)


class Listening:
    """One process's share of the queues of its platforms."""

    def __init__(
        self, listeners: Mapping[str, Listener], webhooks: Webhooks, *, clock: Clock, metrics: Metrics
    ) -> None:
        self._listeners = listeners
        self._webhooks = webhooks
        self._clock = clock
        self._metrics = metrics
        self._pulses = {
            slug: Pulse(f"the queue of {slug}", clock=clock, within=_STANDSTILL) for slug in sorted(listeners)
        }

    def liveness(self) -> list[str]:
        """The queues that nobody asks any more."""
        return [problem for pulse in self._pulses.values() for problem in pulse.liveness()]

    async def run(self, stop: asyncio.Event) -> None:
        """Follow every queue until `stop`."""
        following = [asyncio.create_task(self._follow(slug)) for slug in self._listeners]
        try:
            await stop.wait()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            for listener in self._listeners.values():
                with suppress(TransientError):
                    await listener.close()

    async def _follow(self, slug: str) -> None:
        while True:
            self._pulses[slug].beat()
            try:
                await self.once(slug)
            except TransientError as error:
                log.warning("queue.waiting", platform=slug, problem=str(error))
                await self._clock.sleep(error.retry_after or _AFTER_TROUBLE_SECONDS)

    async def once(self, slug: str) -> None:
        """Take what is in a platform's queue now. Raises TransientError when the queue is away."""
        listener = self._listeners[slug]
        for news in await listener.receive():
            if isinstance(news, MisreadHint):
                await self._keep_unreadable(slug, news.unreadable)
            elif not await self._read(slug, news):
                continue
            await listener.done((news.receipt,))

    async def _read(self, slug: str, hint: Hint) -> bool:
        """Whether the order is durable, or is nobody's here; else its message comes again."""
        outcome = "unavailable"
        try:
            outcome = await self._webhooks.take_hint(slug, hint.store_external_id, hint.order_external_id)
        except TransientError as error:
            log.warning("hint.not_read", platform=slug, problem=str(error))
            return False
        finally:
            self._metrics.increment("syncorder_hints_total", platform=slug, outcome=outcome)
        return True

    async def _keep_unreadable(self, slug: str, unreadable: Unreadable) -> None:
        # Whose order it is about is what cannot be read.
        nobody = StoreRef(StoreId("unknown"), SellerId("unknown"), slug, "unknown")
        await self._webhooks.publisher.publish([dead_letter(unreadable, store=nobody, now=self._clock.now())])
        self._metrics.increment("syncorder_hints_total", platform=slug, outcome="unreadable")
        log.warning("hint.unreadable", platform=slug, path=unreadable.path, problem=unreadable.problem)
