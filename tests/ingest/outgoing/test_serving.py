"""A decision on a real Kafka reaches a seller's own system from a whole ingest process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.topics import ORDERS_DECISIONS
from services.kit.kafka.publisher import KafkaPublisher, Message
from tests.ingest.outgoing.facts import decided
from tests.ingest.processes import ingest, twin, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@dataclass
class Heard:
    """What a seller's system got."""

    orders: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        told = orjson.loads(await request.read())
        self.orders.append(told["data"]["external_id"])
        return web.Response(status=204)


async def test_a_decision_reaches_the_sellers_own_system(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    heard, store = Heard(), f"st-{secrets.token_hex(4)}"
    application = web.Application()
    application.router.add_post("/hook", heard.take)
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process, TestServer(application) as seller:
        _, endpoint = await process.call(
            "POST", "/v1/webhook-endpoints", json={"url": str(seller.make_url("/hook")), "types": ["order.held"]}
        )
        fact = decided(
            event_id=secrets.token_hex(8),
            occurred_at=datetime.now(UTC) + timedelta(seconds=1),
            order_key=f"direct:{store}:W-7",
            store_id=store,
            external_id="W-7",
        )
        publisher = KafkaPublisher(kafka_bootstrap, "test")
        await publisher.publish([Message(ORDERS_DECISIONS.name, fact.order_key, fact.to_bytes())])
        await publisher.stop()

        log = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}/deliveries"

        async def has_ended() -> bool:
            # The seller's system hears of it a moment before we know that it did.
            _, page = await process.call("GET", log)
            return bool(page["items"]) and all(each["state"] != "waiting" for each in page["items"])

        await until(has_ended)
        _, page = await process.call("GET", log)

    assert heard.orders == ["W-7"]
    assert [(each["type"], each["state"]) for each in page["items"]] == [("order.held", "delivered")]
