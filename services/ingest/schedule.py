"""Does what is due on stores, each under a lease that is renewed meanwhile, several at once: polls, syncs, audits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Generic, Literal, Protocol, TypeVar

import structlog

from services.ingest.ports import LeaseLost
from services.ingest.stores.store import Store
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: After a kill, a store waits at most this long for another process.
LEASE = timedelta(seconds=10)
_RENEWED_EVERY_SECONDS = LEASE.total_seconds() / 3
#: How long a store that another process made due may wait unnoticed.
_LOOK_EVERY_SECONDS = 0.5
#: It looks about every second, and a statement may take 30 s.
_STANDSTILL = timedelta(minutes=2)
_AFTER_UNEXPECTED = timedelta(minutes=1)
_AFTER_TRANSIENT = timedelta(seconds=5)


class Leased(Protocol):
    """The right to work on a store for a while."""

    @property
    def store(self) -> Store:
        """The store."""
        ...


L = TypeVar("L", bound=Leased)
#: The words for what is done under leases.
What = Literal["poll", "sync", "audit", "import", "push", "look"]


class Wakeful(Protocol):
    """Something that looks for work."""

    def wake(self) -> None:
        """Look now."""
        ...


class Leases(Protocol[L]):
    """What hands out the work: see `Polls` for what each promises."""

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[L]:
        """Lease what is due and free."""
        ...

    async def renew(self, lease: L, *, until: datetime) -> None:
        """Keep the lease for longer. Raises LeaseLost."""
        ...

    async def give_back(self, lease: L, *, due: datetime) -> None:
        """End the lease without a result. Raises LeaseLost."""
        ...


class Schedule(Generic[L]):
    """One process's share of the polls, syncs or audits of its platforms; `what` is the word for one of them."""

    def __init__(
        self,
        work: Callable[[L], Awaitable[None]],
        leases: Leases[L],
        *,
        owner: str,
        platforms: Collection[str],
        at_once: int,
        clock: Clock,
        metrics: Metrics,
        what: What = "poll",
    ) -> None:
        self._work = work
        self._leases = leases
        self._what = what
        self._owner = owner
        self._platforms = platforms
        self._at_once = at_once
        self._clock = clock
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._pulse = Pulse(f"the schedule of {what}s", clock=clock, within=_STANDSTILL)

    def liveness(self) -> list[str]:
        """Whether stores are still looked for; a poll that takes long does not matter."""
        return self._pulse.liveness()

    def wake(self) -> None:
        """Look for due stores now."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop`; then let go of the stores, so that another process goes on at once."""
        try:
            while not stop.is_set():
                self._pulse.beat()
                await self._start_due()
                await self._rest(stop)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        free = self._at_once - len(self._running)
        if free <= 0:
            return
        now = self._clock.now()
        try:
            leases = await self._leases.claim(
                owner=self._owner, platforms=self._platforms, limit=free, now=now, until=now + LEASE
            )
        except TransientError as error:
            log.warning("schedule.waiting", what=self._what, problem=str(error))
            return
        for lease in leases:
            task = asyncio.create_task(self._do(lease))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._woken.set()

    async def _rest(self, stop: asyncio.Event) -> None:
        waits = {
            asyncio.ensure_future(self._clock.sleep(_LOOK_EVERY_SECONDS)),
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(stop.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._woken.clear()

    async def _do(self, lease: L) -> None:
        working: asyncio.Future[None] = asyncio.ensure_future(self._work(lease))
        keeping = asyncio.create_task(self._keep(lease, working))
        try:
            await working
        except LeaseLost:
            log.warning("lease.lost", store_id=lease.store.store_id)
        except TransientError as error:
            log.warning("work.interrupted", what=self._what, store_id=lease.store.store_id, problem=str(error))
            await self._give_back(lease, after=_AFTER_TRANSIENT)
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._give_back(lease, after=timedelta())
            raise
        except Exception:
            # The outermost loop of the work: one store's surprise must not stop the others'.
            log.exception("work.failed", what=self._what, store_id=lease.store.store_id)
            self._metrics.increment("syncorder_unexpected_errors_total", where=self._what)
            await self._give_back(lease, after=_AFTER_UNEXPECTED)
        finally:
            keeping.cancel()

    async def _keep(self, lease: L, working: asyncio.Future[None]) -> None:
        while True:
            await self._clock.sleep(_RENEWED_EVERY_SECONDS)
            try:
                await self._leases.renew(lease, until=self._clock.now() + LEASE)
            except LeaseLost:
                working.cancel()
                return
            except TransientError as error:
                log.warning("lease.not_renewed", store_id=lease.store.store_id, problem=str(error))

    async def _give_back(self, lease: L, *, after: timedelta) -> None:
        # Without it the lease just expires.
        with suppress(LeaseLost, TransientError):
            await self._leases.give_back(lease, due=self._clock.now() + after)
