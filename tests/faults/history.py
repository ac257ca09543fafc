"""Reads all that a read_committed reader can see of a topic, and puts a share of a topic's messages there again."""

from __future__ import annotations

import json
import random
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from services.kit.kafka.topics import partition_counts
from tests.faults.checker import Command

QUIET_MS = 2000


async def production_commands(bootstrap: str) -> list[Command]:
    """Every committed message of `orders.production`, partition by partition."""
    commands = []
    for record in await read_all(bootstrap, "orders.production"):
        body = json.loads(record.value or b"{}")
        revision = body["order"]["revision"] if "order" in body else body["revision"]
        commands.append(Command(body["event_id"], body["type"], body["order_key"], revision))
    return commands


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """All committed records up to now, each partition in its order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        # Without a group, aiokafka's stop raises CancelledError when it comes right after assign.
        group_id=f"history-{uuid.uuid4()}",
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        count = (await partition_counts(bootstrap))[topic]
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord[bytes, bytes]] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            fetched = await consumer.getmany(timeout_ms=QUIET_MS)
            records += [record for batch in fetched.values() for record in batch]
        return records
    finally:
        await consumer.stop()


async def deliver_again(bootstrap: str, topic: str, *, share: float, seed: int) -> int:
    """Publish `share` of the topic's messages once more, shuffled, as a platform or a crash would; how many."""
    records = await read_all(bootstrap, topic)
    again = random.Random(seed).sample(records, int(len(records) * share))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="zstd", linger_ms=5)
    await producer.start()
    try:
        for record in again:
            await producer.send(topic, key=record.key, value=record.value, headers=list(record.headers))
        await producer.flush()
    finally:
        await producer.stop()
    return len(again)
