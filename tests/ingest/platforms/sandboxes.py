"""Talks to the stand-in platforms over HTTP, and arranges their world through the control API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from deploy.sandbox.app import RunningSandbox, discover, running_sandbox
from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Unreadable, Window
from services.ingest.contract.stores import Access, Grant, StoreRef
from services.kit.clock import SystemClock
from services.kit.errors import TransientError
from services.kit.http.client import HttpClient
from services.kit.settings import KitSettings

#: How often a reader begins a page again before a test gives up.
TRIES = 200
#: How a platform may fail in passing.
FAULTS = ("status_429", "status_500", "status_503", "cut_connection", "truncated_json", "html_200")


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """The running stand-ins, and a client that may talk to this machine."""

    running: RunningSandbox
    http: HttpClient

    def settings(self, cls: type[KitSettings], **given: Any) -> Any:
        slug = cls.__name__.removesuffix("Settings").lower()
        told = {name.lower(): value for name, value in self.running.platforms[slug].settings().items()}
        return cls(_env_file=None, **(told | given))

    async def control(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, f"{self.running.control}{path}", json=body)
        assert answer.status < 300, answer.body
        return answer.json()

    async def books(self, slug: str) -> dict[str, int]:
        found: dict[str, int] = await self.control("GET", f"/{slug}/books")
        return found

    async def truth(self, slug: str) -> dict[str, dict[str, Any]]:
        return {order["id"]: order for order in (await self.control("GET", f"/{slug}/truth"))["orders"]}

    async def authorize(self, connector: Connector, request: dict[str, str], *, callback_url: str) -> Grant:
        """Be the seller's browser: open the consent page and come back with its answer."""
        now = SystemClock().now()
        start = connector.start_authorization(request, state="a state", callback_url=callback_url, now=now)
        page = await self.http.request("GET", start.url)
        assert page.status == 302, page.body
        callback = dict(parse_qsl(urlsplit(page.headers["location"]).query))
        assert callback["state"] == "a state"
        return await connector.complete_authorization(
            callback, memory=start.memory, callback_url=callback_url, now=SystemClock().now()
        )


@asynccontextmanager
async def sandboxes(*slugs: str) -> AsyncIterator[Sandboxes]:
    """Serve these platforms; none named: all."""
    http = HttpClient(allow_private_addresses=True)
    try:
        async with running_sandbox({slug: discover()[slug]() for slug in slugs} or None) as running:
            yield Sandboxes(running, http)
    finally:
        await http.close()


def access_of(grant: Grant, platform: str) -> Access:
    store = StoreRef(StoreId("store-1"), SellerId("seller-1"), platform, grant.external_id, grant.currency)
    return Access(store, grant.secrets)


async def read_window(connector: Connector, access: Access, window: Window) -> list[RawOrder | Unreadable]:
    """Read every page, beginning one again when the platform was away, as a poll does."""
    found: list[RawOrder | Unreadable] = []
    after: str | None = None
    for _ in range(TRIES):
        try:
            page = await connector.read_page(access, window, after=after, way="poll")
        except TransientError as error:
            await asyncio.sleep(min(error.retry_after or 0.05, 0.05))
            continue
        found += page.orders
        after = page.after
        if after is None:
            return found
    raise AssertionError("the window does not end")


def readable(orders: list[RawOrder | Unreadable]) -> dict[str, RawOrder]:
    """The orders by id; none may be unreadable, none read twice."""
    found = {order.external_id: order for order in orders if isinstance(order, RawOrder)}
    assert len(found) == len(orders), [order for order in orders if isinstance(order, Unreadable)]
    return found
