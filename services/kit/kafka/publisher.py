"""A publish returns only when Kafka has every message; otherwise it says that it may be tried again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalStateError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    RecordListTooLargeError,
    UnknownProducerId,
)
from aiokafka.partitioner import murmur2

from services.kit import trace
from services.kit.errors import OversizedMessage, TransientError
from services.kit.kafka.cluster import Address, cluster_at
from services.kit.kafka.topics import MAX_MESSAGE_BYTES
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Platforms give a webhook 5 s in all; what remains is for the way there and back.
PUBLISH_TIMEOUT_SECONDS = 4.0
_LINGER_MS = 3
_BATCH_BYTES = 256 * 1024
#: A batch may hold one largest message and its framing.
_REQUEST_BYTES = MAX_MESSAGE_BYTES - 1024

#: A producer that fails this often in a row may itself be stuck; a new one costs a few round trips.
_FAILURES_BEFORE_REPLACEMENT = 5

#: After these the producer's sequence is broken for good; only a new one goes on.
_FATAL = (
    IllegalStateError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    UnknownProducerId,
)


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a topic: messages of one key keep their order. Keys are ids, never personal data.

    A message without a `traceparent` gets the one of the running task, or begins a trace.
    """

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher(Protocol):
    """Puts messages into Kafka.

    `publish` returns when every message is acknowledged by all in-sync replicas. After a `TransientError` some, all
    or none of them are there, or will be: publish the same messages again, readers must bear duplicates. Messages
    of one key keep their order within one call and over successive calls. Concurrent calls have no order.
    `OversizedMessage` means that nothing of the call was sent.
    """

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish all of `messages`; an empty sequence is fine."""
        ...


def partition_for(key: str, partitions: int) -> int:
    """The partition of `key` among `partitions`, as Kafka's default partitioner (murmur2) chooses it."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


class KafkaPublisher:
    """The publisher over Kafka: idempotent, and replaced by a fresh producer when its sequence is broken."""

    def __init__(
        self,
        kafka: Address,
        client_id: str,
        *,
        metrics: Metrics | None = None,
        timeout: float = PUBLISH_TIMEOUT_SECONDS,
    ) -> None:
        self._cluster = cluster_at(kafka)
        self._client_id = client_id
        self._metrics = metrics or Metrics()
        self._timeout = timeout
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._failures = 0

    async def start(self) -> None:
        """Connect; when Kafka is away, say so in the log and leave it to the first `publish`."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._connected()
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("kafka.unreachable", client_id=self._client_id, problem=type(error).__name__)

    async def stop(self) -> None:
        """Send what is on its way and disconnect, within the publish timeout."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _stop(producer, within=self._timeout)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when Kafka has every message; see `Publisher`."""
        if not messages:
            return
        _refuse_oversized(messages)
        producer = None
        try:
            async with asyncio.timeout(self._timeout):
                producer = await self._connected()
                await _send_all(producer, messages)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise OversizedMessage("a message is larger than its topic takes") from error
        except (KafkaError, TimeoutError, OSError) as error:
            self._metrics.increment("syncorder_publish_failures_total")
            self._failures += 1
            if isinstance(error, _FATAL) or self._failures >= _FAILURES_BEFORE_REPLACEMENT:
                self._discard(producer)
            raise TransientError(f"kafka: not published: {type(error).__name__}", retry_after=1) from error
        self._failures = 0
        for topic, count in Counter(message.topic for message in messages).items():
            self._metrics.increment("syncorder_messages_published_total", count, topic=topic)

    async def check(self) -> str | None:
        """None when a producer is connected to a broker; else what is wrong, for a readiness check."""
        try:
            async with asyncio.timeout(self._timeout):
                producer = await self._connected()
                await producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError) as error:
            return f"kafka cannot be reached: {type(error).__name__}"
        return None

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._starting:
            if self._producer is None:
                producer = self._new_producer()
                try:
                    await producer.start()
                except BaseException:  # a cancelled start leaves sockets and tasks behind, as a failed one does
                    await asyncio.shield(_stop(producer, within=1))
                    raise
                self._producer = producer
            return self._producer

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._cluster.options(),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            # At the level that aiokafka takes for it, lz4 needs five times the time for a batch of orders, and twice
            # the room.
            compression_type="zstd",
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=int(self._timeout * 1000),
            retry_backoff_ms=100,
            metadata_max_age_ms=60_000,
        )

    def _discard(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None or self._producer is not producer:
            return
        log.warning("producer.replaced", client_id=self._client_id)
        self._producer = None
        self._failures = 0
        stopping = asyncio.create_task(_stop(producer, within=1))
        _STOPPING.add(stopping)
        stopping.add_done_callback(_STOPPING.discard)


#: The loop keeps only weak references to tasks.
_STOPPING: set[asyncio.Task[None]] = set()


async def _send_all(producer: AIOKafkaProducer, messages: Iterable[Message]) -> None:
    acknowledgements = [
        await producer.send(message.topic, key=message.key.encode(), value=message.value, headers=_headers(message))
        for message in messages
    ]
    outcomes = await asyncio.gather(*acknowledgements, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _headers(message: Message) -> list[tuple[str, bytes]]:
    headers = list(message.headers)
    if not any(name == trace.TRACEPARENT for name, _ in headers):
        headers.append((trace.current() or trace.begin()).header())
    return headers


async def _stop(producer: AIOKafkaProducer, *, within: float) -> None:
    try:
        async with asyncio.timeout(within):
            await producer.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        log.warning("producer.abandoned", problem=type(error).__name__)


def _refuse_oversized(messages: Iterable[Message]) -> None:
    for message in messages:
        if len(message.value) > _REQUEST_BYTES - 1024:
            raise OversizedMessage(f"{message.topic} {message.key}: {len(message.value)} bytes")


class MemoryPublisher:
    """The twin: keeps what was published, in order, and fails when told to."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self._failure: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Let every publish raise `error`, until told None."""
        self._failure = error

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to disconnect."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep `messages`; see `Publisher`."""
        _refuse_oversized(messages)
        if self._failure is not None:
            raise self._failure
        self.published.extend(
            Message(message.topic, message.key, message.value, tuple(_headers(message))) for message in messages
        )
