"""`python -m tests.faults`: orders flow, processes are killed at random, and a checker compares truth with the topic.

`ORDERS` (20000) orders in all, `KILLS` (10) SIGKILLs over two ingest and two eligibility processes, `SEED` (7) of the
choices. Then `STORES` (50) stores live for `SECONDS` (120) with the platforms' limits on, and no budget may be
overdrawn. Writes `var/faults/summary.json`; exits 1 unless nothing was lost or doubled and every budget was kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    orders: int
    kills: int
    seed: int


def main() -> int:
    """Run the plan of the environment, print and write the verdict."""
    plan = Plan(
        *(int(os.environ.get(name) or usual) for name, usual in (("ORDERS", 20000), ("KILLS", 10), ("SEED", 7)))
    )
    with throwaway_directory(DIRECTORY / "runs") as directory:
        with running_world(directory / "kills", replace(CHOICES, copies={"ingest": 2, "eligibility": 2})) as world:
            verdict, killed = asyncio.run(_run(world, plan))
        with running_world(directory / "budgets", replace(CHOICES, copies={"ingest": 2})) as world:
            budgets = asyncio.run(_live(world, _load()))
    summary = {
        "accepted": verdict.accepted,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "violations": list(verdict.violations),
        "kills": dict(killed),
        "seed": plan.seed,
        "budgets": budgets.as_json(),
    }
    (DIRECTORY / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))  # noqa: T201 - the command's answer
    return 0 if verdict.clean and budgets.kept else 1


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
    sys.exit(main())
