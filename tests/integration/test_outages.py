"""Eligibility and reporting, each a process of its own, go on by themselves after Kafka or Postgres died under them."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.kafka.broker import KafkaBroker
from deploy.local.kafka.jars import ensure_jars
from deploy.local.postgres import PostgresServer
from deploy.local.stack import JARS, REPOSITORY, running
from schemas.ids import SellerId
from schemas.order import RawOrder, order_revised
from schemas.topics import CATALOG_VARIANTS, ORDERS_DECISIONS, ORDERS_PRODUCTION, ORDERS_RAW, STORES
from services.kit.errors import TransientError
from services.kit.kafka.publisher import KafkaPublisher, Message
from tests.eligibility.workbench import SELLER, SKU, STORE, store, variant
from tests.ingest.processes import PARTITIONS, free_port, seller_key
from tests.reporting.facts import decided, key
from tests.schemas.orders import raw_order

pytestmark = pytest.mark.integration

BEFORE, DURING, AFTER = 150, 400, 50
PATIENCE_SECONDS = 45.0
PROGRAM = """
import sys
from importlib import import_module
from services.kit.loop import run
service = import_module(f"services.{sys.argv[1]}.app")
run(lambda stop: service.serve(stop=stop))
"""


class Process:
    """One service as an operator runs it, and a seller's way to it."""

    def __init__(self, child: asyncio.subprocess.Process, client: aiohttp.ClientSession) -> None:
        self._child = child
        self._client = client

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with self._client.request(method, path, **options) as response:
            assert response.status < 400, await response.text()
            return await response.json(content_type=None)

    async def status(self, path: str) -> int:
        async with self._client.get(path) as response:
            return response.status

    async def is_ready(self) -> bool:
        try:
            async with self._client.get("/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            assert self._child.returncode is None, "the service ended"
            return False

    async def is_alive(self) -> bool:
        async with self._client.get("/livez") as response:
            return response.status == 200 and self._child.returncode is None


@asynccontextmanager
async def process(
    name: str, bootstrap: str, dsn: str, directory: Path, *, seller: str = SELLER
) -> AsyncIterator[Process]:
    """Run a service until the block ends."""
    port, log = free_port(), directory / f"{name}.log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "DATABASE_URL": dsn,
        "MASTER_KEY_FILE": str(directory / "master.key"),
        "TOPIC_PARTITIONS": str(PARTITIONS),
        # These orders were read whenever the test was written.
        "LAST_LOOK_AFTER_SECONDS": "0",
        f"{name.upper()}_PORT": str(port),
    }
    headers = {"Authorization": f"Bearer {await seller_key(dsn, seller)}"}
    with log.open("wb") as written:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, name, cwd=directory, env=environment, stderr=written
        )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as client:
            served = Process(child, client)
            await until(served.is_ready)
            yield served
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that a test may kill."""
    broker = KafkaBroker(tmp_path / "kafka", jars=ensure_jars(JARS), preferred_port=0)
    with running(broker):
        yield broker


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres that a test may kill."""
    server = PostgresServer(tmp_path / "postgres", preferred_port=0)
    with running(server):
        yield server


async def test_a_broker_that_is_killed_and_comes_back_loses_and_repeats_nothing(
    own_broker: KafkaBroker, fresh_database: str, tmp_path: Path
) -> None:
    orders = [raw_order(number=str(number)) for number in range(BEFORE + DURING + AFTER)]
    bootstrap = own_broker.bootstrap_servers
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(_publisher(bootstrap))
        eligibility = await stack.enter_async_context(process("eligibility", bootstrap, fresh_database, tmp_path))
        reporting = await stack.enter_async_context(process("reporting", bootstrap, fresh_database, tmp_path))
        await _open_for_business(publisher, eligibility)
        await _publish(publisher, orders[:BEFORE])
        await until(lambda: _is_released(reporting, BEFORE))

        # What is acknowledged is there after the kill; how much of it was judged and relayed by then differs each time.
        await _publish(publisher, orders[BEFORE : BEFORE + DURING])
        await asyncio.to_thread(own_broker.kill)
        await asyncio.sleep(2)
        alive_meanwhile = [await eligibility.is_alive(), await reporting.is_alive()]
        kept_meanwhile = (await reporting.call("GET", "/v1/summary"))["total"]["imported"]
        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready)
        await _publish(publisher, orders[BEFORE + DURING :])
        await until(lambda: _is_released(reporting, len(orders)))

        assert alive_meanwhile == [True, True]
        assert kept_meanwhile >= BEFORE
        assert [await eligibility.is_alive(), await reporting.is_alive()] == [True, True]
        balance = (await eligibility.call("GET", "/v1/balance"))["balances"]
    released = Counter(key for key, _ in await _committed(bootstrap, ORDERS_PRODUCTION.name))
    numbered = Counter((key, event["number"]) for key, event in await _committed(bootstrap, ORDERS_DECISIONS.name))
    assert released == dict.fromkeys((order.key for order in orders), 1)
    assert numbered == dict.fromkeys(((order.key, 1) for order in orders), 1)
    assert balance == [{"amount": f"{100_000 - 9 * len(orders)}.00", "currency": "USD"}]


