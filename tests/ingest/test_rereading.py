"""An order that once could not be read is mended by reading it again."""

from __future__ import annotations

from datetime import timedelta

from services.ingest.rereading import Rereading
from tests.ingest.workbench import START, Workbench


def rereading(bench: Workbench) -> Rereading:
    connectors = {"twin": bench.platform}
    return Rereading(connectors, bench.tokens, bench.seen, bench.webhook_books, bench.publisher, bench.clock)


async def test_an_order_that_was_unreadable_is_published_when_it_is_read_again() -> None:
    bench = Workbench()
    store = await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    bench.platform.breaks("o1")
    await bench.poll()
    bench.platform.put("o1", at=START - timedelta(minutes=1))

    outcome = await rereading(bench).read(store, "o1")

    assert outcome is not None
    assert outcome.result == "new"
    assert [event.order.external_id for event in bench.told] == ["o1"]


async def test_an_order_that_is_known_is_not_published_again() -> None:
    bench = Workbench()
    store = await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(minutes=1))
    await bench.poll()

    outcome = await rereading(bench).read(store, "o1")

    assert outcome is not None
    assert outcome.result == "existing"
    assert len(bench.told) == 1


async def test_an_order_that_the_platform_does_not_have_has_no_outcome() -> None:
    bench = Workbench()
    store = await bench.add_store()

    assert await rereading(bench).read(store, "o9") is None


async def test_a_refused_token_is_renewed_for_it() -> None:
    bench = Workbench()
    store = await bench.add_store()
    bench.platform.put("o1")
    bench.platform.accepted = "another"

    outcome = await rereading(bench).read(store, "o1")

    assert outcome is not None
    assert bench.platform.renewals == 1
