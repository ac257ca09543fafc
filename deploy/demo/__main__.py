"""`python -m deploy.demo`: orders go from every sandbox platform, from files and from a form to production and back.

The numbers must add up.

`ORDERS` (1000) orders in all, on `PLATFORMS` (slugs, blanks between; all). `ONCE=1`, or no terminal: stop everything
and exit, 0 only if all adds up; else the page stays up until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.demo import journey
from deploy.demo.api import Api, RefusedError
from deploy.demo.direct.by_hand import by_hand
from deploy.demo.direct.walk import DirectOutcome, give
from deploy.demo.journey import Linked, Opened, Progress
from deploy.demo.tally import PlatformTally, factory_differences
from deploy.demo.world import GIVING_WAY, SELLER, Choices, World, running_world
from deploy.local.errors import LocalStackError
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from deploy.sandbox.app import discover

DIRECTORY = VAR / "demo"
#: No factory ships what it has just been told of: an order is seen in production before it is seen shipped.
CHOICES = Choices(niceness=GIVING_WAY, pace=5.0)
#: Generous: a slow machine shall see its slow figure, not an error.
FOLLOW_SECONDS = 600.0
#: The same for the few dozen orders that the seller gives.
GIVEN_SECONDS = 120.0
SHOWN_DIFFERENCES = 10

#: Wide enough for the reasons' names where no terminal tells its width.
console = Console(width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: seconds to all judged and released, to all shipped, and until all platforms knew; the rows.

    `direct` is what came of orders that the seller gave us; `differences` is what does not add up, theirs included.
    `seconds_by_platform` is when the last order of each platform was judged, from the first call on.
    """

    seconds: float
    seconds_shipped: float
    seconds_told: float
    seconds_by_platform: Mapping[str, float]
    rows: Mapping[str, PlatformTally]
    direct: DirectOutcome
    differences: Sequence[str]

    @property
    def orders(self) -> int:
        """How many orders came in from platforms."""
        return sum(row.imported for row in self.rows.values())


