"""The factory's Kafka side: reads commands committed, and sends answers and its position in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.sandbox.factory.answers import Answer
from deploy.sandbox.factory.floor import Floor
from deploy.sandbox.factory.goods import catalog

#: Records taken into one transaction; at three answers each this is about 1 MB.
BATCH = 500
#: How long the line waits for records before it looks at its clock, in milliseconds.
IDLE_MS = 200
#: Nothing that the broker is asked for takes longer, in seconds; a client that waits on is stuck, and starts over.
PATIENCE = 30.0
_TOPIC_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class Topics:
    """The three topics production deals with, and the group its position is stored under."""

    prefix: str = ""
    group: str = "factory"

    @property
    def commands(self) -> str:
        """What production is told."""
        return f"{self.prefix}orders.production"

    @property
    def answers(self) -> str:
        """What production answers."""
        return f"{self.prefix}production.updates"

    @property
    def catalog(self) -> str:
        """What production can make."""
        return f"{self.prefix}catalog.variants"


@dataclass(slots=True)
class Line:
    """One session with the broker, from an empty floor to its end; after a failure a new one starts over.

    The floor is rebuilt from the topics themselves: first what was answered, then every command. So nothing but
    Kafka has to survive a restart.
    """

    bootstrap: str
    topics: Topics
    floor: Floor
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _producer: AIOKafkaProducer | None = None
    #: A producer has one transaction at a time, and the catalog may change while orders are answered.
    _one_transaction: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def work(self) -> None:
        """Work until cancelled; KafkaError or TimeoutError when the broker or another factory of our name ends it."""
        await self._wait_for_topics()
        async with self._started_producer() as producer:
            # The producer first: starting it ends a predecessor's transaction, after which the topics are settled.
            await self._send(producer, self.topics.catalog, [(one["sku"], one) for one in catalog()])
            self.floor.answered = await self._answered_ids()
            self._producer = producer
            async with self._reader(self.topics.commands) as commands:
                await self._catch_up(producer, commands)
                self.is_open.set()
                while True:
                    records = await _next_records(commands, timeout_ms=self._idle_ms())
                    await self._turn(producer, records, now=self.now())

    async def publish_variant(self, variant: dict[str, Any]) -> None:
        """Change the catalog while orders wait; RuntimeError before the line is open."""
        if self._producer is None or not self.is_open.is_set():
            raise RuntimeError("the line is not open")
        await self._send(self._producer, self.topics.catalog, [(variant["sku"], variant)])

    async def tell_of_parcel(self, shipment_id: str, what: str) -> dict[str, Any]:
        """Say what became of a parcel; KeyError for what there is not, RuntimeError before the line is open."""
        if self._producer is None or not self.is_open.is_set():
            raise RuntimeError("the line is not open")
        told = self.floor.parcels.tell(shipment_id, what, now=self.now())
        await self._send(self._producer, self.topics.answers, [(told.key, told.event)])
        return told.event

    async def _turn(self, producer: AIOKafkaProducer, records: list[ConsumerRecord], *, now: datetime) -> None:
        await self._answer(producer, self._take(records, now=now) + self.floor.due(now), records)

    async def _catch_up(self, producer: AIOKafkaProducer, commands: AIOKafkaConsumer) -> None:
        """Take everything there is before starting anything, so that a cancellation is known in time."""
        async for records in _until_end(commands):
            await self._answer(producer, self._take(records, now=self.now()), records)

    async def _answer(
        self, producer: AIOKafkaProducer, answers: list[Answer], records: Sequence[ConsumerRecord]
    ) -> None:
        self.floor.book.pending = len(answers)
        messages = [(one.key, one.event) for one in answers]
        await self._send(producer, self.topics.answers, messages, taken=records)
        self.floor.book.answers += len(answers)
        self.floor.book.pending = 0

    def _take(self, records: Iterable[ConsumerRecord], *, now: datetime) -> list[Answer]:
        answers: list[Answer] = []
        for record in records:
            try:
                answers += self.floor.take(orjson.loads(record.value), now=now)
            except (orjson.JSONDecodeError, KeyError, TypeError):
                self.floor.book.unreadable += 1
        return answers

    async def _answered_ids(self) -> set[str]:
        ids: set[str] = set()
        async with self._reader(self.topics.answers) as answers:
            async for records in _until_end(answers):
                ids.update(orjson.loads(record.value)["event_id"] for record in records)
        return ids

    async def _send(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        messages: Sequence[tuple[str, dict[str, Any]]],
        *,
        taken: Sequence[ConsumerRecord] = (),
    ) -> None:
        """Send the messages and the position after the taken records in one transaction."""
        if not messages and not taken:
            return
        async with self._one_transaction, asyncio.timeout(PATIENCE), producer.transaction():
            for key, value in messages:
                await producer.send(topic, orjson.dumps(value), key=key.encode())
            if taken:
                await producer.send_offsets_to_transaction(_positions(taken), self.topics.group)

    async def _wait_for_topics(self) -> None:
        """The services create the topics; until then there is nothing to do."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            needed = {self.topics.commands, self.topics.answers, self.topics.catalog}
            while not needed <= set(await admin.list_topics()):  # noqa: ASYNC110 - Kafka announces no topic
                await asyncio.sleep(_TOPIC_WAIT)
        finally:
            await admin.close()

    @contextlib.asynccontextmanager
    async def _started_producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            transactional_id=f"{self.topics.prefix}{self.topics.group}",
            compression_type="zstd",
            max_batch_size=256 * 1024,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await producer.start()
            yield producer
        finally:
            self._producer = None
            await _stopped(producer)

    @contextlib.asynccontextmanager
    async def _reader(self, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of every partition from its beginning, which sees only what was committed."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await consumer.start()
                consumer.assign(await _partitions(self.bootstrap, topic))
                await consumer.seek_to_beginning()
            yield consumer
        finally:
            await _stopped(consumer)

    def _idle_ms(self) -> int:
        due = self.floor.next_due()
        if due is None:
            return IDLE_MS
        wait = (due - self.now()).total_seconds() * 1000
        return int(min(IDLE_MS, max(0.0, wait)))


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        [described] = await admin.describe_topics([topic])
        return [TopicPartition(topic, one["partition"]) for one in described["partitions"]]
    finally:
        await admin.close()


async def _next_records(consumer: AIOKafkaConsumer, *, timeout_ms: int) -> list[ConsumerRecord]:
    batches = await consumer.getmany(timeout_ms=timeout_ms, max_records=BATCH)
    return [record for records in batches.values() for record in records]


async def _until_end(consumer: AIOKafkaConsumer) -> AsyncIterator[list[ConsumerRecord]]:
    """Everything that stands on the assigned partitions now, in batches; TimeoutError when nothing moves any more."""
    ends = await consumer.end_offsets(list(consumer.assignment()))
    stuck_at = time.monotonic() + PATIENCE
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        records = await _next_records(consumer, timeout_ms=IDLE_MS)
        if records:
            yield records
            stuck_at = time.monotonic() + PATIENCE
        elif time.monotonic() > stuck_at:
            raise TimeoutError("the end of a topic is never reached")


async def _stopped(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop a client, and let go of one that will not."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await client.stop()


def _positions(records: Iterable[ConsumerRecord]) -> dict[TopicPartition, int]:
    positions: dict[TopicPartition, int] = {}
    for record in records:
        positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
    return positions
