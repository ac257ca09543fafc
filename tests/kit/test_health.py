from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.health import Health, Pulse


async def test_readiness_names_only_what_is_wrong() -> None:
    health = Health()

    async def fine() -> str | None:
        return None

    async def away() -> str | None:
        raise TransientError("kafka is away")

    async def wrong() -> str | None:
        return "migrations are missing"

    health.add_check("fine", fine)
    health.add_check("kafka", away)
    health.add_check("schema", wrong)

    assert await health.readiness() == {"kafka": "kafka is away", "schema": "migrations are missing"}


async def test_a_process_without_checks_is_ready_and_alive() -> None:
    health = Health()

    assert await health.readiness() == {}
    assert health.liveness() == []


def test_a_loop_that_no_longer_turns_is_told() -> None:
    clock = ManualClock(datetime(2026, 11, 20, tzinfo=UTC))
    health, pulse = Health(), Pulse("the loop", clock=clock, within=timedelta(seconds=60))
    health.watch(pulse)

    clock.advance(60)
    in_time = health.liveness()
    clock.advance(1)
    too_late = health.liveness()
    pulse.beat()

    assert in_time == []
    assert too_late == ["the loop stands still for 61 s"]
    assert health.liveness() == []
