"""Publishes a shard's outbox to Kafka in order and exactly once, whoever is killed, whenever.

The number that was last published is kept in Kafka, in the same transaction as the messages. A relay opens the shard's
log first, which completes or undoes what the last owner left and fences that owner, and only then asks for the number.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass

import structlog

from services.eligibility.ports import LogOpener, Outbox, ShardFenced, ShardLog
from services.eligibility.sealing import Sealer
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.metrics import Metrics

log = structlog.get_logger()

BATCH = 1_000
#: Nobody needs to wake a relay; it only takes this long to notice then.
POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
#: A transaction costs the broker the same for one message as for a thousand, so a thin stream is gathered for a moment.
GATHER_SECONDS = 0.5
#: How often a busy relay also notes its position in Postgres; an idle one does at once.
NOTE_EVERY = 50


@dataclass(slots=True)
class _Progress:
    position: int
    noted: int
    batches: int = 0


class Relay:
    """The relay of one shard in this process."""

    def __init__(
        self, shard: int, *, outbox: Outbox, open_log: LogOpener, sealer: Sealer, clock: Clock, metrics: Metrics
    ) -> None:
        self.shard = shard
        self._outbox = outbox
        self._open_log = open_log
        self._sealer = sealer
        self._clock = clock
        self._metrics = metrics
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to publish."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled, or until somebody else takes the shard over."""
        while True:
            try:
                await self._publish_from_open_log()
            except TransientError as error:
                log.warning("relay.interrupted", shard=self.shard, problem=str(error))
                await self._clock.sleep(error.retry_after or RETRY_SECONDS)
            except ShardFenced:
                log.warning("relay.fenced", shard=self.shard)
                return

    async def _publish_from_open_log(self) -> None:
        shard_log = await self._open_log(self.shard)
        try:
            progress = await self._where_it_stands(shard_log)
            while True:
                self._woken.clear()
                published = await self.publish_next(shard_log, progress)
                if published == 0:
                    await self._note(progress)
                    await self._wait()
                elif published < BATCH:
                    await self._clock.sleep(GATHER_SECONDS)
        finally:
            await shard_log.close()

    async def publish_next(self, shard_log: ShardLog, progress: _Progress) -> int:
        """Publish one batch; return how many messages it had."""
        batch = await self._outbox.read(self.shard, after=progress.position, limit=BATCH)
        if not batch:
            return 0
        messages = [self._sealer.open_message(numbered.message) for numbered in batch]
        await shard_log.publish(messages, number=batch[-1].number)
        progress.position = batch[-1].number
        progress.batches += 1
        for topic, count in Counter(message.topic for message in messages).items():
            self._metrics.increment("syncorder_relayed_messages_total", count, topic=topic)
        if progress.batches % NOTE_EVERY == 0:
            await self._note(progress)
        return len(messages)

    async def _where_it_stands(self, shard_log: ShardLog) -> _Progress:
        kept = await shard_log.position() or 0
        noted = await self._outbox.published(self.shard)
        return _Progress(position=max(kept, noted), noted=noted)

    async def _note(self, progress: _Progress) -> None:
        if progress.noted < progress.position:
            await self._outbox.note_published(self.shard, progress.position)
            progress.noted = progress.position

    async def _wait(self) -> None:
        # Waits by the loop's own time: it is only how soon it looks again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
