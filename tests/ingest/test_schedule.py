"""The schedule: every due store under a lease that lives as long as its poll, and is let go at the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.ingest.ports import Lease
from services.ingest.schedule import LEASE, Schedule
from tests.ingest.workbench import START, STORE, Workbench


def schedule(bench: Workbench, *, at_once: int = 2) -> Schedule[Lease]:
    return Schedule(
        bench.poller.poll,
        bench.polls,
        owner="process-1",
        platforms=["twin"],
        at_once=at_once,
        clock=bench.clock,
        metrics=bench.metrics,
    )


async def settle(bench: Workbench, *, seconds: float = 0) -> None:
    """Let tasks run, moving the clock on step by step."""
    for _ in range(int(seconds) + 1):
        for _ in range(50):
            await asyncio.sleep(0)
        if seconds:
            bench.clock.advance(1)


async def test_every_due_store_is_polled_and_again_after_its_interval() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.add_store("st-2")
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench).run(stop))

    await settle(bench, seconds=70)
    stop.set()
    await running

    polled = [session.store_id for session in bench.memory.sessions.values()]
    assert sorted(polled) == [STORE, STORE, "st-2", "st-2"]


async def test_no_more_stores_than_allowed_are_polled_at_once() -> None:
    bench = Workbench()
    for number in range(5):
        await bench.add_store(f"st-{number}")
    bench.platform.pause = 0.001
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench, at_once=2).run(stop))

    async with asyncio.timeout(20):
        while len(bench.memory.sessions) < 5:  # noqa: ASYNC110 - the schedule tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await running

    assert len(bench.memory.sessions) == 5
    assert bench.platform.most_reading == 2


async def test_a_long_poll_keeps_its_lease() -> None:
    bench = Workbench()
    await bench.add_store()
    release = asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        await release.wait()

    bench.platform.read_page = wait  # type: ignore[assignment, method-assign]
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench).run(stop))
    await settle(bench, seconds=3 * LEASE.total_seconds())

    taken = await bench.claim("process-2")

    assert taken is None
    stop.set()
    release.set()
    await running


async def test_stopping_lets_go_of_the_store_so_that_another_process_goes_on_at_once() -> None:
    bench = Workbench()
    await bench.add_store()

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    original, bench.platform.read_page = bench.platform.read_page, never  # type: ignore[assignment, method-assign]
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench).run(stop))
    await settle(bench)
    stop.set()
    await running
    bench.platform.read_page = original  # type: ignore[method-assign]
    bench.platform.put("o1", at=START - timedelta(minutes=1))

    lease = await bench.claim("process-2")
    assert lease is not None
    await bench.in_time(bench.poller.poll(lease))

    [session] = bench.memory.sessions.values()
    assert (session.state, session.counts.new) == ("succeeded", 1)


async def test_one_stores_surprise_does_not_stop_the_others() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.add_store("st-2")
    bench.platform.faults["read_page"] = [ValueError("a defect")]
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench).run(stop))

    await settle(bench)
    stop.set()
    await running

    assert bench.metrics.value("syncorder_unexpected_errors_total", where="poll") == 1
    assert sorted(session.state for session in bench.memory.sessions.values()) == ["running", "succeeded"]


async def test_a_poll_that_lost_its_lease_stops() -> None:
    bench = Workbench()
    await bench.add_store()
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    bench.platform.read_page = never  # type: ignore[assignment, method-assign]
    stop = asyncio.Event()
    running = asyncio.create_task(schedule(bench).run(stop))
    await started.wait()
    bench.memory.polls[STORE].number += 1

    await settle(bench, seconds=LEASE.total_seconds())

    assert cancelled.is_set()
    stop.set()
    await running
