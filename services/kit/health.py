"""A process is ready when all its named checks pass, and alive while nothing of it stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import asyncpg

from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.postgres.pool import translated_errors

#: None when all is well, else what is wrong, in words for an operator.
Check = Callable[[], Awaitable[str | None]]

CHECK_TIMEOUT_SECONDS = 5.0


class Alive(Protocol):
    """Something that can stand still without an error: `liveness` lists what does (empty: nothing)."""

    def liveness(self) -> list[str]:
        """The problems, in words for an operator."""
        ...


class Pulse:
    """Tells whether a loop still turns: it must beat at least once in `within`."""

    def __init__(self, what: str, *, clock: Clock, within: timedelta) -> None:
        self._what = what
        self._clock = clock
        self._within = within
        self._beat_at = clock.now()

    def beat(self) -> None:
        """The loop turned."""
        self._beat_at = self._clock.now()

    def liveness(self) -> list[str]:
        """The loop's name when it stands still."""
        still = self._clock.now() - self._beat_at
        return [f"{self._what} stands still for {still.total_seconds():.0f} s"] if still > self._within else []


class Health:
    """The checks of one process."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._watched: list[Alive] = []

    def add_check(self, name: str, check: Check) -> None:
        """Let readiness depend on `check`."""
        self._checks[name] = check

    def watch(self, watched: Alive) -> None:
        """Let liveness depend on `watched`."""
        self._watched.append(watched)

    async def readiness(self) -> dict[str, str]:
        """What is not ready, by name; empty when everything is."""
        answers = await asyncio.gather(*map(_answer, self._checks.values()))
        return {name: answer for name, answer in zip(self._checks, answers, strict=True) if answer is not None}

    def liveness(self) -> list[str]:
        """What stands still; empty when nothing does."""
        return [problem for watched in self._watched for problem in watched.liveness()]


def postgres_check(pool: asyncpg.Pool) -> Check:
    """Ready when the database answers."""

    async def check() -> str | None:
        with translated_errors():
            await pool.fetchval("SELECT 1")
        return None

    return check


async def _answer(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check()
    except TransientError as error:
        return str(error)
    except TimeoutError:
        return f"no answer in {CHECK_TIMEOUT_SECONDS:.0f} s"
