"""Orders that are about to be made are read once more, and whoever asked hears what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from schemas.ids import order_key
from schemas.looks import LookWanted, OrderLooked, look_wanted
from schemas.order import RAW_ORDER_EVENT, OrderGone, OrderRevised, RawOrderEvent, order_revised
from schemas.topics import ORDERS_LOOKS
from services.ingest.adapters.memory.looks import MemoryLooks
from services.ingest.contract.reading import Unreadable
from services.ingest.looks.ports import LookLease
from services.ingest.looks.runs import BATCH, SAID_AFTER, LookRunner
from services.ingest.looks.taking import LookQuestions
from services.kit.errors import AuthorizationError, TransientError, UnreadableMessage
from services.kit.kafka.subscriber import Record
from tests.ingest.workbench import LEASE, NOBODY, SELLER, START, STORE, Workbench

HOUR = timedelta(hours=1)


class LookBench(Workbench):
    """One ingest process that is asked about orders."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = MemoryLooks(self.memory)
        self.questions = LookQuestions(self.looks, NOBODY, self.clock)
        self.look_runner = LookRunner(
            connectors=self.connectors,
            stores=self.stores,
            looks=self.looks,
            books=self.webhook_books,
            tokens=self.tokens,
            publisher=self.publisher,
            clock=self.clock,
            metrics=self.metrics,
        )

    def question(self, number: str = "o1", *, after: timedelta = timedelta()) -> LookWanted:
        """The question about an order as it is on the platform now, or of an hour ago where that has none."""
        listed = self.platform.orders.get(number)
        known = self.platform.read(self.store.ref, listed, "poll") if listed else None
        return look_wanted(
            order_key("twin", STORE, number),
            seller_id=SELLER,
            store_id=STORE,
            platform="twin",
            external_id=number,
            raw_event_id=order_revised(known).event_id if known and not isinstance(known, Unreadable) else "known",
            revised_at=listed.changed_at if listed else START - HOUR,
            asked_at=START + after,
        )

    async def ask(self, *wanted: LookWanted) -> None:
        await self.questions.handle([_record(one.to_bytes()) for one in wanted])

    async def lease(self) -> LookLease | None:
        now = self.clock.now()
        leases = await self.looks.claim(owner="process-1", platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def look(self) -> None:
        lease = await self.lease()
        assert lease is not None, "no store is due"
        await self.in_time(self.look_runner.run(lease))

    @property
    def answers(self) -> list[RawOrderEvent]:
        published = self.publisher.published
        return [RAW_ORDER_EVENT.validate_json(message.value) for message in published if message.topic == "orders.raw"]

    def said(self) -> list[str]:
        return [
            (event.problem or event.outcome) if isinstance(event, OrderLooked) else event.type for event in self.answers
        ]


def _record(value: bytes) -> Record:
    return Record(ORDERS_LOOKS.name, 0, 0, "key", value, {}, 0)


@pytest.fixture
async def bench() -> LookBench:
    """One store with an order of an hour ago."""
    bench = LookBench()
    await bench.add_store()
    bench.platform.put("o1", at=START - HOUR)
    return bench


def _cancelled(bench: LookBench) -> None:
    bench.platform.put("o1", payment="refunded")


def _older(bench: LookBench) -> None:
    bench.platform.put("o1", at=START - 2 * HOUR)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, "unchanged"),
        (_cancelled, "order.revised"),
        (lambda bench: bench.platform.loses("o1"), "order.gone"),
        (lambda bench: bench.platform.breaks("o1"), "unreadable"),
        (_older, "older"),
    ],
)
async def test_what_the_platform_says_now_is_answered(
    bench: LookBench, change: Callable[[LookBench], None], said: str
) -> None:
    await bench.ask(bench.question())
    change(bench)

    await bench.look()

    assert bench.said() == [said]
    assert await bench.lease() is None
    outcome = {"order.revised": "changed", "order.gone": "gone"}.get(said, said)
    assert bench.metrics.value("syncorder_looks_answered_total", platform="twin", outcome=outcome) == 1


async def test_an_unchanged_order_is_told_in_a_few_words_that_name_what_was_asked(bench: LookBench) -> None:
    question = bench.question()
    await bench.ask(question)

    await bench.look()

    [answer] = bench.answers
    assert isinstance(answer, OrderLooked)
    assert (answer.look_id, answer.raw_event_id) == (question.event_id, question.raw_event_id)
    assert answer.looked_at == bench.clock.now()
    assert len(answer.to_bytes()) < 700


