"""A served Etsy sandbox and a client that is linked to one shop of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.etsy import SANDBOX


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@dataclass
class Client:
    """Calls the platform as a linked app would, and the control API as a test may."""

    session: aiohttp.ClientSession
    base: str
    control_url: str
    shop: dict[str, Any]

    @property
    def receipts(self) -> str:
        return f"/v3/application/shops/{self.shop['shop_id']}/receipts"

    @property
    def headers(self) -> dict[str, str]:
        app, tokens = self.shop["app"], self.shop["tokens"]
        return {
            "x-api-key": f"{app['keystring']}:{app['shared_secret']}",
            "authorization": f"Bearer {tokens['access_token']}",
        }

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Answer:
        sent_headers = self.headers if headers is None else headers
        async with self.session.request(
            method, self.base + path, headers=sent_headers, allow_redirects=False, **sent
        ) as answer:
            is_json = answer.content_type == "application/json"
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, found, await answer.json() if is_json else await answer.text())

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, self.control_url + "/etsy" + path, json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def order(self, state: str = "ready", *, count: int = 1) -> str:
        """Create orders and answer the last one's id."""
        path = f"/stores/{self.shop['store']}/orders"
        created = await self.control("POST", path, state=state, count=count)
        return str(created["ids"][-1])

    async def change(self, order: str, action: str, **change: Any) -> Any:
        path = f"/stores/{self.shop['store']}/orders/{order}"
        return await self.control("PATCH", path, action=action, **change)

    async def open_shop(self, **body: Any) -> Client:
        """Another shop, linked through the same app."""
        shop = await self.control("POST", "/stores", tokens=True, **body)
        return Client(self.session, self.base, self.control_url, shop)


@pytest.fixture
async def etsy() -> AsyncIterator[Client]:
    async with running_sandbox({"etsy": SANDBOX()}) as sandbox, aiohttp.ClientSession() as session:
        nobody = Client(session, sandbox.urls["etsy"], sandbox.control, {})
        yield await nobody.open_shop()
