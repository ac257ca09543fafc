"""Work that can wait leaves a share of each budget to what cannot, and can be asked what it took."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from services.ingest.reserve import Patient, Reserve, spending
from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.limits import Limit, MemoryLimits, calls_per_second
from tests.ingest.toolbox import HastyClock

BUCKET = Limit(20.0, 1.0)


async def test_a_poll_finds_a_share_of_the_budget_however_much_a_sync_took() -> None:
    limits = MemoryLimits(HastyClock())
    reserve = Reserve(limits)

    for _ in range(15):
        await reserve.take("a", limit=BUCKET, patience=0.0)

    with pytest.raises(TransientError):
        await reserve.take("a", limit=BUCKET, patience=0.0)
    for _ in range(5):
        await limits.take("a", limit=BUCKET, patience=0.0)


async def test_a_huge_sync_and_a_poll_share_a_budget_and_the_poll_never_waits() -> None:
    clock = HastyClock(datetime(2026, 11, 20, tzinfo=UTC))
    limits = MemoryLimits(clock)
    reserve = Reserve(limits)
    for _ in range(40):
        await reserve.take("a", limit=BUCKET, patience=600.0)
        waits = len(clock.waits)

        await limits.take("a", 0.5, limit=BUCKET)

        assert len(clock.waits) == waits


async def test_what_a_quota_has_left_for_the_day_is_not_used_up_though_its_bucket_shrinks() -> None:
    limits = MemoryLimits(HastyClock())
    reserve = Reserve(limits)
    stated = Limit(1000.0, 1 / 3600)
    for left in range(1000, 250, -1):
        await limits.learn("day", limit=Limit(left, 1 / 3600), available=left)
        await reserve.take("day", limit=stated, patience=0.0)
    await limits.learn("day", limit=Limit(250, 1 / 3600), available=250)

    with pytest.raises(TransientError):
        await reserve.take("day", limit=stated, patience=0.0)


async def test_a_bucket_of_one_call_is_taken_from_in_turn() -> None:
    limits = MemoryLimits(HastyClock())
    reserve = Reserve(limits)

    for _ in range(3):
        await reserve.take("second", limit=calls_per_second(10))


async def test_what_is_taken_is_counted_for_whoever_asks_and_for_nobody_else() -> None:
    limits = MemoryLimits(HastyClock())
    reserve = Reserve(limits)

    async def other() -> None:
        await reserve.take("b", limit=BUCKET)

    elsewhere = asyncio.create_task(other())
    with spending() as spent:
        await reserve.take("a", 3.0, limit=BUCKET)
        await asyncio.create_task(reserve.take("a", 2.0, limit=BUCKET))
        await reserve.learn("a", limit=BUCKET, refund=1.0)
        await elsewhere

    assert spent.of == {"a": (4.0, BUCKET)}


async def test_work_with_a_deadline_stays_in_line_but_whoever_asks_for_no_wait_is_told_at_once() -> None:
    clock = ManualClock(datetime(2026, 11, 20, tzinfo=UTC))
    patient, slow = Patient(MemoryLimits(clock)), Limit(1.0, 1 / 30)
    await patient.take("slots", limit=slow)

    with pytest.raises(TransientError):
        await patient.take("slots", limit=slow, patience=0.0)
    waiting = asyncio.create_task(patient.take("slots", limit=slow, patience=5.0))
    await asyncio.sleep(0)
    clock.advance(30)

    await waiting


async def test_of_calls_at_one_time_work_with_a_deadline_leaves_a_slot_to_what_cannot_wait() -> None:
    limits, slots = MemoryLimits(ManualClock(datetime(2026, 11, 20, tzinfo=UTC))), Limit(2.0, 1 / 60)
    patient = Patient(limits)
    await patient.take("slots", limit=slots, patience=0.0)

    with pytest.raises(TransientError):
        await patient.take("slots", limit=slots, patience=0.0)

    await limits.take("slots", limit=slots, patience=0.0)
