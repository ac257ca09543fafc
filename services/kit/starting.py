"""A service starts when what it needs is there: Kafka and Postgres are waited for, their addresses insisted on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import structlog

from schemas.topics import Topic
from services.kit.clock import Clock
from services.kit.errors import SettingsError, TransientError
from services.kit.kafka.topics import ensure_topics
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.kit.settings import KitSettings

log = structlog.get_logger()

_RETRY_SECONDS = 2.0
_CLOSE_SECONDS = 5.0


def refuse_missing(settings: KitSettings) -> None:
    """Raise SettingsError when Kafka's or Postgres' address is not set."""
    for name in ("kafka_bootstrap_servers", "database_url"):
        if not getattr(settings, name):
            raise SettingsError(f"{name.upper()} is not set; `make up` starts an embedded one and prints it.")


async def prepared(
    settings: KitSettings, *, schema: str, migrations: Path, topics: Iterable[Topic], clock: Clock, stop: asyncio.Event
) -> bool:
    """Bring keys' and the service's Postgres schemas up to date and see to its topics; False when told to stop first.

    What is away is waited for, with a line in the log at each try.
    """
    wanted = tuple(topics)
    while not stop.is_set():
        try:
            await migrate(settings.database_url, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
            await migrate(settings.database_url, schema=schema, directory=migrations)
            await ensure_topics(
                settings.kafka,
                wanted,
                partitions=settings.topic_partitions,
                replicas=settings.topic_replicas,
            )
        except TransientError as error:
            log.warning("start.postponed", problem=str(error))
            await clock.sleep(_RETRY_SECONDS)
        else:
            return True
    return False


@asynccontextmanager
async def open_pool(dsn: str, *, schema: str, size: int, clock: Clock) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most `size` connections, closed at the end; Postgres is waited for."""
    pool = await _pool_once_there(dsn, schema=schema, size=size, clock=clock)
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), _CLOSE_SECONDS)
        except TimeoutError:
            pool.terminate()


async def _pool_once_there(dsn: str, *, schema: str, size: int, clock: Clock) -> asyncpg.Pool:
    while True:
        try:
            return await create_pool(dsn, schema=schema, max_size=size)
        except TransientError as error:
            log.warning("start.postponed", problem=str(error))
            await clock.sleep(_RETRY_SECONDS)
