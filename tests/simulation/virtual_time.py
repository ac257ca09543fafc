"""An event loop whose time jumps to the next moment at which something happens: a week passes as fast as its work.

Whatever waits by asyncio or by `LoopClock` waits in this time. The usual package for it costs twenty times as much for
every wait, and a simulated week has some millions of them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never waits: the time that it was to wait for has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        if timeout <= 0:
            return []
        self.passed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        """The seconds that have passed since it was made."""
        return self.virtual.passed


class LoopClock:
    """A `Clock` that shows the time, from `start` on, of the loop that ran when it was first looked at."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._passed, self._now = 0.0, start
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        """The present moment of the simulation."""
        if self._loop is None:
            # Python 3.11 asks the operating system who it is each time that it is asked which loop runs.
            self._loop = asyncio.get_running_loop()
        passed = self._loop.time()
        if passed != self._passed:
            self._passed, self._now = passed, self._start + timedelta(seconds=passed)
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` of the simulation have passed."""
        await asyncio.sleep(max(seconds, 0))

    async def until(self, moment: datetime) -> None:
        """Return at that moment; at once when it has passed."""
        await self.sleep((moment - self.now()).total_seconds())


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time, and end what it left running."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
