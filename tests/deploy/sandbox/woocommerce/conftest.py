"""A served WooCommerce sandbox, a store of it with a pasted key, and a receiver of what stores send."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.woocommerce import SANDBOX


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any
    raw: bytes


@dataclass
class Received:
    """A request that a store made; answers come from `statuses` while it lasts, then 200."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0
    at_once: int = 0
    most_at_once: int = 0

    async def take(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.seconds)
        self.got.append(Received(dict(request.headers), await request.read()))
        self.at_once -= 1
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def deliveries(self) -> list[Received]:
        """What came, pings aside."""
        return [each for each in self.got if "X-WC-Webhook-Topic" in each.headers]

    @property
    def pings(self) -> list[Received]:
        return [each for each in self.got if "X-WC-Webhook-Topic" not in each.headers]


@dataclass
class Client:
    """Calls one store as software with a key would, and the control API as a test may."""

    session: aiohttp.ClientSession
    control_url: str
    sandbox: SANDBOX
    store: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.store["store"])

    @property
    def url(self) -> str:
        return str(self.store["store_url"])

    @property
    def key(self) -> tuple[str, str]:
        credentials = self.store["link"]["credentials"]
        return credentials["consumer_key"], credentials["consumer_secret"]

    @property
    def basic(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(":".join(self.key).encode()).decode()}

    async def fetch(self, method: str, url: str, **sent: Any) -> Answer:
        async with self.session.request(method, url, allow_redirects=False, **sent) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, dict(answer.headers), await answer.json() if is_json else None, raw)

    async def call(self, method: str, path: str, **sent: Any) -> Answer:
        """A call below wc/v3, or of another namespace where the path begins with a slash."""
        route = path if path.startswith("/") else f"/wc/v3/{path}"
        headers = sent.pop("headers", self.basic)
        return await self.fetch(method, f"{self.url}/wp-json{route}", headers=headers, **sent)

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, f"{self.control_url}/woocommerce{path}", json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def orders(self, state: str = "ready", **asked: Any) -> list[int]:
        made = await self.control("POST", f"/stores/{self.name}/orders", state=state, **asked)
        return [int(number) for number in made["ids"]]

    async def order(self, state: str = "ready", **asked: Any) -> int:
        return (await self.orders(state, **asked))[-1]

    async def change(self, order: int, action: str, **change: Any) -> Any:
        return await self.control("PATCH", f"/stores/{self.name}/orders/{order}", action=action, **change)

    async def truth(self, order: int) -> Any:
        found = await self.control("GET", f"/truth?store={self.name}")
        return next(each for each in found["orders"] if each["id"] == str(order))

    async def books(self) -> Any:
        return await self.control("GET", "/books")

    async def open_store(self, **options: Any) -> Client:
        store = await self.control("POST", "/stores", **{"link_by": "credentials", **options})
        return Client(self.session, self.control_url, self.sandbox, store)

    async def hook(self, receiver: Receiver, event: str, secret: str = "s3cret") -> Any:
        asked = {"name": event, "topic": f"order.{event}", "delivery_url": receiver.url, "secret": secret}
        made = await self.call("POST", "webhooks", json=asked)
        assert made.status == 201, made.json
        return made.json

    async def settle(self) -> None:
        async with asyncio.timeout(10):
            await self.sandbox.settle()


@pytest.fixture
async def woo() -> AsyncIterator[Client]:
    stand_in = SANDBOX()
    async with running_sandbox({"woocommerce": stand_in}) as sandbox, aiohttp.ClientSession() as session:
        nobody = Client(session, sandbox.control, stand_in, {})
        yield await nobody.open_store()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taken = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", taken.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield taken
    await runner.cleanup()
