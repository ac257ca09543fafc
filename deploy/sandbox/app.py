"""Puts the sandboxes together: each platform on a port of its own, and one control API for all."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

import deploy.sandbox
from deploy.sandbox.control import control_app
from deploy.sandbox.standin import StandIn

_SHUTDOWN = 1.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Addresses and stand-ins of a sandbox that listens."""

    #: Base URLs by platform.
    urls: Mapping[str, str]
    #: Base URL of the control API.
    control: str
    platforms: Mapping[str, StandIn]


def discover() -> dict[str, type[StandIn]]:
    """The platforms' classes by slug: every sub-package that exposes `SANDBOX`."""
    found: dict[str, type[StandIn]] = {}
    for module in pkgutil.iter_modules(deploy.sandbox.__path__, "deploy.sandbox."):
        if module.ispkg:
            stand_in = getattr(importlib.import_module(module.name), "SANDBOX", None)
            if stand_in is not None:
                found[stand_in.slug] = stand_in
    return found


@asynccontextmanager
async def running_sandbox(
    platforms: Mapping[str, StandIn] | None = None,
    *,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
) -> AsyncIterator[RunningSandbox]:
    """Serve these platforms (all that exist by default) until the block ends.

    `ports` gives a port by slug, and by "control"; 0 or none means a free one.
    """
    ports = ports or {}
    if platforms is None:
        platforms = {slug: stand_in() for slug, stand_in in discover().items()}
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for slug, platform in platforms.items():
            urls[slug] = await _serve(platform.app(), host=host, port=ports.get(slug, 0), stack=stack)
            platform.listening(urls[slug])
            await platform.start()
            stack.push_async_callback(platform.stop)
        control = await _serve(control_app(platforms), host=host, port=ports.get("control", 0), stack=stack)
        yield RunningSandbox(urls=urls, control=control, platforms=platforms)


async def _serve(app: web.Application, *, host: str, port: int, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0][1]
    return f"http://{host}:{bound}"
