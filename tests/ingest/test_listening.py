"""A queue's messages leave it when the orders they name are in Kafka, and not before."""

from __future__ import annotations

import pytest

from services.ingest.contract.reading import Unreadable
from services.ingest.contract.webhooks import Hint, MisreadHint
from services.ingest.webhooks.listening import Listening
from services.kit.errors import TransientError
from services.kit.kafka.dead_letters import DETAIL
from tests.ingest.workbench import STORE, Workbench

SHOP = f"shop-of-{STORE}"


MISREAD = MisreadHint(Unreadable(None, "Payload", "Field required", "{}"), "receipt-1")


class Queue:
    """A queue in memory."""

    def __init__(self, *news: Hint | MisreadHint) -> None:
        self.news = news
        self.gone: list[str] = []

    async def receive(self) -> tuple[Hint | MisreadHint, ...]:
        return self.news

    async def done(self, receipts: tuple[str, ...]) -> None:
        self.gone += receipts

    async def close(self) -> None:
        """Nothing is held."""


def listening(bench: Workbench, queue: Queue) -> Listening:
    return Listening({"twin": queue}, bench.webhooks, clock=bench.clock, metrics=bench.metrics)


async def test_a_named_order_is_read_and_then_done() -> None:
    bench, queue = Workbench(), Queue(Hint(SHOP, "o1", "receipt-1"))
    await bench.add_store()
    bench.platform.put("o1")

    await listening(bench, queue).once("twin")

    assert [event.order.external_id for event in bench.told] == ["o1"]
    assert queue.gone == ["receipt-1"]


async def test_while_kafka_is_away_the_message_stays() -> None:
    bench, queue = Workbench(), Queue(Hint(SHOP, "o1", "receipt-1"))
    await bench.add_store()
    bench.platform.put("o1")
    bench.publisher.fail_with(TransientError("Kafka is away"))

    await listening(bench, queue).once("twin")

    assert queue.gone == []


async def test_one_order_that_cannot_be_read_now_does_not_stop_the_others() -> None:
    bench, queue = Workbench(), Queue(Hint(SHOP, "o1", "receipt-1"), Hint(SHOP, "o2", "receipt-2"))
    await bench.add_store()
    bench.platform.put("o2")
    bench.platform.faults["read_order"] = [TransientError("throttled")]

    await listening(bench, queue).once("twin")

    assert queue.gone == ["receipt-2"]


async def test_orders_of_stores_that_are_not_here_or_do_not_sync_are_done() -> None:
    bench, queue = Workbench(), Queue(Hint("another", "o1", "receipt-1"), Hint(SHOP, "o1", "receipt-2"))
    await bench.add_store(auto_sync=False)
    bench.platform.put("o1")

    await listening(bench, queue).once("twin")

    assert queue.gone == ["receipt-1", "receipt-2"]
    assert bench.told == []


async def test_a_message_that_names_no_order_is_a_dead_letter() -> None:
    bench, queue = Workbench(), Queue(MISREAD)

    await listening(bench, queue).once("twin")

    [letter] = bench.dead_letters
    assert letter[DETAIL] == b"Payload: Field required"
    assert queue.gone == ["receipt-1"]


async def test_such_a_message_stays_until_it_is_kept() -> None:
    bench, queue = Workbench(), Queue(MISREAD)
    bench.publisher.fail_with(TransientError("Kafka is away"))

    with pytest.raises(TransientError):
        await listening(bench, queue).once("twin")

    assert queue.gone == []
