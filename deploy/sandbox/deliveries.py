"""Webhook deliveries: each is tried until it is answered 2xx or its schedule ends, never for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from deploy.sandbox.books import Books
from deploy.sandbox.faults import Faults

#: How much later than its neighbours a disordered webhook leaves, in seconds.
DISORDER = 0.3


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """A platform's documented way to deliver; times in seconds of the platform's time."""

    #: Time allowed to connect, and for the whole request (never scaled).
    connect_timeout: float
    total_timeout: float
    #: Waits before each retry; its length is the number of retries.
    retry_waits: tuple[float, ...]
    #: Deliveries of one subscription given up in a row, with no success since their first attempt, before
    #: `on_exhausted` is called; None = never.
    exhausted_after: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook on its way: retries send the same bytes and headers to the same address."""

    subscription: str
    topic: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Try:
    """A delivery's place in its schedule; `acks` are its subscription's successes before the first attempt."""

    delivery: Delivery
    acks: int
    attempt: int = 0


class Deliveries:
    """Sends deliveries with bounded concurrency.

    `time_scale` divides the waits between retries: with 3600, four hours of retries last four seconds.
    `on_exhausted(subscription)` is called when the policy's patience with a subscription ends.
    """

    def __init__(
        self,
        policy: DeliveryPolicy,
        *,
        books: Books,
        faults: Faults,
        on_exhausted: Callable[[str], None] = lambda _subscription: None,
        concurrency: int = 8,
    ) -> None:
        self.time_scale = 1.0
        self._policy = policy
        self._books = books
        self._faults = faults
        self._on_exhausted = on_exhausted
        self._concurrency = concurrency
        self._queue: asyncio.Queue[_Try] = asyncio.Queue()
        self._acks: Counter[str] = Counter()
        self._given_up: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def send(self, delivery: Delivery) -> None:
        """Put a delivery on its way; the answer is awaited in the background."""
        rule = self._faults.draw_for_webhook(delivery.topic) if self._faults else None
        match rule.kind if rule else None:
            case "drop_webhooks":
                self._books.count("webhooks_dropped")
            case "disordered_webhooks":
                self._later(DISORDER, self._first_try(delivery))
            case "duplicate_webhooks":
                self._queue.put_nowait(self._first_try(delivery))
                self._queue.put_nowait(self._first_try(delivery))
            case _:
                self._queue.put_nowait(self._first_try(delivery))

    @property
    def pending(self) -> int:
        """Deliveries that are queued, on their way, or waiting for a retry."""
        return self._open

    async def settle(self) -> None:
        """Wait until nothing is pending, retries included."""
        await self._idle.wait()

    async def start(self) -> None:
        """Open the client and begin to deliver."""
        timeout = aiohttp.ClientTimeout(total=self._policy.total_timeout, sock_connect=self._policy.connect_timeout)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]

    async def stop(self) -> None:
        """Stop delivering; what is still waiting is lost, as with a platform that forgets."""
        for timer in self._timers:
            timer.cancel()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _finish(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._idle.set()

    def _first_try(self, delivery: Delivery) -> _Try:
        self._open += 1
        self._idle.clear()
        return _Try(delivery, acks=self._acks[delivery.subscription])

    async def _work(self) -> None:
        while True:
            due = await self._queue.get()
            await self._attempt(due)

    async def _attempt(self, due: _Try) -> None:
        self._books.count("webhooks_sent")
        if await self._accepted(due.delivery):
            self._books.count("webhooks_acked")
            self._acks[due.delivery.subscription] += 1
            del self._given_up[due.delivery.subscription]
            self._finish()
            return
        self._books.count("webhooks_failed")
        waits = self._policy.retry_waits
        if due.attempt < len(waits):
            wait = waits[due.attempt] / self.time_scale
            due.attempt += 1
            self._later(wait, due)
        else:
            self._give_up(due)
            self._finish()

    async def _accepted(self, delivery: Delivery) -> bool:
        session = self._session
        if session is None:
            raise RuntimeError("deliveries are not started")
        try:
            async with session.post(
                delivery.url, data=delivery.body, headers=delivery.headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return 200 <= answer.status < 300  # noqa: PLR2004 - the 2xx range reads best as numbers
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False

    def _give_up(self, due: _Try) -> None:
        subscription = due.delivery.subscription
        self._books.count("webhooks_given_up")
        if self._policy.exhausted_after is None or self._acks[subscription] > due.acks:
            return
        self._given_up[subscription] += 1
        if self._given_up[subscription] == self._policy.exhausted_after:
            self._on_exhausted(subscription)

    def _later(self, seconds: float, due: _Try) -> None:
        def arrive() -> None:
            self._timers.discard(timer)
            self._queue.put_nowait(due)

        timer = asyncio.get_running_loop().call_later(seconds, arrive)
        self._timers.add(timer)
