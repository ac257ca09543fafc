"""A shard's log in Kafka: a transactional producer whose id names the shard, so that a new owner fences the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from services.eligibility.dossier import OutboxMessage
from services.eligibility.ports import ShardFenced
from services.kit.errors import TransientError
from services.kit.kafka.cluster import Address, cluster_at
from services.kit.kafka.topics import MAX_MESSAGE_BYTES
from services.kit.trace import TRACEPARENT

log = structlog.get_logger()

_START_SECONDS = 30.0
_PUBLISH_SECONDS = 30.0
_STOP_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.2
#: How long readers wait for a shard whose owner died and that nobody took over.
_TRANSACTION_MS = 30_000
_BATCH_BYTES = 1024 * 1024


class KafkaShardLog:
    """See `ports.ShardLog`. The position is an offset that is committed for a group of the relay's own."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        *,
        kafka: Address,
        topics: Mapping[str, str],
        group: str,
        place: TopicPartition,
    ) -> None:
        self._producer = producer
        self._cluster = cluster_at(kafka)
        self._topics = topics
        self._group = group
        self._place = place

    async def position(self) -> int | None:
        """Return the last number kept, by whomever."""
        admin = AIOKafkaAdminClient(**self._cluster.options())
        try:
            async with asyncio.timeout(_START_SECONDS):
                await admin.start()
                offset = await self._kept_offset(admin)
        except (KafkaError, TimeoutError, OSError) as error:
            raise TransientError(f"kafka: no position: {type(error).__name__}") from error
        finally:
            await admin.close()
        return offset if offset >= 0 else None

    async def publish(self, messages: Sequence[OutboxMessage], *, number: int) -> None:
        """Publish the messages and keep the number, both or neither."""
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._producer.begin_transaction()
                await self._send(messages)
                kept = {self._place: OffsetAndMetadata(number, "")}
                await self._producer.send_offsets_to_transaction(kept, self._group)
                await self._producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise ShardFenced(f"shard {self._place.partition}") from error
        except (KafkaError, TimeoutError, OSError) as error:
            raise TransientError(f"kafka: not published: {type(error).__name__}") from error

    async def close(self) -> None:
        """Give up the producer; an open transaction is undone by the next owner, or by Kafka in time."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._producer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("producer.abandoned", problem=type(error).__name__)

    async def _kept_offset(self, admin: AIOKafkaAdminClient) -> int:
        while True:
            try:
                kept = await admin.list_consumer_group_offsets(self._group, partitions=[self._place])
            except KafkaError as error:
                # The first question to a new broker has it create the topic of all groups' positions.
                if not error.retriable:
                    raise
            else:
                # While the coordinator loads them, the broker's refusal looks like an answer without places.
                if self._place in kept:
                    offset: int = kept[self._place].offset
                    return offset
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _send(self, messages: Sequence[OutboxMessage]) -> None:
        # Whole batches, a topic each: half the work of single sends. The shard is the partition.
        by_topic: dict[str, list[OutboxMessage]] = {}
        for message in messages:
            by_topic.setdefault(self._topics[message.topic], []).append(message)
        sending = [self._send_to(topic, of_topic) for topic, of_topic in by_topic.items()]
        for outcome in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_to(self, topic: str, messages: Sequence[OutboxMessage]) -> None:
        batch = self._producer.create_batch()
        for message in messages:
            key, headers = message.key.encode(), [(TRACEPARENT, message.trace.encode())] if message.trace else []
            if batch.append(key=key, value=message.value, timestamp=None, headers=headers) is None:
                await (await self._producer.send_batch(batch, topic, partition=self._place.partition))
                batch = self._producer.create_batch()
                batch.append(key=key, value=message.value, timestamp=None, headers=headers)
        await (await self._producer.send_batch(batch, topic, partition=self._place.partition))


class KafkaLogOpener:
    """Opens shard logs of one installation. `topics` maps an outbox message's topic to its name in Kafka."""

    def __init__(self, kafka: Address, *, topics: Mapping[str, str], installation: str, position_topic: str) -> None:
        self._cluster = cluster_at(kafka)
        self._topics = topics
        self._group = f"eligibility.relay.{installation}"
        self._position_topic = position_topic

    async def __call__(self, shard: int) -> KafkaShardLog:
        """Start the shard's producer: Kafka then completes or undoes what its last owner left, and fences them."""
        producer = AIOKafkaProducer(
            **self._cluster.options(),
            client_id=f"eligibility-relay-{shard}",
            transactional_id=f"{self._group}.{shard}",
            transaction_timeout_ms=_TRANSACTION_MS,
            compression_type="zstd",
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=10_000,
            metadata_max_age_ms=60_000,
        )
        opened = KafkaShardLog(
            producer,
            kafka=self._cluster,
            topics=self._topics,
            group=self._group,
            place=TopicPartition(self._position_topic, shard),
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await opened.close()
            raise TransientError(f"kafka: no producer: {type(error).__name__}") from error
        except BaseException:  # a cancelled start leaves sockets and tasks behind too
            await asyncio.shield(opened.close())
            raise
        return opened
