"""Polls a stand-in as ingest does: what a connector gets wrong then shows as orders that are lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.order import RawOrder, order_revised
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Page, Window
from services.ingest.contract.stores import Access
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, HttpClient

#: How often a page is asked for again before a test gives up.
TRIES = 100
#: How far back the first window reaches.
FIRST = timedelta(hours=3)


@dataclass
class Polls:
    """Window after window, a page again when the platform was away, and once with renewed access when it refused."""

    connector: Connector
    access: Access
    #: How far our clock is ahead of the true time.
    ahead: timedelta = timedelta(0)
    cursor: datetime | None = None
    #: Every revision that was published, by its event's id.
    told: dict[str, RawOrder] = field(default_factory=dict)

    async def poll(self, *, later: timedelta = timedelta(0)) -> dict[str, RawOrder]:
        """Read the window that is due `later` than now; answer every order told so far, in its newest revision.

        No revision may be told twice in one window.
        """
        now = SystemClock().now() + self.ahead + later
        pace = self.connector.pace
        start = now - FIRST if self.cursor is None else self.cursor - pace.overlap
        asked, after, seen = Window(start, now - pace.settle), None, set[str]()
        while True:
            page = await self._page(asked, after)
            for order in page.orders:
                assert isinstance(order, RawOrder), order
                event = order_revised(order).event_id
                assert event not in seen, "told twice in one window"
                seen.add(event)
                self.told[event] = order
            after = page.after
            if after is None:
                self.cursor = page.read_through
                return self.newest()

    def newest(self) -> dict[str, RawOrder]:
        return {order.external_id: order for order in sorted(self.told.values(), key=lambda told: told.revised_at)}

    async def _page(self, asked: Window, after: str | None) -> Page:
        refreshed = False
        for _ in range(TRIES):
            try:
                return await self.connector.read_page(self.access, asked, after=after, way="poll")
            except TransientError as error:
                await asyncio.sleep(min(error.retry_after or 0.02, 0.05))
            except AuthorizationError:
                if refreshed:
                    raise
                refreshed = True
                secrets = await self.connector.refresh(self.access, now=SystemClock().now())
                self.access = replace(self.access, secrets=secrets)
        raise AssertionError("the page is never answered")


class Meddling(HttpClient):
    """Does something once, just before a request of which `word` is a part; `passing` of these go by before."""

    def __init__(self, word: str, act: Callable[[], Awaitable[object]], *, passing: int = 0) -> None:
        super().__init__(allow_private_addresses=True)
        self._word, self._act, self._passing = word, act, passing
        self.meddled = False

    async def request(self, method: str, url: str, **sent: Any) -> HttpAnswer:
        if self._word in f"{url} {sent}" and not self.meddled:
            self._passing -= 1
            if self._passing < 0:
                self.meddled = True
                await self._act()
        return await super().request(method, url, **sent)
