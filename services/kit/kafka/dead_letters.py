"""A record that can never be processed is kept on `<topic>.dlq` with its reason, and can be replayed from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit import trace
from services.kit.clock import Clock, SystemClock
from services.kit.errors import OversizedMessage, TransientError
from services.kit.kafka.cluster import Address, cluster_at
from services.kit.kafka.publisher import KafkaPublisher, Message, Publisher
from services.kit.kafka.records import Record
from services.kit.kafka.topics import DEAD_LETTER_SUFFIX, partition_counts

REASON, DETAIL = "dlq.reason", "dlq.detail"
SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET = "dlq.topic", "dlq.partition", "dlq.offset"
GROUP, TIME = "dlq.group", "dlq.time"
_OWN_PREFIX = "dlq."

_GROUP_OF_ALL = "replay"
_REPLAY_BATCH = 500
_READ_TIMEOUT_SECONDS = 10.0


class DeadLetters:
    """Sets records aside. Key, value and headers stay as they were; the reason travels in headers of our own.

    A dead letter is in the trace of its record, and so is its replay.
    """

    def __init__(self, publisher: Publisher, *, clock: Clock | None = None) -> None:
        self._publisher = publisher
        self._clock = clock or SystemClock()

    async def send(self, record: Record, *, reason: str, detail: str, group: str = "") -> None:
        """Return when Kafka keeps the dead letter; `reason` is a code, `detail` holds no personal data."""
        told = {
            REASON: reason,
            DETAIL: detail,
            SOURCE_TOPIC: record.topic,
            SOURCE_PARTITION: str(record.partition),
            SOURCE_OFFSET: str(record.offset),
            GROUP: group,
            TIME: self._clock.now().isoformat(),
        }
        kept = ((name, value) for name, value in record.headers.items() if not name.startswith(_OWN_PREFIX))
        span = record.trace().header()
        headers = (
            *((name, value) for name, value in kept if name != trace.TRACEPARENT),
            *((name, value.encode()) for name, value in told.items()),
            span,
        )
        topic = record.topic.removesuffix(DEAD_LETTER_SUFFIX) + DEAD_LETTER_SUFFIX
        try:
            await self._publisher.publish([Message(topic, record.key or "", record.value, headers)])
        except OversizedMessage:
            # With our headers it no longer fits; where it stands in its topic is told, and that must do.
            told[DETAIL] = f"{detail} (too large to be kept here)"
            own = (*((name, value.encode()) for name, value in told.items()), span)
            await self._publisher.publish([Message(topic, record.key or "", b"", own)])


async def replay(
    kafka: Address,
    topic: str,
    *,
    limit: int | None = None,
    where: Callable[[Mapping[str, bytes]], bool] | None = None,
    group: str | None = None,
) -> int:
    """Publish dead letters of `topic` back to it, oldest first; return how many.

    `where` picks by what the dead letter says of itself: `reason`, `detail`, `topic`, `partition`, `offset`, `group`
    and `time`, each as bytes. A replay of everything remembers how far it came, and the next one goes on there. One
    that picks starts from the beginning each time, so that it hides nothing from the others, unless it is given a
    `group` of its own to remember its place in. Replayed records may arrive twice.

    Raises:
        TransientError: Kafka is away.
    """
    replayed = 0
    place = group or (_GROUP_OF_ALL if where is None else None)
    publisher = KafkaPublisher(kafka, _GROUP_OF_ALL, timeout=_READ_TIMEOUT_SECONDS)
    async with _dead_letters_of(kafka, topic, place) as consumer, _stopping(publisher):
        async for batch in _until_end(consumer):
            found = [record for record in map(_record, batch) if where is None or where(_told(record))]
            picked = found if limit is None else found[: limit - replayed]
            await publisher.publish([_as_it_was(record) for record in picked])
            replayed += len(picked)
            full = limit is not None and replayed >= limit
            last = picked[-1].offset if full and picked else batch[-1].offset
            if place is not None:
                await consumer.commit({TopicPartition(batch[0].topic, batch[0].partition): last + 1})
            if full:
                break
    return replayed


@asynccontextmanager
async def _stopping(publisher: KafkaPublisher) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await publisher.stop()


@asynccontextmanager
async def _dead_letters_of(kafka: Address, topic: str, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    name = topic + DEAD_LETTER_SUFFIX
    counts = await partition_counts(kafka)
    consumer = AIOKafkaConsumer(
        **cluster_at(kafka).options(), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
            await consumer.start()
        consumer.assign([TopicPartition(name, partition) for partition in range(counts.get(name, 0))])
        yield consumer
    except (KafkaError, TimeoutError, OSError) as error:
        raise TransientError(f"kafka: dead letters cannot be read: {type(error).__name__}") from error
    finally:
        await consumer.stop()


async def _until_end(consumer: AIOKafkaConsumer) -> AsyncIterator[list[ConsumerRecord]]:
    partitions = sorted(consumer.assignment())
    ends = await consumer.end_offsets(partitions) if partitions else {}
    while True:
        behind = [partition for partition, end in ends.items() if await consumer.position(partition) < end]
        if not behind:
            return
        found = await consumer.getmany(*behind, timeout_ms=1000, max_records=_REPLAY_BATCH)
        for records in found.values():
            yield records


def _record(found: ConsumerRecord) -> Record:
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        key=found.key.decode("utf-8", "replace") if found.key else None,
        value=found.value or b"",
        headers=dict(found.headers),
        timestamp_ms=found.timestamp,
    )


def _told(record: Record) -> dict[str, bytes]:
    return {
        name.removeprefix(_OWN_PREFIX): value for name, value in record.headers.items() if name.startswith(_OWN_PREFIX)
    }


def _as_it_was(record: Record) -> Message:
    source = record.headers.get(SOURCE_TOPIC, b"").decode() or record.topic.removesuffix(DEAD_LETTER_SUFFIX)
    headers = tuple((name, value) for name, value in record.headers.items() if not name.startswith(_OWN_PREFIX))
    return Message(source, record.key or "", record.value, headers)
