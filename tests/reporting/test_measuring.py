"""How far behind stores are is measured by platform, and falls to nothing where nothing is watched."""

from __future__ import annotations

from services.kit.clock import ManualClock
from services.kit.metrics import Metrics
from services.reporting.adapters.memory import MemoryProjections
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.measuring import Measuring
from services.reporting.watermark import LATE_AT_THE_LATEST
from tests.reporting.facts import START, at, located, polled, store


async def test_the_oldest_watermark_of_a_platform_is_measured_and_late_stores_are_counted() -> None:
    kept, metrics, clock = MemoryProjections(), Metrics(), ManualClock(START)
    measuring = Measuring(MemoryProofs(kept), metrics=metrics, clock=clock)
    resting = store(store_id="resting", state="unlinked", linked_at=at(-9_000_000))
    await kept.apply(located(store(), store(store_id="store-2", linked_at=at(-5)), resting, *polled("p", through=-3)))

    def shown() -> tuple[float, float]:
        return (
            metrics.value("syncorder_watermark_behind_seconds", platform="etsy"),
            metrics.value("syncorder_stores_behind", platform="etsy"),
        )

    await measuring.measure()
    soon = shown()
    clock.advance(LATE_AT_THE_LATEST.total_seconds() - 60)
    await measuring.measure()
    late = shown()
    unlinked = [store(store_id=name, state="unlinked", changed_at=at(1)) for name in ("store-1", "store-2")]
    await kept.apply(located(*unlinked, first=100))
    await measuring.measure()

    assert soon == (5 * 60, 0)
    assert late == (LATE_AT_THE_LATEST.total_seconds() + 4 * 60, 2)
    assert shown() == (0, 0)
