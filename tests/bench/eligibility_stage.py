"""Measures the eligibility stage beside a bare loop over the same bytes, in one process each, one after the other.

The bare loop does what no such stage can leave out: consume, validate, upsert and fill an outbox in one transaction a
batch, and produce that batch in one Kafka transaction. It decides nothing, charges nothing and seals nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from schemas.ids import StoreId, order_key
from schemas.money import Money
from schemas.order import NameValue, OrderRevised, Payload, order_revised
from schemas.topics import ORDERS_PRODUCTION, ORDERS_RAW
from services.eligibility.adapters.repository import PostgresRepository
from services.eligibility.app import MIGRATIONS, SCHEMA, serve
from services.eligibility.settings import EligibilitySettings
from services.eligibility.subscriber import BATCH, Topics
from services.kit.clock import SystemClock
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.kafka.topics import ensure_topics
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.eligibility.workbench import SELLER, store, variant
from tests.schemas.orders import NOON, order_item, raw_order

PARTITIONS = 8
STORES_OF_SELLER = 4
#: About what a platform's own JSON of a small order weighs.
PAYLOAD = '{"lineItems":[{"title":"T-shirt","variant":"M / Black","sku":"TEE-BLK-M","quantity":1}],"note":null}' * 16
_PUBLISH = 1_000
_PATIENCE_SECONDS = 600.0


async def measure(bootstrap: str, database_url: str, orders: int) -> dict[str, float]:
    """Return `value` and `baseline` in orders a second, and their `ratio`."""
    messages = [(key, event.to_bytes()) for key, event in map(_event, range(orders))]
    baseline = await _bare_loop(bootstrap, database_url, messages)
    value = await _stage(bootstrap, database_url, messages)
    return {"value": value, "baseline": baseline, "ratio": value / baseline}


def _event(number: int) -> tuple[str, OrderRevised]:
    store_id = f"st-{number % STORES_OF_SELLER}"
    key = order_key("shopify", store_id, str(number))
    order = raw_order(
        number=str(number),
        key=key,
        store_id=StoreId(store_id),
        email=f"buyer{number}@example.com",
        buyer_id=f"buyer-{number}",
        items=(order_item(personalization=(NameValue(name="Text", value="Hello"),)),),
        payload=Payload(form="graphql", body=PAYLOAD),
        risk="accept",
        holds=(),
    )
    return key, order_revised(order)


async def _stage(bootstrap: str, database_url: str, messages: Sequence[tuple[str, bytes]]) -> float:
    topics = await _filled(bootstrap, messages)
    async with _database(database_url) as dsn, _serving(bootstrap, dsn, topics):
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f"SET search_path = {SCHEMA}")
            started, done = await _first(connection)
            await _until_published(connection, 2 * len(messages))
            return (2 * len(messages) - done) / 2 / (time.perf_counter() - started)
        finally:
            await connection.close()


async def _first(connection: asyncpg.Connection) -> tuple[float, int]:
    """Wait for the first decisions: joining a group and starting producers is not the stage's pace."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            done = await connection.fetchval("SELECT coalesce(sum(last_number), 0)::bigint FROM shards")
            if done:
                return time.perf_counter(), done
            await asyncio.sleep(0.02)


