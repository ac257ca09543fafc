"""What connectors under test are built with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.ingest.contract.connector import Tools
from services.kit.clock import Clock, ManualClock
from services.kit.limits import MemoryLimits


class HastyClock(ManualClock):
    """A clock on which waiting takes no time but is written down."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)) -> None:
        super().__init__(start)
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)


def toolbox(http: Any, clock: Clock) -> Tools:
    """Tools whose budgets are this test's own; where nobody moves the clock, waiting for a budget moves its own."""
    turns = clock if isinstance(clock, HastyClock) or not isinstance(clock, ManualClock) else HastyClock(clock.now())
    return Tools(http, clock, MemoryLimits(turns))
