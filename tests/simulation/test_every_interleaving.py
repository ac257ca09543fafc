"""Whatever happens in whatever order, the report ends as the platforms' truth."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Pace
from services.ingest.reserve import Counted, Reserve
from services.kit.limits import MemoryLimits
from tests.simulation.market import Chaos, Market
from tests.simulation.shops import HOUR, MINUTE, POLLED, PUSHED, START, undisturbed
from tests.simulation.virtual_time import LoopClock, simulate
from tests.simulation.world import World

#: Long enough for what no list shows: open orders are read again every day.
QUIET = timedelta(hours=30)
#: After so long a change was read, and no poll's overlap looks back at it.
READ = timedelta(minutes=30)
STORES = ((POLLED, "a"), (POLLED, "b"), (PUSHED, "c"))


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next, where, to which order (by its place among those there are), and how much of it."""

    kind: str
    store: int
    order: int
    amount: int


KINDS = (
    *("sell", "sell", "sell late", "sell unannounced"),
    *("change", "change at once again", "cancel", "cancel unannounced", "cancel unannounced", "delete", "ship"),
    *("kill webhooks", "faults", "down", "restart", "sync", "wait", "wait long"),
)
STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(KINDS),
        store=st.integers(0, len(STORES) - 1),
        order=st.integers(0, 50),
        amount=st.integers(1, 5),
    ),
    min_size=4,
    max_size=30,
)
#: Only open orders that are read again by their ids show this one: its last change was read, and no list shows another.
UNANNOUNCED = [Step("sell", 0, 0, 2), Step("cancel unannounced", 0, 1, 1)]


@given(steps=STEPS)
@example(steps=UNANNOUNCED)
@settings(
    max_examples=int(os.environ.get("INTERLEAVINGS", "9")),
    # The same few each time, so that only a change of ours can fail; with more, others each time.
    derandomize="INTERLEAVINGS" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_the_report_ends_as_the_truth(steps: list[Step]) -> None:
    with undisturbed():
        untrue = simulate(_Play(steps).live())

    assert untrue == []


class _Play:
    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.sold = 0

    async def live(self) -> list[str]:
        self.clock, nobody = LoopClock(START), _nobody()
        limits = MemoryLimits(self.clock)
        pace = Pace(overlap=10 * MINUTE, settle=timedelta(seconds=2), interval=3 * MINUTE, reread=timedelta(days=1))
        self.chaos = Chaos(random.Random(7))
        counted, reserve = Tools(nobody, self.clock, Counted(limits)), Tools(nobody, self.clock, Reserve(limits))
        self.markets = {
            POLLED: Market(
                counted, POLLED, "Polled", pace, self.chaos, per_day=5_000, silent_cancels=True, page_size=3
            ),
            PUSHED: Market(counted, PUSHED, "Pushed", pace, self.chaos, pushes=True, page_size=3, listed_for_a_count=1),
        }
        unhurried = {slug: market.with_tools(reserve) for slug, market in self.markets.items()}
        self.world = World(self.clock, limits, self.markets, unhurried, processes=2)
        await self.world.open_for_business()
        for platform, shop in STORES:
            await self.world.link(platform, shop)
        left = list(self.steps)
        while left:
            # Whoever is killed is followed by somebody else, who goes on at once.
            async with self.world.running():
                while left and (step := left.pop(0)).kind != "restart":
                    await self._take(step)
        self.chaos.share, self.chaos.down = 0.0, ()
        async with self.world.running():
            await self.clock.sleep(QUIET.total_seconds())
        return self.world.untrue()

    async def _take(self, step: Step) -> None:
        platform, shop = STORES[step.store]
        market, now = self.markets[platform], self.clock.now()
        match step.kind:
            case "kill webhooks":
                market.addresses.clear()
            case "faults":
                self.chaos.share = step.amount / 10
            case "down":
                self.chaos.down = (*self.chaos.down, (now, now + step.amount * 3 * HOUR))
            case "sync":
                await self.world.sync(self.world.stores[(platform, shop)], back=step.amount * HOUR)
            case "wait" | "wait long":
                await self.clock.sleep(step.amount * (61.0 if step.kind == "wait" else HOUR.total_seconds()))
            case kind if kind.startswith("sell"):
                await self._sell(market, shop, step)
            case _ if numbers := sorted(market.shelf(shop).orders):
                if step.kind == "cancel unannounced":
                    await self.clock.sleep(READ.total_seconds())
                self._change(market, shop, numbers[step.order % len(numbers)], step)

    async def _sell(self, market: Market, shop: str, step: Step) -> None:
        for _ in range(step.amount):
            self.sold += 1
            number = f"o{self.sold:03}"
            market.sell(shop, number, lag=3 * HOUR if step.kind == "sell late" else timedelta())
            if step.kind == "sell":
                await market.push(shop, number)

    def _change(self, market: Market, shop: str, number: str, step: Step) -> None:
        match step.kind:
            case "change":
                market.change(shop, number, note=f"{step.amount}")
            case "change at once again":
                market.change(shop, number, note="first")
                market.change(shop, number, note=f"second {step.amount}")
            case "cancel" | "cancel unannounced":
                market.cancel(shop, number)
            case "delete":
                market.delete(shop, number)
            case "ship":
                market.ship(shop, number)


def _nobody() -> Any:
    return None
