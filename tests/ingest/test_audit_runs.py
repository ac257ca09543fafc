"""Audits: what differs between the platform and the report is found, fetched, and has its reason where it stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.audits import AuditScope
from schemas.stores import StoreSettings
from services.ingest.audits.audit import ANSWERED_WITHIN, GIVE_UP, Audit, new_audit
from services.ingest.audits.planning import new_audit_id
from services.ingest.audits.ports import AuditLease
from services.ingest.contract.reading import By
from services.ingest.ports import LeaseLost
from services.ingest.stores.reading import MOST_GONE
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.auditing import Report, asked, claimed, kept, last_step, run, run_to_the_end, told
from tests.ingest.workbench import START, Workbench

MINUTE = timedelta(minutes=1)


async def audited(count: int = 5, *, paid_only: bool = False) -> tuple[Workbench, Report]:
    """A store whose orders, one a minute, are all in Kafka and in the report for long."""
    bench = Workbench()
    await bench.add_store(paid_only=paid_only)
    for number in range(count):
        bench.platform.put(f"o{number}", at=START - (50 - number) * MINUTE)
    await bench.poll()
    report = Report(bench)
    report.keep_up()
    bench.clock.advance(600)
    return bench, report


async def planned(bench: Workbench, scope: AuditScope = "day") -> Audit:
    """A scheduled audit of a scope that is due."""
    now = bench.clock.now()
    audit = new_audit(new_audit_id(now), bench.store, scope, due_at=now, started_by="schedule")
    await bench.audits.add([audit])
    return audit


async def test_an_audit_of_orders_that_all_are_there_agrees_in_one_round() -> None:
    bench, report = await audited()
    audit = await asked(bench)

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert (ended.state, ended.listed, ended.held, ended.counted, ended.round) == ("agreed", 5, 5, 5, 1)
    assert [event.type for event in told(bench)] == ["audit.started", "audit.progressed", "audit.finished"]
    step = last_step(bench)
    assert (step.listed, step.held, step.found) == (5, 5, ())


async def test_an_empty_window_is_one_part_that_agrees() -> None:
    bench, report = await audited(0)

    audit = await asked(bench)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    [listed] = report.listings
    assert listed.span is not None
    assert (listed.span.start, listed.span.end, listed.orders) == (START - timedelta(days=30), START, ())


async def test_what_the_report_lacks_is_fetched_by_itself_until_it_agrees() -> None:
    bench, report = await audited()
    del report.held["o1"]
    report.held["o2"] = (report.held["o2"][0] - MINUTE, report.held["o2"][1])
    audit = await asked(bench)

    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    step = last_step(bench)
    assert (step.missing, step.stale, step.fetched, step.unsettled, step.unsettled_since) == (1, 1, 2, 0, None)
    assert {(one.external_id, one.finding, one.explanation) for one in step.found} == {
        ("o1", "missing", None),
        ("o2", "stale", None),
    }
    # The very revisions that were told before are told again: whoever has them takes them for what they are.
    events = [event.event_id for event in bench.told if event.order.external_id == "o1"]
    assert len(events) == 2
    assert len(set(events)) == 1


async def test_what_polls_never_saw_is_found_and_fetched() -> None:
    bench, report = await audited()
    bench.platform.put("hidden", at=START - 40 * MINUTE)
    audit = await planned(bench)

    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    assert "hidden" in report.held
    assert last_step(bench).missing == 1


async def test_while_it_is_fetched_the_earliest_time_that_is_not_settled_is_told() -> None:
    bench, report = await audited()
    at = report.held.pop("o3")[0]
    await asked(bench)

    await run(bench)
    await report.answer()
    await run(bench)
    await bench.relay.drain()

    step = last_step(bench)
    assert (step.unsettled, step.unsettled_since, step.fetched) == (1, at, 1)


async def test_a_revision_on_its_way_to_the_report_is_waited_for_and_not_fetched() -> None:
    bench, report = await audited(0)
    bench.platform.put("new", at=bench.clock.now() - 2 * MINUTE)
    await bench.poll()
    audit = await asked(bench, end=bench.clock.now())

    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    assert (last_step(bench).missing, last_step(bench).fetched) == (1, 0)
    assert len(bench.told) == 1


async def test_a_revision_that_was_lost_behind_kafka_is_fetched_when_it_is_late() -> None:
    bench, report = await audited(0)
    bench.platform.put("new", at=bench.clock.now() - 2 * MINUTE)
    await bench.poll()
    audit = await asked(bench, end=bench.clock.now())

    # The first telling of it never arrives; the one by the audit does.
    for _ in range(120):
        await report.answer()
        if (lease := await claimed(bench)) is None:
            bench.clock.advance(15)
        else:
            await bench.in_time(bench.audit_runner.run(lease))
        if len(bench.told) > 1:
            report.keep_up()

    assert kept(bench, audit).state == "agreed"
    assert last_step(bench).fetched == 1


async def test_an_order_that_the_platform_lost_is_told_to_be_gone_and_explains_itself() -> None:
    bench, report = await audited()
    bench.platform.loses("o2")
    audit = await asked(bench)

    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "explained"
    [one] = last_step(bench).found
    assert (one.external_id, one.finding, one.explanation) == ("o2", "unknown", "deleted")
    [gone] = bench.gone
    assert (gone.external_id, gone.store_id) == ("o2", audit.store_id)
    assert not bench.memory.seen[gone.order_key].open


async def test_what_was_explained_is_not_read_again_by_the_next_audit() -> None:
    bench, report = await audited()
    bench.platform.loses("o2")
    await asked(bench)
    await run_to_the_end(bench, report)
    bench.platform.faults["read_order"] = [AssertionError("it was read again")]

    audit = await asked(bench)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "explained"
    assert len(bench.gone) == 1
    assert kept(bench, audit).tally.fetched == 0


async def test_an_unpaid_order_of_a_store_that_wants_paid_ones_is_filtered_until_it_wants_all() -> None:
    bench, report = await audited(paid_only=True)
    bench.platform.put("unpaid", at=START - 45 * MINUTE, payment="pending")
    first = await asked(bench)
    await run_to_the_end(bench, report)

    await bench.stores.change(first.store_id, lambda held: replace(held, settings=StoreSettings()))
    second = await asked(bench)
    await run_to_the_end(bench, report)

    assert kept(bench, first).state == "explained"
    assert kept(bench, second).state == "agreed"
    assert "unpaid" in report.held


@pytest.mark.parametrize("by", ["created", "updated"])
async def test_what_is_from_before_the_store_imports_is_filtered_without_reading_it(by: By) -> None:
    bench, report = await audited()
    bench.platform.put("old", at=START - timedelta(days=9))
    bench.platform.faults["read_order"] = [AssertionError("it was read")]

    audit = await asked(bench, by=by)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "explained"
    assert [(one.external_id, one.explanation) for one in last_step(bench).found] == [("old", "filtered")]


async def test_an_order_that_cannot_be_read_becomes_a_dead_letter_and_explains_itself() -> None:
    bench, report = await audited()
    bench.platform.put("broken", at=START - 45 * MINUTE)
    bench.platform.breaks("broken")

    audit = await asked(bench)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "explained"
    assert [(one.external_id, one.explanation) for one in last_step(bench).found] == [("broken", "dead_letter")]
    again = await asked(bench)
    await run_to_the_end(bench, report)
    assert kept(bench, again).state == "explained"
    assert len(bench.dead_letters) == 1


async def test_an_order_that_changed_after_the_window_is_published_and_left_to_a_later_audit() -> None:
    bench, report = await audited()
    bench.platform.put("o2")

    audit = await asked(bench)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "explained"
    assert [(one.external_id, one.explanation) for one in last_step(bench).found] == [("o2", "changed_since")]
    assert bench.told[-1].order.external_id == "o2"


async def test_by_creation_an_order_is_there_or_missing_whatever_changed_since() -> None:
    bench, report = await audited()
    bench.platform.put("o2", content="changed")
    del report.held["o3"]

    audit = await asked(bench, by="created")
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    assert [(one.external_id, one.finding) for one in last_step(bench).found] == [("o3", "missing")]


async def test_what_never_arrives_differs_after_an_hour_with_an_alert_and_the_next_audit_tries_again() -> None:
    bench, report = await audited()
    del report.held["o1"]
    audit = await asked(bench)

    await run_to_the_end(bench, report, lost=frozenset({"o1"}))
    ended = kept(bench, audit)
    again = await asked(bench)
    await run_to_the_end(bench, report)

    assert ended.state == "differs"
    assert ended.finished_at is not None
    assert ended.finished_at - START < timedelta(hours=2)
    assert ended.problem is not None
    assert ended.problem.startswith("1 of the orders")
    assert kept(bench, again).state == "agreed"


class Killed(BaseException):
    """The process is gone, whatever it was doing."""


WRITES = ("begin", "list_more", "ask", "settle", "rest", "end")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", WRITES)
async def test_whoever_goes_on_after_a_kill_at_any_step_ends_the_audit_alike(method: str, when: str) -> None:
    bench, report = await audited(7)
    del report.held["o1"]
    bench.platform.loses("o2")
    audit = await asked(bench)
    _die_once(bench, method, after=when == "after")

    for owner in ("process-1", "process-2", "process-3"):
        try:
            await _go_on(bench, report, owner)
        except Killed:
            bench.clock.advance(11)
    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert (ended.state, ended.listed, ended.tally.unsettled) == ("explained", 6, 0)
    step = last_step(bench)
    assert {(one.external_id, one.explanation) for one in step.found} == {("o1", None), ("o2", "deleted")}
    assert "o1" in report.held


async def test_a_list_that_was_interrupted_goes_on_after_the_parts_that_are_kept() -> None:
    bench, report = await audited(7)
    bench.platform.reads.clear()
    audit = await asked(bench)
    _die_once(bench, "list_more", after=True, times=2)

    with pytest.raises(Killed):
        await run(bench)
    bench.clock.advance(11)
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    # Four pages of two; none was read twice.
    assert len(bench.platform.reads) == 4


async def test_a_cursor_is_kept_while_the_platform_is_busy_and_dropped_when_it_leads_nowhere() -> None:
    bench, report = await audited(7)
    audit = await asked(bench)
    bench.platform.reads.clear()
    real, places = bench.audits.list_more, list[str | None]()

    async def once(lease: AuditLease, *given: Any, **named: Any) -> None:
        await real(lease, *given, **named)
        if not places:
            places.append(kept(bench, audit).after)
            bench.platform.faults["read_page"] = [TransientError("busy", retry_after=60)] * 6

    bench.audits.list_more = once  # type: ignore[method-assign] # so that it fails after the first page
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    asked_after = [after for _, after in bench.platform.reads]
    assert asked_after[:7] == [None, *places * 5, None]


async def test_of_two_processes_one_runs_an_audit_and_who_lost_it_writes_nothing_more() -> None:
    bench, report = await audited()
    audit = await asked(bench)
    slow = await claimed(bench, "process-1")
    assert slow is not None
    assert await claimed(bench, "process-2") is None
    bench.clock.advance(11)

    await run(bench, "process-2")
    with pytest.raises(LeaseLost):
        await bench.in_time(bench.audit_runner.run(slow))
    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "agreed"
    assert len([one for one in bench.publisher.published if one.topic == "sync.listings"]) == 1


async def test_an_audit_waits_out_what_passes_and_says_so() -> None:
    bench, report = await audited()
    audit = await asked(bench)
    bench.platform.faults["read_page"] = [TransientError("away", retry_after=600)]

    await run(bench)
    waiting = kept(bench, audit)
    await run_to_the_end(bench, report)

    assert waiting.waiting == "Waiting for Twin: away."
    assert waiting.due_at - waiting.planned_for == timedelta(minutes=10)
    assert (kept(bench, audit).state, kept(bench, audit).waiting) == ("agreed", None)


async def test_an_audit_that_gets_no_further_for_a_day_fails_with_the_reason() -> None:
    bench, report = await audited()
    audit = await asked(bench)
    bench.platform.faults["read_page"] = [TransientError("away", retry_after=3600)] * 100

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert ended.state == "failed"
    assert ended.problem == "Twin could not be listed to the end (away). The next audit tries again."
    assert ended.finished_at is not None
    assert ended.finished_at - ended.planned_for >= GIVE_UP


async def test_an_audit_that_nobody_answers_fails() -> None:
    bench, _ = await audited()
    audit = await asked(bench)

    await run(bench)
    assert await claimed(bench) is None
    bench.clock.advance(ANSWERED_WITHIN.total_seconds())
    await run(bench)

    assert kept(bench, audit).state == "failed"


async def test_a_store_unlinked_in_the_middle_ends_its_audit() -> None:
    bench, report = await audited()
    del report.held["o1"]
    audit = await asked(bench)
    await run(bench)
    await report.answer()
    now = bench.clock.now()

    await bench.stores.change(audit.store_id, lambda held: held.unlinked(now=now), erase=True)
    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert (ended.state, ended.problem) == ("failed", "The store was unlinked.")


async def test_refused_access_ends_the_audit_and_asks_the_seller_to_connect_again() -> None:
    bench, report = await audited()
    audit = await asked(bench)
    bench.platform.faults["read_page"] = [AuthorizationError("revoked")] * 3
    bench.platform.faults["refresh"] = [AuthorizationError("revoked")]

    await run_to_the_end(bench, report)

    assert kept(bench, audit).state == "failed"
    assert bench.store.state == "reconnect"


async def test_the_weekly_audit_reads_open_orders_by_id_and_finds_changes_and_deletions() -> None:
    bench, report = await audited()
    bench.platform.loses("o2")
    for paid_back in ("o1", "o3"):
        bench.platform.put(paid_back, payment="refunded")
    audit = await planned(bench, "open")
    before = len(bench.told)

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert (ended.state, ended.window, ended.listed) == ("explained", None, 4)
    assert [gone.external_id for gone in bench.gone] == ["o2"]
    assert {event.order.external_id for event in bench.told[before:]} == {"o1", "o3"}
    still_open = {key.rsplit(":", 1)[1] for key, seen in bench.memory.seen.items() if seen.open}
    assert still_open == {"o0", "o4"}


async def test_a_platform_that_loses_most_orders_at_once_is_not_believed() -> None:
    bench, report = await audited(MOST_GONE + 2)
    for number in range(MOST_GONE + 1):
        bench.platform.loses(f"o{number}")
    audit = await planned(bench, "open")

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert ended.state == "failed"
    assert "11 of 12 orders are gone at once, which is not believed" in (ended.problem or "")
    assert bench.gone == []


async def test_orders_of_one_time_over_the_border_of_parts_are_compared_once() -> None:
    bench, report = await audited(0)
    bench.platform.page_size = 2_100
    for number in range(2_100):
        at = START - (30 - number // 1_050 * 10) * MINUTE
        bench.platform.put(f"o{number:04}", at=at)
        report.held[f"o{number:04}"] = (at, at)

    audit = await asked(bench)
    await run_to_the_end(bench, report)

    assert (kept(bench, audit).state, kept(bench, audit).held) == ("agreed", 2_100)
    spans = [listed.span for listed in report.listings]
    assert [len(listed.orders) for listed in report.listings] == [1_050, 1_050]
    assert [span.start for span in spans[1:] if span] == [span.end for span in spans[:-1] if span]


async def test_scheduled_audits_end_where_the_store_is_read() -> None:
    bench, report = await audited()
    bench.platform.put("not read yet")
    audit = await planned(bench)

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert ended.window is not None
    assert (ended.state, ended.window.end) == ("agreed", bench.cursor)
    assert "not read yet" not in report.held


async def test_a_store_that_was_never_read_is_audited_later() -> None:
    bench = Workbench()
    await bench.add_store()
    audit = await planned(bench)

    await run(bench)

    assert not kept(bench, audit).begun
    assert kept(bench, audit).due_at > bench.clock.now()


async def _go_on(bench: Workbench, report: Report, owner: str) -> None:
    for _ in range(6):
        await report.answer()
        lease = await claimed(bench, owner)
        if lease is None:
            bench.clock.advance(6)
            report.keep_up()
        else:
            await bench.in_time(bench.audit_runner.run(lease))


def _die_once(bench: Workbench, method: str, *, after: bool, times: int = 1) -> None:
    real, left = getattr(bench.audits, method), [times]

    async def dying(lease: AuditLease, *given: object, **named: object) -> None:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Killed
        await real(lease, *given, **named)
        if left[0] == 0:
            raise Killed

    setattr(bench.audits, method, dying)
