"""Many stores on every platform, polled and pushed by several processes at once: whose call budget is overdrawn?

What counts is what the platforms noticed themselves: the calls that they answered with their "slow down".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World

ARRIVAL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many stores there are in all, and how many orders each has before and gets after it is linked.

    `seconds` is how long everything goes on after the last order has arrived.
    """

    stores: int = 50
    before: int = 20
    after: int = 20
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Budgets:
    """By platform: calls that it took, calls that it found too many, and orders that never arrived."""

    calls: Mapping[str, int]
    over: Mapping[str, int]
    missing: Mapping[str, int]
    linked: Sequence[Linked] = field(default=(), repr=False)

    @property
    def kept(self) -> bool:
        """Whether no budget was overdrawn and every order arrived."""
        return not any(self.over.values()) and not any(self.missing.values())

    def as_json(self) -> dict[str, Any]:
        """The finding as the summary file holds it."""
        return {
            "stores": len(self.linked),
            "calls": dict(self.calls),
            "over_budget": dict(self.over),
            "missing": dict(self.missing),
        }


async def spend(api: Api, world: World, load: Load) -> Budgets:
    """Link the stores, have buyers order in all of them, and read the platforms' books when every order is there."""
    platforms = sorted(world.platforms)
    books = {name: await _books(api, name) for name in platforms}
    shares = {name: (load.stores + place) // len(platforms) for place, name in enumerate(platforms)}
    by_platform = await asyncio.gather(*(_link_all(api, world, name, shares[name], load) for name in platforms))
    linked = [store for stores in by_platform for store in stores]
    await asyncio.gather(*(journey.create_listed_orders(api, store.opened, load.after, seed=5) for store in linked))
    missing = await _missing(api, linked)
    await asyncio.sleep(load.seconds)
    spent = {name: await _books(api, name) for name in platforms}
    return Budgets(
        calls={name: spent[name]["api_calls"] - books[name]["api_calls"] for name in platforms},
        over={name: spent[name]["api_calls_over_budget"] - books[name]["api_calls_over_budget"] for name in platforms},
        missing=missing,
        linked=linked,
    )


async def _link_all(api: Api, world: World, platform: str, count: int, load: Load) -> list[Linked]:
    """One after the other: some platforms take who granted access last for who is linked."""
    stores = []
    for number in range(count):
        opened = await journey.open_store(api, platform, ingest_url=world.services["ingest"])
        await journey.create_past_orders(api, opened, load.before, seed=number)
        stores.append(await journey.link_store(api, opened))
    return stores


async def _missing(api: Api, linked: Sequence[Linked]) -> dict[str, int]:
    """By platform, how many orders are not in the report when no more come, or time is up; zeros as soon as all are."""
    give_up = asyncio.get_running_loop().time() + ARRIVAL_SECONDS
    wanted = {store.store_id: len(await journey.truth(api, store.opened)) for store in linked}
    waiting = {store.store_id: store for store in linked}
    while waiting and asyncio.get_running_loop().time() < give_up:
        for store in list(waiting.values()):
            if len(await journey.reported_orders(api, store)) >= wanted[store.store_id]:
                del waiting[store.store_id]
        await asyncio.sleep(0.5)
    missing = {store.opened.platform: 0 for store in linked}
    for store in waiting.values():
        shown = len(await journey.reported_orders(api, store))
        missing[store.opened.platform] += wanted[store.store_id] - shown
    return missing


async def _books(api: Api, platform: str) -> dict[str, int]:
    books: dict[str, int] = await api.control("GET", f"/{platform}/books")
    return books
