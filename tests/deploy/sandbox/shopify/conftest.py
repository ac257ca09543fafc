"""A served Shopify sandbox, one store, and a client that calls it as the store's own app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.shopify import SANDBOX
from deploy.sandbox.shopify.sandbox import ShopifySandbox


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@dataclass
class Receiver:
    """An app's webhook address: keeps what arrives, answers `status`."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        return [headers["X-Shopify-Topic"] for headers in self.headers]

    async def receive(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status)


@dataclass
class Client:
    """Calls the platform as an app would, and the control API as a test may."""

    session: aiohttp.ClientSession
    base: str
    control_url: str
    stand_in: ShopifySandbox
    receiver: Receiver
    store: dict[str, Any]
    token: str

    async def call(self, method: str, path: str, *, shop: str | None = None, **sent: Any) -> Answer:
        headers = {"X-Forwarded-Host": shop or self.store["domain"]} | sent.pop("headers", {})
        async with self.session.request(
            method, self.base + path, headers=headers, allow_redirects=False, **sent
        ) as answer:
            is_json = answer.content_type == "application/json"
            found = await answer.json() if is_json else await answer.text()
            return Answer(answer.status, dict(answer.headers), found)

    async def post(self, query: str, *, version: str = "2026-10", token: str | None = None, **variables: Any) -> Answer:
        return await self.call(
            "POST",
            f"/admin/api/{version}/graphql.json",
            headers={"X-Shopify-Access-Token": self.token if token is None else token},
            json={"query": query, "variables": variables},
        )

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data of a query that must succeed."""
        answer = await self.post(query, **variables)
        assert "errors" not in answer.json, answer.json["errors"]
        return answer.json["data"]

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, f"{self.control_url}/shopify{path}", json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def order(self, state: str = "ready", **asked: Any) -> str:
        """Create one order and answer its number."""
        made = await self.control("POST", f"/stores/{self.store['store']}/orders", state=state, **asked)
        return str(made["ids"][0])

    async def change(self, order: str, action: str, **asked: Any) -> Any:
        path = f"/stores/{self.store['store']}/orders/{order}"
        return await self.control("PATCH", path, action=action, **asked)

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            await self.ask(
                """mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
                  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) {
                    webhookSubscription { id } userErrors { message } } }""",
                topic=topic,
                uri=self.receiver.url,
            )

    async def truth(self) -> dict[str, Any]:
        """What exists, by order id."""
        found = await self.control("GET", f"/truth?store={self.store['store']}")
        return {order["id"]: order for order in found["orders"]}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    stand_in, receiver = SANDBOX(), Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.receive)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_sandbox({"shopify": stand_in}))
        server = await stack.enter_async_context(TestServer(app))
        receiver.url = str(server.make_url("/hook"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        store = stand_in.create_store({"timezone": "America/New_York"})
        token = store["custom_app"]["access_token"]
        yield Client(session, running.urls["shopify"], running.control, stand_in, receiver, store, token)
