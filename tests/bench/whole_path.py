"""Measures the whole path: platforms' limits off, every order there before the stores are linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import aiohttp

from deploy.demo import journey
from deploy.demo.__main__ import CHOICES, walk
from deploy.demo.api import Api
from deploy.demo.journey import Progress
from deploy.demo.world import Choices, World, running_world
from tests.bench.figures import Figure

LARGEST_SERVICE_MB = 200
WANTED_RATE = 400
DEMO_ORDERS = 1000
DEMO_SECONDS = 10
FOLLOW_SECONDS = 300.0


async def measure_demo(directory: Path) -> Figure:
    """Seconds from the first platform call to all judged, released and in the report, as the demo walks it."""
    with running_world(directory, replace(CHOICES, settings={"LOG_LEVEL": "WARNING"})) as world:
        outcome = await walk(world, DEMO_ORDERS)
    return Figure(
        f"demo, {DEMO_ORDERS} orders, platforms' limits on",
        round(outcome.seconds, 1),
        "s",
        f"at most {DEMO_SECONDS}, all adding up",
        outcome.seconds <= DEMO_SECONDS and not outcome.differences,
    )


async def measure(directory: Path, orders: int) -> list[Figure]:
    """Orders a second from the first platform call to all judged and in the report, and each service's memory."""
    with running_world(directory, Choices(settings={"LOG_LEVEL": "WARNING"})) as world:
        async with aiohttp.ClientSession() as session:
            seconds = await _sustained(Api(world, session), world, orders)
        memory = {name: world.child(name).memory_bytes() / 1e6 for name in world.services}
    rate = orders / seconds
    return [
        Figure(
            f"whole path, {orders} orders, platforms' limits off",
            round(rate),
            "orders/s",
            f"at least {WANTED_RATE}",
            rate >= WANTED_RATE,
        ),
        *(
            Figure(
                f"memory of {name} at the end",
                round(megabytes),
                "MB",
                f"at most {LARGEST_SERVICE_MB}",
                megabytes <= LARGEST_SERVICE_MB,
            )
            for name, megabytes in memory.items()
        ),
    ]


async def _sustained(api: Api, world: World, orders: int) -> float:
    await journey.top_up(api)
    platforms = sorted(world.platforms)
    share = orders // len(platforms)
    opened = []
    for platform in platforms:
        await api.control("POST", f"/{platform}/settings", body={"limits": False})
        store = await journey.open_store(api, platform, ingest_url=world.services["ingest"])
        await journey.create_orders(api, store, share, created_over="PT6H", created_ago="PT2M")
        opened.append(store)

    def all_judged(now: Mapping[str, Progress]) -> bool:
        return all(name in now and now[name].judged >= share for name in platforms)

    for store in opened:
        await journey.link_store(api, store)
    return await journey.follow(api, all_judged, within=FOLLOW_SECONDS, show=lambda _: None)
