"""A dry run says what a sync would bring, and changes nothing."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from schemas.order import RawOrder
from services.ingest.reserve import Reserve
from services.ingest.syncs.rehearsing import MOST_PAGES, Reason, Rehearsal, Rehearsing, objection_to
from services.kit.errors import AuthorizationError, TransientError
from services.kit.limits import Limit, MemoryLimits
from tests.ingest.syncing import asked, run_to_the_end
from tests.ingest.workbench import START, Workbench
from tests.schemas.orders import order_item, raw_order

DAY = timedelta(days=1)
FIRST = START - 30 * DAY
CALLS = Limit(10.0, 0.1)


async def bench_with_orders(count: int, *, paid_only: bool = False) -> Workbench:
    bench = Workbench()
    await bench.add_store(paid_only=paid_only)
    for number in range(count):
        bench.platform.put(f"o{number:03}", at=FIRST + number * timedelta(hours=1))
    return bench


async def rehearse(bench: Workbench) -> Rehearsal:
    """A dry run of a platform that takes one call a page from a budget."""
    limits = Reserve(MemoryLimits(bench.clock))
    page = bench.platform.read_page

    async def counted(*given: object, **named: object) -> object:
        await limits.take("calls", limit=CALLS, patience=0.0)
        return await page(*given, **named)  # type: ignore[arg-type]

    bench.platform.read_page = counted  # type: ignore[method-assign, assignment]
    rehearsing = Rehearsing(bench.connectors, bench.seen, bench.tokens, limits, bench.clock)
    sync = await asked(bench)
    bench.memory.syncs.clear()
    return await bench.in_time(rehearsing.rehearse(bench.store, sync))


async def test_a_short_period_is_looked_at_whole() -> None:
    bench = await bench_with_orders(5)

    found = await rehearse(bench)

    assert (found.complete, found.orders, found.looked_at, found.new, found.known) == (True, 5, 5, 5, 0)
    assert found.problem is None


async def test_of_a_long_period_the_platforms_count_is_told_and_how_many_were_looked_at() -> None:
    bench = await bench_with_orders(60)

    found = await rehearse(bench)

    assert (found.complete, found.orders) == (False, 60)
    assert found.looked_at == found.new == 2 * MOST_PAGES


async def test_what_is_known_already_is_told_apart() -> None:
    bench = await bench_with_orders(4)
    await asked(bench, end=FIRST + timedelta(hours=3))
    await run_to_the_end(bench)

    found = await rehearse(bench)

    assert (found.new, found.known) == (1, 3)


async def test_nothing_is_stored_or_published() -> None:
    bench = await bench_with_orders(9)
    bench.platform.breaks("o001")
    before = copy.deepcopy(bench.memory)

    await rehearse(bench)

    assert bench.memory == before
    assert bench.publisher.published == []


async def test_the_time_it_takes_follows_from_todays_quota() -> None:
    bench = await bench_with_orders(60)

    found = await rehearse(bench)

    # 30 pages; 5 were spent, 5 are there, and a quarter of what is beyond one call is left to others.
    assert found.seconds == pytest.approx((30 + 2.25 - 5) / 0.1, abs=1)


async def test_what_would_be_held_is_counted_by_reason() -> None:
    bench = await bench_with_orders(4, paid_only=True)
    bench.platform.put("o001", at=FIRST + timedelta(hours=1), payment="pending")
    bench.platform.breaks("o002")

    found = await rehearse(bench)

    assert found.reasons == {"passed_over": 1, "unreadable": 1}


@pytest.mark.parametrize("error", [TransientError("down", retry_after=60), AuthorizationError("revoked")])
async def test_a_platform_that_cannot_be_read_is_told_as_a_problem(error: Exception) -> None:
    bench = await bench_with_orders(4)
    bench.platform.faults["read_page"] = [error, error]

    found = await rehearse(bench)

    assert found.problem is not None
    assert (found.complete, found.orders, found.seconds) == (False, None, None)
    assert bench.store.state == "linked"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"payment": "authorized"}, "unpaid"),
        ({"cancelled_at": START}, "cancelled"),
        ({"deleted": True}, "cancelled"),
        ({"fulfilment": "fulfilled"}, "fulfilled"),
        ({"items": (order_item(quantity_to_make=0),)}, "fulfilled"),
        ({"ship_to": None}, "no_address"),
        ({"ship_to": None, "items": (order_item(kind="digital"),)}, None),
        ({"ship_to": None, "payment": "pending"}, "unpaid"),
    ],
)
def test_the_first_reason_counts(changes: dict[str, object], reason: Reason | None) -> None:
    order: RawOrder = raw_order(**changes)

    assert objection_to(order, known=False, paid_only=False) == reason


def test_an_unpaid_order_that_is_known_is_not_passed_over() -> None:
    order = raw_order(payment="pending")

    assert objection_to(order, known=True, paid_only=True) == "unpaid"
    assert objection_to(order, known=False, paid_only=True) == "passed_over"
