"""Lists are answered once Kafka has the answers, and an unreadable one is refused by its path."""

from __future__ import annotations

import pytest

from schemas.audits import CountedOrders, CountsCompared, OrdersCompared
from schemas.sessions import Window
from services.kit.clock import ManualClock
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.kafka.records import Record
from services.reporting.adapters.memory import MemoryProjections
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.comparer import Comparer
from tests.reporting.facts import START, STORE, at, decided, key, located, outcome, progressed
from tests.reporting.test_comparing import listed


@pytest.fixture
async def projections() -> MemoryProjections:
    kept = MemoryProjections()
    await kept.apply(located(decided(key(1)), decided(key(2))))
    return kept


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
def comparer(projections: MemoryProjections, publisher: MemoryPublisher) -> Comparer:
    return Comparer(MemoryProofs(projections), publisher, clock=ManualClock(START), prefix="t.")


def record(value: bytes) -> Record:
    return Record("t.sync.listings", 0, 1, STORE, value, {}, 0)


async def test_each_list_is_answered_with_what_the_report_lacks(comparer: Comparer, publisher: MemoryPublisher) -> None:
    # 1001 and 1002 were last changed at minute 0.
    parts = [listed(("1001", 0), ("1003", 1)), listed(("1002", 2), part=3, span=None)]

    await comparer.handle([record(part.to_bytes()) for part in parts])

    answers = [OrdersCompared.model_validate_json(message.value) for message in publisher.published]
    assert {(message.topic, message.key) for message in publisher.published} == {("t.sync.comparisons", STORE)}
    assert [(one.part, one.held) for one in answers] == [(2, 1), (3, 1)]
    assert [[(one.external_id, one.finding) for one in answer.found] for answer in answers] == [
        [("1003", "missing"), ("1002", "unknown")],
        [("1002", "stale")],
    ]


@pytest.mark.parametrize(("updated", "created", "agree"), [(2, 2, True), (3, 2, False), (2, 1, False)])
async def test_a_count_is_answered_with_whether_the_report_has_as_many(
    comparer: Comparer, publisher: MemoryPublisher, updated: int, created: int, *, agree: bool
) -> None:
    counted = CountedOrders(span=Window(start=at(0), end=at(1000)), updated=updated, created=created)

    await comparer.handle([record(listed(span=None, counted=counted).to_bytes())])

    [message] = publisher.published
    answer = OrdersCompared.model_validate_json(message.value)
    assert (answer.held, answer.found, answer.counted) == (2, (), CountsCompared(agree=agree, newest=at(0)))


async def test_an_order_that_no_decision_was_made_about_is_missing(
    comparer: Comparer, projections: MemoryProjections, publisher: MemoryPublisher
) -> None:
    await projections.apply(located(progressed(outcome(5)), topic="sync.sessions"))

    await comparer.handle([record(listed(("1005", 0), span=None).to_bytes())])

    [message] = publisher.published
    assert [one.finding for one in OrdersCompared.model_validate_json(message.value).found] == ["missing"]


async def test_a_list_that_cannot_be_read_is_refused_by_its_path(comparer: Comparer) -> None:
    value = listed(("1001", 0)).to_bytes().replace(b'"round":1', b'"round":0')

    with pytest.raises(UnreadableMessage) as refused:
        await comparer.handle([record(value)])

    assert refused.value.path == "round"


async def test_a_batch_fails_when_kafka_did_not_take_the_answers(
    comparer: Comparer, publisher: MemoryPublisher
) -> None:
    publisher.fail_with(TransientError("kafka is away"))

    with pytest.raises(TransientError):
        await comparer.handle([record(listed(("1001", 0)).to_bytes())])


def test_it_reads_in_a_group_of_its_own(comparer: Comparer) -> None:
    subscription = comparer.subscription()

    assert (subscription.group, list(subscription.topics)) == ("t.reporting.comparer", ["t.sync.listings"])
