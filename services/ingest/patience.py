"""Waits out what passes by itself, for as long as it makes sense to hold a lease meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.kit.clock import Clock
from services.kit.errors import TransientError

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
#: Waiting longer than this in one place ends the run; the schedule tries again later.
ENOUGH_SECONDS = 120.0


class OutOfPatience(Exception):  # noqa: N818 - the fact
    """It did not pass soon enough; try again after `retry_after` seconds (None: your own backoff)."""

    def __init__(self, problem: str, *, retry_after: float | None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


async def patiently(call: Callable[[], Awaitable[T]], *, clock: Clock, enough: float = ENOUGH_SECONDS) -> T:
    """Await `call()` again after each `TransientError`, waiting as long as it says, or ever longer.

    Raises:
        OutOfPatience: the next wait would bring the waiting above `enough` seconds.
    """
    waited, own_wait = 0.0, FIRST_WAIT_SECONDS
    while True:
        try:
            return await call()
        except TransientError as error:
            wait = own_wait if error.retry_after is None else max(error.retry_after, 0.05)
            if waited + wait > enough:
                raise OutOfPatience(str(error), retry_after=error.retry_after) from error
            await clock.sleep(wait)
            waited += wait
            own_wait = min(own_wait * 2, LONGEST_WAIT_SECONDS)
