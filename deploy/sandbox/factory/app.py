"""Runs the factory: its line, a new one after each failure, and the HTTP pages that show its book."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError, ProducerFenced

from deploy.sandbox.factory.floor import Floor, Pace
from deploy.sandbox.factory.goods import variant_of
from deploy.sandbox.factory.line import Line, Topics

_RETRY_SECONDS = 1.0


@dataclass(slots=True)
class Factory:
    """A running factory; `url` is where its book is shown. A new line, and a new book, follow each failure."""

    bootstrap: str
    topics: Topics
    pace: Pace
    url: str = ""
    line: Line = field(init=False)
    #: Ends only when the factory cannot go on: fenced, or broken.
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Begin with an empty floor."""
        self._renew()

    async def work(self) -> None:
        """Keep a line open until cancelled, or until another factory of our name takes over."""
        while True:
            try:
                await self.line.work()
            except ProducerFenced:
                _say("fenced: another factory with this name is at work")
                return
            except (KafkaError, OSError) as error:
                _say(f"{type(error).__name__}; starting over")
                await asyncio.sleep(_RETRY_SECONDS)
                self._renew()

    def routes(self) -> list[web.RouteDef]:
        """The book, the floor's settings, the catalog."""
        return [
            web.get("/livez", self._live),
            web.get("/readyz", self._ready),
            web.get("/truth", self._truth),
            web.get("/totals", self._totals),
            web.post("/settings", self._settings),
            web.post("/resume", self._resume),
            web.post("/catalog", self._catalog),
            web.get("/parcels", self._parcels),
            web.post("/parcels/{shipment_id}/{what}", self._tell_of_parcel),
        ]

    def _renew(self) -> None:
        self.line = Line(self.bootstrap, self.topics, Floor(pace=self.pace))

    async def _live(self, _request: web.Request) -> web.Response:
        return _json({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        is_open = self.line.is_open.is_set()
        return _json({"ready": is_open}, status=200 if is_open else 503)

    async def _truth(self, _request: web.Request) -> web.Response:
        return _json(self.line.floor.book.truth() | {"ready": self.line.is_open.is_set()})

    async def _totals(self, _request: web.Request) -> web.Response:
        return _json(self.line.floor.book.totals() | {"ready": self.line.is_open.is_set()})

    async def _settings(self, request: web.Request) -> web.Response:
        body = await _object(request)
        self.pace.seconds = float(body.get("pace", self.pace.seconds))
        self.pace.hold_share = float(body.get("hold_share", self.pace.hold_share))
        self.pace.parcels = max(int(body.get("parcels", self.pace.parcels)), 1)
        return _json(asdict(self.pace))

    async def _resume(self, _request: web.Request) -> web.Response:
        return _json({"resumed": self.line.floor.resume(now=datetime.now(UTC))})

    async def _parcels(self, request: web.Request) -> web.Response:
        """The parcels of an order (`?order=` its key), or all."""
        parcels, key = self.line.floor.parcels, request.query.get("order")
        found = parcels.of_order(key) if key else parcels.sent.values()
        return _json({"items": [sent.shipment | {"order_key": sent.order_key} for sent in found]})

    async def _tell_of_parcel(self, request: web.Request) -> web.Response:
        """Scan or deliver a parcel, void or replace its label."""
        names = request.match_info
        try:
            return _json(await self.line.tell_of_parcel(names["shipment_id"], names["what"]), status=201)
        except KeyError:
            return _json({"error": "there is no such parcel, or nothing of that kind to tell"}, status=404)
        except RuntimeError as error:
            return _json({"error": str(error)}, status=409)

    async def _catalog(self, request: web.Request) -> web.Response:
        """Publish a variant, new or changed: `sku`, `available`."""
        body = await _object(request)
        if not body.get("sku") or not self.line.is_open.is_set():
            return _json({"error": "needs a sku, and a factory that is ready"}, status=400)
        changed_at = datetime.now(UTC).isoformat()
        variant = variant_of(body["sku"], changed_at=changed_at, available=body.get("available", True))
        await self.line.publish_variant(variant)
        return _json(variant, status=201)


@contextlib.asynccontextmanager
async def running_factory(
    bootstrap: str, topics: Topics, *, pace: Pace | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Factory]:
    """Run a factory until the block ends; port 0 takes a free one."""
    factory = Factory(bootstrap, topics, pace or Pace())
    app = web.Application()
    app.router.add_routes(factory.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        factory.url = f"http://{host}:{runner.addresses[0][1]}"
        work = asyncio.create_task(factory.work())
        work.add_done_callback(lambda _task: factory.ended.set())
        try:
            yield factory
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    finally:
        await runner.cleanup()


async def _object(request: web.Request) -> dict[str, Any]:
    body = orjson.loads(await request.read() or b"{}")
    return body if isinstance(body, dict) else {}


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _say(sentence: str) -> None:
    print(f"factory: {sentence}", file=sys.stderr, flush=True)
