"""A store on the stand-in, linked, for tests of the connector against it: what happens there, and what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from schemas.order import RawOrder
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import SystemClock
from tests.ingest.platforms.polls import Polls
from tests.ingest.platforms.sandboxes import Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.toolbox import toolbox

APP_URL = "https://sync.example/webhooks/shopify"
CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/shopify/callback"


@dataclass(frozen=True, slots=True)
class World:
    """A store on the sandbox, linked by a custom app's token."""

    boxes: Sandboxes
    store: dict[str, Any]
    connector: ShopifyConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", webhooks: bool = False) -> None:
        body = {"count": count, "state": state, "seed": 7, "created_over": "PT1H", "webhooks": webhooks}
        await self.boxes.control("POST", f"/shopify/stores/{self.store['store']}/orders", body)

    async def change(self, order: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/shopify/stores/{self.store['store']}/orders/{order}", change)

    async def read(self) -> dict[str, RawOrder]:
        now = CLOCK.now()
        window = Window(now - timedelta(hours=2), now + timedelta(seconds=1))
        return readable(await read_window(self.connector, self.access, window))

    async def fault(self, kind: str, **rule: Any) -> None:
        await self.boxes.control("POST", "/shopify/faults", {"kind": kind} | rule)

    async def authorized(self) -> World:
        """The same store by authorization: with tokens that end and rotate."""
        grant = await self.boxes.authorize(self.connector, {"shop": self.store["domain"]}, callback_url=CALLBACK)
        return replace(self, access=access_of(grant, "shopify"))

    def polls(self, **given: Any) -> Polls:
        return Polls(self.connector, self.access, **given)

    async def ids(self) -> set[str]:
        return {number for number, true in (await self.boxes.truth("shopify")).items() if not true["deleted"]}


@asynccontextmanager
async def world(*, limits: bool = False, **store: Any) -> AsyncIterator[World]:
    async with sandboxes("shopify") as boxes:
        await boxes.control("POST", "/shopify/settings", {"limits": limits})
        opened = await boxes.control("POST", "/shopify/stores", store)
        app = {f"shopify_{name}": opened["app"][name] for name in ("client_id", "client_secret")}
        connector = ShopifyConnector(boxes.settings(ShopifySettings, **app), toolbox(boxes.http, CLOCK))
        own = opened["custom_app"]
        credentials = {
            "shop": opened["domain"],
            "access_token": own["access_token"],
            "webhook_secret": own["client_secret"],
        }
        grant = await connector.link_with_credentials(credentials, now=CLOCK.now())
        yield World(boxes, opened, connector, access_of(grant, "shopify"))


class Inbox:
    """Takes the webhooks of the store and keeps them."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self.status = 200
        self._arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.read()))
        self._arrived.set()
        return web.Response(status=self.status)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def inbox() -> AsyncIterator[Inbox]:
    found = Inbox()
    app = web.Application()
    app.router.add_post("/webhooks/shopify/store-1", found.take)
    app.router.add_post("/webhooks/shopify", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/shopify/store-1"
        yield found
    finally:
        await runner.cleanup()
