"""The contract of `LogOpener` and `ShardLog`, run on Kafka and on its twin."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer

from services.eligibility.adapters.kafka import KafkaLogOpener
from services.eligibility.adapters.memory_log import MemoryLog
from services.eligibility.dossier import OutboxMessage
from services.eligibility.ports import LogOpener, ShardFenced
from services.eligibility.subscriber import Topics
from services.kit.kafka.topics import ensure_topics


@dataclass(frozen=True)
class Log:
    open: LogOpener
    read: Callable[[], Awaitable[list[bytes]]]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
async def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "memory":
        twin = MemoryLog()

        async def read_twin() -> list[bytes]:
            return [message.value for message in twin.committed if message.topic == "production"]

        return Log(twin, read_twin)
    bootstrap = request.getfixturevalue("kafka_bootstrap")
    topics = Topics(f"{secrets.token_hex(4)}.")
    await ensure_topics(bootstrap, topics.all(), partitions=2)
    written = topics.written()
    opener = KafkaLogOpener(
        bootstrap, topics=written, installation=secrets.token_hex(4), position_topic=written["decisions"]
    )

    async def read() -> list[bytes]:
        return await _committed(bootstrap, written["production"])

    return Log(opener, read)


async def _committed(bootstrap: str, topic: str) -> list[bytes]:
    """All that a read_committed reader sees up to the end."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        values: list[bytes] = []
        quiet = 0
        while quiet < 3:
            batches = await consumer.getmany(timeout_ms=300)
            quiet = 0 if batches else quiet + 1
            values += [record.value for records in batches.values() for record in records]
        return values
    finally:
        await consumer.stop()


def message(value: bytes, topic: str = "production") -> OutboxMessage:
    return OutboxMessage(topic, "shopify:st-1:1", value)


async def position_of(log: Log, shard: int) -> int | None:
    """What the next owner is told."""
    shard_log = await log.open(shard)
    position = await shard_log.position()
    await shard_log.close()
    return position


async def test_what_is_published_is_there_with_its_number(log: Log) -> None:
    shard_log = await log.open(1)
    assert await shard_log.position() is None

    await shard_log.publish([message(b"1"), message(b"d", "decisions"), message(b"2")], number=3)

    assert await log.read() == [b"1", b"2"]
    await shard_log.close()
    assert await position_of(log, 1) == 3


async def test_a_new_owner_continues_at_the_last_number(log: Log) -> None:
    old = await log.open(0)
    await old.publish([message(b"1")], number=1)
    await old.close()

    new = await log.open(0)
    assert await new.position() == 1
    await new.publish([message(b"2")], number=2)

    assert await log.read() == [b"1", b"2"]
    await new.close()


async def test_a_new_owner_fences_the_old_one(log: Log) -> None:
    old = await log.open(0)
    await old.publish([message(b"1")], number=1)
    new = await log.open(0)

    with pytest.raises(ShardFenced):
        await old.publish([message(b"stale")], number=2)

    await new.publish([message(b"2")], number=2)
    assert await log.read() == [b"1", b"2"]
    await old.close()
    await new.close()
    assert await position_of(log, 0) == 2


async def test_shards_do_not_fence_one_another(log: Log) -> None:
    zero, one = await log.open(0), await log.open(1)

    await zero.publish([message(b"0")], number=1)
    await one.publish([message(b"1")], number=9)

    await zero.close()
    await one.close()
    assert (await position_of(log, 0), await position_of(log, 1)) == (1, 9)
