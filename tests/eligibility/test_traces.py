"""What is decided about an order, and what production is told of it, stays in the trace of its raw order."""

from __future__ import annotations

from datetime import timedelta

from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.dossier import OutboxMessage
from services.kit.trace import Trace, begin, parse
from tests.eligibility.workbench import SELLER, Bench
from tests.schemas.orders import NOON, raw_order


async def sent(bench: Bench) -> list[OutboxMessage]:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    return [bench.sealer.open_message(each.message) for each in await repository.read(0, after=0, limit=99)]


def spans(messages: list[OutboxMessage]) -> list[Trace]:
    return [span for message in messages if (span := parse(message.trace))]


async def test_the_decision_and_the_release_are_one_span_of_the_raw_orders_trace(bench: Bench) -> None:
    raw = begin()

    await bench.arrive(raw_order(), trace=raw)

    decision, release = spans(await sent(bench))
    assert decision == release
    assert decision.trace_id == raw.trace_id
    assert decision.span_id != raw.span_id


async def test_orders_of_one_batch_keep_their_own_traces(bench: Bench) -> None:
    first, second = begin(), begin()
    await bench.arrive(raw_order(number="1"), trace=first)

    await bench.arrive(raw_order(number="2"), trace=second)

    assert {message.key: span.trace_id for message in await sent(bench) for span in spans([message])} == {
        "shopify:st-1:1": first.trace_id,
        "shopify:st-1:2": second.trace_id,
    }


async def test_a_judgement_that_a_fact_asked_for_is_another_span_of_the_same_trace(bench: Bench) -> None:
    raw = begin()
    await bench.repository.change_settings(SELLER, {"auto_approve": False})
    await bench.arrive(raw_order(), trace=raw)

    await bench.repository.change_settings(SELLER, {"auto_approve": True})
    await bench.judge_again()

    held, eligible, release = spans(await sent(bench))
    assert {span.trace_id for span in (held, eligible, release)} == {raw.trace_id}
    assert held.span_id != eligible.span_id


async def test_production_answers_lead_to_decisions_in_the_trace_of_the_order(bench: Bench) -> None:
    raw, cancelling = begin(), begin()
    await bench.arrive(raw_order(), trace=raw)
    await bench.arrive(raw_order(revised_at=NOON + timedelta(seconds=1), cancelled_at=NOON), trace=cancelling)

    await bench.production_says("cancel_refused")
    await bench.judge_again()

    last = (await sent(bench))[-1]
    assert (await bench.reasons()) == ["CHANGED_TOO_LATE"]
    assert [span.trace_id for span in spans([last])] == [cancelling.trace_id]
