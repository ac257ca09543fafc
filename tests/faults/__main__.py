"""`python -m tests.faults`: orders flow, processes are killed at random, and a checker compares truth with the topic.

`ORDERS` (20000) orders in all, `KILLS` (10) SIGKILLs over two ingest and two eligibility processes, `SEED` (7) of the
choices. Then `STORES` (50) stores live for `SECONDS` (120) with the platforms' limits on, and no budget may be
overdrawn. Then the parcels of `SHIPMENTS` (2000) orders go home while a tenth of the platforms' calls fails and two
ingest processes are killed `PUSH_KILLS` (20) times. `orders`, `budgets` or `tracking` behind the command does these
alone. Writes `var/faults/summary.json`; exits 1 unless nothing was lost or doubled, and every budget was kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from tests.faults import tracking
from tests.faults.budgets import Budgets, Load, spend
from tests.faults.checker import Verdict, judge
from tests.faults.history import deliver_again, production_commands, read_all

DIRECTORY = VAR / "faults"
CHOICES = Choices(settings={"POLL_SECONDS": "2", "LOG_LEVEL": "WARNING"}, time_scale=60)
VICTIMS = ("ingest", "ingest-2", "eligibility", "eligibility-2")
DELIVERED_TWICE = 0.2
SETTLE_SECONDS = 300
#: Between two kills there is time for work to begin again, not to end.
KILL_EVERY = (1.0, 3.0)


#: What the summary file holds of a work, and whether all of it is as it should be.
Finding = tuple[dict[str, Any], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    orders: int
    kills: int
    seed: int


def main(wanted: Sequence[str]) -> int:
    """Run the plans of the environment, print and write the verdicts."""
    works: Mapping[str, Callable[[Path], Finding]] = {"orders": _orders, "budgets": _budgets, "tracking": _tracking}
    if not works.keys() >= set(wanted):
        print(f"usage: python -m tests.faults [{'|'.join(works)}]", file=sys.stderr)  # noqa: T201
        return 2
    summary, clean = _summary(), True
    with throwaway_directory(DIRECTORY / "runs") as directory:
        for name, work in works.items():
            if name in wanted or not wanted:
                found, kept = work(directory / name)
                summary, clean = {**summary, **found}, clean and kept
                print(json.dumps(found, indent=2))  # noqa: T201 - the command's answer
    (DIRECTORY / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return 0 if clean else 1


def _summary() -> dict[str, Any]:
    """What earlier runs found: each work replaces what it found itself."""
    try:
        found: dict[str, Any] = json.loads((DIRECTORY / "summary.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _number(name: str, usual: int) -> int:
    return int(os.environ.get(name) or usual)


def _orders(directory: Path) -> Finding:
    plan = Plan(_number("ORDERS", 20000), _number("KILLS", 10), _number("SEED", 7))
    with running_world(directory, replace(CHOICES, copies={"ingest": 2, "eligibility": 2})) as world:
        verdict, killed = asyncio.run(_run(world, plan))
    found = {
        "accepted": verdict.accepted,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "violations": list(verdict.violations),
        "kills": dict(killed),
        "seed": plan.seed,
    }
    return found, verdict.clean


def _budgets(directory: Path) -> Finding:
    with running_world(directory, replace(CHOICES, copies={"ingest": 2})) as world:
        budgets = asyncio.run(_live(world, _load()))
    return {"budgets": budgets.as_json()}, budgets.kept


def _tracking(directory: Path) -> Finding:
    plan = tracking.Shipments(_number("SHIPMENTS", 2000), _number("PUSH_KILLS", 20), _number("SEED", 7))
    with running_world(directory, replace(CHOICES, copies={"ingest": 2})) as world:
        told = asyncio.run(_ship(world, plan))
    return {"tracking": told.as_json()}, told.clean


async def _ship(world: World, plan: tracking.Shipments) -> tracking.Told:
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await journey.top_up(api)
        return await tracking.ship(api, world, plan)


def _load() -> Load:
    stores, seconds = int(os.environ.get("STORES") or 50), float(os.environ.get("SECONDS") or 120)
    return Load(stores=stores, before=40, after=20, seconds=seconds)


async def _live(world: World, load: Load) -> Budgets:
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await journey.top_up(api)
        return await spend(api, world, load)


async def _run(world: World, plan: Plan) -> tuple[Verdict, Counter[str]]:
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await journey.top_up(api)
        stores = await _opened_and_linked(api, world)
        rng = random.Random(plan.seed)
        killing = asyncio.create_task(_kill(world, plan, rng))
        bootstrap = world.stack.kafka_bootstrap_servers
        repeating = asyncio.create_task(_deliver_again(bootstrap, plan, killing))
        await _order(api, stores, plan)
        await repeating
        killed = await killing
        expected = await _expected(api, stores)
        await _settled(bootstrap, expected)
        return judge(expected, await production_commands(bootstrap)), killed


async def _opened_and_linked(api: Api, world: World) -> list[journey.Linked]:
    stores = []
    for platform in sorted(world.platforms):
        await api.control("POST", f"/{platform}/settings", body={"limits": False})
        opened = await journey.open_store(api, platform, ingest_url=world.services["ingest"])
        stores.append(await journey.link_store(api, opened, import_since=timedelta(days=2)))
    return stores


async def _order(api: Api, stores: Sequence[journey.Linked], plan: Plan, *, portions: int = 20) -> None:
    """Let buyers order in portions, so that the kills hit every kind of work."""
    for portion in range(portions):
        for place, linked in enumerate(stores):
            slot = portion * len(stores) + place
            count = plan.orders * (slot + 1) // (portions * len(stores)) - plan.orders * slot // (
                portions * len(stores)
            )
            await journey.create_listed_orders(api, linked.opened, count, seed=plan.seed + slot)
        await asyncio.sleep(1)


async def _kill(world: World, plan: Plan, rng: random.Random) -> Counter[str]:
    killed: Counter[str] = Counter()
    # Each kind of process falls equally often; the seed says in which order.
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(plan.kills)]
    rng.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(rng.uniform(*KILL_EVERY))
        child = world.child(victim)
        await asyncio.to_thread(child.kill)
        await asyncio.to_thread(child.restart)
        killed[victim] += 1
    return killed


async def _expected(api: Api, stores: Sequence[journey.Linked]) -> set[str]:
    return {key for linked in stores for key in await journey.units_wanted(api, linked)}


async def _deliver_again(bootstrap: str, plan: Plan, killing: asyncio.Task[Counter[str]]) -> None:
    """Deliver a share of what came so far once more, in the middle of the kills, and again after the last one."""
    await asyncio.sleep(plan.kills * sum(KILL_EVERY) / 4)
    await deliver_again(bootstrap, "orders.raw", share=DELIVERED_TWICE, seed=plan.seed)
    await asyncio.wait({killing})
    await deliver_again(bootstrap, "orders.raw", share=DELIVERED_TWICE, seed=plan.seed + 1)


async def _settled(bootstrap: str, expected: set[str]) -> None:
    """Wait until every expected order was released and nothing was written for three looks in a row."""
    counts: list[int] = []
    for _ in range(SETTLE_SECONDS // 5):
        commands = await production_commands(bootstrap)
        decisions = len(await read_all(bootstrap, "orders.decisions"))
        counts = [*counts[-2:], len(commands) + decisions]
        if expected <= {command.order_key for command in commands} and len(counts) == 3 and len(set(counts)) == 1:
            return
        await asyncio.sleep(5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
