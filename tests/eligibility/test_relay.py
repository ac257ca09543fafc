from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.memory_log import MemoryLog
from services.eligibility.relay import Relay
from services.kit.clock import ManualClock
from services.kit.metrics import Metrics
from tests.eligibility.workbench import START, Bench
from tests.schemas.orders import raw_order


def relay_of(bench: Bench, log: MemoryLog, clock: ManualClock | None = None) -> Relay:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    clock = clock or ManualClock(START)
    return Relay(0, outbox=repository, open_log=log, sealer=bench.sealer, clock=clock, metrics=Metrics())


async def settle(clock: ManualClock | None = None) -> None:
    """Let other tasks run, and their retries come."""
    for _ in range(50):
        await asyncio.sleep(0)
        if clock is not None:
            clock.advance(1)


async def killed(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def keys(log: MemoryLog) -> list[str]:
    return [message.key for message in log.committed if message.topic == "production"]


async def test_messages_are_published_in_order_and_opened(bench: Bench) -> None:
    log = MemoryLog()
    orders = [raw_order(number=str(n)) for n in range(5)]
    await bench.arrive(*orders)

    task = asyncio.create_task(relay_of(bench, log).run())
    await settle()

    await killed(task)
    assert keys(log) == [order.key for order in orders]
    assert all(b'"event_id"' in message.value for message in log.committed)


async def test_a_kill_between_publishing_and_noting_repeats_nothing(bench: Bench) -> None:
    log = MemoryLog()
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    await bench.arrive(raw_order())
    first = asyncio.create_task(relay_of(bench, log).run())
    await settle()
    await killed(first)
    # The note in Postgres is lost; Kafka's own position is the truth.
    repository.tables.published.clear()

    second = asyncio.create_task(relay_of(bench, log).run())
    await settle()

    await killed(second)
    assert len(keys(log)) == 1


async def test_a_forgotten_position_in_kafka_repeats_nothing(bench: Bench) -> None:
    log, clock = MemoryLog(), ManualClock(START)
    await bench.arrive(raw_order())
    first = asyncio.create_task(relay_of(bench, log, clock).run())
    await settle(clock)
    await killed(first)
    # Kafka forgets positions after a week without commits.
    log.positions.clear()

    second = asyncio.create_task(relay_of(bench, log).run())
    await settle()

    await killed(second)
    assert len(keys(log)) == 1


async def test_a_lost_answer_neither_loses_nor_repeats(bench: Bench) -> None:
    for happened in (True, False):
        log, clock = MemoryLog(), ManualClock(START)
        log.failures = [happened]
        await bench.arrive(raw_order(number=f"lost-{happened}"))

        task = asyncio.create_task(relay_of(bench, log, clock).run())
        await settle(clock)

        await killed(task)
        assert keys(log) == list(dict.fromkeys(keys(log)))
        assert f"shopify:st-1:lost-{happened}" in keys(log)
        bench.repository = MemoryRepository()
        bench.judge._repository = bench.repository
        await bench.open_for_business()


async def test_a_new_owner_fences_the_old_one(bench: Bench) -> None:
    log = MemoryLog()
    relays = [relay_of(bench, log), relay_of(bench, log)]
    old = asyncio.create_task(relays[0].run())
    await settle()
    new = asyncio.create_task(relays[1].run())
    await settle()

    await bench.arrive(raw_order(), raw_order(number="1002"))
    for relay in relays:
        relay.wake()
    await settle()

    assert old.done()
    await killed(new)
    assert len(keys(log)) == 2


async def test_each_installation_of_the_tables_starts_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.open_for_business()
    await bench.arrive(raw_order())

    log = MemoryLog()
    task = asyncio.create_task(relay_of(bench, log).run())
    await settle()

    await killed(task)
    assert log.positions == {0: 2}
