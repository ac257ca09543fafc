"""Audits are planned ahead for every store, spread over time, and as often as their share of the budgets allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schemas.stores import StoreSettings
from services.ingest.audits.audit import Audit, End
from services.ingest.audits.planning import Intervals, Planner, new_audit_id, next_due, stretches
from services.kit.limits import Limit
from tests.ingest.twin_platform import PACE
from tests.ingest.workbench import START, STORE, Workbench

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: 10,000 calls a day, as an app's own.
QUOTA = Limit(10_000, 10_000 / 86_400)


def planned(bench: Workbench) -> dict[tuple[str, str], Audit]:
    rows = bench.memory.audits.values()
    return {(row.audit.store_id, row.audit.scope): row.audit for row in rows if row.audit.state == "running"}


async def end_all(bench: Workbench, *, calls: float) -> None:
    """All planned audits ran when they were due, and took so many calls each."""
    for audit in planned(bench).values():
        now = max(audit.due_at, bench.clock.now())
        for lease in await bench.audits.claim(owner="o", platforms=["twin"], limit=2_000, now=now, until=now + HOUR):
            ended = lease.audit.began(None, now=now).spent({"twin|app": calls}).ended("agreed", now=now)
            await bench.audits.end(lease, ended, messages=[])


async def test_each_store_has_one_audit_of_each_scope_ahead_however_often_it_is_planned() -> None:
    bench = Workbench()
    await bench.add_store()

    assert [await bench.audit_planner.once() for _ in range(2)] == [3, 0]

    ahead = {scope: audit.due_at - START for (_, scope), audit in planned(bench).items()}
    assert set(ahead) == {"day", "week", "open"}
    assert ahead["day"] < HOUR
    assert ahead["week"] < DAY
    assert ahead["open"] < 7 * DAY


async def test_a_store_that_does_not_sync_by_itself_is_not_audited_by_itself() -> None:
    bench = Workbench()
    await bench.add_store(auto_sync=False)

    await bench.audit_planner.once()

    assert planned(bench) == {}


async def test_an_audit_that_was_planned_before_automatic_sync_was_switched_off_is_dropped_untold() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.audit_planner.once()
    await bench.stores.change(STORE, lambda held: replace(held, settings=StoreSettings(auto_sync=False)))
    bench.clock.advance((7 * DAY).total_seconds())

    for _ in range(3):
        now = bench.clock.now()
        [lease] = await bench.audits.claim(owner="p", platforms=["twin"], limit=1, now=now, until=now + HOUR)
        await bench.in_time(bench.audit_runner.run(lease))

    assert bench.memory.audits == {}
    assert [message.topic for message in bench.memory.outbox if message.topic == "sync.audits"] == []


async def test_many_stores_are_spread_over_the_interval_and_after_a_downtime_over_an_hour() -> None:
    names = [f"st-{number}|day" for number in range(400)]

    first = [next_due(name, last=None, rest=DAY, now=START) - START for name in names]
    late = [next_due(name, last=START - 9 * DAY, rest=DAY, now=START) - START for name in names]

    for waits, longest in ((first, DAY), (late, HOUR)):
        quarters = [sum(longest * part / 4 <= wait < longest * (part + 1) / 4 for wait in waits) for part in range(4)]
        assert sum(quarters) == 400
        assert min(quarters) > 60


def test_an_audit_follows_its_last_by_the_interval_whatever_it_took() -> None:
    assert next_due("name", last=START, rest=HOUR, now=START + HOUR / 2) == START + HOUR


async def test_an_audit_that_failed_is_made_up_for_within_the_hour_not_when_its_scope_has_its_turn_in_days() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.audit_planner.once()
    ended_at = START + 9 * DAY
    for lease in await bench.audits.claim(owner="o", platforms=["twin"], limit=9, now=ended_at, until=ended_at + HOUR):
        state: End = "failed" if lease.audit.scope == "open" else "agreed"
        began = replace(lease.audit, planned_for=ended_at - HOUR).began(None, now=ended_at - HOUR)
        await bench.audits.end(lease, began.ended(state, now=ended_at), messages=[])
    bench.clock.advance((ended_at - START).total_seconds())

    await bench.audit_planner.once()

    waits = {scope: audit.due_at - ended_at for (_, scope), audit in planned(bench).items()}
    assert HOUR / 2 <= waits["open"] <= HOUR
    assert waits["week"] > HOUR


def test_a_failure_never_makes_an_audit_later_than_its_turn_nor_all_stores_audits_due_at_once() -> None:
    names = [f"st-{number}|open" for number in range(400)]

    soon = next_due("name", last=START, failed_at=START + HOUR, rest=HOUR * 1.2, now=START + HOUR)
    dues = {next_due(name, last=START, failed_at=START + DAY, rest=7 * DAY, now=START + DAY) for name in names}

    assert soon == START + HOUR * 1.2
    assert max(dues) - min(dues) > HOUR / 3


@pytest.mark.parametrize(
    ("stores", "calls", "day", "week"),
    [
        # 50 calls a day, of 1,500 that are theirs.
        (2, 1, HOUR, DAY),
        # 571 a day of week's and open orders' audits leave 929 of their share to 12,000 of the last day's.
        (500, 1, 12.9 * HOUR, DAY),
        (500, 20, DAY, 7 * DAY),
    ],
)
async def test_audits_take_at_most_their_share_of_a_budget_that_many_stores_draw_on(
    stores: int, calls: float, day: timedelta, week: timedelta
) -> None:
    bench = Workbench()
    assert bench.limits is not None
    await bench.limits.learn("twin|app", limit=QUOTA)
    for number in range(stores):
        await bench.add_store(f"st-{number}")
    while await bench.audit_planner.once():
        pass
    await end_all(bench, calls=calls)

    planner = Planner({"twin": bench.platform}, bench.audits, bench.limits, bench.clock)
    await planner.once()

    assert abs(planner.rest("day", "twin") - day) < HOUR / 10
    assert planner.rest("week", "twin") == week


def test_audits_of_the_last_day_give_way_before_those_that_find_what_no_list_shows() -> None:
    enough = stretches({"day": 100.0, "week": 10.0, "open": 20.0}, 130.0)
    tight = stretches({"day": 240.0, "week": 10.0, "open": 30.0}, 100.0)
    short = stretches({"day": 240.0, "week": 100.0, "open": 300.0}, 100.0)

    assert enough == {"day": 1.0, "week": 1.0, "open": 1.0}
    assert tight == {"day": 4.0, "week": 1.0, "open": 1.0}
    assert short == {"day": 24.0, "week": pytest.approx(400 / 90), "open": pytest.approx(400 / 90)}


def test_open_orders_are_read_more_often_where_the_platform_does_not_announce_changes() -> None:
    bench = Workbench()
    bench.platform.pace = replace(PACE, reread=DAY)

    assert Intervals().usual("open", bench.platform) == DAY
    assert Intervals(open=timedelta(minutes=1)).usual("open", bench.platform) == timedelta(minutes=1)


def test_ids_of_audits_rise_with_time() -> None:
    moments: list[datetime] = [START + number * timedelta(milliseconds=1) for number in range(20)]
    ids = [new_audit_id(moment) for moment in moments]

    assert ids == sorted(ids)
