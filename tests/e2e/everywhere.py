"""What end-to-end tests share: every platform there is, a store on each, and waiting for what must come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked, Opened
from deploy.demo.world import World
from deploy.sandbox.app import discover

T = TypeVar("T")

PLATFORMS = tuple(sorted(discover()))
WITHIN_SECONDS = 60.0


async def everywhere(work: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do the same on every platform, side by side; whatever fails says on which."""

    async def named(platform: str) -> T:
        try:
            return await work(platform)
        except BaseException as error:
            error.add_note(f"on {platform}")
            raise

    async with asyncio.TaskGroup() as group:
        tasks = {platform: group.create_task(named(platform)) for platform in PLATFORMS}
    return {platform: task.result() for platform, task in tasks.items()}


async def eventually(check: Callable[[], Awaitable[T]], *, within: float = WITHIN_SECONDS) -> T:
    """The first true answer of `check`; fails with the last one when it never comes."""
    give_up = time.monotonic() + within
    while not (answer := await check()):
        assert time.monotonic() < give_up, answer
        await asyncio.sleep(0.2)
    return answer


async def opened_store(api: Api, world: World, platform: str) -> Opened:
    return await journey.open_store(api, platform, ingest_url=world.services["ingest"])


async def store_with(api: Api, world: World, platform: str, *states: str, each: int = 1) -> Linked:
    """A linked store whose buyers ordered `each` of these before it was linked."""
    opened = await opened_store(api, world, platform)
    for number, state in enumerate(states):
        await journey.create_past_orders(api, opened, each, over="PT1M", state=state, seed=number + 2)
    return await journey.link_store(api, opened)


async def orders_of(api: Api, linked: Linked) -> dict[str, Any]:
    """The store's orders in the report, by the platform's ids."""
    query = {"store": linked.store_id, "limit": "200"}
    return {item["external_id"]: item async for item in api.pages("reporting", "/v1/orders", query)}


async def all_held(api: Api, linked: Linked, *, count: int) -> dict[str, Any]:
    """The store's orders once there are so many and each is held."""

    async def check() -> dict[str, Any] | None:
        orders = await orders_of(api, linked)
        return orders if len(orders) == count and all(each["outcome"] == "held" for each in orders.values()) else None

    return await eventually(check) or {}


async def in_state(api: Api, linked: Linked, state: str, *, order: str | None = None) -> Any:
    """The store's only order, or the one of that id, once its state is this."""
    return await _where(api, linked, "state", state, order=order)


async def with_outcome(api: Api, linked: Linked, outcome: str, *, order: str | None = None) -> Any:
    """The store's only order, or the one of that id, once it is judged like this."""
    return await _where(api, linked, "outcome", outcome, order=order)


async def _where(api: Api, linked: Linked, name: str, value: str, *, order: str | None) -> Any:
    async def check() -> Any:
        orders = await orders_of(api, linked)
        asked = [each for key, each in orders.items() if order in (None, key)]
        return next((each for each in asked if each[name] == value), None)

    return await eventually(check)
