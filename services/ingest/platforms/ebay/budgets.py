"""Keeps the app's calls a day. eBay's answers do not say what is left: its analytics do, and are asked now and then.

The day's calls come back all at once, at the reset. So the bucket of an API holds what eBay said is left until then,
hardly refills, and is made anew whenever eBay is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.ingest.platforms.ebay.payloads import EbayRate, EbayRateLimits
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.limits import Limit, Limits

log = structlog.get_logger(__name__)

#: eBay is asked this often what is left, and earlier when a quarter of that is spent.
ASKED_EVERY = timedelta(minutes=5)
#: After a failed attempt to ask.
ASKED_AGAIN = timedelta(minutes=1)
#: A part of the day's calls that is never spent: calls under way are not in eBay's word about what is left.
RESERVE = 0.01
#: The first and the longest wait after a refused call, in seconds, where eBay does not say how long.
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
#: Calls a second that come back before the reset: none, as near as a bucket has it.
_TRICKLE = 1 / 3600


@dataclass(frozen=True, slots=True)
class DailyQuota:
    """A quota of the app: its name in our books, eBay's two names of it, and how many calls a day it has at first."""

    name: str
    context: str
    api: str
    a_day: int


FULFILLMENT = DailyQuota("ebay|app|fulfillment", "sell", "fulfillment", 100_000)
NOTIFICATION = DailyQuota("ebay|app|notification", "commerce", "notification", 10_000)

#: Asks eBay what is left of a quota.
Asking = Callable[[DailyQuota], Awaitable[EbayRateLimits | None]]


@dataclass(slots=True)
class _Book:
    """What this process knows of a quota."""

    next_asking: datetime
    left: int | None = None
    reset: datetime | None = None
    spent: int = 0
    under_way: int = 0
    refusals: int = 0


class DailyBudgets:
    """Lets calls through while eBay has some left for us. Counted in `limits`, for all processes together."""

    def __init__(self, limits: Limits, clock: Clock, ask: Asking) -> None:
        self._limits = limits
        self._clock = clock
        self._ask = ask
        self._books: dict[DailyQuota, _Book] = {}

    @asynccontextmanager
    async def call(self, quota: DailyQuota) -> AsyncIterator[None]:
        """Count one call that is made inside. Raises TransientError when none is left."""
        book = self._books.setdefault(quota, _Book(self._clock.now()))
        if self._is_asking_due(book):
            await self._learn(quota, book)
        await self._limits.take(quota.name, limit=never_above(quota.a_day))
        book.spent += 1
        book.under_way += 1
        try:
            yield
        finally:
            book.under_way -= 1

    def went_through(self, quota: DailyQuota) -> None:
        """Note that eBay took a call: the next refusal is a first one again."""
        self._books[quota].refusals = 0

    async def refused(self, quota: DailyQuota, *, retry_after: float | None) -> float:
        """Send nothing for a while; return the seconds. eBay's own wish is honoured, else its analytics are asked."""
        book = self._books[quota]
        seconds = retry_after
        if seconds is None:
            book.refusals += 1
            # While eBay is asked, another call may go through and begin the count anew.
            refusals = book.refusals
            await self._learn(quota, book)
            seconds = self._until_reset(book) if book.left == 0 else _growing(refusals)
        await self._limits.close(quota.name, seconds=seconds)
        return seconds

    def _is_asking_due(self, book: _Book) -> bool:
        now = self._clock.now()
        if now >= book.next_asking:
            return True
        return bool(book.left) and book.spent >= max((book.left or 0) // 4, 1)

    async def _learn(self, quota: DailyQuota, book: _Book) -> None:
        book.next_asking, book.spent = self._clock.now() + ASKED_EVERY, 0
        try:
            told = await self._ask(quota)
        except (TransientError, AuthorizationError) as error:
            # What was known before goes on counting; not knowing is no reason to stop.
            log.warning("ebay.quota_unknown", quota=quota.api, problem=str(error))
            book.next_asking = self._clock.now() + ASKED_AGAIN
            return
        rate = _scarcest(told)
        if rate is None:
            return
        left = max(rate.remaining - int(rate.limit * RESERVE) - book.under_way, 0)
        book.left, book.reset = left, rate.reset
        await self._limits.learn(quota.name, limit=Limit(max(left, 1), _TRICKLE), available=left)
        if left == 0:
            await self._limits.close(quota.name, seconds=self._until_reset(book))

    def _until_reset(self, book: _Book) -> float:
        if book.reset is None:
            return LONGEST_WAIT
        return max((book.reset - self._clock.now()).total_seconds(), FIRST_WAIT)


def never_above(a_day: int) -> Limit:
    """Return the bucket that lets at most so many calls through in any 24 hours, however they are spread."""
    return Limit(a_day / 2, a_day / 2 / 86_400)


def _scarcest(told: EbayRateLimits | None) -> EbayRate | None:
    """Return the rate with the fewest calls left: which of an API's resources a call counts for is not documented."""
    rates = [
        rate
        for limit in (told.limits if told else None) or ()
        for resource in limit.resources or ()
        for rate in resource.rates or ()
        if rate.limit > 0
    ]
    return min(rates, key=lambda rate: rate.remaining, default=None)


def _growing(refusals: int) -> float:
    return min(FIRST_WAIT * (1 << min(refusals - 1, 16)), LONGEST_WAIT)
