"""Budgets stop us before the platform has to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.budgets import CallBudget, CostBucket, CostBudget
from services.kit.clock import ManualClock
from services.kit.errors import TransientError

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def bucket(*, maximum: float = 1000, available: float = 100, restore_rate: float = 50) -> CostBucket:
    told = CostBucket()
    told.learn(maximum=maximum, available=available, restore_rate=restore_rate, now=START)
    return told


def test_nothing_is_waited_for_before_the_platform_has_told() -> None:
    assert CostBucket().seconds_until(500, now=START) == 0


@pytest.mark.parametrize(("cost", "wait"), [(100, 0), (150, 1), (300, 4), (1000, 18), (5000, 18)])
def test_the_wait_is_what_the_bucket_needs_to_fill(cost: float, wait: float) -> None:
    assert bucket().seconds_until(cost, now=START) == wait


def test_the_bucket_fills_with_time_up_to_its_maximum() -> None:
    assert bucket().seconds_until(200, now=later(2)) == 0
    assert bucket(maximum=200).seconds_until(200, now=later(3600)) == 0


def test_what_is_spent_is_waited_for_by_the_next() -> None:
    told = bucket()

    told.spend(100, now=START)

    assert told.seconds_until(50, now=START) == 1


async def test_callers_wait_in_turn_for_points() -> None:
    clock = ManualClock(START)
    budget = CostBudget(clock)
    budget.bucket.learn(maximum=100, available=100, restore_rate=100, now=START)
    done: list[str] = []

    async def spend(name: str) -> None:
        await budget.take(100)
        done.append(name)

    tasks = [asyncio.create_task(spend(name)) for name in ("first", "second", "third")]
    await settle()
    assert done == ["first"]
    clock.advance(1)
    await settle()
    assert done == ["first", "second"]
    clock.advance(1)
    await asyncio.gather(*tasks)
    assert done == ["first", "second", "third"]


async def test_no_more_calls_a_second_than_the_platform_allows() -> None:
    clock = ManualClock(START)
    budget = CallBudget(clock)
    budget.learn(per_second=2, remaining_now=None, remaining_today=None)
    sent: list[datetime] = []

    async def call() -> None:
        await budget.take()
        sent.append(clock.now())

    tasks = [asyncio.create_task(call()) for _ in range(5)]
    for _ in range(3):
        await settle()
        clock.advance(1)
    await asyncio.gather(*tasks)

    assert [(moment - START).total_seconds() for moment in sent] == [0, 0, 1, 1, 2]


async def test_a_second_that_others_used_up_is_left_alone() -> None:
    clock = ManualClock(START)
    budget = CallBudget(clock)
    budget.learn(per_second=10, remaining_now=0, remaining_today=None)

    waiting = asyncio.create_task(budget.take())
    await settle()
    assert not waiting.done()
    clock.advance(1)

    await waiting


async def test_a_long_pause_is_the_callers_to_wait() -> None:
    budget = CallBudget(ManualClock(START))
    budget.pause(60)

    with pytest.raises(TransientError) as refused:
        await budget.take()

    assert refused.value.retry_after == 60


async def test_a_used_up_day_is_asked_about_again_from_time_to_time() -> None:
    clock = ManualClock(START)
    budget = CallBudget(clock)
    budget.learn(per_second=None, remaining_now=None, remaining_today=0)

    with pytest.raises(TransientError):
        await budget.take(exhausted_wait=300)
    clock.advance(300)

    await budget.take(exhausted_wait=300)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
