"""Measures each platform alone: a thousand orders that wait there, from the first call to all judged, in one world.

With the platform's limits on and off, one store after the other. Every order is there before its store is linked, so
that all of them are read: what is pushed spends no calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked, Opened, Progress
from deploy.demo.world import Choices, World, running_world
from deploy.sandbox.app import discover
from tests.bench.figures import Figure

ORDERS = 1000
WANTED_SECONDS = 90
FOLLOW_SECONDS = 300.0
STAND_INS = discover()
#: What a platform's quota alone takes may be exceeded by a tenth.
MARGIN = 1.1


async def measure(directory: Path) -> list[Figure]:
    """Two figures a platform: seconds for a thousand orders, with its limits on and with them off."""
    with running_world(directory, Choices(settings={"LOG_LEVEL": "WARNING"})) as world:
        async with aiohttp.ClientSession() as session:
            api = Api(world, session)
            await journey.top_up(api)
            waiting = {name for name in world.platforms if _wanted(name) > WANTED_SECONDS}
            quick = sorted(world.platforms.keys() - waiting)
            # Who mostly waits for a quota is measured beside the others, and loads them little.
            slow = [asyncio.create_task(_both(api, world, [name])) for name in sorted(waiting)]
            figures = await _both(api, world, quick)
            for figures_of_one in await asyncio.gather(*slow):
                figures += figures_of_one
            return figures


def _wanted(platform: str) -> float:
    """The seconds that a thousand orders may take: more than usual only where the quota itself takes longer."""
    return max(WANTED_SECONDS, STAND_INS[platform].thousand_orders_take * MARGIN)


async def _both(api: Api, world: World, platforms: Sequence[str]) -> list[Figure]:
    return [await _one(api, world, platform, limits=limits) for platform in platforms for limits in (True, False)]


async def _one(api: Api, world: World, platform: str, *, limits: bool) -> Figure:
    await api.control("POST", f"/{platform}/settings", body={"limits": limits})
    opened = await journey.open_store(api, platform, ingest_url=world.services["ingest"])
    await journey.create_past_orders(api, opened, ORDERS)
    judged = await _judged(api, platform)
    books = await api.control("GET", f"/{platform}/books")

    def all_judged(now: Mapping[str, Progress]) -> bool:
        return platform in now and now[platform].judged >= judged + ORDERS

    linked, seconds = await _link_and_follow(api, opened, all_judged)
    spent = await api.control("GET", f"/{platform}/books")
    calls = spent["api_calls"] - books["api_calls"]
    over = spent["api_calls_over_budget"] - books["api_calls_over_budget"]
    await journey.unlink_store(api, linked)
    wanted, at_once = _wanted(platform) if limits else WANTED_SECONDS, STAND_INS[platform].calls_at_once
    within_burst = at_once is None or not limits or calls <= at_once
    return Figure(
        f"{platform}, {ORDERS:,} orders, limits {'on' if limits else 'off'}",
        round(seconds, 1),
        "s",
        f"at most {wanted:.0f}" + (f", at most {at_once} calls" if at_once and limits else ""),
        seconds <= wanted and not over and within_burst,
        calls=calls,
        over_budget=over,
        note=STAND_INS[platform].allowance or None if limits else None,
    )


async def _link_and_follow(
    api: Api, opened: Opened, done: Callable[[Mapping[str, Progress]], bool]
) -> tuple[Linked, float]:
    """Link the store and wait; a platform that does not come to its end in time has its time as its figure."""
    began = time.monotonic()
    linked = await journey.link_store(api, opened)
    with suppress(TimeoutError):
        await journey.follow(api, done, within=FOLLOW_SECONDS, show=lambda _: None)
    return linked, time.monotonic() - began


async def _judged(api: Api, platform: str) -> int:
    now = await journey.progress(api)
    return now[platform].judged if platform in now else 0