def main() -> int:
    """Run the demo; 0 when everything adds up."""
    orders = int(os.environ.get("ORDERS") or 1000)
    platforms = (os.environ.get("PLATFORMS") or "").split()
    stay = sys.stdout.isatty() and os.environ.get("ONCE") != "1"
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    try:
        with throwaway_directory(DIRECTORY / "runs") as directory:
            console.print("Starting Kafka, Postgres, the sandbox platforms, the factory and the services …")
            with running_world(directory, replace(CHOICES, fixed_ports=True, platforms=platforms)) as world:
                outcome = asyncio.run(walk(world, orders))
                _conclude(world, outcome)
                if stay:
                    _stay_up()
    except (LocalStackError, RefusedError) as error:
        console.print(f"The demo could not run: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 1 if outcome.differences else 0


async def walk(world: World, orders: int) -> Outcome:
    """Link a store a platform, have buyers order, and follow every order to the end."""
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await journey.top_up(api)
        stand_ins = discover()
        shares = shares_of(orders, {name: stand_ins[name].parcels_a_minute for name in world.platforms})
        opened = [await journey.open_store(api, name, ingest_url=world.services["ingest"]) for name in shares]
        for store in opened:
            await journey.create_past_orders(api, store, _before(store, shares[store.platform]))
        began = time.monotonic()
        linked = [await _link(api, store, shares[store.platform]) for store in opened]
        pace = await _follow(api, shares, began)
        shipped = {name: each.shipped for name, each in (await journey.progress(api)).items()}
        console.print("Telling the platforms of the parcels, within the calls that they allow …")
        console.print("Meanwhile a seller imports a file of each kind, and types in one order …")
        told_after, direct = await asyncio.gather(
            _told_after(api, shipped, linked, began), give(api, by_hand(api, world, console), within=GIVEN_SECONDS)
        )
        rows = {each.opened.platform: await journey.tally(api, each, tracking=True) for each in linked}
        differences = [f"{name}: {line}" for name, row in rows.items() for line in row.differences]
        wanted = {key: units for each in linked for key, units in (await journey.units_wanted(api, each)).items()}
        differences += direct.differences
        differences += factory_differences(await api.factory("/truth"), {**wanted, **direct.units})
        return Outcome(pace.judged, pace.shipped, told_after, pace.by_platform, rows, direct, differences)


async def _told_after(api: Api, shipped: Mapping[str, int], linked: Sequence[Linked], began: float) -> float:
    await journey.settle_parcels(api, shipped, linked, within=FOLLOW_SECONDS)
    return time.monotonic() - began


async def _link(api: Api, store: Opened, orders: int) -> Linked:
    linked = await journey.link_store(api, store)
    await journey.create_orders(api, store, orders - _before(store, orders), seed=11)
    return linked


@dataclass(frozen=True, slots=True)
class _Pace:
    judged: float
    shipped: float
    by_platform: Mapping[str, float]


async def _follow(api: Api, shares: Mapping[str, int], began: float) -> _Pace:
    by_platform: dict[str, float] = {}

    def all_judged(now: Mapping[str, Progress]) -> bool:
        return all(name in now and now[name].judged >= count for name, count in shares.items())

    def all_shipped(now: Mapping[str, Progress]) -> bool:
        return all_judged(now) and all(each.shipped >= each.released for each in now.values())

    with Live(console=console, refresh_per_second=8, transient=True) as live:

        def show(now: Mapping[str, Progress]) -> None:
            for name, count in shares.items():
                if name in now and now[name].judged >= count:
                    by_platform.setdefault(name, time.monotonic() - began)
            live.update(_progress_table(shares, now))

        with suppress(TimeoutError):
            await journey.follow(api, all_judged, within=FOLLOW_SECONDS, show=show)
        judged = time.monotonic() - began
        with suppress(TimeoutError):
            await journey.follow(api, all_shipped, within=FOLLOW_SECONDS, show=show)
        return _Pace(judged, time.monotonic() - began, by_platform)


def shares_of(orders: int, platforms: Mapping[str, int | None]) -> dict[str, int]:
    """Deal orders out evenly; a platform that can be told of few parcels a minute gets no more than that, if it can be.

    `platforms` says of each how many that are, None: more than matters.
    """
    most = {name: orders if few is None else few for name, few in platforms.items()}
    if sum(most.values()) < orders:
        most = dict.fromkeys(platforms, orders)
    shares, left = dict[str, int](), orders
    # Whoever takes fewest comes first, and leaves the more to the others.
    for place, name in enumerate(sorted(most, key=lambda name: (most[name], name))):
        shares[name] = min(most[name], left // (len(most) - place))
        left -= shares[name]
    return {name: shares[name] for name in sorted(shares)}


def _before(store: Opened, orders: int) -> int:
    """How many orders exist before the store is linked: a fifth, or all where only the next poll would tell."""
    return orders // 5 if store.pushes else orders


def _progress_table(shares: Mapping[str, int], now: Mapping[str, Progress]) -> Table:
    table = Table("platform", "on the platform", "imported", "judged", "released", "shipped")
    for name, count in shares.items():
        each = now.get(name, Progress(0, 0, 0, 0))
        table.add_row(name, *map(str, (count, each.imported, each.judged, each.released, each.shipped)))
    return table


def _conclude(world: World, outcome: Outcome) -> None:
    table = Table(
        "platform",
        "on the platform",
        "imported",
        "held",
        "rejected",
        "released",
        "shipped",
        "tracking\nverified",
        "seconds",
    )
    for name, row in outcome.rows.items():
        table.add_row(
            name,
            str(row.on_platform),
            str(row.imported),
            _reasons(row.held),
            _reasons(row.rejected),
            str(row.released),
            str(row.shipped),
            str(row.tracking_verified),
            f"{outcome.seconds_by_platform.get(name, outcome.seconds):.1f}",
        )
    console.print(table)
    rate = outcome.orders / outcome.seconds if outcome.seconds else 0.0
    console.print(
        f"{outcome.orders} orders judged, released and in the report in {outcome.seconds:.1f} s "
        f"({rate:.0f} orders/s); all shipped after {outcome.seconds_shipped:.1f} s, "
        f"all platforms told after {outcome.seconds_told:.1f} s."
    )
    console.print(_direct_table(outcome.direct))
    for line in outcome.differences[:SHOWN_DIFFERENCES]:
        console.print(f"does not add up: {line}", style="red", markup=False)
    console.print("Everything adds up." if not outcome.differences else f"{len(outcome.differences)} differences.")
    console.print(f"Report Sync Order: {world.services['reporting']}/   API key: {world.key}", soft_wrap=True)
    _write_summary(world, outcome, rate)


def _direct_table(direct: DirectOutcome) -> Table:
    table = Table(
        "given by the seller", "orders", "imported", "held", "refused", "left out", "released", "shipped", "seconds"
    )
    for name, row in direct.rows.items():
        counts = (row.refused, row.left_out, row.released, row.shipped)
        seconds = f"{row.seconds:.1f}"
        table.add_row(name, str(row.orders), str(row.imported), _reasons(row.held), *map(str, counts), seconds)
    return table


def _write_summary(world: World, outcome: Outcome, rate: float) -> None:
    summary = {
        "seconds": round(outcome.seconds, 2),
        "seconds_shipped": round(outcome.seconds_shipped, 2),
        "seconds_told": round(outcome.seconds_told, 2),
        "orders_per_second": round(rate, 1),
        "adds_up": not outcome.differences,
        "differences": list(outcome.differences),
        "page": f"{world.services['reporting']}/",
        "seller": SELLER,
        "memory_mb": {name: round(world.child(name).memory_bytes() / 1e6) for name in world.services},
        "platforms": {
            name: row.as_json() | {"seconds": round(outcome.seconds_by_platform.get(name, outcome.seconds), 2)}
            for name, row in outcome.rows.items()
        },
        "direct": outcome.direct.as_json(),
    }
    (DIRECTORY / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def _reasons(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{code} {count}" for code, count in counts.items()) or "0"


def _stay_up() -> None:
    console.print("Everything stays up; Ctrl-C stops it all.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    console.print("Stopping …")


if __name__ == "__main__":
    sys.exit(main())
