"""Manual syncs: every order of the period is told, once, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.ingest.contract.reading import Window
from services.ingest.ports import LeaseLost
from services.ingest.syncs.runs import GIVE_UP
from services.ingest.syncs.sync import CURSOR_LIFE, Asked, Sync, cancelled, new_sync, paused, resumed
from services.kit.errors import AuthorizationError, TransientError
from services.kit.periods import Period
from tests.ingest.syncing import asked, claimed, kept, let_run, outcomes, run, run_to_the_end, told_once
from tests.ingest.twin_platform import PACE
from tests.ingest.workbench import START, Workbench, linked_store

DAY = timedelta(days=1)
FIRST = START - 30 * DAY
LAST = START - 20 * DAY
ALL = [f"o{number}" for number in range(7)]


async def bench_with_orders(count: int = 7) -> Workbench:
    """A store with orders of the period, long before what it imports by itself, one a day from its first moment on."""
    bench = Workbench()
    await bench.add_store()
    for number in range(count):
        bench.platform.put(f"o{number}", at=FIRST + number * DAY)
    return bench


class Killed(BaseException):
    """The process is gone, whatever it was doing."""


async def test_every_order_of_the_period_is_told_though_the_store_imports_later_ones_only() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)

    await run(bench)

    assert told_once(bench) == ALL
    assert bench.store.import_since > LAST
    ended = kept(bench, sync)
    assert (ended.state, ended.session.total, ended.session.counts.new) == ("succeeded", 7, 7)
    assert {event.order.way for event in bench.told} == {"backfill"}


async def test_the_session_tells_who_asked_and_for_what_period() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)

    await run(bench)
    events = await bench.sessions()

    started, ended = events[0], events[-1]
    assert started.type == "session.started"
    assert (started.way, started.started_by, started.automatic) == ("backfill", "key-1", False)
    assert started.window is not None
    assert (started.window.start, started.window.end) == (FIRST, LAST)
    assert ended.type == "session.finished"
    assert ended.state == "succeeded"
    assert [one.result for one in await outcomes(bench, sync)] == ["new"] * 7


async def test_the_window_is_wider_by_the_platforms_lag_and_what_only_that_lists_is_left_out() -> None:
    bench = await bench_with_orders(2)
    overlap = bench.platform.pace.overlap
    bench.platform.put("before", at=FIRST - overlap / 2)
    bench.platform.put("last", at=LAST - timedelta(seconds=1))
    bench.platform.put("after", at=LAST)
    sync = await asked(bench)

    await run(bench)

    assert bench.platform.reads[0][0] == Window(FIRST - overlap, LAST + overlap, "created")
    assert told_once(bench) == ["last", "o0", "o1"]
    ended = kept(bench, sync)
    assert (ended.session.counts.listed, ended.session.total, ended.outside) == (3, 3, 2)


async def test_an_order_that_was_brought_over_with_an_old_date_belongs_to_the_period_it_was_created_in() -> None:
    bench = await bench_with_orders(1)
    bench.platform.put("old", at=FIRST + DAY)
    listed = bench.platform.orders["old"]
    read = bench.platform.read

    def dated(store: object, order: object, way: object) -> object:
        found = read(store, order, way)  # type: ignore[arg-type]
        return found.model_copy(update={"placed_at": FIRST - 700 * DAY}) if order is listed else found  # type: ignore[union-attr]

    bench.platform.read = dated  # type: ignore[method-assign, assignment]
    await asked(bench)

    await run(bench)

    assert told_once(bench) == ["o0", "old"]


async def test_by_updated_the_orders_that_changed_in_the_period_are_meant() -> None:
    bench = await bench_with_orders(3)
    bench.platform.put("o0", at=START - DAY)
    bench.platform.put("elsewhere", at=FIRST + DAY, placed=FIRST - 100 * DAY)
    await asked(bench, by="updated")

    await run(bench)

    assert told_once(bench) == ["elsewhere", "o1", "o2"]


@pytest.mark.parametrize("step", range(1, 18))
async def test_killed_at_any_step_the_next_process_goes_on_and_tells_nothing_twice(step: int) -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    lease = await claimed(bench)
    assert lease is not None
    steps = kill_at(bench, step)
    with pytest.raises(Killed):
        await bench.in_time(bench.sync_runner.run(lease))
    steps.clear()
    published, pages = len(bench.told), len(bench.platform.reads)
    bench.clock.advance(11)

    await run(bench, "process-2")

    assert told_once(bench) == ALL
    assert sorted(outcome.external_id for outcome in await outcomes(bench, sync)) == ALL
    assert kept(bench, sync).session.counts.new == 7
    # Of what was read, at most the page that was not recorded is read again.
    assert len(bench.told) - 7 <= 2
    assert len(bench.platform.reads) <= 4 + 1
    assert published <= 7
    assert pages <= 4


def kill_at(bench: Workbench, step: int) -> list[int]:
    """Die at the `step`-th thing that a run asks of the world, before or after it is done by turns."""
    left = [step]
    for owner, names in (
        (bench.platform, ["read_page"]),
        (bench.publisher, ["publish"]),
        (bench.syncs, ["begin", "record", "end"]),
        (bench.seen, ["seen"]),
    ):
        for name in names:
            setattr(owner, name, dying(getattr(owner, name), left))
    return left


def dying(call: object, left: list[int]) -> object:
    async def called(*given: object, **named: object) -> object:
        if left:
            left[0] -= 1
            if left[0] == 0 and len(given) % 2:
                raise Killed
        done = await call(*given, **named)  # type: ignore[operator]
        if left and left[0] == 0:
            raise Killed
        return done

    return called


async def test_a_cursor_that_grew_too_old_is_not_used_its_part_is_read_from_the_beginning() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    await interrupted_after(bench, pages=2)
    bench.clock.advance(CURSOR_LIFE.total_seconds())

    await run_to_the_end(bench)

    window, after = bench.platform.reads[3]
    assert after is None
    assert window.start == FIRST + 3 * DAY
    assert told_once(bench) == ALL
    assert kept(bench, sync).session.counts.listed == 7


async def test_a_cursor_that_leads_nowhere_is_given_up() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    await interrupted_after(bench, pages=2)
    bench.platform.faults["read_page"] = [TransientError("no such cursor", retry_after=200)]

    await run_to_the_end(bench)

    assert [after is None for _, after in bench.platform.reads] == [True, False, False, False, True, False]
    assert told_once(bench) == ALL
    assert kept(bench, sync).state == "succeeded"


async def interrupted_after(bench: Workbench, *, pages: int) -> None:
    """A run that the platform interrupts after so many pages."""
    fault, read = bench.platform._fault, [0]

    def fail(method: str) -> None:
        fault(method)
        if method == "read_page":
            read[0] += 1
            if read[0] == pages + 1:
                raise TransientError("down", retry_after=600)

    bench.platform._fault = fail  # type: ignore[method-assign]
    await run(bench)


async def test_a_used_up_quota_is_waited_for_and_the_rest_is_read_from_where_it_stopped() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)

    await interrupted_after(bench, pages=2)
    waiting = kept(bench, sync)
    assert (waiting.state, waiting.waiting) == ("running", "Waiting for Twin: down.")
    assert waiting.due_at == bench.clock.now() + timedelta(seconds=600)
    assert await claimed(bench) is None
    await run_to_the_end(bench)

    assert [after for _, after in bench.platform.reads].count(None) == 1
    assert told_once(bench) == ALL
    assert kept(bench, sync).waiting is None


async def test_a_platform_that_stays_away_ends_the_sync_with_what_it_has_and_a_sentence() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    await interrupted_after(bench, pages=2)
    bench.platform.faults["read_page"] = [TransientError("down", retry_after=3600)] * 100
    began = bench.clock.now()

    await run_to_the_end(bench)

    ended = kept(bench, sync)
    assert ended.state == "partial"
    assert ended.session.problem is not None
    assert ended.session.problem.startswith("Twin could not be read to the end")
    assert bench.clock.now() - began >= GIVE_UP - timedelta(hours=1)


async def test_what_has_not_settled_is_read_once_it_has() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("settled", at=START - timedelta(hours=1))
    bench.platform.put("late", at=START - timedelta(seconds=1))
    sync = await asked(bench, start=START - DAY, end=START)

    await run(bench)
    first = told_once(bench)
    assert kept(bench, sync).state == "running"
    bench.clock.advance(bench.platform.pace.settle.total_seconds())
    await run(bench)

    assert first == ["settled"]
    assert told_once(bench) == ["late", "settled"]
    assert kept(bench, sync).state == "succeeded"


async def test_pausing_takes_effect_within_a_page_and_the_sync_goes_on_where_it_was() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    lease = await claimed(bench)
    assert lease is not None
    record = bench.syncs.record

    async def pause_then_record(*given: object, **named: object) -> None:
        bench.syncs.record = record  # type: ignore[method-assign]
        await record(*given, **named)  # type: ignore[arg-type]
        await bench.syncs.steer(sync.sync_id, paused)

    bench.syncs.record = pause_then_record  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        await bench.in_time(bench.sync_runner.run(lease))

    assert (kept(bench, sync).state, kept(bench, sync).session.counts.listed) == ("paused", 2)
    assert await claimed(bench) is None
    await bench.syncs.steer(sync.sync_id, lambda held: resumed(held, now=bench.clock.now()))
    await run(bench)

    assert kept(bench, sync).state == "succeeded"
    assert sorted(outcome.external_id for outcome in await outcomes(bench, sync)) == ALL


async def test_a_cancelled_sync_ends_at_once_and_its_process_writes_nothing_more() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    lease = await claimed(bench)
    assert lease is not None
    bench.platform.pause = 0.01
    running = asyncio.ensure_future(bench.sync_runner.run(lease))
    await let_run()

    await bench.syncs.steer(sync.sync_id, lambda held: cancelled(held, now=bench.clock.now()))
    with pytest.raises(LeaseLost):
        await running

    assert kept(bench, sync).state == "cancelled"
    assert [event.type for event in await bench.sessions()] == ["session.started", "session.finished"]


async def test_a_store_that_was_unlinked_meanwhile_cancels_its_syncs_with_a_sentence() -> None:
    bench = await bench_with_orders()
    sync, waiting = await asked(bench), await asked(bench)
    publish = bench.publisher.publish

    async def unlink_then_publish(messages: object) -> None:
        bench.publisher.publish = publish  # type: ignore[method-assign]
        await publish(messages)  # type: ignore[arg-type]
        await bench.linking.unlink(bench.store)

    bench.publisher.publish = unlink_then_publish  # type: ignore[method-assign]
    await run_to_the_end(bench)

    for one in (sync, waiting):
        assert (kept(bench, one).state, kept(bench, one).session.problem) == ("cancelled", "The store was unlinked.")
    assert len(bench.told) <= 4


async def test_access_that_was_taken_back_ends_the_sync_and_marks_the_store() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    bench.platform.faults["read_page"] = [AuthorizationError("revoked")] * 2

    await run(bench)

    assert bench.store.state == "reconnect"
    assert kept(bench, sync).state == "failed"
    assert "Connect the store again" in str(kept(bench, sync).session.problem)


async def test_two_overlapping_syncs_of_a_store_run_one_after_the_other_and_double_nothing() -> None:
    bench = await bench_with_orders()
    first, second = await asked(bench), await asked(bench, start=FIRST + DAY)
    lease = await claimed(bench)
    assert lease is not None
    assert await claimed(bench, "process-2") is None

    await bench.in_time(bench.sync_runner.run(lease))
    await run(bench, "process-2")

    assert [event.order.external_id for event in bench.told] == ALL
    assert kept(bench, first).session.counts.new == 7
    assert (kept(bench, second).session.counts.new, kept(bench, second).session.counts.existing) == (0, 6)


async def test_a_poll_of_the_same_store_at_the_same_time_doubles_nothing() -> None:
    bench = await bench_with_orders()
    bench.platform.pause = 0.001
    bench.platform.put("fresh", at=START - timedelta(minutes=5))
    sync = await asked(bench, start=FIRST, end=START)
    lease, poll_lease = await claimed(bench), await bench.claim()
    assert lease is not None
    assert poll_lease is not None

    await asyncio.gather(bench.in_time(bench.sync_runner.run(lease)), bench.in_time(bench.poller.poll(poll_lease)))
    await run_to_the_end(bench)

    assert told_once(bench) == ["fresh", *ALL]
    assert kept(bench, sync).session.counts.listed == 8


async def test_a_process_that_lost_its_lease_can_write_nothing() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    slow = await claimed(bench)
    assert slow is not None
    bench.clock.advance(11)
    await run(bench, "process-2")
    before = await bench.sessions()

    with pytest.raises(LeaseLost):
        await bench.in_time(bench.sync_runner.run(slow))

    assert kept(bench, sync).state == "succeeded"
    assert await bench.sessions() == before


async def test_a_sync_whose_list_ends_early_by_the_platforms_own_word_reads_the_rest() -> None:
    bench = await bench_with_orders()
    sync = await asked(bench)
    page = bench.platform._page

    def short(*given: object) -> object:
        found = page(*given)  # type: ignore[arg-type]
        if found.after is None and len(bench.platform.reads) <= 4:
            return replace(found, orders=(), read_through=FIRST + 6 * DAY)
        return found

    bench.platform._page = short  # type: ignore[method-assign, assignment]
    await run_to_the_end(bench)

    assert told_once(bench) == ALL
    assert kept(bench, sync).state == "succeeded"


async def test_an_unreadable_order_is_a_dead_letter_and_a_failed_row() -> None:
    bench = await bench_with_orders(3)
    bench.platform.breaks("o1")
    sync = await asked(bench)

    await run(bench)

    assert len(bench.dead_letters) == 1
    assert kept(bench, sync).session.counts.failed == 1
    assert kept(bench, sync).state == "succeeded"


async def test_a_paused_sync_lets_the_next_of_its_store_go_first() -> None:
    bench = await bench_with_orders()
    first, second = await asked(bench), await asked(bench)
    await bench.syncs.steer(first.sync_id, paused)

    await run(bench)

    assert [kept(bench, one).state for one in (first, second)] == ["paused", "succeeded"]


def test_steering_is_repeatable() -> None:
    held = _sync()

    assert paused(paused(held)[0])[0].state == "paused"
    assert resumed(held, now=START)[0] is held
    assert cancelled(cancelled(held, now=START)[0], now=START)[0].state == "cancelled"
    assert cancelled(held, now=START)[1] == []


def _sync() -> Sync:
    bench = Workbench()

    async def made() -> Sync:
        await bench.add_store()
        return await asked(bench)

    return asyncio.run(made())


@pytest.mark.parametrize("days", [10, 90])
def test_a_platform_that_stops_before_the_period_begins_says_so(days: int) -> None:
    reaches_back_to = START - days * DAY

    sync = new_sync(
        "sync-1",
        linked_store(),
        Asked("2026-10-21", "2026-10-31", "UTC", "created"),
        Period(FIRST, LAST, "UTC", ("a rule",)),
        pace=PACE,
        by_key="key-1",
        reaches_back_to=reaches_back_to,
        now=START,
    )

    assert sync.reaches_back_to == reaches_back_to
    assert len(sync.notes) == (2 if days == 10 else 1)
