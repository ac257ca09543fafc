"""A shop on the stand-in, linked, for tests of the connector against it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemas.order import RawOrder
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.clock import SystemClock
from tests.ingest.platforms.polls import Polls
from tests.ingest.platforms.sandboxes import Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.toolbox import toolbox

CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/etsy/callback"


@dataclass(frozen=True, slots=True)
class World:
    """A shop on the sandbox, linked."""

    boxes: Sandboxes
    shop: dict[str, Any]
    connector: EtsyConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H") -> None:
        body = {"count": count, "state": state, "seed": 7, "created_over": over}
        await self.boxes.control("POST", f"/etsy/stores/{self.shop['store']}/orders", body)

    async def change(self, receipt: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/etsy/stores/{self.shop['store']}/orders/{receipt}", change)

    async def fault(self, kind: str, **rule: Any) -> None:
        await self.boxes.control("POST", "/etsy/faults", {"kind": kind} | rule)

    async def settings(self, **settings: Any) -> None:
        await self.boxes.control("POST", "/etsy/settings", settings)

    def polls(self, **given: Any) -> Polls:
        return Polls(self.connector, self.access, **given)

    async def ids(self) -> set[str]:
        return {number for number, true in (await self.boxes.truth("etsy")).items() if not true["deleted"]}

    async def read(self) -> dict[str, RawOrder]:
        now = CLOCK.now()
        window = Window(now - timedelta(hours=2), now + timedelta(seconds=1))
        return readable(await read_window(self.connector, self.access, window))


@asynccontextmanager
async def world(*, limits: bool = False, **shop: Any) -> AsyncIterator[World]:
    async with sandboxes("etsy") as boxes:
        await boxes.control("POST", "/etsy/settings", {"limits": limits})
        opened = await boxes.control("POST", "/etsy/stores", {"redirect_uris": [CALLBACK]} | shop)
        connector = EtsyConnector(boxes.settings(EtsySettings), toolbox(boxes.http, CLOCK))
        grant = await boxes.authorize(connector, {}, callback_url=CALLBACK)
        yield World(boxes, opened, connector, access_of(grant, "etsy"))
