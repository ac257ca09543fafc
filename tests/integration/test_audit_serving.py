"""`/v1/audits` of a whole ingest process, on a real Kafka and Postgres, with a platform and a report in memory."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.audits import AUDIT_EVENT, AuditEvent, AuditRequested, OrdersListed
from schemas.ids import SellerId, StoreId
from schemas.sessions import Window as Span
from schemas.topics import SYNC_AUDITS, SYNC_REQUESTS
from services.ingest.settings import IngestSettings
from services.kit.clock import SystemClock
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.metrics import Metrics
from services.reporting.comparer import Comparer
from services.reporting.comparing import HeldCount, HeldOrder
from tests.ingest.processes import PARTITIONS, Ingest, ingest, seller_key, twin, until
from tests.ingest.twin_platform import TwinConnector

pytestmark = pytest.mark.integration

#: Midnight of 7 March in New York.
FIRST = datetime(2026, 3, 7, 5, tzinfo=UTC)
BODY: dict[str, Any] = {"period": {"from": "2026-03-07", "to": "2026-03-08"}, "zone": "Eastern"}


@dataclass
class Reported:
    """What the report has: all orders that the platform has, but for some that it lacks when it is asked first."""

    platform: TwinConnector
    lacking: frozenset[str] = frozenset()

    async def beside(self, listed: OrdersListed) -> Mapping[str, HeldOrder]:
        """Of all orders of the store."""
        lacking = self.lacking if listed.round == 1 else frozenset()
        return {
            order.external_id: HeldOrder(order.external_id, order.changed_at, order.placed_at)
            for order in self.platform.orders.values()
            if order.external_id not in lacking
        }

    async def held_in(self, seller_id: str, store_id: str, span: Span) -> HeldCount:
        """Of all orders of the store, whatever the seller."""
        del seller_id, store_id
        changed = [at for order in self.platform.orders.values() if span.start <= (at := order.changed_at) < span.end]
        placed = sum(span.start <= order.placed_at < span.end for order in self.platform.orders.values())
        return HeldCount(len(changed), placed, max(changed, default=None))


@asynccontextmanager
async def comparing(kafka: str, reported: Reported) -> AsyncIterator[KafkaPublisher]:
    """The report's comparer at work; gives its publisher."""
    clock, metrics, name = SystemClock(), Metrics(), f"report-{secrets.token_hex(4)}"
    publisher = KafkaPublisher(kafka, name, metrics=metrics)
    subscriber = KafkaSubscriber(
        kafka, name, clock=clock, metrics=metrics, dead_letters=DeadLetters(publisher, clock=clock)
    )
    subscriber.add(Comparer(reported, publisher, clock=clock).subscription())
    await subscriber.start()
    try:
        yield publisher
    finally:
        await subscriber.stop()
        await publisher.stop()


