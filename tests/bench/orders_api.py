"""Measures orders by API: single ones under an open load, each with an Idempotency-Key, and batches, in whole services.

`python -m tests.bench.orders_api` prints the figures; `SECONDS` (20) of single orders, `BATCHES` (10) of 1,000.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiokafka import AIOKafkaProducer
from rich.console import Console

from deploy.demo.api import Api
from deploy.demo.world import GIVING_WAY, Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from tests.bench.figures import Figure, percentile, table
from tests.faults.history import read_all

PER_SECOND = 300
SLOWEST_MS = 100
BATCH_PER_SECOND = 1500
#: How long single orders come, and how many batches.
SECONDS = 20
BATCHES = 10
_BATCH = 1000
_BARE_TOPIC = "orders.raw.dlq"


async def measure(directory: Path, *, seconds: int, batches: int) -> list[Figure]:
    """The 99th percentile of single orders, and the rate of batches beside a bare producer of the same bytes."""
    with running_world(directory, Choices(settings={"LOG_LEVEL": "WARNING"}, niceness=GIVING_WAY)) as world:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {world.key}"}) as session:
            store = await Api(world, session).call("ingest", "POST", "/v1/stores", body={"platform": "direct"})
            store_id = store["store_id"]
            address = f"{world.services['ingest']}/v1/orders"
            await _singles(session, address, store_id, count=PER_SECOND)  # warm
            milliseconds, refused = await _singles(session, address, store_id, count=PER_SECOND * seconds)
            rate = await _batches(session, world, store_id, batches)
            bare = await _bare(world, batches)
            async with _bare_receiver(world) as receiver:
                bare_milliseconds, _ = await _singles(session, receiver, store_id, count=PER_SECOND * seconds)
            durable = await _durable(world, store_id)
    given = PER_SECOND * (seconds + 1) + _BATCH * batches
    p99, bare_p99 = percentile(milliseconds, 0.99), percentile(bare_milliseconds, 0.99)
    return [
        Figure(
            f"orders by API at {PER_SECOND}/s for {seconds} s, p99 of the answer",
            round(p99, 1),
            "ms",
            f"at most {SLOWEST_MS}, none refused",
            p99 <= SLOWEST_MS and not refused,
            baseline=round(bare_p99, 1),
            ratio=round(p99 / bare_p99, 2),
        ),
        Figure(
            "orders by API in batches of 1,000",
            round(rate),
            "orders/s",
            f"at least {BATCH_PER_SECOND}",
            rate >= BATCH_PER_SECOND,
            baseline=round(bare),
            ratio=round(rate / bare, 2),
        ),
        Figure("orders by API that are in Kafka", durable, "orders", f"all of {given}", durable == given),
    ]


def order(reference: str) -> dict[str, Any]:
    """An order like those of small shops."""
    there = {"name": "Buyer 0042", "line1": "100 Example Street", "city": "Springfield", "region": "IL"}
    line = {
        "sku": "TEE-BLK-M",
        "quantity": 2,
        "unit_price": "19.99",
        "personalization": [{"name": "Back", "value": reference}],
        "designs": [{"area": "front", "url": f"https://files.example.com/{reference}.png"}],
    }
    address = {**there, "postal_code": "62701", "country": "US"}
    return {"reference": reference, "ship_to": address, "items": [line], "shipping_service": "standard"}


async def _singles(
    session: aiohttp.ClientSession, address: str, store_id: str, *, count: int
) -> tuple[list[float], int]:
    """Send on a fixed schedule, whatever the answers take; the time counts from when each was due."""
    loop = asyncio.get_running_loop()
    bodies = [orjson.dumps({"store_id": store_id, **order(secrets.token_hex(8))}) for _ in range(count)]
    began = loop.time() + 0.1
    milliseconds: list[float] = []
    refused = 0

    async def send(place: int, body: bytes) -> None:
        nonlocal refused
        due = began + place / PER_SECOND
        await asyncio.sleep(max(0.0, due - loop.time()))
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
        async with session.post(address, data=body, headers=headers) as answer:
            await answer.read()
        milliseconds.append((loop.time() - due) * 1000)
        refused += not answer.ok

    async with asyncio.TaskGroup() as group:
        for place, body in enumerate(bodies):
            group.create_task(send(place, body))
    return milliseconds, refused


async def _batches(session: aiohttp.ClientSession, world: World, store_id: str, batches: int) -> float:
    """Orders a second, one batch after another."""
    bodies = [
        orjson.dumps({"store_id": store_id, "orders": [order(secrets.token_hex(8)) for _ in range(_BATCH)]})
        for _ in range(batches)
    ]
    started = time.perf_counter()
    for body in bodies:
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
        async with session.post(f"{world.services['ingest']}/v1/orders/batch", data=body, headers=headers) as answer:
            found = await answer.json()
            if not answer.ok or found["new"] != _BATCH:
                raise RuntimeError(f"a batch was answered {answer.status}: {found}")
    return batches * _BATCH / (time.perf_counter() - started)


async def _bare(world: World, batches: int) -> float:
    """Orders a second when the same bytes are parsed and produced, and nothing else is promised."""
    producer = _producer(world)
    bodies = [orjson.dumps([order(secrets.token_hex(8)) for _ in range(_BATCH)]) for _ in range(batches)]
    await producer.start()
    try:
        started = time.perf_counter()
        for body in bodies:
            futures = [
                await producer.send(_BARE_TOPIC, key=each["reference"].encode(), value=orjson.dumps(each))
                for each in orjson.loads(body)
            ]
            await asyncio.gather(*futures)
        return batches * _BATCH / (time.perf_counter() - started)
    finally:
        await producer.stop()


@asynccontextmanager
async def _bare_receiver(world: World) -> AsyncIterator[str]:
    """The least that keeps the promise: parse, wait for Kafka, answer."""
    producer = _producer(world)

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        reference = orjson.loads(body)["reference"]
        await producer.send_and_wait(_BARE_TOPIC, key=reference.encode(), value=body)
        return web.json_response({"reference": reference}, status=201)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app, access_log=None)
    await producer.start()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
        await producer.stop()


def _producer(world: World) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=world.stack.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=3,
    )


async def _durable(world: World, store_id: str) -> int:
    records = await read_all(world.stack.kafka_bootstrap_servers, "orders.raw")
    keys = {orjson.loads(record.value or b"{}")["order"]["key"] for record in records}
    return sum(f":{store_id}:" in key for key in keys)


def main() -> int:
    """Measure; 0 when every figure is met."""
    seconds, batches = int(os.environ.get("SECONDS") or SECONDS), int(os.environ.get("BATCHES") or BATCHES)
    with throwaway_directory(VAR / "bench" / "orders-api") as directory:
        figures = asyncio.run(measure(directory, seconds=seconds, batches=batches))
    Console(width=150).print(table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
