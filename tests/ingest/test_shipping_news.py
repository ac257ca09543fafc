"""What production tells of parcels becomes pushes, whatever comes twice, late, or about somebody else's order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.ids import OrderKey, SellerId, order_key
from schemas.production import ProductionUpdate, UpdateAccepted
from services.ingest.ports import Seen
from services.kit.errors import TransientError, UnreadableMessage
from tests.ingest.pushing import (
    NUMBER,
    PushBench,
    delivered,
    record,
    replaced,
    scanned,
    shipped,
    voided,
)
from tests.ingest.workbench import SELLER, START, STORE

KEY = order_key("twin", STORE, "o1")


async def test_a_shipment_becomes_a_push_with_its_carrier_and_the_orders_deadline() -> None:
    bench = await PushBench().linked()
    bench.memory.keep_seen({KEY: Seen(START, "e-1", ship_by=START + timedelta(days=2))})

    await bench.hear(shipped(lines={"line-1": 2, "line-2": 1}))

    push = await bench.push()
    assert (push.state, push.number, push.carrier, push.due_at) == ("queued", 1, "usps", START)
    assert (push.order.ship_by, dict(push.lines)) == (START + timedelta(days=2), {"line-1": 2, "line-2": 1})
    assert NUMBER in push.tracking_url


async def test_a_later_revision_that_does_not_tell_the_deadline_keeps_it() -> None:
    bench = await PushBench().linked()
    bench.memory.keep_seen({KEY: Seen(START, "e-1", ship_by=START + timedelta(days=2))})

    bench.memory.keep_seen({KEY: Seen(START + timedelta(hours=1), "e-2")})

    assert bench.memory.seen[KEY].ship_by == START + timedelta(days=2)


async def test_parcels_of_an_order_are_counted_from_one_and_never_again() -> None:
    bench = await PushBench().linked()

    await bench.hear(
        shipped(), shipped(shipment_id="s2", tracking="1Z1"), shipped(), replaced(shipment_id="s2", by="s3")
    )
    await bench.hear(shipped(shipment_id="s4", tracking="1Z4"))

    numbers = [(push.shipment_id, push.number) for push in (await bench.pushes.of_order(OrderKey(KEY))).values()]
    assert sorted(numbers) == [("s1", 1), ("s2", 2), ("s3", 3), ("s4", 4)]


@pytest.mark.parametrize("update", [scanned(), delivered()])
async def test_a_parcel_that_arrived_was_scanned(update: ProductionUpdate) -> None:
    bench = await PushBench().linked()

    await bench.hear(shipped(), update)

    assert (await bench.push()).scanned_at == START


@pytest.mark.parametrize("update", [scanned(), delivered(), voided()])
async def test_news_of_a_parcel_that_was_never_told_changes_nothing(update: ProductionUpdate) -> None:
    bench = await PushBench().linked()

    await bench.hear(update)

    assert (await bench.pushes.of_order(OrderKey(KEY)), bench.events()) == ({}, [])


async def test_a_label_that_is_replaced_twice_leads_to_the_last() -> None:
    bench = await PushBench().linked()
    await bench.ship()
    await bench.work()

    await bench.hear(replaced(shipment_id="s1"), replaced(shipment_id="s1"))
    await bench.hear(replaced(shipment_id="s2", by="s3", tracking="1Z3"))
    await bench.work()

    assert [one.tracking_number for one in bench.writer.orders["o1"].parcels] == ["1Z3"]
    assert bench.writer.writes[-1].replaces == NUMBER


async def test_other_answers_of_production_and_other_sellers_orders_are_passed_over() -> None:
    bench = await PushBench().linked()
    other = shipped().model_copy(update={"seller_id": SellerId("seller-2")})
    nobody = shipped().model_copy(update={"order_key": order_key("twin", "unknown", "o1")})
    accepted = UpdateAccepted(event_id="e-1", occurred_at=START, seller_id=SELLER, order_key=KEY)

    await bench.hear(other, nobody, accepted)

    assert bench.pushes.orders == {}


@pytest.mark.parametrize(
    ("value", "path"), [(b"{", "message"), (b'{"type": "production.shipped"}', "production.shipped.event_id")]
)
async def test_what_says_nothing_is_unreadable(value: bytes, path: str) -> None:
    bench = await PushBench().linked()

    with pytest.raises(UnreadableMessage) as unreadable:
        await bench.news.handle([replace(record(shipped()), value=value)])

    assert unreadable.value.path == path


async def test_an_order_key_that_is_none_is_unreadable() -> None:
    bench = await PushBench().linked()

    with pytest.raises(UnreadableMessage):
        await bench.hear(shipped().model_copy(update={"order_key": OrderKey("o1")}))


async def test_postgres_away_is_heard_by_whoever_reads() -> None:
    bench = await PushBench().linked()

    async def gone(_: str) -> None:
        raise TransientError("away")

    bench.stores.get = gone  # type: ignore[method-assign, assignment]

    with pytest.raises(TransientError):
        await bench.hear(shipped())
