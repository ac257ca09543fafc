"""What failed in passing is tried again, after as long as the other side asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from services.kit.errors import TransientError

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int | None = 5,
    within: float | None = 60.0,
) -> T:
    """Await `call()` again after each `TransientError`, with growing, jittered waits or its own `retry_after`.

    The last error is raised after `attempts` tries or `within` seconds (None: no such limit).
    """
    async for attempt in stamina.retry_context(
        on=_wait,
        attempts=attempts,
        timeout=within,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
    ):
        with attempt:
            return await call()
    raise AssertionError("stamina raises the last error itself")  # pragma: no cover


def _wait(error: Exception) -> bool | float:
    if not isinstance(error, TransientError):
        return False
    return True if error.retry_after is None else error.retry_after
