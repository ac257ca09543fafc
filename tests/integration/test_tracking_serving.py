"""Two ingest processes on a real Kafka and Postgres tell one platform of parcels, each once."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.ids import SellerId, StoreId, order_key
from schemas.topics import PRODUCTION_UPDATES, TRACKING_PUSHES
from schemas.tracking import TrackingPushed
from services.kit.clock import SystemClock
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.metrics import Metrics
from tests.ingest.processes import PARTITIONS, ingest, twin, until
from tests.ingest.pushing import Told, TwinWriter, away, shipped

pytestmark = pytest.mark.integration

ORDERS = [f"o{number}" for number in range(30)]


async def test_two_processes_tell_of_each_parcel_once_though_answers_get_lost(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    platform, writer = twin(), TwinWriter(SystemClock(), cuts=[away(), away(), away()])
    platform.parcels = writer
    writer.orders = {number: Told() for number in ORDERS}
    async with (
        ingest(kafka_bootstrap, fresh_database, tmp_path, platform) as first,
        ingest(kafka_bootstrap, fresh_database, tmp_path, platform) as second,
    ):
        store_id = await first.link(secrets.token_hex(4))

        # Production says everything twice.
        await publish(kafka_bootstrap, [news(store_id, number) for number in ORDERS] * 2)

        async def all_verified() -> bool:
            _, page = await second.call("GET", f"/v1/tracking?state=verified&store_id={store_id}&limit=200")
            return len(page["items"]) == len(ORDERS)

        await until(all_verified, within=60)
        told = await events(kafka_bootstrap, store_id)

    assert {number: (order.mails, len(order.parcels)) for number, order in writer.orders.items()} == dict.fromkeys(
        ORDERS, (1, 1)
    )
    assert len(writer.writes) == len(ORDERS)
    assert Counter(event.step for event in told)[1] == len(ORDERS)
    assert {event.order_key for event in told} == {order_key("twin", store_id, number) for number in ORDERS}
    assert not {event.state for event in told} - {"queued", "sent", "accepted", "verified"}


def news(store_id: str, number: str) -> Message:
    """Production's word that an order's parcel left."""
    key = order_key("twin", StoreId(store_id), number)
    update = shipped(number, shipment_id=number).model_copy(
        update={"order_key": key, "seller_id": SellerId("seller-1"), "event_id": f"{key}-shipped"}
    )
    return Message(PRODUCTION_UPDATES.name, key, update.to_bytes())


async def publish(kafka: str, messages: list[Message]) -> None:
    """Have Kafka acknowledge these."""
    publisher = KafkaPublisher(kafka, "production", metrics=Metrics())
    await publisher.start()
    await publisher.publish(messages)
    await publisher.stop()


async def events(kafka: str, store_id: str) -> list[TrackingPushed]:
    """What `tracking.pushes` holds of one store by now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=secrets.token_hex(4), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(TRACKING_PUSHES.name, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        found = []
        for partition, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                    found += [TrackingPushed.model_validate_json(record.value) for record in records]
    finally:
        await consumer.stop()
    return [event for event in found if event.store_id == store_id]
