"""The report over its in-memory twins, answering on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from services.kit.clock import ManualClock
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from services.kit.vault import Vault
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.memory_neighbours import MemoryNeighbour
from services.reporting.adapters.memory_parcels import MemoryParcels
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.app import routes_of
from services.reporting.asking import Asker
from services.reporting.events import Hub
from services.reporting.facts import Fact
from services.reporting.logins import Logins
from services.reporting.neighbours import Neighbours
from tests.reporting.facts import START, located


@dataclass
class Site:
    """A running report; `take` gives it facts."""

    address: str
    keys: MemoryKeyRing
    projections: MemoryProjections
    publisher: MemoryPublisher
    #: Away until a test lets them answer.
    ingest: MemoryNeighbour
    eligibility: MemoryNeighbour
    offset: int = 0

    async def take(self, *facts: Fact) -> None:
        await self.projections.apply(located(*facts, first=self.offset))
        self.offset += len(facts)

    def client(self, key: str | None = None) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        jar = aiohttp.CookieJar(unsafe=True)
        return aiohttp.ClientSession(self.address, headers=headers, cookie_jar=jar)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    keys, projections, clock = MemoryKeyRing(), MemoryProjections(), ManualClock(START)
    vault = Vault.open_or_create(tmp_path / "master.key")
    logins = Logins(keys, vault=vault, clock=clock, lasts=timedelta(hours=12))
    hub = Hub(projections)
    running = asyncio.create_task(hub.run())
    publisher, ingest, eligibility = MemoryPublisher(), MemoryNeighbour(), MemoryNeighbour()
    routes = routes_of(
        MemoryReports(projections),
        hub,
        proofs=MemoryProofs(projections),
        parcels=MemoryParcels(projections),
        asker=Asker(publisher, clock=clock),
        neighbours=Neighbours(ingest, eligibility),
        keys=keys,
        logins=logins,
        clock=clock,
    )
    app = build_app(routes, keys=keys, metrics=Metrics(), health=Health(), sessions=logins.principal)
    server = await serve(app, "127.0.0.1", 0)
    yield Site(f"http://127.0.0.1:{server.port}", keys, projections, publisher, ingest, eligibility)
    await server.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
