"""Windows follow each other without a gap, and polls that are killed anywhere still miss nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.ports import LeaseLost
from services.ingest.windows import backoff, next_window, rest_of, until_settled
from tests.ingest.twin_platform import PACE
from tests.ingest.workbench import LEASE, START, STORE, Workbench

HOUR = timedelta(hours=1)


def test_the_first_window_starts_where_the_seller_said() -> None:
    window = next_window(cursor=None, import_since=START - HOUR, now=START, pace=PACE)

    assert window is not None
    assert (window.start, window.end) == (START - HOUR, START - PACE.settle)


def test_a_window_overlaps_the_one_before_but_not_the_time_before_import() -> None:
    just_now = START - timedelta(seconds=30)
    soon = next_window(cursor=START, import_since=just_now, now=START + HOUR, pace=PACE)
    later = next_window(cursor=START, import_since=START - HOUR, now=START + HOUR, pace=PACE)

    assert soon is not None
    assert soon.start == just_now
    assert later is not None
    assert later.start == START - PACE.overlap


def test_there_is_no_window_before_anything_can_be_over() -> None:
    soon = START + PACE.settle
    assert next_window(cursor=START, import_since=START - HOUR, now=soon, pace=PACE) is None
    assert next_window(cursor=None, import_since=START, now=START, pace=PACE) is None


def test_the_first_window_is_read_at_once_and_what_settles_then_is_not_left_for_an_interval() -> None:
    linked_at, soon = START, START + timedelta(seconds=1)

    first = next_window(cursor=None, import_since=START - HOUR, now=soon, pace=PACE)

    assert first is not None
    assert first.end == soon - PACE.settle
    rest = until_settled(read_through=first.end, linked_at=linked_at, now=soon, pace=PACE)
    assert rest == linked_at + PACE.settle - soon
    assert until_settled(read_through=linked_at, linked_at=linked_at, now=START + HOUR, pace=PACE) is None


def test_a_platform_that_never_reaches_the_moment_of_linking_is_not_asked_without_rest() -> None:
    late = START + 10 * PACE.settle

    assert until_settled(read_through=START - HOUR, linked_at=START, now=late, pace=PACE) is None


def test_the_rest_of_a_window_never_leaves_it() -> None:
    window = next_window(cursor=None, import_since=START - HOUR, now=START, pace=PACE)
    assert window is not None

    assert rest_of(window, read_through=START - 2 * HOUR).start == window.start
    assert rest_of(window, read_through=START + HOUR).start == window.end


@given(failures=st.integers(1, 10_000), retry_after=st.none() | st.floats(0, 1e6))
def test_a_store_always_rests_a_while_and_never_for_ever(failures: int, retry_after: float | None) -> None:
    rest = backoff(failures, retry_after=retry_after)

    assert timedelta(seconds=5) <= rest <= HOUR


class Killed(BaseException):
    """The process is gone: nothing after this line ran."""


def kill_at(bench: Workbench, countdown: int) -> None:
    """Kill at the nth call that leaves the process, before or after it took effect."""
    left = [countdown]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        async def step(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            result = await call(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return result

        return step

    for owner, names in (
        (bench.polls, ("interrupted", "begin", "record", "end")),
        (bench.seen, ("seen",)),
        (bench.publisher, ("publish",)),
        (bench.platform, ("read_page",)),
    ):
        for name in names:
            setattr(owner, name, dying(getattr(owner, name)))


def revive(bench: Workbench) -> None:
    for owner in (bench.polls, bench.seen, bench.publisher, bench.platform):
        for name in ("interrupted", "begin", "record", "end", "seen", "publish", "read_page"):
            owner.__dict__.pop(name, None)


async def poll_until_killed(bench: Workbench, countdown: int) -> None:
    lease = await bench.claim(owner=f"process-{countdown}-{bench.clock.now().isoformat()}")
    if lease is None:
        return
    kill_at(bench, countdown)
    try:
        await bench.in_time(bench.poller.poll(lease))
    except (Killed, LeaseLost):
        pass
    finally:
        revive(bench)


def published(bench: Workbench) -> dict[str, Any]:
    """The newest revision of each order in Kafka."""
    newest: dict[str, Any] = {}
    for event in bench.told:
        order = event.order
        held = newest.get(order.external_id)
        if held is None or held.revised_at <= order.revised_at:
            newest[order.external_id] = order
    return newest


@pytest.mark.parametrize("countdown", range(1, 40))
async def test_a_poll_killed_at_any_step_is_gone_on_with_as_the_same_session(countdown: int) -> None:
    bench = Workbench()
    await bench.add_store()
    for number in range(7):
        bench.platform.put(f"o{number}", at=START - timedelta(minutes=20 - number))

    await poll_until_killed(bench, countdown)
    bench.clock.advance(LEASE.total_seconds() + 1)
    if bench.cursor is None:
        await bench.poll()

    assert set(published(bench)) == {f"o{number}" for number in range(7)}
    [session] = [one for one in bench.memory.sessions.values() if one.counts.listed]
    assert (session.state, session.counts.listed, session.counts.new) == ("succeeded", 7, 7)
    assert session.total == 7
    events = await bench.sessions()
    assert [event.type for event in events if event.session_id == session.session_id].count("session.started") == 1
    parts = [event.part for event in events if event.type == "session.progressed"]
    assert parts == list(range(1, len(parts) + 1))


STEP = st.one_of(
    st.tuples(st.just("change"), st.integers(0, 6), st.integers(0, 90)),
    st.tuples(st.just("wait"), st.integers(1, 200), st.just(0)),
    st.tuples(st.just("poll"), st.integers(1, 40), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=25))
def test_no_change_is_missed_however_changes_kills_and_a_late_index_meet(steps: list[tuple[str, int, int]]) -> None:
    async def live() -> None:
        bench = Workbench()
        await bench.add_store()
        for count, (kind, number, lag) in enumerate(steps):
            if kind == "change":
                bench.platform.put(f"o{number}", lag=timedelta(seconds=lag), content=str(count))
            elif kind == "wait":
                bench.clock.advance(number)
            else:
                await poll_until_killed(bench, number)
                bench.clock.advance(LEASE.total_seconds())
        # The index lags at most 90 s, less than the overlap; afterwards two quiet polls must have seen all.
        for _ in range(3):
            bench.clock.advance(100)
            if await due(bench):
                await bench.poll()
        newest = published(bench)
        for external_id, listed in bench.platform.orders.items():
            assert newest[external_id].note == listed.content
            assert newest[external_id].revised_at == listed.changed_at

    asyncio.run(live())


async def due(bench: Workbench) -> bool:
    poll = bench.memory.polls[STORE]
    return poll.next_poll_at is None or poll.next_poll_at <= bench.clock.now()
