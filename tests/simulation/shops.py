"""A week in the life of many shops: orders come, change and are shipped, and nearly everything goes wrong at times."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Pace
from services.ingest.reserve import Counted, Reserve
from services.kit.limits import MemoryLimits
from tests.simulation.market import DAY, OVER_BUDGET, Chaos, Market
from tests.simulation.virtual_time import LoopClock, simulate
from tests.simulation.world import World

START = datetime(2026, 11, 2, tzinfo=UTC)
POLLED, PUSHED = "etsy", "shopify"
#: How long nothing new happens at the end: longer than a store may rest between two polls.
QUIET = timedelta(hours=10)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Course:
    """What happens. `polled` shops share `per_day` calls; webhooks of the `pushed` ones are killed twice a day.

    `faults` is the share of calls that fail; the fourth day is a day of downtime of our own, and with
    `platforms_away` the second one of all platforms. With `mischief` a few orders are listed hours late or deleted.
    Where a platform tells no cancels, some are cancelled without a change of time, early enough to be read again.
    """

    polled: int
    pushed: int
    per_day: int
    days: int = 7
    faults: float = 0.05
    downtime: bool = True
    platforms_away: bool = False
    mischief: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """How it ended. Latencies are from an order's creation to the report, of orders that nothing kept."""

    untrue: list[str]
    orders: int
    calls: dict[str, int]
    over_budget: int
    longest_rest: timedelta
    p50: timedelta
    p95: timedelta
    killed: int
    healed: int
    audits_agreed: int
    audits: int


def week(course: Course) -> Told:
    """Live through it."""
    with undisturbed():
        return simulate(_Week(course).live())


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without full collections, and without the log of a hundred thousand polls."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
        structlog.configure(**before)


class _Week:
    def __init__(self, course: Course) -> None:
        self.course = course
        self.chance = random.Random(course.seed)
        self.killed = 0
        self.end_of_sales = START + course.days * DAY - QUIET
        self.kept = set[str]()
        self._fates = set[asyncio.Task[None]]()

    async def live(self) -> Told:
        self.clock, limits = LoopClock(START), MemoryLimits(LoopClock(START))
        nobody: Any = None
        counted, reserve = Tools(nobody, self.clock, Counted(limits)), Tools(nobody, self.clock, Reserve(limits))
        self.chaos = Chaos(self.chance, self.course.faults)
        polled = Pace(overlap=10 * MINUTE, settle=timedelta(seconds=2), interval=3 * MINUTE, reread=timedelta(days=1))
        pushed = Pace(overlap=5 * MINUTE, settle=timedelta(seconds=2), interval=5 * MINUTE)
        self.markets = {
            POLLED: Market(
                counted, POLLED, "Etsy", polled, self.chaos, per_day=self.course.per_day, silent_cancels=True
            ),
            # A list costs a point an order there, as a count does.
            PUSHED: Market(counted, PUSHED, "Shopify", pushed, self.chaos, pushes=True, listed_for_a_count=1),
        }
        unhurried = {slug: market.with_tools(reserve) for slug, market in self.markets.items()}
        self.world = World(self.clock, limits, self.markets, unhurried)
        await self.world.open_for_business()
        shops = [(POLLED, f"p{number}") for number in range(self.course.polled)]
        shops += [(PUSHED, f"w{number}") for number in range(self.course.pushed)]
        for platform, shop in shops:
            await self.world.link(platform, shop)
        living = [asyncio.create_task(self._sell(platform, shop)) for platform, shop in shops]
        living.append(asyncio.create_task(self._kill()))
        await self._serve()
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        return self._told()

    async def _serve(self) -> None:
        end = self.end_of_sales + QUIET
        if self.course.platforms_away:
            self.chaos.down = ((START + DAY, START + 2 * DAY),)
        if self.course.downtime:
            async with self.world.running():
                await self.clock.until(START + 3 * DAY)
            await self.clock.until(START + 4 * DAY)
        async with self.world.running():
            await self.clock.until(self.end_of_sales)
            self.chaos.share = 0.0
            await self.clock.until(end)

    async def _sell(self, platform: str, shop: str) -> None:
        a_day, number = min(self.chance.lognormvariate(0, 1.2), 30.0), 0
        while True:
            await self.clock.sleep(self.chance.expovariate(a_day) * DAY.total_seconds())
            if self.clock.now() >= self.end_of_sales:
                return
            number += 1
            await self._order(platform, shop, f"{shop}-{number}")

    async def _order(self, platform: str, shop: str, number: str) -> None:
        market, chance = self.markets[platform], self.chance
        # What is listed late is found by the day's audit, so it is sold early enough for one.
        late = self.course.mischief and chance.random() < 0.01 and self.clock.now() < self.end_of_sales - 2 * DAY
        lag = timedelta(hours=3) if late else timedelta(seconds=chance.uniform(0, 60))
        market.sell(shop, number, lag=lag)
        if late:
            self.kept.add(number)
        fate = asyncio.create_task(self._fate(platform, shop, number))
        self._fates.add(fate)
        fate.add_done_callback(self._fates.discard)
        await market.push(shop, number)

    async def _fate(self, platform: str, shop: str, number: str) -> None:
        market, chance = self.markets[platform], self.chance
        early = self.clock.now() < START + 2 * DAY
        await self.clock.sleep(chance.uniform(1, 20) * HOUR.total_seconds())
        if self.clock.now() >= self.end_of_sales:
            return
        match chance.random():
            case draw if draw < 0.03 and self.course.mischief and early:
                market.delete(shop, number)
                return
            case draw if draw < 0.08 and (early or not market.silent_cancels):
                market.cancel(shop, number)
            case draw if draw < 0.3:
                market.change(shop, number, note=f"edited {self.clock.now():%H:%M}")
            case _:
                await self.clock.sleep(DAY.total_seconds())
                if self.clock.now() >= self.end_of_sales:
                    return
                market.ship(shop, number)
        await market.push(shop, number)

    async def _kill(self) -> None:
        """Twice a day every subscription is gone."""
        while True:
            await self.clock.sleep(12 * HOUR.total_seconds() - 600)
            self.killed += len(self.markets[PUSHED].addresses)
            self.markets[PUSHED].addresses.clear()

    def _told(self) -> Told:
        truth, market = self.world.truth(), self.markets[POLLED]
        calls = sum((one.calls for one in self.markets.values()), Counter[str]())
        waits = sorted(
            self.world.reported_at[key] - sold.placed_at
            for key, sold in truth.items()
            if key in self.world.reported_at and sold.external_id not in self.kept
        )
        return Told(
            untrue=self.world.untrue(),
            orders=len(truth),
            calls=dict(calls),
            over_budget=market.calls[OVER_BUDGET],
            longest_rest=self.world.longest_rest(POLLED),
            p50=waits[len(waits) // 2] if waits else timedelta(),
            p95=waits[int(len(waits) * 0.95)] if waits else timedelta(),
            killed=self.killed,
            healed=len(self.world.healed),
            audits_agreed=self.world.audits_ended["agreed"],
            audits=self.world.audits_ended.total(),
        )
