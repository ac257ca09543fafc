"""What every Publisher promises, over Kafka and in memory."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import BaseModel

from schemas.topics import Topic
from services.kit import trace
from services.kit.errors import OversizedMessage, TransientError
from services.kit.kafka.publisher import KafkaPublisher, MemoryPublisher, Message, Publisher, partition_for
from services.kit.kafka.topics import MAX_MESSAGE_BYTES, ensure_topics

PARTITIONS = 3


@dataclass(frozen=True)
class Subject:
    publisher: Publisher
    topic: str
    published: Callable[[], Awaitable[list[Message]]]


async def in_memory() -> AsyncIterator[Subject]:
    publisher = MemoryPublisher()

    async def published() -> list[Message]:
        return publisher.published

    yield Subject(publisher, "facts", published)


async def over_kafka(bootstrap: str) -> AsyncIterator[Subject]:
    topic = f"facts-{secrets.token_hex(4)}"
    await ensure_topics(bootstrap, [Topic(topic, "key", BaseModel)], partitions=PARTITIONS)
    publisher = KafkaPublisher(bootstrap, "contract", timeout=10)

    async def published() -> list[Message]:
        return await read_all(bootstrap, topic)

    yield Subject(publisher, topic, published)
    await publisher.stop()


async def read_all(bootstrap: str, topic: str) -> list[Message]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[Message] = []
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=1000)).values():
                    assert all(partition_for(record.key.decode(), PARTITIONS) == record.partition for record in records)
                    found += [
                        Message(record.topic, record.key.decode(), record.value, tuple(record.headers))
                        for record in records
                    ]
        return found
    finally:
        await consumer.stop()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    subjects = in_memory() if request.param == "memory" else over_kafka(request.getfixturevalue("kafka_bootstrap"))
    async for subject in subjects:
        yield subject


async def test_what_was_published_is_there_as_it_was(subject: Subject) -> None:
    message = Message(subject.topic, "shopify:store-1:1", b'{"a": 1}', (("traceparent", b"\x00\xff"),))

    await subject.publisher.publish([message])

    assert await subject.published() == [message]


async def test_what_is_published_carries_the_current_trace_or_begins_one_of_its_own(subject: Subject) -> None:
    with trace.bound(trace.begin()) as current:
        await subject.publisher.publish([Message(subject.topic, "a", b"")])
    await subject.publisher.publish(
        [Message(subject.topic, "b", b""), Message(subject.topic, "c", b"", (("x", b"1"),))]
    )

    found = {message.key: dict(message.headers) for message in await subject.published()}
    begun = [trace.parse(found[key]["traceparent"]) for key in ("b", "c")]
    assert trace.parse(found["a"]["traceparent"]) == current
    assert None not in begun
    assert len({span.trace_id for span in (current, *begun) if span}) == 3
    assert found["c"]["x"] == b"1"


async def test_messages_of_one_key_keep_their_order(subject: Subject) -> None:
    for start in (0, 500):
        await subject.publisher.publish(
            [Message(subject.topic, f"key-{number % 5}", str(number).encode()) for number in range(start, start + 500)]
        )

    found = await subject.published()

    assert len(found) == 1000
    for key in {message.key for message in found}:
        numbers = [int(message.value) for message in found if message.key == key]
        assert numbers == sorted(numbers)


async def test_publishing_nothing_is_fine(subject: Subject) -> None:
    await subject.publisher.publish([])

    assert await subject.published() == []


async def test_one_oversized_message_keeps_all_of_its_call_back(subject: Subject) -> None:
    small = Message(subject.topic, "key", b"small")
    large = Message(subject.topic, "key", b"x" * MAX_MESSAGE_BYTES)

    with pytest.raises(OversizedMessage):
        await subject.publisher.publish([small, large])

    assert await subject.published() == []


async def test_the_largest_message_passes(subject: Subject) -> None:
    traced = (trace.begin().header(),)
    large = Message(subject.topic, "key", secrets.token_bytes(MAX_MESSAGE_BYTES - 4096), traced)

    await subject.publisher.publish([large])

    assert await subject.published() == [large]


async def test_the_twin_fails_when_told_and_keeps_nothing() -> None:
    publisher = MemoryPublisher()
    publisher.fail_with(TransientError("away"))

    with pytest.raises(TransientError):
        await publisher.publish([Message("facts", "key", b"")])
    publisher.fail_with(None)
    await publisher.publish([Message("facts", "key", b"later")])

    assert [message.value for message in publisher.published] == [b"later"]
