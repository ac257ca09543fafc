"""A served ShopBase sandbox, one shop, and a client that calls it as the shop's private app."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.shopbase import SANDBOX
from deploy.sandbox.shopbase.sandbox import ShopbaseSandbox


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@dataclass
class Receiver:
    """An app's webhook addresses, one a topic: keeps what arrives, answers `status`."""

    url: str = ""
    status: int = 200
    topics: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.topics.append(request.match_info["topic"])
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status)


@dataclass
class Client:
    """Calls the platform as an app would, and the control API as a test may."""

    session: aiohttp.ClientSession
    base: str
    control_url: str
    stand_in: ShopbaseSandbox
    receiver: Receiver
    store: dict[str, Any]

    @property
    def basic(self) -> dict[str, str]:
        app = self.store["private_app"]
        pair = f"{app['api_key']}:{app['password']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    async def call(self, method: str, path: str, *, shop: str | None = None, **sent: Any) -> Answer:
        headers = {"X-Forwarded-Host": shop or self.store["shop"]} | sent.pop("headers", self.basic)
        async with self.session.request(
            method, self.base + path, headers=headers, allow_redirects=False, **sent
        ) as answer:
            is_json = answer.content_type == "application/json"
            found = await answer.json() if is_json else await answer.text()
            return Answer(answer.status, dict(answer.headers), found)

    async def orders(self, **query: str | int) -> list[Any]:
        """The rows of a list that must succeed; every status unless the query says otherwise."""
        answer = await self.call("GET", "/admin/orders.json", params={"order_status": "any"} | query)
        assert answer.status == 200, answer.json
        return answer.json["orders"] or []

    async def numbers(self, **query: str | int) -> list[str]:
        return [str(order["id"]) for order in await self.orders(**query)]

    async def one(self, order: str) -> Any:
        answer = await self.call("GET", f"/admin/orders/{order}.json")
        assert answer.status == 200, answer.json
        return answer.json["order"]

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, f"{self.control_url}/shopbase{path}", json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def order(self, state: str = "ready", **asked: Any) -> str:
        """Create orders and answer the last one's number."""
        made = await self.control("POST", f"/stores/{self.store['store']}/orders", state=state, **asked)
        return str(made["ids"][-1])

    async def change(self, order: str, action: str, **asked: Any) -> Any:
        path = f"/stores/{self.store['store']}/orders/{order}"
        return await self.control("PATCH", path, action=action, **asked)

    async def truth(self) -> dict[str, Any]:
        """What exists, by order id."""
        found = await self.control("GET", f"/truth?store={self.store['store']}")
        return {order["id"]: order for order in found["orders"]}

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            webhook = {"topic": topic, "address": self.receiver.url + topic, "format": "json"}
            made = await self.call("POST", "/admin/webhooks.json", json={"webhook": webhook})
            assert made.status == 200, made.json

    async def ship(self, order: str, **fulfillment: Any) -> Answer:
        return await self.call("POST", f"/admin/orders/{order}/fulfillments.json", json={"fulfillment": fulfillment})


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    stand_in, receiver = SANDBOX(), Receiver()
    app = web.Application()
    app.router.add_post("/hook/{topic:.*}", receiver.receive)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_sandbox({"shopbase": stand_in}))
        server = await stack.enter_async_context(TestServer(app))
        receiver.url = str(server.make_url("/hook/"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        store = stand_in.create_store({"timezone": "America/New_York"})
        yield Client(session, running.urls["shopbase"], running.control, stand_in, receiver, store)
