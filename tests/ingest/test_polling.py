"""A poll: what changed reaches Kafka before the cursor moves, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.contract.stores import Grant
from services.ingest.ports import LeaseLost
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.workbench import LEASE, START, STORE, Workbench


def ids(bench: Workbench) -> list[str]:
    return [event.order.external_id for event in bench.told]


async def test_a_poll_publishes_what_changed_and_moves_the_cursor_to_the_windows_end() -> None:
    bench = Workbench()
    await bench.add_store()
    for number in range(5):
        bench.platform.put(f"o{number}", at=START - timedelta(minutes=10 - number))

    await bench.poll()

    assert ids(bench) == ["o0", "o1", "o2", "o3", "o4"]
    assert bench.cursor == START - bench.platform.pace.settle


async def test_a_session_tells_its_window_its_parts_and_its_end() -> None:
    bench = Workbench()
    await bench.add_store()
    for number in range(3):
        bench.platform.put(f"o{number}", at=START - timedelta(minutes=10 - number))

    await bench.poll()
    events = await bench.sessions()

    kinds = [event.type for event in events]
    assert kinds == ["session.started", "session.progressed", "session.progressed", "session.finished"]
    parts = [event for event in events if event.type == "session.progressed"]
    assert [part.part for part in parts] == [1, 2]
    assert [part.total for part in parts] == [3, 3]
    assert [outcome.result for part in parts for outcome in part.outcomes] == ["new", "new", "new"]


async def test_what_was_seen_is_existing_and_what_changed_is_updated() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("same", at=START - timedelta(seconds=20))
    bench.platform.put("other", at=START - timedelta(seconds=20))
    await bench.poll()
    bench.clock.advance(60)
    bench.platform.put("other", content="changed")
    bench.clock.advance(5)

    await bench.poll()

    assert ids(bench) == ["other", "same", "other"]
    parts = [event for event in await bench.sessions() if event.type == "session.progressed"]
    assert {outcome.external_id: outcome.result for outcome in parts[-1].outcomes} == {
        "same": "existing",
        "other": "updated",
    }


async def test_one_unreadable_order_is_a_dead_letter_and_a_failed_row_and_the_page_goes_on() -> None:
    bench = Workbench()
    await bench.add_store()
    for number in range(3):
        bench.platform.put(f"o{number}", at=START - timedelta(minutes=10 - number))
    bench.platform.breaks("o1")

    await bench.poll()

    assert ids(bench) == ["o0", "o2"]
    [letter] = bench.dead_letters
    assert letter["dlq.detail"] == b"total: is missing"
    outcomes = [
        outcome for event in await bench.sessions() if event.type == "session.progressed" for outcome in event.outcomes
    ]
    assert [(outcome.external_id, outcome.result) for outcome in outcomes][1] == ("o1", "failed")


async def test_a_poll_waits_as_long_as_the_platform_asks_and_goes_on() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.platform.faults["read_page"] = [TransientError("throttled", retry_after=30)]

    await bench.poll()

    assert ids(bench) == ["o1"]
    assert bench.clock.now() >= START + timedelta(seconds=30)


async def test_a_poll_that_waits_too_long_ends_partly_and_keeps_what_it_read() -> None:
    bench = Workbench()
    await bench.add_store()
    for number in range(4):
        bench.platform.put(f"o{number}", at=START - timedelta(minutes=10 - number))
    lease = await bench.claim()
    assert lease is not None
    pages = iter([None, TransientError("down", retry_after=600)])
    original = bench.platform._fault

    def fail_second_page(method: str) -> None:
        original(method)
        if method == "read_page" and (fault := next(pages, None)):
            raise fault

    bench.platform._fault = fail_second_page  # type: ignore[method-assign]

    await bench.in_time(bench.poller.poll(lease))

    assert bench.cursor == START - timedelta(minutes=9)
    [session] = bench.memory.sessions.values()
    assert session.state == "partial"
    assert bench.memory.polls[STORE].next_poll_at == bench.clock.now() + timedelta(seconds=600)


async def test_the_next_poll_after_a_failed_one_rests_longer_each_time_and_never_stops() -> None:
    bench = Workbench()
    await bench.add_store()
    rests = []
    for _ in range(12):
        bench.platform.faults["read_page"] = [TransientError("down", retry_after=121)]
        await bench.poll()
        due = bench.memory.polls[STORE].next_poll_at
        assert due is not None
        rests.append((due - bench.clock.now()).total_seconds())
        bench.clock.advance(rests[-1])

    assert rests == sorted(rests)
    assert rests[-1] == 600


async def test_a_refused_token_is_renewed_once_and_the_poll_goes_on() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.platform.accepted = "another"

    await bench.poll()

    assert ids(bench) == ["o1"]
    assert bench.platform.renewals == 1
    assert bench.store.state == "linked"


async def test_a_store_whose_access_is_revoked_asks_to_be_connected_again_and_others_go_on() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.add_store("st-2")
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.platform.accepted = "another"
    bench.platform.faults["refresh"] = [AuthorizationError("revoked")]

    await bench.poll()
    await bench.poll()

    assert bench.store.state == "reconnect"
    assert bench.store.problem == "Twin no longer accepts our access. Connect the store again."
    assert bench.memory.stores["st-2"].state == "linked"
    assert [event.order.store_id for event in bench.told] == ["st-2"]
    assert await bench.claim() is None


async def test_the_lost_lease_moves_no_cursor_and_keeps_no_part() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    old = await bench.claim("process-1")
    bench.clock.advance(LEASE.total_seconds() + 1)
    new = await bench.claim("process-2")
    assert old is not None
    assert new is not None

    with pytest.raises(LeaseLost):
        await bench.in_time(bench.poller.poll(old))

    assert bench.cursor is None
    assert bench.memory.seen == {}
    await bench.in_time(bench.poller.poll(new))
    assert bench.cursor is not None


async def test_an_unpaid_order_of_a_paid_only_store_waits_until_it_is_paid() -> None:
    bench = Workbench()
    await bench.add_store(paid_only=True)
    bench.platform.put("o1", at=START - timedelta(minutes=1), payment="pending")
    await bench.poll()
    assert ids(bench) == []
    bench.clock.advance(60)
    bench.platform.put("o1", payment="paid")
    bench.clock.advance(10)

    await bench.poll()

    assert [(event.order.external_id, event.order.payment) for event in bench.told] == [("o1", "paid")]


async def test_a_store_that_does_not_sync_by_itself_is_polled_only_when_asked() -> None:
    bench = Workbench()
    await bench.add_store(auto_sync=False)
    assert await bench.claim() is None

    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())
    await bench.poll()

    assert bench.cursor is not None
    bench.clock.advance(3600)
    assert await bench.claim() is None


async def test_a_platform_that_does_not_push_is_polled_all_the_same_and_asked_again() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.memory.stores[STORE] = bench.store.not_subscribed("once", now=START - timedelta(minutes=1))
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.platform.faults["subscribe"] = [TransientError("down")]

    await bench.poll()
    assert bench.store.push_problem == "Twin does not push changes at present; orders come by polling meanwhile."
    assert ids(bench) == ["o1"]
    bench.clock.advance(60)
    await bench.poll()

    assert bench.store.push_problem is None
    assert bench.store.subscriptions == ("orders",)


async def test_a_first_poll_leaves_subscribing_and_probing_to_whoever_links() -> None:
    bench = Workbench()
    store = await bench.add_store()
    grant = Grant(str(store.external_id), "Twin shop", {})
    bench.memory.stores[STORE] = store.linked(grant, now=bench.clock.now())

    await bench.poll()
    at_once = (len(bench.platform.subscribed), bench.platform.probes)
    bench.clock.advance(60)
    await bench.poll()

    assert at_once == (0, 0)
    assert (len(bench.platform.subscribed), bench.platform.probes) == (1, 1)


async def test_kafka_away_moves_no_cursor() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.publisher.fail_with(TransientError("kafka away"))

    await bench.poll()

    assert bench.cursor == START - timedelta(hours=1)
    [session] = bench.memory.sessions.values()
    assert session.state == "failed"
    bench.publisher.fail_with(None)
    bench.clock.advance(60)
    await bench.poll()
    assert ids(bench) == ["o1"]
