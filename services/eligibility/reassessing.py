"""Judges orders again as soon as a fact that they waited for arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection

import structlog

from services.eligibility.judging import Judge
from services.eligibility.ports import Repository
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Orders judged in one transaction.
CHUNK = 500
#: Nobody needs to wake the worker; it only takes this long to notice then.
POLL_SECONDS = 2.0
RETRY_SECONDS = 1.0


class Bell:
    """Rung by whoever requests that orders be judged again, in this process or another."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self, _shards: Collection[int]) -> None:
        """There are requests."""
        self._rung.set()

    def clear(self) -> None:
        """Whoever rings from now on is heard by the next `wait`."""
        self._rung.clear()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after `seconds` of the loop's own time: it is only how soon somebody looks again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()


class Reassessing:
    """The worker of this process: it takes the requests of the shards that the process owns."""

    def __init__(
        self,
        judge: Judge,
        repository: Repository,
        *,
        bell: Bell,
        owned: Callable[[], Collection[int]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._judge = judge
        self._repository = repository
        self._bell = bell
        self._owned = owned
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Judge again for ever."""
        while True:
            self._bell.clear()
            try:
                await self.judge_requested()
            except TransientError as error:
                log.warning("reassessment.postponed", problem=str(error))
                await self._clock.sleep(error.retry_after or RETRY_SECONDS)
                continue
            await self._bell.wait(POLL_SECONDS)

    async def judge_requested(self) -> None:
        """Judge until the owned shards have no more requests."""
        while shards := await self._repository.requested(self._owned()):
            for shard in shards:
                await self._judge_chunk(shard, CHUNK)

    async def _judge_chunk(self, shard: int, limit: int) -> None:
        try:
            taken = await self._judge.judge_again(shard, limit=limit)
            self._metrics.increment("syncorder_reassessments_total", taken)
        except TransientError:
            raise
        except Exception:  # the outermost loop: one order that cannot be judged must not stop those behind it
            self._metrics.increment("syncorder_unexpected_errors_total", where="eligibility.reassessing")
            log.exception("reassessment.failed", shard=shard, orders=limit)
            if limit == 1:
                await self._judge.drop_request(shard)
            else:
                # Requests keep their order, so the one that fails is found by halving and ends up alone.
                await self._judge_chunk(shard, limit // 2)
                await self._judge_chunk(shard, limit - limit // 2)
