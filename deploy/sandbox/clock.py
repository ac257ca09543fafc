"""The sandbox's clock: real time, moved forward on demand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Aware UTC time that a test can move forward, for example past a token's end."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """The present moment in seconds since the epoch."""
        return time.time() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move forward; going back is refused, as platforms' clocks do not."""
        if by < timedelta(0):
            raise ValueError("the clock only moves forward")
        self._ahead += by.total_seconds()
