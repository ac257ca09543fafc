from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog

from services.kit import trace
from services.kit.clock import ManualClock
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.dead_letters import DETAIL, REASON, SOURCE_OFFSET, DeadLetters
from services.kit.kafka.handling import DEAD_LETTER_LIMIT, Abandoned, BatchHandling, Handler
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.kafka.records import Record
from services.kit.metrics import Metrics


def records(count: int) -> list[Record]:
    return [Record("facts", 0, number, f"key-{number}", b"", {"trace": b"1"}, 0) for number in range(count)]


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 7, 1, tzinfo=UTC))
        self.publisher = MemoryPublisher()
        self.metrics = Metrics()
        self.abandon = asyncio.Event()
        self.handled: list[int] = []

    def handling(self, handler: Handler) -> BatchHandling:
        dead_letters = DeadLetters(self.publisher, clock=self.clock)
        return BatchHandling("readers", handler, clock=self.clock, metrics=self.metrics, dead_letters=dead_letters)

    async def run(self, handling: BatchHandling, batch: Sequence[Record]) -> None:
        """Handle a batch while time passes."""
        running = asyncio.ensure_future(handling.handle(batch, abandon=self.abandon))
        for _ in range(10_000):
            if running.done():
                break
            await asyncio.sleep(0)
            self.clock.advance(1)
        await running

    @property
    def dead(self) -> list[int]:
        return [int(dict(message.headers)[SOURCE_OFFSET]) for message in self.publisher.published]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_record_that_is_handled_alone_is_handled_and_set_aside_in_its_trace(bench: Bench) -> None:
    sent = trace.begin()
    record = replace(records(1)[0], headers=dict([sent.header()]))
    seen: list[trace.Trace | None] = []

    async def handler(batch: Sequence[Record]) -> None:
        seen.append(trace.current())
        raise UnreadableMessage("order.items", "missing")

    with structlog.testing.capture_logs() as logged:
        await bench.run(bench.handling(handler), [record])

    [span] = [span for span in seen if span]
    [letter] = bench.publisher.published
    told = trace.parse(dict(letter.headers)["traceparent"])
    assert told is not None
    assert [name for name, _ in letter.headers].count("traceparent") == 1
    assert (span.trace_id, told.trace_id) == (sent.trace_id, sent.trace_id)
    assert len({sent.span_id, span.span_id, told.span_id}) == 3
    assert [entry["event"] for entry in logged] == ["record.set_aside"]


async def test_a_batch_that_fails_in_passing_is_repeated_whole(bench: Bench) -> None:
    seen: list[int] = []

    async def handler(batch: Sequence[Record]) -> None:
        seen.append(len(batch))
        if len(seen) < 4:
            raise TransientError("away", retry_after=5)

    await bench.run(bench.handling(handler), records(9))

    assert seen == [9, 9, 9, 9]
    assert bench.metrics.value("syncorder_handler_retries_total", group="readers") == 3
    assert bench.publisher.published == []


async def test_a_record_that_cannot_be_read_is_set_aside_and_the_rest_is_handled(bench: Bench) -> None:
    async def handler(batch: Sequence[Record]) -> None:
        if any(record.offset == 3 for record in batch):
            raise UnreadableMessage("items.0", "is missing")
        bench.handled.extend(record.offset for record in batch)

    await bench.run(bench.handling(handler), records(10))

    [message] = bench.publisher.published
    headers = dict(message.headers)
    assert bench.handled == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert (message.topic, message.key) == ("facts.dlq", "key-3")
    assert (headers[REASON], headers[DETAIL], headers["trace"]) == (b"unreadable", b"items.0: is missing", b"1")


async def test_a_record_that_fails_for_no_known_reason_is_tried_three_times(bench: Bench) -> None:
    tries = 0

    async def handler(batch: Sequence[Record]) -> None:
        nonlocal tries
        if len(batch) == 1:
            tries += 1
        raise ValueError("Ada Lovelace, 1 Main St")

    await bench.run(bench.handling(handler), records(1))

    assert tries == 3
    [message] = bench.publisher.published
    assert dict(message.headers)[DETAIL] == b"ValueError"


async def test_a_record_that_succeeds_at_the_second_try_is_no_dead_letter(bench: Bench) -> None:
    tries = 0

    async def handler(_batch: Sequence[Record]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError

    await bench.run(bench.handling(handler), records(1))

    assert bench.publisher.published == []


async def test_dead_letters_wait_for_kafka(bench: Bench) -> None:
    bench.publisher.fail_with(TransientError("away"))

    async def handler(_batch: Sequence[Record]) -> None:
        bench.handled.append(1)
        raise UnreadableMessage("items", "is missing")

    running = asyncio.ensure_future(bench.run(bench.handling(handler), records(1)))
    await asyncio.sleep(0.01)
    unfinished = not running.done()
    bench.publisher.fail_with(None)
    await running

    assert unfinished
    assert bench.dead == [0]
    assert bench.handled == [1]


async def test_a_batch_is_given_back_while_it_waits_to_be_repeated(bench: Bench) -> None:
    async def handler(_batch: Sequence[Record]) -> None:
        raise TransientError("away")

    running = asyncio.ensure_future(bench.handling(handler).handle(records(3), abandon=bench.abandon))
    await asyncio.sleep(0)
    bench.abandon.set()

    with pytest.raises(Abandoned):
        await running


async def test_a_flood_of_dead_letters_stops_the_subscription_and_keeps_the_rest(bench: Bench) -> None:
    async def handler(_batch: Sequence[Record]) -> None:
        raise UnreadableMessage("items", "is missing")

    handling = bench.handling(handler)
    running = asyncio.ensure_future(handling.handle(records(500), abandon=bench.abandon))
    while handling.halted is None:  # noqa: ASYNC110 - the handling runs on in the same loop, without waiting
        await asyncio.sleep(0)
    bench.abandon.set()
    with pytest.raises(Abandoned):
        await running

    assert len(bench.dead) == DEAD_LETTER_LIMIT
    assert "readers" in handling.halted


async def test_a_few_bad_records_among_many_never_stop_it(bench: Bench) -> None:
    async def handler(batch: Sequence[Record]) -> None:
        if any(record.offset == 50 for record in batch):
            raise UnreadableMessage("items", "is missing")

    handling = bench.handling(handler)
    for _ in range(DEAD_LETTER_LIMIT + 20):
        await handling.handle(records(100), abandon=bench.abandon)

    assert handling.halted is None
    assert len(bench.dead) == DEAD_LETTER_LIMIT + 20
