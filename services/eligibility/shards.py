"""Has the shards that Kafka assigned to this process relayed and judged again, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from schemas.topics import ORDERS_RAW
from services.eligibility.relay import Relay
from services.kit.clock import Clock
from services.kit.kafka.records import Partition
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: How long a shard rests whose relay was fenced or failed; who else has it shows by then.
RETAKE_SECONDS = 5.0
#: Revocation waits this long for a relay; the next owner's fencing does not depend on it.
_RELEASE_SECONDS = 3.0


class Shards:
    """The shards of this process. One is a partition of the raw orders."""

    def __init__(self, new_relay: Callable[[int], Relay], *, clock: Clock, metrics: Metrics) -> None:
        self._new_relay = new_relay
        self._clock = clock
        self._metrics = metrics
        self._relays: dict[int, tuple[Relay, asyncio.Task[None]]] = {}

    @property
    def owned(self) -> list[int]:
        """The shards of this process now."""
        return sorted(self._relays)

    def wake(self, shards: Collection[int]) -> None:
        """Tell the relays of those of `shards` that are ours that there is something to publish."""
        for shard in shards:
            if shard in self._relays:
                self._relays[shard][0].wake()

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """Begin to relay; returns at once, for nothing heart-beats meanwhile."""
        for topic, shard in partitions:
            if topic.endswith(ORDERS_RAW.name) and shard not in self._relays:
                relay = self._new_relay(shard)
                self._relays[shard] = (relay, asyncio.create_task(self._keep_relaying(relay)))
        self._metrics.set("syncorder_shards_owned", len(self._relays))

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Stop relaying; what was begun and not ended is undone or completed by the next owner."""
        shards = {shard for topic, shard in partitions if topic.endswith(ORDERS_RAW.name)}
        await self._release(shards & self._relays.keys())

    async def release_all(self) -> None:
        """Stop all relays."""
        await self._release(set(self._relays))

    async def _release(self, shards: Collection[int]) -> None:
        tasks = [self._relays.pop(shard)[1] for shard in shards]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_RELEASE_SECONDS)
        self._metrics.set("syncorder_shards_owned", len(self._relays))

    async def _keep_relaying(self, relay: Relay) -> None:
        while True:
            try:
                await relay.run()
            except Exception:  # the outermost loop of its task: nobody else would relay this shard again
                self._metrics.increment("syncorder_unexpected_errors_total", where="eligibility.relay")
                log.exception("relay.failed", shard=relay.shard)
            await self._clock.sleep(RETAKE_SECONDS)
