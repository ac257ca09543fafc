"""Has last looks asked for again that had no answer in time, and says how long orders wait for theirs."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from services.eligibility.ports import Repository
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.metrics import Metrics

log = structlog.get_logger()

EVERY_SECONDS = 30.0


class Looking:
    """The worker of this process, for the shards that the process owns."""

    def __init__(
        self, repository: Repository, *, owned: Callable[[], Collection[int]], clock: Clock, metrics: Metrics
    ) -> None:
        self._repository = repository
        self._owned = owned
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Ask again for ever."""
        while True:
            try:
                await self.once()
            except TransientError as error:
                log.warning("looks.postponed", problem=str(error))
            await self._clock.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Ask now for what is overdue: the orders are judged again, and judging asks."""
        now = self._clock.now()
        since = await self._repository.ask_looks_again(self._owned(), now=now)
        self._metrics.set("syncorder_looks_waiting_seconds", (now - since).total_seconds() if since else 0.0)