async def test_a_postgres_that_is_killed_under_the_report_and_comes_back_is_waited_for(
    kafka_bootstrap: str, own_database: PostgresServer, tmp_path: Path
) -> None:
    seller, store_id = SellerId(f"seller-{secrets.token_hex(4)}"), f"st-{secrets.token_hex(4)}"
    facts = [decided(key(number, store=store_id), seller_id=seller) for number in range(300)]
    messages = [Message(ORDERS_DECISIONS.name, fact.order_key, fact.to_bytes()) for fact in facts]
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(_publisher(kafka_bootstrap))
        reporting = await stack.enter_async_context(
            process("reporting", kafka_bootstrap, own_database.url, tmp_path, seller=seller)
        )
        await publisher.publish(messages[:100])
        await until(lambda: _is_imported(reporting, 100))

        await asyncio.to_thread(own_database.kill)
        await publisher.publish(messages[:200])
        await asyncio.sleep(1)
        meanwhile = (await reporting.is_alive(), await reporting.is_ready(), await reporting.status("/v1/summary"))
        await asyncio.to_thread(own_database.start)
        await asyncio.to_thread(own_database.wait_ready)
        await publisher.publish(messages[200:])
        await until(lambda: _is_imported(reporting, 300))

        assert meanwhile == (True, False, 503)
        assert await reporting.is_alive()
        orders = await _all_orders(reporting)
        _, one = orders[0], await reporting.call("GET", f"/v1/orders/{orders[0]['order_key']}")
    assert Counter(order["order_key"] for order in orders) == dict.fromkeys((fact.order_key for fact in facts), 1)
    assert [entry["kind"] for entry in one["timeline"]].count("decided") == 1


async def _open_for_business(publisher: KafkaPublisher, eligibility: Process) -> None:
    facts = [
        Message(STORES.name, STORE, store().model_dump_json().encode()),
        Message(CATALOG_VARIANTS.name, SKU, variant().model_dump_json().encode()),
    ]
    await publisher.publish(facts)
    money = {"amount": "100000.00", "currency": "USD", "reference": "first"}
    await eligibility.call("POST", "/v1/balance/top-ups", json=money)


async def _publish(publisher: KafkaPublisher, orders: list[RawOrder]) -> None:
    """As ingest does: until Kafka has it, which may come to twice."""
    messages = [Message(ORDERS_RAW.name, order.key, order_revised(order).to_bytes()) for order in orders]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await publisher.publish(messages)
            except TransientError:
                await asyncio.sleep(0.5)


async def _is_released(reporting: Process, orders: int) -> bool:
    total = (await reporting.call("GET", "/v1/summary"))["total"]
    return (total["imported"], total["released"]) == (orders, orders)


async def _is_imported(reporting: Process, orders: int) -> bool:
    if await reporting.status("/v1/summary") != 200:
        return False
    return bool((await reporting.call("GET", "/v1/summary"))["total"]["imported"] == orders)


async def _all_orders(reporting: Process) -> list[Any]:
    found, cursor = [], ""
    while True:
        page = await reporting.call(
            "GET", "/v1/orders", params={"limit": 100, **({"cursor": cursor} if cursor else {})}
        )
        found += page["items"]
        cursor = page["next"]
        if not cursor:
            return found


async def _committed(bootstrap: str, topic: str) -> list[tuple[str, Any]]:
    """Read all that is committed in a topic, up to its end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        found = []
        for place, end in (await consumer.end_offsets(places)).items():
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=200)).values():
                    found += [(record.key.decode(), orjson.loads(record.value)) for record in records]
    finally:
        await consumer.stop()
    return found


@asynccontextmanager
async def _publisher(bootstrap: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(bootstrap, "test", timeout=10)
    try:
        yield publisher
    finally:
        await publisher.stop()


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await fact():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.05)
