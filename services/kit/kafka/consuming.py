"""One consumer group in this process: its partitions, its running batch, its positions, and whether it moves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.handling import Abandoned, BatchHandling
from services.kit.kafka.records import Record
from services.kit.kafka.subscription import Subscription
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Below the session timeout (10 s), for nothing heart-beats while a group is joined.
REVOCATION_WAIT_SECONDS = 8.0
#: No progress for this long, with records waiting and no handler at work: the consumer hangs.
HANGS_AFTER = timedelta(seconds=30)
#: After this long even a handler at work counts as standing still.
STANDSTILL = timedelta(minutes=2)
_COMMIT_TIMEOUT_SECONDS = 5.0
_MEASURE_TIMEOUT_SECONDS = 4.0
_RETRY_SECONDS = 1.0
#: Whoever keeps positions elsewhere has them in Kafka only for looking at.
_COPY_POSITIONS_EVERY = timedelta(seconds=1)


class Consuming:
    """The state between FastStream's consumer and a subscription's handler."""

    def __init__(
        self, subscription: Subscription, *, clock: Clock, metrics: Metrics, dead_letters: DeadLetters
    ) -> None:
        self._subscription = subscription
        self._clock = clock
        self._metrics = metrics
        self._handling = BatchHandling(
            subscription.group,
            subscription.handler,
            clock=clock,
            metrics=metrics,
            dead_letters=dead_letters,
        )
        self.listener = _Listener(self)
        self.group = subscription.group
        self._subscriber: Any = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._abandon = asyncio.Event()
        self._finishing = False
        #: Counts assignments, to tell batches of an earlier one.
        self._assignment = 0
        self._fetched_in = 0
        self._lag: int | None = 0
        self._positions: dict[TopicPartition, int] = {}
        self._moved_at = clock.now()
        self._copied_at = datetime.min.replace(tzinfo=UTC)
        self._seeking: asyncio.Task[None] | None = None

    def bind(self, subscriber: Any) -> None:
        """Remember FastStream's subscriber, whose consumer is a new one at every start."""
        self._subscriber = subscriber

    @property
    def is_connected(self) -> bool:
        """Whether there is a consumer; it may still be waiting for its partitions."""
        return self._consumer is not None

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        return None if self._subscriber is None else self._subscriber.consumer

    async def parse(self, batch: tuple[ConsumerRecord, ...]) -> KafkaMessage:
        """FastStream's own parser decodes every header as text and would fail on bytes that are not."""
        self._fetched_in = self._assignment
        return KafkaMessage(
            body=b"",
            headers={},
            message_id=f"{batch[0].offset}-{batch[-1].offset}",
            raw_message=batch,
            consumer=self._consumer or FAKE_CONSUMER,
        )

    async def decode(self, message: KafkaMessage) -> Sequence[ConsumerRecord]:
        """Hand the records on as they are; whoever handles them parses them."""
        batch: Sequence[ConsumerRecord] = message.raw_message
        return batch

    async def handle(self, batch: Sequence[ConsumerRecord]) -> None:
        """Let the handler end the batch, then commit its positions."""
        assignment = self._fetched_in
        if self._finishing or assignment != self._assignment:
            return  # not committed, so it comes again, to whoever has the partitions then
        self._idle.clear()
        started = time.perf_counter()
        try:
            await self._handling.handle([_record(found) for found in batch], abandon=self._abandon)
            self._moved_at = self._clock.now()
            self._metrics.observe("syncorder_batch_seconds", time.perf_counter() - started, group=self.group)
            if assignment == self._assignment:
                await self._commit(batch)
        except Abandoned:
            log.info("batch.abandoned", group=self.group, records=len(batch))
        finally:
            self._idle.set()

    async def finish(self, within: float) -> None:
        """Take no more batches, and wait for the running one; one that waits to be repeated is given up."""
        self._finishing = True
        await self._settle(within)
        if self._seeking is not None:
            self._seeking.cancel()

    def begin_again(self) -> None:
        """Take batches again, after a reconnection."""
        self._finishing = False
        self._abandon.clear()
        self._moved_at = self._clock.now()

    async def revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Before partitions go: let the running batch end and commit, or give it up."""
        await self._settle(REVOCATION_WAIT_SECONDS)
        self._assignment += 1
        if self._seeking is not None:
            self._seeking.cancel()
        going = _plain(partitions)
        if self._subscription.on_revoked is not None and going:  # joining a group revokes nothing, and says so
            await self._subscription.on_revoked(going)

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """After partitions came: read them from where the subscription wants."""
        if not self._finishing:
            self._abandon.clear()
        self._moved_at = self._clock.now()
        partitions = list(partitions)
        consumer = self._consumer
        if self._subscription.start_positions is not None and consumer is not None and partitions:
            # Nothing heart-beats until this callback returns, so a slow database must not be waited for here.
            consumer.pause(*partitions)
            self._seeking = asyncio.create_task(self._seek(consumer, partitions))
        if self._subscription.on_assigned is not None:
            await self._subscription.on_assigned(_plain(partitions))

    async def measure(self) -> None:
        """Note how far the consumer is, and how far it could be."""
        consumer = self._consumer
        partitions = sorted(consumer.assignment()) if consumer is not None else []
        if consumer is None or not partitions:
            self._lag = 0
            return
        try:
            async with asyncio.timeout(_MEASURE_TIMEOUT_SECONDS):
                ends = await consumer.end_offsets(partitions)
                positions = {partition: await consumer.position(partition) for partition in partitions}
        except (KafkaError, TimeoutError, OSError):
            self._lag = None
            return
        if positions != self._positions:
            self._positions, self._moved_at = positions, self._clock.now()
        lags: dict[str, int] = defaultdict(int)
        for partition, end in ends.items():
            lags[partition.topic] += max(0, end - positions[partition])
        for topic, lag in lags.items():
            self._metrics.set("syncorder_consumer_lag", lag, group=self.group, topic=topic)
        self._lag = sum(lags.values())

    def hangs(self) -> bool:
        """Whether only a new consumer can help: records wait, or nobody knows, and nothing moves."""
        return (
            self._consumer is not None
            and self._idle.is_set()
            and self._lag != 0
            and self._handling.halted is None
            and self._clock.now() - self._moved_at > HANGS_AFTER
        )

    def problem(self) -> str | None:
        """What stands still, or None."""
        if self._handling.halted is not None:
            return self._handling.halted
        still = self._clock.now() - self._moved_at
        at_work = not self._idle.is_set()
        if self._handling.is_waiting or still < STANDSTILL:
            return None
        if at_work or self._lag:
            return f"{self.group} has handled nothing for {still.total_seconds():.0f} s, {self._lag} records wait"
        return None

    async def _settle(self, within: float) -> None:
        self._abandon.set()
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            log.warning("batch.outlived", group=self.group, waited=within)

    async def _commit(self, batch: Sequence[ConsumerRecord]) -> None:
        now = self._clock.now()
        if self._subscription.start_positions is not None:
            if now - self._copied_at < _COPY_POSITIONS_EVERY:
                return
            self._copied_at = now
        consumer = self._consumer
        if consumer is None:
            return
        ends = {TopicPartition(found.topic, found.partition): found.offset + 1 for found in batch}
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_SECONDS):
                await consumer.commit(ends)
        except (KafkaError, TimeoutError, OSError) as error:
            # The partitions moved, or Kafka is away: the records come again, which every handler bears.
            log.warning("position.not_committed", group=self.group, problem=type(error).__name__)

    async def _seek(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        start_positions = self._subscription.start_positions
        if start_positions is None:
            return
        while True:
            try:
                wanted = await start_positions(_plain(partitions))
                break
            except TransientError as error:
                log.warning("positions.unknown", group=self.group, problem=str(error))
                await self._clock.sleep(max(_RETRY_SECONDS, error.retry_after or 0))
        # Partitions may have moved meanwhile; then another call of `assigned` sees to them.
        with contextlib.suppress(KafkaError):
            for partition in partitions:
                if tuple(partition) in wanted:
                    consumer.seek(partition, wanted[tuple(partition)])
                else:
                    await consumer.seek_to_beginning(partition)
            consumer.resume(*partitions)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    def __init__(self, consuming: Consuming) -> None:
        self._consuming = consuming

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._consuming.revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._consuming.assigned(assigned)


def _plain(partitions: Iterable[TopicPartition]) -> list[tuple[str, int]]:
    return sorted((partition.topic, partition.partition) for partition in partitions)


def _record(found: ConsumerRecord) -> Record:
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        # A key that is not UTF-8 is not one of ours; its record is still somebody's to judge.
        key=found.key.decode("utf-8", "replace") if found.key is not None else None,
        value=found.value or b"",
        headers=dict(found.headers),
        timestamp_ms=found.timestamp,
    )
