"""A served eBay sandbox, and clients of it: the app itself, and the app in a seller's name."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.ebay import SANDBOX

ORDERS = "/sell/fulfillment/v1/order"
TOKEN = "/identity/v1/oauth2/token"
API_SCOPE = "https://api.ebay.com/oauth/api_scope"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any

    @property
    def error_id(self) -> int:
        return int(self.json["errors"][0]["errorId"])


@dataclass
class Client:
    """Calls the platform as a linked app would, and the control API as a test may."""

    session: aiohttp.ClientSession
    base: str
    control_url: str
    sandbox: SANDBOX
    store: dict[str, Any] = field(default_factory=dict)
    token: str = ""

    @property
    def app(self) -> dict[str, str]:
        return self.sandbox.settings()

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{self.app['EBAY_CLIENT_ID']}:{self.app['EBAY_CLIENT_SECRET']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Answer:
        """One request; `path` is sent as it is, so that a test decides what is percent-encoded."""
        sent_headers = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        target = path if path.startswith("http") else self.base + path
        url = URL(target, encoded="%" in target or "[" in target)
        async with self.session.request(method, url, headers=sent_headers, allow_redirects=False, **sent) as answer:
            is_json = answer.content_type == "application/json"
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, found, await answer.json() if is_json else await answer.text())

    async def orders(self, criteria: str = "", **query: Any) -> Answer:
        """getOrders with a filter, encoded as eBay asks."""
        asked = {name: str(value) for name, value in query.items()} | ({"filter": criteria} if criteria else {})
        return await self.call("GET", str(URL(self.base + ORDERS).with_query(asked)))

    async def get(self, order: str) -> Answer:
        return await self.call("GET", f"{ORDERS}/{order}")

    async def ship(self, order: str, **body: Any) -> Answer:
        return await self.call("POST", f"{ORDERS}/{order}/shipping_fulfillment", json=body)

    async def exchange(self, **form: str) -> Answer:
        return await self.call("POST", TOKEN, headers=self.basic, data=form)

    async def as_app(self) -> Client:
        """The same client with the application's own token."""
        answer = await self.exchange(grant_type="client_credentials", scope=API_SCOPE)
        return replace(self, token=answer.json["access_token"])

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, self.control_url + "/ebay" + path, json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def create(self, state: str = "ready", *, count: int = 1, **options: Any) -> list[str]:
        path = f"/stores/{self.store['store']}/orders"
        created = await self.control("POST", path, state=state, count=count, **options)
        return [str(order) for order in created["ids"]]

    async def order(self, state: str = "ready", **options: Any) -> str:
        return (await self.create(state, **options))[0]

    async def change(self, order: str, action: str, **change: Any) -> Any:
        return await self.control("PATCH", f"/stores/{self.store['store']}/orders/{order}", action=action, **change)

    async def truth(self, order: str) -> Any:
        found = await self.control("GET", f"/truth?store={self.store['store']}")
        return next(each for each in found["orders"] if each["id"] == order)

    async def open_seller(self, **body: Any) -> Client:
        """Another seller, linked through the same app."""
        store = await self.control("POST", "/stores", tokens=True, **body)
        return replace(self, store=store, token=store["tokens"]["access_token"])


@dataclass
class Endpoint:
    """The app's own endpoint: answers challenges, and keeps what it is told."""

    url: str
    token: str
    status: int = 204
    challenge_token: str = ""
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)


@pytest.fixture
async def ebay() -> AsyncIterator[Client]:
    stand_in = SANDBOX()
    async with running_sandbox({"ebay": stand_in}) as sandbox, aiohttp.ClientSession() as session:
        nobody = Client(session, sandbox.urls["ebay"], sandbox.control, stand_in)
        yield await nobody.open_seller()


@pytest.fixture
async def endpoint(ebay: Client) -> AsyncIterator[Endpoint]:
    heard = Endpoint("", ebay.app["EBAY_VERIFICATION_TOKEN"])

    async def challenge(request: web.Request) -> web.Response:
        token = heard.challenge_token or heard.token
        told = hashlib.sha256((request.query["challenge_code"] + token + heard.url).encode()).hexdigest()
        return web.json_response({"challengeResponse": told})

    async def receive(request: web.Request) -> web.Response:
        heard.bodies.append(await request.read())
        heard.signatures.append(request.headers["X-EBAY-SIGNATURE"])
        return web.Response(status=heard.status)

    application = web.Application()
    application.router.add_get("/ebay", challenge)
    application.router.add_post("/ebay", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ebay"
    yield heard
    await runner.cleanup()
