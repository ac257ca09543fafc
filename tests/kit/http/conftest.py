"""A served application to ask, and what it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from services.kit.health import Health
from services.kit.http.routes import Routes
from services.kit.http.server import Limits, Server, build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics


@dataclass(frozen=True)
class Served:
    url: str
    port: int
    key: str
    keys: MemoryKeyRing
    metrics: Metrics
    health: Health
    session: aiohttp.ClientSession

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def served() -> AsyncIterator[Serve]:
    servers: list[Server] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(routes: Routes, *, limits: Limits | None = None, **options: Any) -> Served:
        keys, metrics, health = MemoryKeyRing(), Metrics(), Health()
        app = build_app(routes, keys=keys, metrics=metrics, health=health, limits=limits, **options)
        server = await serve(app, "127.0.0.1", 0, limits=limits)
        servers.append(server)
        session = aiohttp.ClientSession(f"http://127.0.0.1:{server.port}")
        sessions.append(session)
        key = keys.grant("seller-1", ["things:read", "things:write"])
        return Served(f"http://127.0.0.1:{server.port}", server.port, key, keys, metrics, health, session)

    yield start
    for session in sessions:
        await session.close()
    for server in servers:
        await server.stop()
