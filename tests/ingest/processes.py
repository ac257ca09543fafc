"""Whole ingest processes on a real Kafka and Postgres, with a platform in memory; for integration tests."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.order import RAW_ORDER_EVENT, OrderRevised
from services.ingest import app
from services.ingest.contract.connector import Connector
from services.ingest.settings import IngestSettings
from services.kit.clock import SystemClock
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA, create_key
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.ingest.twin_platform import TwinConnector, webhook

PARTITIONS = IngestSettings.model_fields["topic_partitions"].default


@dataclass
class Ingest:
    """A running process and a seller's way to it."""

    base: str
    client: aiohttp.ClientSession
    platform: TwinConnector

    async def call(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.base + path, **request) as response:
            return response.status, await response.json(content_type=None)

    async def page(self, url: str) -> tuple[int, str]:
        async with self.client.get(url) as response:
            return response.status, await response.text()

    async def link(self, shop: str, **given: str) -> str:
        credentials = {"shop": shop, "token": self.platform.accepted}
        body = {"platform": "twin", "credentials": credentials, **given}
        status, store = await self.call("POST", "/v1/stores", json=body)
        assert status == 201, store
        return str(store["store_id"])

    async def push(self, store_id: str, topic: str, external_id: str = "") -> int:
        headers, body = webhook(topic, external_id)
        address = f"{self.base}/webhooks/twin/{store_id}"
        async with self.client.post(address, data=body, headers=headers) as response:
            return response.status


@asynccontextmanager
async def ingest(
    kafka: str,
    dsn: str,
    directory: Path,
    platform: TwinConnector,
    *,
    poll_seconds: float = 0.3,
    others: Mapping[str, Connector] | None = None,
) -> AsyncIterator[Ingest]:
    """Serve until the block ends."""
    connectors: dict[str, Connector] = {"twin": platform, **(others or {})}
    settings = IngestSettings(
        kafka_bootstrap_servers=kafka,
        database_url=dsn,
        master_key_file=directory / "master.key",
        ingest_port=free_port(),
        poll_seconds=poll_seconds,
        allow_private_addresses=True,
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(
        app.serve(platforms=list(connectors), stop=stop, settings=settings, connectors=connectors)
    )
    base = f"http://127.0.0.1:{settings.ingest_port}"
    key = await seller_key(dsn)
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as client:
            await until(lambda: answers(client, f"{base}/livez"))
            yield Ingest(base, client, platform)
    finally:
        stop.set()
        await asyncio.wait_for(serving, 20)


async def seller_key(dsn: str, seller_id: str = "seller-1") -> str:
    await migrate(dsn, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(dsn, schema=ACCESS_SCHEMA, max_size=1)
    text, _ = await create_key(pool, seller_id, ["*"], "test")
    await pool.close()
    return text


async def answers(client: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with client.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def until(fact: Callable[[], Awaitable[bool]], *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not await fact():  # noqa: ASYNC110 - the fact is in another process
            await asyncio.sleep(0.05)


async def raw_orders(kafka: str, store_id: str) -> list[OrderRevised]:
    """What `orders.raw` holds of one store by now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=secrets.token_hex(4), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition("orders.raw", number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        found = []
        for partition, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                    found += [RAW_ORDER_EVENT.validate_json(record.value) for record in records]
    finally:
        await consumer.stop()
    return [event for event in found if isinstance(event, OrderRevised) and event.order.store_id == store_id]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def twin() -> TwinConnector:
    platform = TwinConnector(SystemClock(), page_size=10)
    platform.pace = type(platform.pace)(timedelta(seconds=2), timedelta(seconds=0.1), timedelta(seconds=60))
    return platform
