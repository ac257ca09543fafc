"""Budgets that another system gives us are counted in one place for all processes, so that it never has to refuse us.

A budget is a token bucket by a name of its own ("platform|a-store.example"). Who takes from it waits for their turn in
the order they came, whichever process they run in: none overtakes, so many stores of one app share its budget evenly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import asyncpg

from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

#: How long a caller waits for its turn unless it says otherwise, in seconds.
PATIENCE = 5.0
#: A window that slides counts what arrives, and calls arrive closer together than they left: up to 0.4 s are forgiven.
_MARGIN = 0.7

_SQL = load_sql(Path(__file__).parent / "sql" / "limits.sql")


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: `capacity` at once at most, `rate` more each second; both above zero."""

    capacity: float
    rate: float

    def __post_init__(self) -> None:
        if not (self.capacity > 0 and self.rate > 0):
            raise ValueError("a limit lets something through")


def calls_per_second(number: float) -> Limit:
    """The bucket that never sends more than `number` calls in any one second: they go out evenly spaced."""
    return Limit(1.0, max(number * _MARGIN, 0.01))


@dataclass(frozen=True, slots=True)
class Available:
    """A budget at one moment: its size, what is there, and for how many seconds it lets nothing through."""

    limit: Limit
    available: float
    closed_for: float = 0.0


class Limits(Protocol):
    """Counts what is spent. Every method raises `TransientError` when the database is away."""

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """Return when `cost` may be spent, and have it counted; a cost above the capacity waits for a full bucket.

        `limit` holds until something was learnt about this name. `leave` is what must remain for others: whoever leaves
        something takes only at a moment when so much is there, and keeps no place among those who wait. A bucket that
        cannot hold both lets nothing through.

        Raises:
            TransientError: the turn would come after more than `patience` seconds; nothing is counted then, and
                `retry_after` says when it would come.
        """
        ...

    async def available(self, name: str) -> Available | None:
        """Tell what is there of a budget now; None where nothing was taken from it yet."""
        ...

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """Take over what an answer said of a budget: its size, and what is `available` (None: not told).

        `refund` is what was taken for the call too much.
        """
        ...

    async def close(self, name: str, *, seconds: float) -> None:
        """Let nothing through for that long: the other side refused a call."""
        ...


class PostgresLimits:
    """Counts in the `access` schema, by the database's clock."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""

        async def attempt(patience: float) -> tuple[float, bool]:
            return await self._attempt(name, cost, limit=limit, patience=patience, leave=leave)

        await _taken(attempt, name, patience=patience, leaves=leave > 0, clock=self._clock)

    async def available(self, name: str) -> Available | None:
        """See `Limits`."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.available_of_limit, name)
        return Available(Limit(row["capacity"], row["rate"]), row["available"], row["closed_for"]) if row else None

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """See `Limits`."""
        with translated_errors():
            await self._pool.execute(_SQL.learn_limit, name, limit.capacity, limit.rate, available, refund)

    async def close(self, name: str, *, seconds: float) -> None:
        """See `Limits`."""
        with translated_errors():
            await self._pool.execute(_SQL.close_limit, name, seconds)

    async def _attempt(
        self, name: str, cost: float, *, limit: Limit, patience: float, leave: float
    ) -> tuple[float, bool]:
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.take_from_limit, name, cost, patience, leave)
            if row is None:
                await self._pool.execute(_SQL.open_limit, name, limit.capacity, limit.rate)
                row = await self._pool.fetchrow(_SQL.take_from_limit, name, cost, patience, leave)
        if row is None:
            raise TransientError("a budget was taken away while it was used")
        return row["wait"], row["taken"]


@dataclass(slots=True)
class _Bucket:
    limit: Limit
    available: float
    at: datetime
    closed_until: datetime | None = None

    def refill(self, now: datetime) -> None:
        passed = max((now - self.at).total_seconds(), 0.0)
        self.available = min(self.limit.capacity, self.available + passed * self.limit.rate)
        self.at = now

    def closed_for(self, now: datetime) -> float:
        return max((self.closed_until - now).total_seconds(), 0.0) if self.closed_until else 0.0

    def wait(self, needed: float, now: datetime) -> float:
        return max((needed - self.available) / self.limit.rate, self.closed_for(now))


class MemoryLimits:
    """The twin: counts for one process, by its clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""

        async def attempt(patience: float) -> tuple[float, bool]:
            return self._attempt(name, cost, limit=limit, patience=patience, leave=leave)

        await _taken(attempt, name, patience=patience, leaves=leave > 0, clock=self._clock)

    async def available(self, name: str) -> Available | None:
        """See `Limits`."""
        bucket, now = self._buckets.get(name), self._clock.now()
        if bucket is None:
            return None
        bucket.refill(now)
        return Available(bucket.limit, bucket.available, bucket.closed_for(now))

    def _attempt(self, name: str, cost: float, *, limit: Limit, patience: float, leave: float) -> tuple[float, bool]:
        now = self._clock.now()
        bucket = self._buckets.setdefault(name, _Bucket(limit, limit.capacity, now))
        bucket.refill(now)
        cost = min(cost, bucket.limit.capacity)
        wait = bucket.wait(cost + leave, now)
        if wait > patience:
            return wait, False
        bucket.available -= cost
        return wait, True

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """See `Limits`."""
        now, told = self._clock.now(), limit.capacity if available is None else available
        bucket = self._buckets.get(name)
        if bucket is None:
            self._buckets[name] = _Bucket(limit, told, now)
            return
        bucket.refill(now)
        if bucket.limit.capacity != limit.capacity:
            bucket.available = told + min(bucket.available, 0.0)
        else:
            # Those who wait were given their turns at the former rate: who comes now waits until they have had them.
            behind = limit.rate / bucket.limit.rate if bucket.available < 0 else 1.0
            bucket.available = min(told, bucket.available * behind + refund)
        bucket.limit = limit

    async def close(self, name: str, *, seconds: float) -> None:
        """See `Limits`."""
        bucket, until = self._buckets.get(name), self._clock.now() + timedelta(seconds=seconds)
        if bucket is not None and (bucket.closed_until is None or until > bucket.closed_until):
            bucket.closed_until = until


async def _taken(
    attempt: Callable[[float], Awaitable[tuple[float, bool]]],
    name: str,
    *,
    patience: float,
    leaves: bool,
    clock: Clock,
) -> None:
    """Take by `attempt`, which gets the patience and returns the wait and whether it took. Raises TransientError."""
    waited = 0.0
    while True:
        wait, taken = await attempt(0.0 if leaves else patience)
        if not taken and waited + wait > patience:
            raise _used_up(name, wait)
        if wait > 0:
            await clock.sleep(wait)
        if taken:
            return
        # Others may have taken meanwhile what was waited for: they go first.
        waited += wait


def _used_up(name: str, wait: float) -> TransientError:
    return TransientError(f"the call budget {name} is used up", retry_after=wait)
