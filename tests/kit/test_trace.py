from __future__ import annotations

import asyncio

import pytest

from services.kit import trace
from services.kit.trace import Trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EXAMPLE = f"00-{TRACE_ID}-{SPAN_ID}-01"


def test_a_traceparent_is_read_and_written_alike() -> None:
    assert trace.parse(EXAMPLE) == Trace(TRACE_ID, SPAN_ID, "01")
    assert trace.parse(EXAMPLE.encode()) == Trace(TRACE_ID, SPAN_ID, "01")
    assert Trace(TRACE_ID, SPAN_ID, "01").text() == EXAMPLE
    assert Trace(TRACE_ID, SPAN_ID, "01").header() == ("traceparent", EXAMPLE.encode())


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        b"\xff\x00",
        "1",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"01-{TRACE_ID}-{SPAN_ID}-01more",
        f" {EXAMPLE}",
        f"{EXAMPLE}\n",
    ],
)
def test_what_breaks_the_rules_is_no_trace_and_another_one_begins(value: str | bytes | None) -> None:
    begun = trace.continued(value)

    assert trace.parse(value) is None
    assert begun.trace_id != TRACE_ID
    assert trace.parse(begun.text()) == begun


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert trace.parse(f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-brings") == Trace(TRACE_ID, SPAN_ID, "01")
    assert trace.parse(f"cc-{TRACE_ID}-{SPAN_ID}-00") == Trace(TRACE_ID, SPAN_ID, "00")


def test_who_goes_on_keeps_trace_and_flags_and_has_a_span_of_its_own() -> None:
    spans = [trace.continued(f"00-{TRACE_ID}-{SPAN_ID}-00") for _ in range(100)]

    assert {span.trace_id for span in spans} == {TRACE_ID}
    assert {span.flags for span in spans} == {"00"}
    assert len({span.span_id for span in spans} | {SPAN_ID}) == 101


async def test_the_current_trace_is_the_tasks_own_and_ends_with_its_block() -> None:
    async def seen() -> Trace | None:
        await asyncio.sleep(0)
        return trace.current()

    with trace.bound(trace.begin()) as outer:
        first = asyncio.create_task(seen())
        with trace.bound(trace.begin()) as inner:
            assert await seen() == inner
        assert await first == outer
    assert trace.current() is None
