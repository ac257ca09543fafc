"""Measures webhooks under an open load: answered 2xx with the order in Kafka, beside a bare receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web
from aiokafka import AIOKafkaProducer

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import GIVING_WAY, Choices, World, running_world
from deploy.sandbox.shopify.bodies import order_body
from deploy.sandbox.shopify.sandbox import ShopifySandbox
from deploy.sandbox.standin import OrdersAsked
from tests.bench.figures import Figure, percentile
from tests.faults.history import read_all

PER_SECOND = 200
SLOWEST_MS = 100
#: What the factory does meanwhile, and the seconds it takes for a step. Shipping at once is the hardest: each webhook
#: then brings a parcel to tell, too; no factory ships within the minutes that this takes.
_MEANWHILE = {"the factory ships nothing": 300.0, "the factory ships at once": 0.0}


@dataclass(frozen=True, slots=True)
class Answers:
    """Milliseconds of every answer, and how many were not 2xx."""

    milliseconds: list[float]
    refused: int


async def measure(directory: Path, seconds: int) -> list[Figure]:
    """The 99th percentile of the answer time at 200 webhooks a second, ours and a bare receiver's, twice."""
    figures: list[Figure] = []
    for number, (meanwhile, pace) in enumerate(_MEANWHILE.items()):
        figures += await _measure(directory / str(number), seconds, meanwhile, pace)
    return figures


async def _measure(directory: Path, seconds: int, meanwhile: str, pace: float) -> list[Figure]:
    choices = Choices(settings={"LOG_LEVEL": "WARNING"}, niceness=GIVING_WAY, pace=pace)
    with running_world(directory, choices) as world:
        async with aiohttp.ClientSession() as session:
            api = Api(world, session)
            # With money, the orders go all the way to the factory meanwhile, as they do in earnest.
            await journey.top_up(api)
            opened = await journey.open_store(api, "shopify", ingest_url=world.services["ingest"])
            linked = await journey.link_store(api, opened)
            secret, domain = world.settings["SHOPIFY_CLIENT_SECRET"], opened.external_id
            bodies = _bodies(PER_SECOND * seconds)
            ours = await _load(
                session,
                f"{world.services['ingest']}/webhooks/shopify/{linked.store_id}",
                bodies,
                secret=secret,
                domain=domain,
            )
            durable = await _durable(world, linked.store_id)
            async with _bare_receiver(world, secret) as address:
                bare = await _load(session, address, bodies, secret=secret, domain=domain)
    p99, bare_p99 = percentile(ours.milliseconds, 0.99), percentile(bare.milliseconds, 0.99)
    return [
        Figure(
            f"webhooks at {PER_SECOND}/s for {seconds} s, p99 of the answer while {meanwhile}",
            round(p99, 1),
            "ms",
            f"at most {SLOWEST_MS}",
            p99 <= SLOWEST_MS,
            baseline=round(bare_p99, 1),
            ratio=round(p99 / bare_p99, 2),
        ),
        Figure(
            f"webhooks answered 2xx whose order is in Kafka while {meanwhile}",
            durable,
            "orders",
            f"all of {len(bodies) - ours.refused}, none refused",
            durable == len(bodies) - ours.refused and ours.refused == 0,
        ),
    ]


def _bodies(count: int) -> list[bytes]:
    """Different orders in the platform's own form, made by the sandbox's code without serving them."""
    sandbox = ShopifySandbox()
    store = sandbox.create_store({})["store"]
    sandbox.create_orders(store, OrdersAsked(count=count, state="paid", seed=random.Random(0).randrange(10**6)))
    return [orjson.dumps(order_body(order)) for order in sandbox.orders_of(store)]


async def _load(
    session: aiohttp.ClientSession, address: str, bodies: list[bytes], *, secret: str, domain: str
) -> Answers:
    """Send on a fixed schedule, whatever the answers take; the time counts from when each was due."""
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.1
    milliseconds: list[float] = []
    refused = 0

    async def send(place: int, body: bytes) -> None:
        nonlocal refused
        due = began + place / PER_SECOND
        await asyncio.sleep(max(0.0, due - loop.time()))
        async with session.post(address, data=body, headers=_headers(body, secret=secret, domain=domain)) as answer:
            await answer.read()
        milliseconds.append((loop.time() - due) * 1000)
        refused += not answer.ok

    async with asyncio.TaskGroup() as group:
        for place, body in enumerate(bodies):
            group.create_task(send(place, body))
    return Answers(milliseconds, refused)


def _headers(body: bytes, *, secret: str, domain: str) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Shop-Domain": domain,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Hmac-Sha256": _signature(body, secret),
    }


def _signature(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


async def _durable(world: World, store_id: str) -> int:
    """How many different orders of the store stand in `orders.raw`."""
    records = await read_all(world.stack.kafka_bootstrap_servers, "orders.raw")
    keys = {json.loads(record.value or b"{}")["order"]["key"] for record in records}
    return sum(f":{store_id}:" in key for key in keys)


@asynccontextmanager
async def _bare_receiver(world: World, secret: str) -> AsyncIterator[str]:
    """The least that keeps the promise: check the signature, wait for Kafka, answer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=world.stack.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=3,
    )

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        if not hmac.compare_digest(_signature(body, secret), request.headers["X-Shopify-Hmac-Sha256"]):
            return web.Response(status=401)
        await producer.send_and_wait("orders.raw.dlq", key=str(time.monotonic_ns()).encode(), value=body)
        return web.Response()

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
