"""How webhooks are tried, tried again, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.sandbox.books import Books
from deploy.sandbox.deliveries import Deliveries, Delivery, DeliveryPolicy
from deploy.sandbox.faults import FaultRule, Faults

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

POLICY = DeliveryPolicy(connect_timeout=1.0, total_timeout=0.2, retry_waits=(0.02, 0.02), exhausted_after=1)


@dataclass
class Receiver:
    """Answers each delivery by `answer(number of the request)`; 0 means not in time."""

    answer: Callable[[int], int] = lambda _number: 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        status = self.answer(len(self.bodies))
        if status == 0:
            await asyncio.sleep(1)
        return web.Response(status=status or 200, headers={"Location": "/elsewhere"})


@dataclass
class Bench:
    receiver: Receiver
    deliveries: Deliveries
    books: Books
    faults: Faults
    exhausted: list[str]
    url: str

    def send(self, body: bytes = b"{}", *, subscription: str = "one") -> None:
        self.deliveries.send(Delivery(subscription, "orders/create", self.url, {"X-Id": "7"}, body))

    async def settle(self) -> None:
        async with asyncio.timeout(10):
            await self.deliveries.settle()


@asynccontextmanager
async def _bench(policy: DeliveryPolicy) -> AsyncIterator[Bench]:
    receiver, books, faults = Receiver(), Books(), Faults()
    exhausted: list[str] = []
    app = web.Application()
    app.router.add_post("/hook", receiver.receive)
    async with TestServer(app) as server:
        deliveries = Deliveries(policy, books=books, faults=faults, on_exhausted=exhausted.append)
        await deliveries.start()
        yield Bench(receiver, deliveries, books, faults, exhausted, str(server.make_url("/hook")))
        await deliveries.stop()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with _bench(POLICY) as made:
        yield made


async def test_an_accepted_delivery_is_sent_once(bench: Bench) -> None:
    bench.send(b'{"id":1}')
    await bench.settle()

    assert bench.receiver.bodies == [b'{"id":1}']
    assert (bench.books["webhooks_sent"], bench.books["webhooks_acked"]) == (1, 1)


@pytest.mark.parametrize("failure", [500, 404, 302, 0])
async def test_a_failed_delivery_is_repeated_with_the_same_bytes(bench: Bench, failure: int) -> None:
    bench.receiver.answer = lambda number: failure if number == 1 else 200

    bench.send(b'{"id":1}')
    await bench.settle()

    assert bench.receiver.bodies == [b'{"id":1}'] * 2
    assert [headers["X-Id"] for headers in bench.receiver.headers] == ["7", "7"]
    assert (bench.books["webhooks_failed"], bench.books["webhooks_acked"]) == (1, 1)


async def test_a_subscription_that_never_answers_is_exhausted_when_the_schedule_ends(bench: Bench) -> None:
    bench.receiver.answer = lambda _number: 500

    bench.send()
    await bench.settle()

    assert len(bench.receiver.bodies) == 1 + len(POLICY.retry_waits)
    assert bench.exhausted == ["one"]
    assert bench.books["webhooks_given_up"] == 1


async def test_a_poisonous_delivery_does_not_exhaust_a_subscription_that_answers_others(bench: Bench) -> None:
    bench.receiver.answer = lambda _number: 500 if bench.receiver.bodies[-1] == b"poison" else 200

    bench.send(b"poison")
    await asyncio.sleep(0.01)
    bench.send(b"good")
    await bench.settle()

    assert bench.books["webhooks_given_up"] == 1
    assert bench.exhausted == []


async def test_a_policy_without_retries_exhausts_after_its_number_of_failures() -> None:
    async with _bench(DeliveryPolicy(1.0, 0.2, retry_waits=(), exhausted_after=3)) as bench:
        bench.receiver.answer = lambda _number: 500
        for _ in range(2):
            bench.send()
        await bench.settle()
        before = list(bench.exhausted)
        bench.send()
        await bench.settle()

        assert (before, bench.exhausted) == ([], ["one"])


async def test_time_scale_shortens_the_waits() -> None:
    async with _bench(DeliveryPolicy(1.0, 0.2, retry_waits=(3600.0,), exhausted_after=1)) as bench:
        bench.deliveries.time_scale = 360_000.0
        bench.receiver.answer = lambda number: 500 if number == 1 else 200

        bench.send()
        await bench.settle()

        assert bench.books["webhooks_acked"] == 1


async def test_a_dropped_webhook_never_leaves(bench: Bench) -> None:
    bench.faults.add(FaultRule("drop_webhooks", count=1))

    bench.send(b"first")
    bench.send(b"second")
    await bench.settle()

    assert bench.receiver.bodies == [b"second"]
    assert bench.books["webhooks_dropped"] == 1


async def test_a_duplicated_webhook_arrives_twice(bench: Bench) -> None:
    bench.faults.add(FaultRule("duplicate_webhooks", count=1, path="orders/"))

    bench.send(b"first")
    await bench.settle()

    assert bench.receiver.bodies == [b"first", b"first"]


async def test_a_disordered_webhook_is_overtaken(bench: Bench) -> None:
    bench.faults.add(FaultRule("disordered_webhooks", count=1))

    bench.send(b"first")
    bench.send(b"second")
    await bench.settle()

    assert bench.receiver.bodies == [b"second", b"first"]
