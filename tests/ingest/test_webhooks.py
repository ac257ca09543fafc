"""A webhook: 2xx when Kafka has the order, 401 when it is not genuine, and nothing else on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.sessions import SessionProgressed
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.webhooks import Delivery
from services.ingest.ports import StoredAccess
from services.kit.errors import TransientError
from services.kit.http.problems import Problem
from tests.ingest.twin_platform import webhook
from tests.ingest.workbench import START, STORE, Workbench


async def take(bench: Workbench, topic: str, external_id: str = "", *, store_id: str = STORE) -> str:
    headers, body = webhook(topic, external_id)
    return await bench.webhooks.take("twin", store_id, Delivery(headers, body))


async def outcomes(bench: Workbench) -> list[tuple[str, str]]:
    await bench.books.flush()
    return [
        (outcome.external_id, outcome.result)
        for event in await bench.sessions()
        if isinstance(event, SessionProgressed)
        for outcome in event.outcomes
    ]


async def test_the_order_it_tells_is_in_kafka_when_it_is_answered() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")

    answer = await take(bench, "order", "o1")

    assert answer == "published"
    assert [event.order.external_id for event in bench.told] == ["o1"]


async def test_the_same_revision_by_webhook_and_by_poll_is_one_event() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    await take(bench, "order", "o1")
    bench.clock.advance(10)

    await bench.poll()

    assert len({event.event_id for event in bench.told}) == 1


async def test_a_poll_lists_what_a_webhook_brought_as_existing() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    await take(bench, "order", "o1")
    assert await outcomes(bench) == [("o1", "new")]
    bench.clock.advance(10)

    await bench.poll()

    assert await outcomes(bench) == [("o1", "new"), ("o1", "existing")]
    assert len(bench.told) == 1


@pytest.mark.parametrize("headers", [{}, {"x-signature": "0" * 64}, {"x-signature": "é"}, {"x-signature": ""}])
async def test_a_signature_that_is_not_right_is_refused_before_parsing(headers: dict[str, str]) -> None:
    bench = Workbench()
    await bench.add_store()

    with pytest.raises(Problem) as refused:
        await bench.webhooks.take("twin", STORE, Delivery(headers, b"\xff not JSON"))

    assert (refused.value.status, refused.value.code) == (401, "signature_refused")
    assert bench.publisher.published == []


@pytest.mark.parametrize(
    ("platform", "store_id", "code"),
    [("other", STORE, "platform_not_found"), ("twin", "st-9", "store_not_found")],
)
async def test_an_unknown_platform_or_store_is_not_found(platform: str, store_id: str, code: str) -> None:
    bench = Workbench()
    await bench.add_store()
    headers, body = webhook("order", "o1")

    with pytest.raises(Problem) as refused:
        await bench.webhooks.take(platform, store_id, Delivery(headers, body))

    assert (refused.value.status, refused.value.code) == (404, code)


async def test_an_unlinked_store_is_not_found() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.linking.unlink(bench.store)

    with pytest.raises(Problem) as refused:
        await take(bench, "order", "o1")

    assert refused.value.status == 404


async def test_kafka_away_is_never_answered_with_success() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    bench.publisher.fail_with(TransientError("kafka away"))

    with pytest.raises(TransientError):
        await take(bench, "order", "o1")

    bench.publisher.fail_with(None)
    assert await outcomes(bench) == []


async def test_an_unreadable_order_is_a_dead_letter_a_failed_row_and_an_answer() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    bench.platform.breaks("o1")

    answer = await take(bench, "order", "o1")

    assert answer == "unreadable"
    assert [letter["dlq.reason"] for letter in bench.dead_letters] == [b"unreadable_order"]
    assert await outcomes(bench) == [("o1", "failed")]


async def test_a_payload_that_cannot_even_be_identified_is_a_dead_letter() -> None:
    bench = Workbench()
    await bench.add_store()

    def refuse(*_: object, **__: object) -> None:
        raise UnreadablePayload("id", "is missing")

    bench.platform.read_webhook = refuse  # type: ignore[assignment, method-assign]

    answer = await take(bench, "order", "o1")

    assert answer == "unreadable"
    assert [letter["dlq.detail"] for letter in bench.dead_letters] == [b"id: is missing"]


async def test_a_hint_is_followed_before_the_answer() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")

    answers = [await take(bench, "hint", "o1"), await take(bench, "hint", "o2")]

    assert answers == ["published", "gone"]
    assert [event.order.external_id for event in bench.told] == ["o1"]


async def test_a_hint_that_cannot_be_followed_is_to_be_delivered_again() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.faults["read_order"] = [TransientError("down")]

    with pytest.raises(TransientError):
        await take(bench, "hint", "o1")


async def test_a_store_that_the_platform_closed_asks_to_be_connected_again() -> None:
    bench = Workbench()
    await bench.add_store()

    answer = await take(bench, "closed")

    assert answer == "closed"
    assert (bench.store.state, bench.store.problem) == ("reconnect", "You removed the app.")


async def test_a_topic_that_asks_nothing_is_answered() -> None:
    bench = Workbench()
    await bench.add_store()

    assert await take(bench, "weather") == "other_topic"


async def test_a_store_that_does_not_sync_by_itself_takes_no_webhooks() -> None:
    bench = Workbench()
    await bench.add_store(auto_sync=False)
    bench.platform.put("o1")

    assert await take(bench, "order", "o1") == "sync_off"
    assert bench.told == []


async def test_an_unpaid_order_of_a_paid_only_store_comes_once_it_is_paid_and_then_in_every_state() -> None:
    bench = Workbench()
    await bench.add_store(paid_only=True)
    answers = []
    for payment in ("pending", "paid", "voided"):
        bench.platform.put("o1", payment=payment)
        answers.append(await take(bench, "order", "o1"))
        await bench.books.flush()
        bench.clock.advance(1)

    assert answers == ["unpaid", "published", "published"]
    assert [event.order.payment for event in bench.told] == ["paid", "voided"]


class _Fickle(MemoryStores):
    away = False
    asked = 0

    async def open(self, store_id: str) -> StoredAccess | None:
        self.asked += 1
        if self.away:
            raise TransientError("postgres away")
        return await super().open(store_id)


async def test_many_webhooks_of_a_store_ask_postgres_once() -> None:
    bench = Workbench()
    await bench.add_store()
    stores = _Fickle(bench.memory)
    bench.webhooks.accesses._stores = stores
    bench.platform.put("o1")

    for _ in range(5):
        await take(bench, "order", "o1")

    assert stores.asked == 1


async def test_webhooks_of_a_known_store_outlive_postgres_for_a_while() -> None:
    bench = Workbench()
    await bench.add_store()
    stores = _Fickle(bench.memory)
    bench.webhooks.accesses._stores = stores
    bench.platform.put("o1")
    await take(bench, "order", "o1")
    stores.away = True
    bench.clock.advance(60)

    answer = await take(bench, "order", "o1")

    assert answer == "published"
    with pytest.raises(TransientError):
        await take(bench, "order", "o1", store_id="st-unknown")
    bench.clock.advance(timedelta(minutes=10).total_seconds())
    with pytest.raises(TransientError):
        await take(bench, "order", "o1")


async def test_one_session_tells_a_stores_webhooks_of_an_hour() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    for _ in range(2):
        await take(bench, "order", "o1")
        await bench.books.flush()

    bench.clock.advance(3700)
    await bench.books.flush()

    events = await bench.sessions()
    assert [event.type for event in events] == [
        "session.started",
        "session.progressed",
        "session.progressed",
        "session.finished",
    ]
    assert len({event.session_id for event in events}) == 1
    assert [event.part for event in events if event.type == "session.progressed"] == [1, 2]
    [session] = bench.memory.sessions.values()
    assert (session.counts.new, session.counts.existing) == (1, 1)
    assert session.window.start == START


async def test_the_next_hour_is_another_session() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    await take(bench, "order", "o1")
    await bench.books.flush()
    bench.clock.advance(3700)

    await take(bench, "order", "o1")
    await bench.books.close()

    finished = [event for event in await bench.sessions() if event.type == "session.finished"]
    assert len({event.session_id for event in finished}) == 2


async def test_notes_wait_while_postgres_is_away_and_are_told_once() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1")
    record = bench.webhook_books.record
    failures = [TransientError("away"), TransientError("away")]

    async def fail_first(*args: object, **kwargs: object) -> None:
        if failures:
            raise failures.pop()
        await record(*args, **kwargs)  # type: ignore[arg-type]

    bench.webhook_books.record = fail_first  # type: ignore[method-assign]
    await take(bench, "order", "o1")

    flushed = [await bench.books.flush() for _ in range(3)]

    assert flushed == [False, False, True]
    assert await outcomes(bench) == [("o1", "new")]
