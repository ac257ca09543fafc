from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.kafka.consuming import HANGS_AFTER, STANDSTILL, Consuming
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import Subscription
from services.kit.metrics import Metrics

PARTITION = TopicPartition("facts", 0)


class Consumer:
    """As much of a consumer as is looked at: one partition."""

    def __init__(self, *, position: int, end: int | None) -> None:
        self.at = position
        self.end = end
        self.commits: list[dict[TopicPartition, int]] = []

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def end_offsets(self, _partitions: Any) -> dict[TopicPartition, int]:
        if self.end is None:
            raise KafkaTimeoutError
        return {PARTITION: self.end}

    async def position(self, _partition: Any) -> int:
        return self.at

    async def commit(self, positions: dict[TopicPartition, int]) -> None:
        self.commits.append(positions)


class Bench:
    def __init__(self, *, position: int = 5, end: int | None = 5) -> None:
        self.clock = ManualClock(datetime(2026, 7, 1, tzinfo=UTC))
        self.metrics = Metrics()
        self.gate = asyncio.Event()
        self.gate.set()
        self.handled: list[int] = []
        self.failure: Exception | None = None
        self.consumer = Consumer(position=position, end=end)
        self.consuming = Consuming(
            Subscription("readers", ["facts"], self.handler),
            clock=self.clock,
            metrics=self.metrics,
            dead_letters=DeadLetters(MemoryPublisher(), clock=self.clock),
        )
        self.consuming.bind(SimpleNamespace(consumer=self.consumer))

    async def handler(self, records: Sequence[Record]) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.handled.extend(record.offset for record in records)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(5):  # whoever runs gets as far as it can
            await asyncio.sleep(0)
        self.clock.advance(seconds)
        await self.consuming.measure()

    async def fetch(self, *offsets: int) -> None:
        batch: Any = tuple(
            SimpleNamespace(topic="facts", partition=0, offset=offset, key=b"k", value=b"", headers=(), timestamp=0)
            for offset in offsets
        )
        message = await self.consuming.parse(batch)
        await self.consuming.handle(await self.consuming.decode(message))


async def test_a_handled_batch_is_committed_behind_its_last_record() -> None:
    bench = Bench()

    await bench.fetch(3, 4)

    assert bench.handled == [3, 4]
    assert bench.consumer.commits == [{PARTITION: 5}]


async def test_nothing_waiting_is_no_standstill() -> None:
    bench = Bench(position=5, end=5)

    await bench.pass_time(3600)

    assert not bench.consuming.hangs()
    assert bench.consuming.problem() is None


async def test_records_that_wait_while_nothing_moves_are_noticed() -> None:
    bench = Bench(position=5, end=9)
    await bench.pass_time(0)

    await bench.pass_time(HANGS_AFTER.total_seconds() + 1)
    hangs = bench.consuming.hangs()
    await bench.pass_time(STANDSTILL.total_seconds())

    assert hangs
    assert bench.consuming.problem() == "readers has handled nothing for 151 s, 4 records wait"
    assert bench.metrics.value("syncorder_consumer_lag", group="readers", topic="facts") == 4


async def test_a_position_that_moves_is_progress() -> None:
    bench = Bench(position=5, end=1000)
    await bench.pass_time(0)

    for _ in range(10):
        bench.consumer.at += 1
        await bench.pass_time(25)

    assert not bench.consuming.hangs()
    assert bench.consuming.problem() is None


async def test_a_consumer_that_knows_no_end_hangs_but_is_not_blamed_for_a_broker_that_is_away() -> None:
    bench = Bench(end=None)

    await bench.pass_time(HANGS_AFTER.total_seconds() + 1)
    hangs = bench.consuming.hangs()
    await bench.pass_time(STANDSTILL.total_seconds())

    assert hangs
    assert bench.consuming.problem() is None


async def test_a_handler_that_never_returns_is_a_standstill() -> None:
    bench = Bench()
    bench.gate.clear()
    running = asyncio.ensure_future(bench.fetch(1))
    await bench.pass_time(0)

    await bench.pass_time(STANDSTILL.total_seconds() + 1)
    hangs, problem = bench.consuming.hangs(), bench.consuming.problem()
    bench.gate.set()
    await running

    assert not hangs
    assert problem is not None


async def test_a_handler_that_waits_for_postgres_is_no_standstill() -> None:
    bench = Bench(position=5, end=9)
    bench.failure = TransientError("postgres is away", retry_after=3600)
    running = asyncio.ensure_future(bench.fetch(1))
    await bench.pass_time(0)

    await bench.pass_time(STANDSTILL.total_seconds() + 1)
    problem = bench.consuming.problem()
    await bench.consuming.finish(1)
    await running

    assert problem is None
    assert bench.consumer.commits == []


async def test_partitions_do_not_go_before_the_running_batch_is_committed() -> None:
    bench = Bench()
    bench.gate.clear()
    running = asyncio.ensure_future(bench.fetch(1, 2))
    await asyncio.sleep(0)
    going = asyncio.ensure_future(bench.consuming.revoked([PARTITION]))
    await asyncio.sleep(0)

    waited = not going.done()
    bench.gate.set()
    await going
    await running

    assert waited
    assert bench.consumer.commits == [{PARTITION: 3}]


async def test_a_batch_fetched_before_partitions_went_is_not_handled_after() -> None:
    bench = Bench()
    batch: Any = (SimpleNamespace(offset=1),)
    message = await bench.consuming.parse(batch)

    await bench.consuming.revoked([PARTITION])
    await bench.consuming.assigned([PARTITION])
    await bench.consuming.handle(await bench.consuming.decode(message))

    assert bench.handled == []
    assert bench.consumer.commits == []


async def test_a_batch_that_outlives_its_partitions_commits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.kafka.consuming.REVOCATION_WAIT_SECONDS", 0.01)
    bench = Bench()
    bench.gate.clear()
    running = asyncio.ensure_future(bench.fetch(1))
    await asyncio.sleep(0)

    await bench.consuming.revoked([PARTITION])
    await bench.consuming.assigned([PARTITION])
    bench.gate.set()
    await running

    assert bench.handled == [1]
    assert bench.consumer.commits == []
