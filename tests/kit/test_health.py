from __future__ import annotations

from services.kit.errors import TransientError
from services.kit.health import Health


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
