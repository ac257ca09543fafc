"""The factory on a real Kafka: what it reads, what it sends, and what a restart does."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.sandbox.factory.app import Factory, running_factory
from deploy.sandbox.factory.floor import Pace
from deploy.sandbox.factory.goods import catalog
from deploy.sandbox.factory.line import Topics
from tests.deploy.sandbox.factory.orders import cancelled, released

pytestmark = pytest.mark.integration


@pytest.fixture
async def topics(kafka_bootstrap: str) -> Topics:
    prefix = f"t{secrets.token_hex(4)}."
    topics = Topics(prefix=prefix, group=f"{prefix}factory")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    names = (topics.commands, topics.answers, topics.catalog)
    await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1) for name in names])
    await admin.close()
    return topics


@pytest.fixture
async def producer(kafka_bootstrap: str, topics: Topics) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=f"{topics.prefix}relay")
    await producer.start()
    yield producer
    await producer.stop()


async def tell(producer: AIOKafkaProducer, topics: Topics, *commands: dict[str, Any]) -> None:
    for command in commands:
        key = command["order_key"].encode()
        await producer.send(topics.commands, orjson.dumps(command), key=key)


async def committed(bootstrap: str, topic: str) -> list[tuple[str, dict[str, Any]]]:
    """Everything that a read_committed reader sees on a topic, as (key, value)."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[tuple[str, dict[str, Any]]] = []
    while batches := await consumer.getmany(timeout_ms=700):
        found += [
            (record.key.decode(), orjson.loads(record.value)) for records in batches.values() for record in records
        ]
    await consumer.stop()
    return found


async def totals_when(factory: Factory, wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(f"{factory.url}/totals") as answer:
                totals: dict[str, int] = await answer.json()
            if totals["ready"] and not totals["pending"] and wanted(totals):
                return totals
            await asyncio.sleep(0.05)


async def test_released_orders_come_back_shipped_under_their_key(
    kafka_bootstrap: str, topics: Topics, producer: AIOKafkaProducer
) -> None:
    async with running_factory(kafka_bootstrap, topics) as factory:
        async with producer.transaction():
            await tell(producer, topics, *(released(f"etsy:st-1:{number}") for number in range(20)))
        await totals_when(factory, lambda totals: totals["shipped"] == 20)

    answers = await committed(kafka_bootstrap, topics.answers)
    assert len(answers) == 60
    assert all(key == event["order_key"] for key, event in answers)


async def test_an_aborted_release_is_never_seen(
    kafka_bootstrap: str, topics: Topics, producer: AIOKafkaProducer
) -> None:
    await producer.begin_transaction()
    await tell(producer, topics, released("etsy:st-1:aborted"))
    await producer.abort_transaction()
    async with producer.transaction():
        await tell(producer, topics, released("etsy:st-1:good"))

    async with running_factory(kafka_bootstrap, topics) as factory:
        totals = await totals_when(factory, lambda totals: totals["shipped"] == 1)

    assert totals["orders"] == 1


async def test_a_restart_in_the_middle_finishes_the_work_without_repeating_it(
    kafka_bootstrap: str, topics: Topics, producer: AIOKafkaProducer
) -> None:
    async with producer.transaction():
        await tell(producer, topics, released("etsy:st-1:1"), released("etsy:st-1:2"), cancelled("etsy:st-1:2"))
    async with running_factory(kafka_bootstrap, topics, pace=Pace(seconds=3600)) as factory:
        await totals_when(factory, lambda totals: totals["accepted"] == 1 and totals["cancelled"] == 1)

    async with running_factory(kafka_bootstrap, topics) as factory:
        totals = await totals_when(factory, lambda totals: totals["shipped"] == 1)

    kinds = sorted(
        (key, event["type"].removeprefix("production."))
        for key, event in await committed(kafka_bootstrap, topics.answers)
    )
    assert kinds == [
        ("etsy:st-1:1", "accepted"),
        ("etsy:st-1:1", "in_production"),
        ("etsy:st-1:1", "shipped"),
        ("etsy:st-1:2", "accepted"),
        ("etsy:st-1:2", "cancelled"),
    ]
    assert totals["duplicate_events"] == 0


async def test_the_catalog_is_published_and_can_grow(kafka_bootstrap: str, topics: Topics) -> None:
    async with running_factory(kafka_bootstrap, topics) as factory, aiohttp.ClientSession() as session:
        await totals_when(factory, lambda _totals: True)
        async with session.post(f"{factory.url}/catalog", json={"sku": "LEGACY-001"}) as answer:
            status = answer.status

    published = dict(await committed(kafka_bootstrap, topics.catalog))
    assert status == 201
    assert set(published) == {variant["sku"] for variant in catalog()} | {"LEGACY-001"}
    assert all(key == variant["sku"] for key, variant in published.items())


async def test_a_message_of_another_form_stops_nothing(
    kafka_bootstrap: str, topics: Topics, producer: AIOKafkaProducer
) -> None:
    async with producer.transaction():
        await producer.send(topics.commands, b"not json", key=b"etsy:st-1:1")
        await tell(producer, topics, released("etsy:st-1:1"))

    async with running_factory(kafka_bootstrap, topics) as factory:
        totals = await totals_when(factory, lambda totals: totals["shipped"] == 1)

    assert totals["unreadable"] == 1
