"""What the report asks of ingest is done once, however often it is told, and refused in words that the seller sees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.audits import AUDIT_EVENT, AuditRequested, SyncRequested, TrackingRetryRequested
from schemas.ids import SellerId, SessionId
from schemas.sessions import Window as Span
from schemas.topics import SYNC_REQUESTS
from services.ingest.asking import NOT_LINKED, group_of
from services.kit.errors import UnreadableMessage
from services.kit.kafka.records import Record
from tests.ingest.pushing import PushBench, refused
from tests.ingest.workbench import SELLER, START, STORE, Workbench

DAY = timedelta(days=1)


def audit_requested(**changes: Any) -> AuditRequested:
    values: dict[str, Any] = {
        "event_id": "e1",
        "occurred_at": START,
        "seller_id": SELLER,
        "audit_id": "audit-1",
        "store_id": STORE,
        "by": "created",
        "window": Span(start=START - DAY, end=START),
        "asked_by": "user-1",
    }
    return AuditRequested(**(values | changes))


def sync_requested(**changes: Any) -> SyncRequested:
    values: dict[str, Any] = {
        "event_id": "e2",
        "occurred_at": START,
        "seller_id": SELLER,
        "sync_id": SessionId("sync-1"),
        "store_id": STORE,
        "by": "created",
        "start": "2026-11-18",
        "end": "2026-11-20",
        "zone": "Eastern",
        "asked_by": "user-1",
    }
    return SyncRequested(**(values | changes))


async def heard(bench: Workbench, *wanted: AuditRequested | SyncRequested) -> None:
    records = [Record(SYNC_REQUESTS.name, 0, 0, one.store_id, one.to_bytes(), {}, 0) for one in wanted]
    for _ in range(2):
        await bench.asking.handle(records)


async def linked() -> Workbench:
    bench = Workbench()
    await bench.add_store()
    return bench


async def test_an_audit_is_asked_for_once() -> None:
    bench = await linked()

    await heard(bench, audit_requested())

    [row] = bench.memory.audits.values()
    audit = row.audit
    assert (audit.audit_id, audit.scope, audit.by, audit.started_by) == ("audit-1", "asked", "created", "user-1")
    assert audit.window == Span(start=START - DAY, end=START)


async def test_a_sync_is_asked_for_once_in_the_sellers_own_words() -> None:
    bench = await linked()

    await heard(bench, sync_requested())

    [row] = bench.memory.syncs.values()
    assert (row.sync.asked.start, row.sync.asked.zone) == ("2026-11-18", "America/New_York")
    assert row.sync.session.window.start == START.replace(day=18, hour=5)
    # The day was not over when it was asked for.
    assert row.sync.session.window.end == START
    assert row.sync.state == "queued"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"zone": "Mars"}, "Use one of Eastern"),
        ({"start": "2026-11-20", "end": "2026-11-18"}, "`to` must be later than `from`"),
        ({"start": "soon"}, "Give a local date"),
    ],
)
async def test_a_sync_that_cannot_be_read_fails_with_the_reason(changes: dict[str, Any], problem: str) -> None:
    bench = await linked()

    await heard(bench, sync_requested(**changes))

    ended = (await bench.sessions())[-1]
    assert ended.type == "session.finished"
    assert (ended.session_id, ended.state) == ("sync-1", "failed")
    assert ended.problem is not None
    assert ended.problem.startswith(problem)


async def test_a_store_that_is_not_linked_says_so() -> None:
    bench = await linked()
    await bench.stores.change(STORE, lambda held: held.unlinked(now=START))

    await heard(bench, audit_requested(), sync_requested())

    finished = [event for event in await bench.sessions() if event.type == "session.finished"]
    assert [event.problem for event in finished] == [NOT_LINKED]
    published = [message for message in bench.publisher.published if message.topic == "sync.audits"]
    events = [AUDIT_EVENT.validate_json(message.value) for message in published]
    assert [event.problem for event in events if event.type == "audit.finished"] == [NOT_LINKED]


async def test_another_sellers_store_is_not_there() -> None:
    bench = await linked()

    stranger = SellerId("seller-2")
    await heard(bench, audit_requested(seller_id=stranger), sync_requested(seller_id=stranger))

    assert (bench.memory.audits, bench.memory.syncs) == ({}, {})


async def test_what_says_nothing_becomes_a_dead_letter() -> None:
    bench = await linked()

    with pytest.raises(UnreadableMessage):
        await bench.asking.handle([Record(SYNC_REQUESTS.name, 0, 0, "k", b'{"type":"other"}', {}, 0)])


def test_processes_of_the_same_platforms_share_what_is_said() -> None:
    assert group_of(["b", "a"]) == group_of(["a", "b"]) == "ingest.a.b"


@pytest.mark.parametrize("asked", [{"code": "RIGHT_MISSING"}, {"push_id": "theirs"}])
async def test_parcels_are_tried_again_as_the_seller_asks_on_the_page(asked: dict[str, str]) -> None:
    bench = await PushBench().linked()
    bench.writer.faults = [refused()]
    push = await bench.ship()
    await bench.work()
    wanted = retry_requested(**({"push_id": push.push_id} if "push_id" in asked else asked))

    await bench.asking.handle([Record(SYNC_REQUESTS.name, 0, 0, STORE, wanted.to_bytes(), {}, 0)])
    await bench.work()

    assert (await bench.push()).state == "verified"


async def test_another_sellers_parcels_are_not_tried_again() -> None:
    bench = await PushBench().linked()
    bench.writer.faults = [refused()]
    push = await bench.ship()
    await bench.work()
    wanted = retry_requested(push_id=push.push_id, seller_id=SellerId("seller-2"))

    await bench.asking.handle([Record(SYNC_REQUESTS.name, 0, 0, STORE, wanted.to_bytes(), {}, 0)])

    assert (await bench.push()).state == "needs_attention"


def retry_requested(**changes: Any) -> TrackingRetryRequested:
    values: dict[str, Any] = {
        "event_id": "e3",
        "occurred_at": START,
        "seller_id": SELLER,
        "store_id": STORE,
        "asked_by": "user-1",
    }
    return TrackingRetryRequested(**(values | changes))