async def ended(process: Ingest, audit_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def has_ended() -> bool:
        nonlocal shown
        status, shown = await process.call("GET", f"/v1/audits/{audit_id}")
        return status == 200 and shown["finished_at"] is not None

    await until(has_ended)
    return shown


async def audits_told(kafka: str, store_id: str) -> list[AuditEvent]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(SYNC_AUDITS.name, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        found = []
        for partition, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                    found += [AUDIT_EVENT.validate_json(record.value) for record in records]
    finally:
        await consumer.stop()
    return [event for event in found if event.store_id == store_id]


async def test_a_period_is_compared_and_what_the_polls_missed_is_fetched_until_it_agrees(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1", import_since=FIRST.isoformat())
        for number in range(11):
            process.platform.put(f"o{number}", placed=FIRST + timedelta(hours=number))
        process.platform.put("the day after", placed=FIRST + timedelta(hours=47))

        async def is_polled() -> bool:
            return (await process.call("GET", f"/v1/stores/{store_id}"))[1]["read_through"] is not None

        await until(is_polled)
        # Polls look back for two seconds only.
        process.platform.put("missed", placed=FIRST, at=datetime.now(UTC) - timedelta(minutes=1))
        body, key = {**BODY, "stores": [store_id]}, {"Idempotency-Key": "once"}
        async with comparing(kafka_bootstrap, Reported(process.platform, frozenset({"missed"}))):
            status, page = await process.call("POST", "/v1/audits", json=body, headers=key)
            again, same = await process.call("POST", "/v1/audits", json=body, headers=key)
            [asked] = page["items"]
            audit = await ended(process, asked["audit_id"])
        _, listed = await process.call("GET", f"/v1/audits?store_id={store_id}")

        assert (status, again, same) == (202, 202, page)
        assert (asked["state"], asked["zone"], asked["by"]) == ("queued", "America/New_York", "created")
        # 23 hours of the second day: clocks were put forward.
        assert asked["window"] == {"start": "2026-03-07T05:00:00Z", "end": "2026-03-09T04:00:00Z"}
        assert (audit["state"], audit["listed"], audit["held"], audit["missing"]) == ("agreed", 12, 11, 1)
        [difference] = audit["differences"]
        assert (difference["external_id"], difference["finding"], difference["settled"]) == ("missed", "missing", True)
        assert [one["audit_id"] for one in listed["items"]] == [audit["audit_id"]]

        async def is_told() -> bool:
            told = [event for event in await audits_told(kafka_bootstrap, store_id) if event.audit_id in audit.values()]
            return bool(told) and (told[0].type, told[-1].type) == ("audit.started", "audit.finished")

        await until(is_told)


async def test_an_audit_that_was_asked_for_on_the_page_is_run(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1")
        now = datetime.now(UTC)
        wanted = AuditRequested(
            event_id=secrets.token_hex(8),
            occurred_at=now,
            seller_id=SellerId("seller-1"),
            audit_id=secrets.token_hex(8),
            store_id=StoreId(store_id),
            by="updated",
            window=Span(start=now - timedelta(hours=1), end=now),
            asked_by="user-1",
        )
        async with comparing(kafka_bootstrap, Reported(process.platform)) as publisher:
            await publisher.publish([Message(SYNC_REQUESTS.name, store_id, wanted.to_bytes())])

            audit = await ended(process, wanted.audit_id)

        assert (audit["state"], audit["started_by"], audit["listed"]) == ("agreed", "user-1", 0)


async def test_what_cannot_be_audited_is_refused_with_what_to_do(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id, other = await process.link("shop-1"), await process.link("shop-2")
        await process.call("DELETE", f"/v1/stores/{other}")
        stranger = {"Authorization": f"Bearer {await seller_key(fresh_database, 'seller-2')}"}
        own = {"stores": [store_id]}

        async def code(change: dict[str, Any], **request: Any) -> tuple[int, str]:
            status, problem = await process.call("POST", "/v1/audits", json={**BODY, **change}, **request)
            return status, problem["code"]

        assert await code({**own, "zone": "Mars/Olympus"}) == (422, "unknown_zone")
        assert await code({**own, "period": {"from": "2026-03-09", "to": "2026-03-08"}}) == (422, "period_reversed")
        assert await code({**own, "platform": "twin"}) == (422, "invalid_request")
        assert await code({"platform": "nowhere"}) == (404, "platform_not_found")
        assert await code({"stores": [other]}) == (409, "store_not_linked")
        assert await code(own, headers=stranger) == (404, "store_not_found")
        for _ in range(10):
            await process.call("POST", "/v1/audits", json={**BODY, **own})
        assert await code(own) == (409, "too_many_audits")
        _, page = await process.call("GET", "/v1/audits?limit=3")
        assert len(page["items"]) == 3
        path = f"/v1/audits/{page['items'][0]['audit_id']}"
        status, problem = await process.call("GET", path, headers=stranger)
        assert (status, problem["code"]) == (404, "audit_not_found")


def test_audits_are_on_unless_switched_off() -> None:
    assert IngestSettings.model_fields["audits"].default is True
