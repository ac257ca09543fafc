from __future__ import annotations

import asyncio
import secrets
import socket
import time

import pytest
from aiokafka.errors import KafkaTimeoutError, OutOfOrderSequenceNumber
from pydantic import BaseModel

from schemas.topics import Topic
from services.kit.errors import SettingsError, TransientError
from services.kit.kafka.publisher import KafkaPublisher, Message, partition_for
from services.kit.kafka.topics import ensure_topics, partition_counts


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_partitions_are_those_of_kafkas_own_partitioner() -> None:
    # From the Java client: toPositive(murmur2(key)) % 100.
    assert [partition_for(key, 100) for key in ("21", "foobar", "a-little-bit-long-string")] == [
        (-973932308 & 0x7FFFFFFF) % 100,
        (-790332482 & 0x7FFFFFFF) % 100,
        (-985981536 & 0x7FFFFFFF) % 100,
    ]


@pytest.mark.integration
async def test_a_publish_fails_in_passing_within_its_time_when_kafka_is_away() -> None:
    publisher = KafkaPublisher(f"127.0.0.1:{closed_port()}", "test", timeout=0.5)
    started = time.monotonic()

    await publisher.start()
    with pytest.raises(TransientError):
        await publisher.publish([Message("facts", "key", b"")])
    problem = await publisher.check()
    await publisher.stop()

    assert problem is not None
    assert time.monotonic() - started < 20


@pytest.mark.integration
async def test_a_publish_fails_in_passing_when_nobody_answers() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    publisher = KafkaPublisher(f"127.0.0.1:{port}", "test", timeout=0.5)
    started = time.monotonic()

    with pytest.raises(TransientError):
        await publisher.publish([Message("facts", "key", b"")])
    elapsed = time.monotonic() - started
    await publisher.stop()
    server.close()
    await server.wait_closed()

    assert elapsed < 3


@pytest.mark.integration
async def test_a_broken_sequence_gets_a_fresh_producer(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = f"facts-{secrets.token_hex(4)}"
    await ensure_topics(kafka_bootstrap, [Topic(topic, "key", BaseModel)], partitions=1)
    publisher = KafkaPublisher(kafka_bootstrap, "test", timeout=10)
    await publisher.start()
    broken = publisher._producer

    async def fail(*_: object, **__: object) -> None:
        raise OutOfOrderSequenceNumber

    monkeypatch.setattr(broken, "send", fail)
    with pytest.raises(TransientError):
        await publisher.publish([Message(topic, "key", b"1")])
    await publisher.publish([Message(topic, "key", b"2")])
    fresh = publisher._producer
    await publisher.stop()

    assert fresh is not None
    assert fresh is not broken


@pytest.mark.integration
async def test_a_producer_that_keeps_failing_is_replaced(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = f"facts-{secrets.token_hex(4)}"
    await ensure_topics(kafka_bootstrap, [Topic(topic, "key", BaseModel)], partitions=1)
    publisher = KafkaPublisher(kafka_bootstrap, "test", timeout=10)
    await publisher.start()

    async def fail(*_: object, **__: object) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(publisher._producer, "send", fail)
    failed = 0
    while True:
        try:
            await publisher.publish([Message(topic, "key", b"1")])
        except TransientError:
            failed += 1
        else:
            break
    await publisher.stop()

    assert failed == 5


@pytest.mark.integration
async def test_topics_are_created_once_and_a_changed_count_is_refused(kafka_bootstrap: str) -> None:
    topic = Topic(f"facts-{secrets.token_hex(4)}", "key", BaseModel, compacted=True)

    created = await ensure_topics(kafka_bootstrap, [topic], partitions=2)
    again = await ensure_topics(kafka_bootstrap, [topic], partitions=2)
    with pytest.raises(SettingsError, match=topic.name):
        await ensure_topics(kafka_bootstrap, [topic], partitions=3)
    counts = await partition_counts(kafka_bootstrap)

    assert created == [topic.name, f"{topic.name}.dlq"]
    assert again == []
    assert counts[topic.name] == 2


@pytest.mark.integration
async def test_topics_cannot_be_checked_while_kafka_is_away() -> None:
    with pytest.raises(TransientError):
        await ensure_topics(f"127.0.0.1:{closed_port()}", [], partitions=1)
