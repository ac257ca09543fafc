"""What every Clock promises, real and manual."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.kit.clock import Clock, ManualClock, SystemClock

Passing = Callable[[Clock, float], Awaitable[None]]


async def wait_really(_clock: Clock, seconds: float) -> None:
    await asyncio.sleep(seconds)


async def wait_by_hand(clock: Clock, seconds: float) -> None:
    await asyncio.sleep(0)
    assert isinstance(clock, ManualClock)
    clock.advance(seconds)
    await asyncio.sleep(0)


CLOCKS = [
    pytest.param(SystemClock(), wait_really, id="system"),
    pytest.param(ManualClock(datetime(2026, 7, 1, tzinfo=UTC)), wait_by_hand, id="manual"),
]


@pytest.mark.parametrize(("clock", "passing"), CLOCKS)
async def test_now_is_aware_utc(clock: Clock, passing: Passing) -> None:
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(("clock", "passing"), CLOCKS)
async def test_sleep_ends_no_earlier_than_its_time(clock: Clock, passing: Passing) -> None:
    started = clock.now()
    sleeping = asyncio.ensure_future(clock.sleep(0.02))

    await passing(clock, 0.01)
    early = sleeping.done()
    await passing(clock, 0.03)

    assert not early
    assert sleeping.done()
    assert clock.now() - started >= timedelta(seconds=0.02)


@pytest.mark.parametrize(("clock", "passing"), CLOCKS)
async def test_a_sleep_of_nothing_returns(clock: Clock, passing: Passing) -> None:
    async with asyncio.timeout(20):
        await clock.sleep(0)
        await clock.sleep(-1)
