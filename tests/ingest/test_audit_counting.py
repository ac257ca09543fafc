"""Audits that count: no list is read while counts agree, and the list finds after all whatever they cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.audits import OrdersCompared, OrdersListed
from schemas.sessions import Window as Span
from services.ingest.audits.audit import Audit, new_audit
from services.ingest.audits.counting import LISTED_EVERY, in_seconds
from services.ingest.audits.planning import new_audit_id
from services.ingest.contract.reading import Window
from tests.ingest.auditing import Report, asked, kept, last_step, run, run_to_the_end, told
from tests.ingest.workbench import START, Workbench

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def listed(*, orders: int = 5, for_a_count: int = 1) -> tuple[Workbench, Report]:
    """A store that counts, whose orders are all in the report, an hour after a list that agreed."""
    bench = Workbench()
    await bench.add_store()
    bench.platform.counts, bench.platform.listed_for_a_count = True, for_a_count
    for number in range(orders):
        bench.platform.put(f"o{number}", at=START - (50 - number) * MINUTE)
    await bench.poll()
    report = Report(bench)
    report.keep_up()
    bench.clock.advance(600)
    first = await day_audit(bench)
    await run_to_the_end(bench, report)
    assert (kept(bench, first).proof, kept(bench, first).state) == ("list", "agreed")
    await an_hour_later(bench, report)
    return bench, report


async def an_hour_later(bench: Workbench, report: Report, *, lost: frozenset[str] = frozenset()) -> None:
    bench.clock.advance(HOUR.total_seconds())
    await bench.poll()
    report.keep_up(without=lost)
    bench.platform.reads.clear()
    bench.platform.counted.clear()


async def day_audit(bench: Workbench) -> Audit:
    now = bench.clock.now()
    audit = new_audit(new_audit_id(now), bench.store, "day", due_at=now, started_by="schedule")
    await bench.audits.add([audit])
    return audit


async def test_no_list_is_read_while_the_platforms_counts_and_the_reports_agree() -> None:
    bench, report = await listed()
    audit = await day_audit(bench)

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert (ended.state, ended.proof, ended.listed, ended.held, ended.counted) == ("agreed", "count", 5, 5, 5)
    assert bench.platform.reads == []
    assert ended.window is not None
    assert bench.platform.counted == [
        Window(ended.window.start, ended.window.end, "updated"),
        Window(ended.window.start, ended.window.end, "created"),
        # Nothing on the platform is newer than the newest of the report.
        Window(START - 46 * MINUTE + timedelta(seconds=1), ended.window.end, "updated"),
    ]
    assert [event.type for event in told(bench)[-3:]] == ["audit.started", "audit.progressed", "audit.finished"]


def loses_one(bench: Workbench, report: Report) -> None:
    del report.held["o2"]


def has_one_too_many(bench: Workbench, report: Report) -> None:
    bench.platform.loses("o2")


def misses_the_newest_change(bench: Workbench, report: Report) -> None:
    # It counts in the window before and after it changed.
    bench.platform.put("o4", at=START - 20 * MINUTE, placed=START - 46 * MINUTE, content="changed")


def does_not_know_counts(bench: Workbench, report: Report) -> None:
    compare = report.compare

    def compared(listed: OrdersListed) -> OrdersCompared:
        return compare(listed.model_copy(update={"counted": None}))

    # An earlier release of the report.
    report.compare = compared  # type: ignore[method-assign]


def stops_counting(bench: Workbench, report: Report) -> None:
    bench.platform.counts = False


@pytest.mark.parametrize(
    "mischief", [loses_one, has_one_too_many, misses_the_newest_change, does_not_know_counts, stops_counting]
)
async def test_the_list_is_read_after_all_where_counts_do_not_suffice(
    mischief: Callable[[Workbench, Report], None],
) -> None:
    bench, report = await listed()
    mischief(bench, report)
    audit = await day_audit(bench)

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert ended.proof == "list"
    assert ended.state == ("explained" if mischief is has_one_too_many else "agreed")
    assert bench.platform.reads != []
    platform = {number: order.changed_at for number, order in bench.platform.orders.items()}
    assert {number: held[0] for number, held in report.held.items() if number in platform} == platform


async def test_a_list_is_read_each_day_and_finds_what_agreeing_counts_hide() -> None:
    bench, report = await listed()
    bench.platform.put("lost")
    await an_hour_later(bench, report, lost=frozenset({"lost"}))
    at = bench.platform.orders["lost"].changed_at
    report.held["elsewhere"] = (at, at)
    hidden = await day_audit(bench)
    await run_to_the_end(bench, report, lost=frozenset({"lost"}))

    bench.clock.advance((LISTED_EVERY - 2 * HOUR).total_seconds())
    await an_hour_later(bench, report, lost=frozenset({"lost"}))
    audit = await day_audit(bench)
    await run_to_the_end(bench, report)

    assert (kept(bench, hidden).proof, kept(bench, hidden).state) == ("count", "agreed")
    assert (kept(bench, audit).proof, last_step(bench).missing) == ("list", 1)
    assert "lost" in report.held


async def test_a_list_of_few_is_read_rather_than_counted() -> None:
    bench, report = await listed(for_a_count=100)
    audit = await day_audit(bench)

    await run_to_the_end(bench, report)

    # The list itself tells the platform's count.
    assert (kept(bench, audit).proof, kept(bench, audit).counted) == ("list", 5)
    assert bench.platform.counted == []


async def test_nothing_is_counted_upon_while_another_audit_of_the_store_is_under_way_or_left_something_open() -> None:
    bench, report = await listed()
    doubted = await asked(bench)
    await run(bench)
    first = await day_audit(bench)
    await run(bench)
    row = bench.memory.audits[doubted.audit_id]
    await run_to_the_end(bench, report)
    row.audit = replace(row.audit, state="differs", finished_at=bench.clock.now() + HOUR)
    await an_hour_later(bench, report)
    second = await day_audit(bench)
    await run_to_the_end(bench, report)

    assert (kept(bench, first).proof, kept(bench, second).proof) == ("list", "list")


async def test_counts_that_a_fault_interrupts_are_taken_again() -> None:
    bench, report = await listed()
    bench.platform.faults["count_orders"] = [TimeoutError("the process was killed")]
    audit = await day_audit(bench)
    with pytest.raises(TimeoutError):
        await run(bench)
    bench.clock.advance(60)

    await run_to_the_end(bench, report)

    assert (kept(bench, audit).proof, kept(bench, audit).state) == ("count", "agreed")


def test_what_is_counted_is_whole_seconds_within_the_window() -> None:
    half = timedelta(milliseconds=500)

    assert in_seconds(Span(start=START + half, end=START + 3 * half)) is None
    assert in_seconds(Span(start=START - half, end=START + 5 * half)) == Span(
        start=START, end=START + timedelta(seconds=2)
    )
