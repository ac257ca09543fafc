"""What was recorded to be told reaches Kafka, in order, however often Kafka or we go away in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from services.ingest.ports import Outbox
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.kafka.publisher import Publisher

log = structlog.get_logger()

_AT_ONCE = 500
#: What another process recorded and could not tell waits at most this long.
_LOOK_EVERY_SECONDS = 0.25
_AFTER_TROUBLE_SECONDS = 1.0
#: One drain moves a whole backlog, and a publish or statement may take its full time.
_STANDSTILL = timedelta(minutes=5)


class Relay:
    """Moves the outbox to Kafka."""

    def __init__(self, outbox: Outbox, publisher: Publisher, clock: Clock) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._pulse = Pulse("the relay of what is to be told", clock=clock, within=_STANDSTILL)

    def liveness(self) -> list[str]:
        """Whether the outbox is still looked at."""
        return self._pulse.liveness()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`, and once more then."""
        while not stop.is_set():
            self._pulse.beat()
            pause = _LOOK_EVERY_SECONDS if await self.drain() else _AFTER_TROUBLE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await self.drain()

    async def drain(self) -> bool:
        """Relay all there is; False when Kafka or Postgres is away."""
        try:
            while await self._outbox.relay(self._publisher.publish, limit=_AT_ONCE) == _AT_ONCE:
                pass
        except TransientError as error:
            log.warning("outbox.waiting", problem=str(error))
            return False
        return True
