"""Word of every commit reaches every process over one listening connection that mends itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import orjson
import structlog

from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.postgres.pool import CONNECT_TIMEOUT, translated_errors
from services.reporting.adapters.postgres import CHANNEL
from services.reporting.ports import ANYTHING, Change

log = structlog.get_logger()

_RECONNECT_SECONDS = 1.0
#: A connection that died without a word is noticed by asking it this often.
_ASK_SECONDS = 5.0


class PostgresFeed:
    """See `Feed`: LISTEN on the channel that the projections notify."""

    def __init__(self, dsn: str, *, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock

    async def changes(self) -> AsyncIterator[Change]:
        """Yield changes from now on, for ever."""
        while True:
            try:
                async for change in self._until_broken():
                    yield change
            except TransientError as error:
                log.warning("feed.interrupted", problem=str(error))
            await self._clock.sleep(_RECONNECT_SECONDS)

    async def _until_broken(self) -> AsyncIterator[Change]:
        told: asyncio.Queue[str] = asyncio.Queue()
        with translated_errors():
            connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT.total_seconds())
        try:
            with translated_errors():
                await connection.add_listener(CHANNEL, lambda *word: told.put_nowait(str(word[3])))
            # Whatever was told while nobody listened is lost.
            yield ANYTHING
            while True:
                try:
                    async with asyncio.timeout(_ASK_SECONDS):
                        word = await told.get()
                except TimeoutError:
                    with translated_errors():
                        await connection.execute("SELECT 1", timeout=_ASK_SECONDS)
                    continue
                yield _change(word)
        finally:
            connection.terminate()


def _change(word: str) -> Change:
    told = orjson.loads(word)
    return Change(
        change_id=told["id"],
        seller_id=told["seller_id"],
        sessions=tuple(told["sessions"]),
        orders=tuple(told["orders"]),
        # A process of before audits does not name them.
        audits=tuple(told.get("audits", ())),
        complete=told["complete"],
    )
