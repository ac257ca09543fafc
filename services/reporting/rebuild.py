"""The report's tables are built again from the topics, beside the old ones, and take their place in one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit.errors import SettingsError, TransientError, UnreadableMessage
from services.kit.kafka.cluster import Address, cluster_at
from services.kit.kafka.topics import partition_counts
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool, translated_errors
from services.kit.postgres.sql import load_sql
from services.kit.settings import load_settings
from services.reporting.adapters.postgres import (
    CHANNEL,
    MIGRATIONS_DIRECTORY,
    SCHEMA,
    SQL_DIRECTORY,
    PostgresProjections,
)
from services.reporting.facts import Located, Place, Reader
from services.reporting.settings import ReportingSettings

log = structlog.get_logger()

#: Where the new tables grow up, and where the old ones wait to be dropped.
NEXT_SCHEMA = f"{SCHEMA}_next"
OLD_SCHEMA = f"{SCHEMA}_old"

_CONNECT_WITHIN = timedelta(seconds=15)
#: The last stretch is read while the service waits, so it must be short.
_CLOSE_ENOUGH_RECORDS = 2000
_ROUNDS = 20
_BATCH_RECORDS = 2000
#: Above any real lock wait, below the services' own statement timeout.
_LOCK_WITHIN = timedelta(seconds=20)

_SQL = load_sql(SQL_DIRECTORY / "rebuild.sql")


async def main() -> None:
    """Rebuild by the settings of the environment: the command `rebuild`."""
    await rebuild(load_settings(ReportingSettings))


async def rebuild(settings: ReportingSettings, *, topic_prefix: str = "") -> None:
    """Build the tables again and exchange them; whoever reads sees the old ones until the new ones are complete.

    Safe to repeat after it was broken off. A running service waits for the moment of the exchange and goes on.

    Raises:
        TransientError: Kafka or Postgres is away, or facts arrive faster than they are read.
        SettingsError: a setting or a topic is missing.
    """
    if not settings.kafka_bootstrap_servers or not settings.database_url:
        raise SettingsError("KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL must be set to rebuild the report.")
    await _prepare(settings.database_url)
    pool = await create_pool(settings.database_url, schema=NEXT_SCHEMA, max_size=1)
    try:
        copy = PostgresProjections(pool, silent=True)
        async with _reading(settings.kafka, Reader(prefix=topic_prefix)) as source:
            await _catch_up(copy, source)
            await _exchange(settings.database_url, copy, source)
    finally:
        await pool.close()
    log.info("report.rebuilt")


class _Source:
    """The topics, read by place rather than as a member of a group."""

    def __init__(self, consumer: AIOKafkaConsumer, reader: Reader) -> None:
        self._consumer = consumer
        self._reader = reader

    async def ends(self) -> dict[Place, int]:
        """Return the offset after the last record of every partition."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        return {(place.topic, place.partition): end for place, end in ends.items()}

    async def read_into(self, copy: PostgresProjections, *, until: Mapping[Place, int]) -> None:
        """Take in everything before `until`."""
        while True:
            behind = [TopicPartition(*place) for place, end in until.items() if await self._next(place) < end]
            if not behind:
                return
            found = await self._consumer.getmany(*behind, timeout_ms=1000, max_records=_BATCH_RECORDS)
            facts = [self._fact(record) for records in found.values() for record in records]
            if facts:
                await copy.apply(facts)

    def _fact(self, record: ConsumerRecord) -> Located:
        try:
            return self._reader.read(record.topic, record.partition, record.offset, record.value)
        except UnreadableMessage as error:
            # The service set it aside as a dead letter, and its tables do without it too.
            log.warning("record.passed_over", topic=record.topic, offset=record.offset, path=error.path)
            return Located(record.topic, record.partition, record.offset, None)

    async def behind(self) -> int:
        """Return how many records are still to be read."""
        return sum([max(0, end - await self._next(place)) for place, end in (await self.ends()).items()])

    async def _next(self, place: Place) -> int:
        return int(await self._consumer.position(TopicPartition(*place)))


@asynccontextmanager
async def _reading(kafka: Address, reader: Reader) -> AsyncIterator[_Source]:
    counts = await partition_counts(kafka)
    consumer = AIOKafkaConsumer(
        **cluster_at(kafka).options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        async with asyncio.timeout(_CONNECT_WITHIN.total_seconds()):
            await consumer.start()
            consumer.assign(_partitions(counts, [topic.name for topic in reader.topics]))
            await consumer.seek_to_beginning()
        yield _Source(consumer, reader)
    except (KafkaError, TimeoutError, OSError) as error:
        raise TransientError(f"kafka: {type(error).__name__}") from error
    finally:
        await consumer.stop()


def _partitions(counts: Mapping[str, int], topics: Iterable[str]) -> list[TopicPartition]:
    partitions: list[TopicPartition] = []
    for topic in topics:
        if topic not in counts:
            raise SettingsError(f"There is no topic {topic}; `python -m services topics` creates it.")
        partitions += [TopicPartition(topic, number) for number in range(counts[topic])]
    return partitions


async def _catch_up(copy: PostgresProjections, source: _Source) -> None:
    for _ in range(_ROUNDS):
        await source.read_into(copy, until=await source.ends())
        if await source.behind() <= _CLOSE_ENOUGH_RECORDS:
            return
    raise TransientError("the report is written faster than it can be built again; try at a quieter time")


async def _prepare(dsn: str) -> None:
    await migrate(dsn, schema=SCHEMA, directory=MIGRATIONS_DIRECTORY)
    with translated_errors():
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(_SQL.forget_copies)
        finally:
            await connection.close()
    await migrate(dsn, schema=NEXT_SCHEMA, directory=MIGRATIONS_DIRECTORY)


async def _exchange(dsn: str, copy: PostgresProjections, source: _Source) -> None:
    with translated_errors():
        connection = await asyncpg.connect(dsn, server_settings={"lock_timeout": _milliseconds(_LOCK_WITHIN)})
        try:
            async with connection.transaction():
                # From here on the service cannot move its positions, so the copy can draw level with it.
                await connection.execute(_SQL.hold_positions)
                rows = await connection.fetch(_SQL.held_positions)
                ends = await source.ends()
                reached = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
                # A topic that was made anew ends before the old position; there is no more to read than its end.
                await source.read_into(
                    copy, until={place: min(end, ends[place]) for place, end in reached.items() if place in ends}
                )
                await connection.execute(_SQL.exchange_schemas)
                await connection.execute(_SQL.tell_anything, CHANNEL)
        finally:
            await connection.close()


def _milliseconds(time: timedelta) -> str:
    return str(int(time.total_seconds() * 1000))
