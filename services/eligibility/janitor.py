"""Erases buyers' data when nothing needs them any more, and messages long published."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from schemas.topics import PERSONAL_DATA_RETENTION
from services.kit.clock import Clock
from services.kit.errors import TransientError

log = structlog.get_logger()

EVERY = timedelta(minutes=5)
_CHUNK = 1_000


class Erasable(Protocol):
    """What can be erased, a bounded number at a time; both return how many were."""

    async def erase_personal_data(self, *, now: datetime, limit: int) -> int:
        """Erase the data of orders whose time has come."""
        ...

    async def forget_published(self, *, before: datetime, limit: int) -> int:
        """Drop messages that were published and are older than `before`."""
        ...


async def keep_clean(tables: Erasable, *, clock: Clock) -> None:
    """Clean for ever."""
    while True:
        try:
            await clean(tables, clock=clock)
        except TransientError as error:
            log.warning("cleaning.postponed", problem=str(error))
        await clock.sleep(EVERY.total_seconds())


async def clean(tables: Erasable, *, clock: Clock) -> None:
    """Clean once, in short transactions."""
    erased = forgotten = 0
    while some := await tables.erase_personal_data(now=clock.now(), limit=_CHUNK):
        erased += some
    # A message to production holds an address, so it stays no longer than Kafka keeps it.
    while some := await tables.forget_published(before=clock.now() - PERSONAL_DATA_RETENTION, limit=_CHUNK):
        forgotten += some
    if erased or forgotten:
        log.info("personal_data.erased", orders=erased, messages=forgotten)