async def _until_published(connection: asyncpg.Connection, numbers: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        published = 0
        while published < numbers:
            await asyncio.sleep(0.05)
            published = await connection.fetchval("SELECT coalesce(sum(published), 0)::bigint FROM relays")


@asynccontextmanager
async def _serving(bootstrap: str, dsn: str, topics: Topics) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory() as directory:
        settings = EligibilitySettings(
            kafka_bootstrap_servers=bootstrap,
            database_url=dsn,
            master_key_file=Path(directory) / "master.key",
            eligibility_port=0,
            topic_partitions=PARTITIONS,
            log_level="WARNING",
            # These orders were read whenever the test was written.
            last_look_after_seconds=0,
        )
        await _open_for_business(dsn)
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(
            serve(stop=stop, settings=settings, topic_prefix=topics.prefix, started=lambda _: ready.set())
        )
        await asyncio.wait([serving, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            stop.set()
            await serving


async def _open_for_business(dsn: str) -> None:
    """Link the stores, fill the catalog and the purse, so that every order is released when it is first judged."""
    await migrate(dsn, schema=SCHEMA, directory=MIGRATIONS[1])
    pool = await create_pool(dsn, schema=SCHEMA, max_size=1)
    repository = PostgresRepository(pool, clock=SystemClock(), wake_workers=lambda _: None)
    linked = [store(store_id=StoreId(f"st-{n}"), import_since=NOON) for n in range(STORES_OF_SELLER)]
    await repository.put_stores(linked)
    await repository.put_variants([variant()])
    await repository.top_up(SELLER, Money(amount=10**12, currency="USD"), reference="bench", now=NOON)
    await pool.close()


async def _bare_loop(bootstrap: str, database_url: str, messages: Sequence[tuple[str, bytes]]) -> float:
    topics = await _filled(bootstrap, messages)
    async with _database(database_url) as dsn, _bare(bootstrap, dsn, topics) as bare:
        await bare.turn()
        done, started = bare.done, time.perf_counter()
        while bare.done < len(messages):
            await bare.turn()
        return (bare.done - done) / (time.perf_counter() - started)


@dataclass(slots=True)
class _Bare:
    connection: asyncpg.Connection
    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    topic: str
    done: int = 0

    async def turn(self) -> None:
        """One batch, through and through."""
        batches = await self.consumer.getmany(timeout_ms=1000, max_records=BATCH)
        records = [record for batch in batches.values() for record in batch]
        if not records:
            return
        events = [OrderRevised.model_validate_json(record.value) for record in records]
        await self._keep(records, events)
        await self._produce(records)
        self.done += len(records)

    async def _keep(self, records: list[ConsumerRecord], events: list[OrderRevised]) -> None:
        keys = [event.order.key for event in events]
        values = [record.value for record in records]
        async with self.connection.transaction():
            await self.connection.execute(
                "INSERT INTO state SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[])"
                " ON CONFLICT (key) DO UPDATE SET event_id = excluded.event_id, value = excluded.value",
                *(keys, [event.event_id for event in events], [event.order.revised_at for event in events], values),
            )
            await self.connection.execute(
                "INSERT INTO outbox (key, value) SELECT * FROM unnest($1::text[], $2::bytea[])", keys, values
            )

    async def _produce(self, records: list[ConsumerRecord]) -> None:
        ends = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        async with self.producer.transaction():
            sent = [
                await self.producer.send(self.topic, record.value, record.key, partition=record.partition)
                for record in records
            ]
            await asyncio.gather(*sent)
            await self.producer.send_offsets_to_transaction(ends, "bare")


@asynccontextmanager
async def _bare(bootstrap: str, dsn: str, topics: Topics) -> AsyncIterator[_Bare]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "CREATE TABLE state (key text PRIMARY KEY, event_id text, revised_at timestamptz, value bytea);"
        "CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text, value bytea)"
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_bytes=2**24
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=secrets.token_hex(8),
        compression_type="zstd",
        max_batch_size=512 * 1024,
    )
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([TopicPartition(topics.name(ORDERS_RAW), n) for n in range(PARTITIONS)])
        yield _Bare(connection, consumer, producer, topics.name(ORDERS_PRODUCTION))
    finally:
        await producer.stop()
        await consumer.stop()
        await connection.close()


async def _filled(bootstrap: str, messages: Sequence[tuple[str, bytes]]) -> Topics:
    """New topics with all the orders in them."""
    topics = Topics(f"bench-{secrets.token_hex(4)}.")
    await ensure_topics(bootstrap, topics.all(), partitions=PARTITIONS)
    raw = topics.name(ORDERS_RAW)
    await _publish(bootstrap, [Message(raw, key, value) for key, value in messages])
    return topics


async def _publish(bootstrap: str, messages: Sequence[Message]) -> None:
    publisher = KafkaPublisher(bootstrap, "bench", timeout=60)
    await publisher.start()
    for start in range(0, len(messages), _PUBLISH):
        await publisher.publish(messages[start : start + _PUBLISH])
    await publisher.stop()


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[str]:
    name = f"bench_{datetime.now(UTC):%H%M%S}_{secrets.token_hex(4)}"
    await _execute(url, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
