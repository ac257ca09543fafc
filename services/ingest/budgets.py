"""Budgets that a platform gives an app, kept from its own answers, so that we stop before it has to refuse us."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta

from services.kit.clock import Clock
from services.kit.errors import TransientError

#: Above this many calls a second a limit never binds one process: it is not counted.
UNBOUND_PER_SECOND = 1000
_ONE_SECOND = timedelta(seconds=1)


class CostBucket:
    """A leaky bucket of points at the platform, as far as its answers told us. Pure: time is an argument.

    Before the first answer nothing is known and nothing is waited for. `available` falls by what we spend and
    rises by `restore_rate` points a second up to `maximum`; each answer corrects it.
    """

    def __init__(self) -> None:
        self._maximum: float | None = None
        self._available = 0.0
        self._restore_rate = 1.0
        self._at: datetime | None = None

    def learn(self, *, maximum: float, available: float, restore_rate: float, now: datetime) -> None:
        """Take over what the platform said."""
        self._maximum = maximum
        self._available = available
        self._restore_rate = max(restore_rate, 1.0)
        self._at = now

    def seconds_until(self, cost: float, *, now: datetime) -> float:
        """Return how long to wait until `cost` points are there; a cost above the maximum waits for a full bucket."""
        if self._maximum is None:
            return 0.0
        missing = min(cost, self._maximum) - self._available_at(now)
        return max(0.0, missing / self._restore_rate)

    def spend(self, cost: float, *, now: datetime) -> None:
        """Take `cost` points out; below zero means that others wait longer."""
        if self._maximum is not None:
            self._available = self._available_at(now) - cost
            self._at = now

    def _available_at(self, now: datetime) -> float:
        if self._maximum is None or self._at is None:
            return 0.0
        passed = max(0.0, (now - self._at).total_seconds())
        return min(self._maximum, self._available + passed * self._restore_rate)


class CostBudget:
    """One app's points at one store; callers wait in the order they came."""

    def __init__(self, clock: Clock) -> None:
        self.bucket = CostBucket()
        self._clock = clock
        self._turn = asyncio.Lock()

    async def take(self, cost: float) -> None:
        """Return once `cost` points may be spent, and spend them."""
        async with self._turn:
            wait = self.bucket.seconds_until(cost, now=self._clock.now())
            if wait > 0:
                await self._clock.sleep(wait)
            self.bucket.spend(cost, now=self._clock.now())


class CallBudget:
    """An app's calls a second and a day, shared by all its stores in this process; callers wait in turn.

    `learn` takes the platform's own numbers (None: not told). The daily quota slides over 24 hours and may be
    shared with other processes, so only the platform's word about what remains is believed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._per_second: int | None = None
        self._sent: deque[datetime] = deque()
        self._closed_until: datetime | None = None
        self._remaining_today: int | None = None
        self._told_at: datetime | None = None

    def learn(self, *, per_second: int | None, remaining_now: int | None, remaining_today: int | None) -> None:
        """Take over what an answer's headers said."""
        now = self._clock.now()
        if per_second is not None and per_second > 0:
            self._per_second = per_second
        if remaining_now == 0:
            self._close(until=now + _ONE_SECOND)
        if remaining_today is not None:
            self._remaining_today = remaining_today
            self._told_at = now

    def pause(self, seconds: float) -> None:
        """Send nothing for that long: the platform refused a call."""
        self._close(until=self._clock.now() + timedelta(seconds=seconds))

    async def take(self, *, patience: float = 5.0, exhausted_wait: float = 300.0) -> None:
        """Return when one call may be sent, and count it.

        Raises TransientError when that is more than `patience` seconds away, or when the day's calls are used up:
        then one call is tried again every `exhausted_wait` seconds, for a sliding day frees some all the time.
        """
        async with self._turn:
            self._refuse_exhausted_day(exhausted_wait)
            wait = self._seconds_until_free(self._clock.now())
            if wait > patience:
                raise TransientError("the platform's call budget is used up", retry_after=wait)
            if wait > 0:
                await self._clock.sleep(wait)
            self._sent.append(self._clock.now())

    def _refuse_exhausted_day(self, exhausted_wait: float) -> None:
        if self._remaining_today != 0 or self._told_at is None:
            return
        left = exhausted_wait - (self._clock.now() - self._told_at).total_seconds()
        if left > 0:
            raise TransientError("the platform's call budget of the day is used up", retry_after=left)

    def _seconds_until_free(self, now: datetime) -> float:
        closed = (self._closed_until - now).total_seconds() if self._closed_until else 0.0
        while self._sent and now - self._sent[0] >= _ONE_SECOND:
            self._sent.popleft()
        limit = self._per_second
        if limit is None or limit >= UNBOUND_PER_SECOND or len(self._sent) < limit:
            return max(0.0, closed)
        turn = (self._sent[-limit] + _ONE_SECOND - now).total_seconds()
        return max(0.0, closed, turn)

    def _close(self, *, until: datetime) -> None:
        if self._closed_until is None or until > self._closed_until:
            self._closed_until = until