async def test_a_changed_order_counts_as_seen_so_that_no_poll_tells_it_again(bench: LookBench) -> None:
    await bench.ask(bench.question())
    bench.platform.put("o1", payment="refunded")

    await bench.look()

    [event] = bench.answers
    assert isinstance(event, OrderRevised)
    assert bench.memory.seen[event.order.key].event_id == event.event_id


async def test_that_an_order_is_gone_is_the_same_fact_whoever_notices(bench: LookBench) -> None:
    question = bench.question()
    await bench.ask(question)
    bench.platform.loses("o1")

    await bench.look()
    await bench.ask(question)
    await bench.look()

    first, second = bench.answers
    assert isinstance(first, OrderGone)
    assert first.event_id == second.event_id


async def test_a_question_that_comes_twice_or_is_put_anew_is_answered_once(bench: LookBench) -> None:
    first, second = bench.question(), bench.question(after=timedelta(minutes=5))

    await bench.ask(first, first)
    await bench.ask(second)
    await bench.ask(first)
    await bench.look()

    [answer] = bench.answers
    assert isinstance(answer, OrderLooked)
    assert answer.look_id == second.event_id


async def test_a_killed_run_answers_again_with_the_same_fact(bench: LookBench) -> None:
    await bench.ask(bench.question())
    lease = await bench.lease()
    assert lease is not None
    bench.clock.advance(LEASE.total_seconds())
    await bench.look()
    await bench.ask(bench.question())

    await bench.look()

    first, second = bench.answers
    assert first.event_id == second.event_id


@pytest.mark.parametrize(("state", "problem"), [("unlinked", "unlinked"), ("reconnect", "reconnect")])
async def test_a_store_that_cannot_be_read_is_said_so_without_a_call(
    bench: LookBench, state: str, problem: str
) -> None:
    await bench.ask(bench.question())
    now = bench.clock.now()
    await bench.stores.change(
        STORE,
        lambda held: held.unlinked(now=now) if state == "unlinked" else held.refused("no", grant=held.grants, now=now),
    )
    bench.platform.faults["read_order"] = [AssertionError("it is not asked")]

    await bench.look()

    assert bench.said() == [problem]


async def test_access_that_is_refused_has_the_seller_connect_again(bench: LookBench) -> None:
    await bench.ask(bench.question())
    bench.platform.faults["read_order"] = [AuthorizationError("revoked"), AuthorizationError("revoked")]

    await bench.look()

    assert bench.said() == ["reconnect"]
    assert bench.store.state == "reconnect"


async def test_a_platform_that_is_down_is_asked_again_and_said_so_when_it_lasts(bench: LookBench) -> None:
    await bench.ask(bench.question())
    for number in range(SAID_AFTER):
        bench.platform.faults["read_order"] = [TransientError("down", retry_after=500)]
        await bench.look()
        assert bench.said() == ([] if number + 1 < SAID_AFTER else ["away"])
        assert await bench.lease() is None
        bench.clock.advance(600)

    await bench.ask(bench.question(after=HOUR))
    await bench.look()

    assert bench.said() == ["away", "unchanged"]


async def test_a_used_up_budget_is_waited_for(bench: LookBench) -> None:
    await bench.ask(bench.question())
    bench.platform.faults["read_order"] = [TransientError("no calls left", retry_after=60)]

    await bench.look()

    assert bench.said() == ["unchanged"]
    assert bench.clock.now() >= START + timedelta(seconds=60)


async def test_a_long_line_of_questions_lets_other_stores_go_first(bench: LookBench) -> None:
    for number in range(130):
        bench.platform.put(f"n{number}", at=START - HOUR)
    await bench.ask(*(bench.question(f"n{number}") for number in range(130)))

    await bench.look()
    assert len(bench.answers) == 5 * BATCH
    await bench.look()

    assert bench.said() == ["unchanged"] * 130


async def test_that_most_orders_are_gone_at_once_is_not_believed(bench: LookBench) -> None:
    await bench.ask(*(bench.question(f"gone-{number}") for number in range(BATCH)))

    await bench.look()

    assert bench.answers == []


async def test_what_says_nothing_becomes_a_dead_letter(bench: LookBench) -> None:
    with pytest.raises(UnreadableMessage):
        await bench.questions.handle([_record(b"{}")])
