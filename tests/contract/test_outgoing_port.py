"""What the port of outgoing webhooks promises, over Postgres and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from schemas.topics import WEBHOOK_ENDPOINTS
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.ingest.adapters.memory.outgoing import MemoryOutgoing
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.outgoing import PostgresOutgoing
from services.ingest.outgoing.endpoints import Attempt, Delivery, Endpoint, Outgoing
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import create_pool
from tests.ingest.outgoing.facts import NOW

UNTIL = NOW + timedelta(minutes=1)
FIRST = Endpoint("e-1", "seller-1", "https://shop.example.com/a", ("order.held",), NOW, b"sealed")
SECOND = replace(FIRST, endpoint_id="e-2", created_at=NOW + timedelta(seconds=1))
OTHERS = replace(FIRST, endpoint_id="e-3", seller_id="seller-2")


def delivery(number: int, *, endpoint: str = "e-1", after: float = 0) -> Delivery:
    at = NOW + timedelta(seconds=after)
    return Delivery(f"msg_{number}", endpoint, "order.held", "{}", at, at)


@dataclass
class Ports:
    outgoing: Outgoing
    told: Callable[[], Awaitable[list[Message]]]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = MemoryOutgoing()

        async def in_memory() -> list[Message]:
            return memory.outbox

        yield Ports(memory, in_memory)
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    heard: list[Message] = []

    async def relayed() -> list[Message]:
        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await PostgresOutbox(pool).relay(hear, limit=100)
        return heard

    yield Ports(PostgresOutgoing(pool), relayed)
    await pool.close()


@pytest.fixture
async def outgoing(ports: Ports) -> Outgoing:
    for endpoint in (SECOND, FIRST, OTHERS):
        await ports.outgoing.add(endpoint)
    return ports.outgoing


async def test_the_report_hears_of_addresses_that_are_disabled_and_what_becomes_of_them(
    ports: Ports, outgoing: Outgoing
) -> None:
    await outgoing.change("e-1", lambda held: replace(held, url="https://other.example.com/?key=s3"), now=NOW)
    await outgoing.remove("e-3", now=NOW)
    for endpoint_id in ("e-1", "e-2"):
        await outgoing.change(endpoint_id, lambda held: held.heard(Attempt(410), now=NOW), now=NOW)
    await outgoing.change("e-1", lambda held: held.enabled(), now=UNTIL)
    await outgoing.remove("e-2", now=UNTIL)

    messages = await ports.told()
    told = [WebhookEndpointRecord.model_validate_json(message.value) for message in messages]
    assert {(message.topic, message.key) for message in messages} == {
        (WEBHOOK_ENDPOINTS.name, "e-1"),
        (WEBHOOK_ENDPOINTS.name, "e-2"),
    }
    assert [(one.endpoint_id, one.host, one.state, one.changed_at) for one in told] == [
        ("e-1", "other.example.com", "disabled", NOW),
        ("e-2", "shop.example.com", "disabled", NOW),
        ("e-1", "other.example.com", "enabled", UNTIL),
        ("e-2", "shop.example.com", "removed", UNTIL),
    ]
    assert [one.problem for one in told[:3]] == ["It answered 410: it is gone."] * 2 + [None]
    assert not any(b"s3" in message.value for message in messages)


async def test_endpoints_are_kept_changed_and_removed_with_their_deliveries(outgoing: Outgoing) -> None:
    failing = Attempt(500, "It answered 500.")
    changed = await outgoing.change("e-1", lambda held: held.heard(failing, now=UNTIL), now=UNTIL)
    await outgoing.put([delivery(1), delivery(2, endpoint="e-2")])

    assert changed == replace(FIRST, failing_since=UNTIL)
    assert await outgoing.is_wanted()
    assert await outgoing.get("e-1") == changed
    assert await outgoing.of_sellers({"seller-1"}) == [changed, SECOND]
    await outgoing.remove("e-1", now=UNTIL)
    assert (await outgoing.get("e-1"), await outgoing.find("msg_1")) == (None, None)
    assert await outgoing.change("e-1", lambda held: held, now=UNTIL) is None
    assert await outgoing.find("msg_2") == delivery(2, endpoint="e-2")
    for endpoint_id in ("e-2", "e-3"):
        await outgoing.change(endpoint_id, lambda held: held.heard(Attempt(410), now=NOW), now=NOW)
    assert not await outgoing.is_wanted()


async def test_a_delivery_is_kept_once_and_not_for_an_endpoint_that_is_gone(outgoing: Outgoing) -> None:
    first = delivery(1)
    await outgoing.put([first])
    ended = first.after(Attempt(200), now=UNTIL)
    await outgoing.keep(ended)
    await outgoing.put([first, delivery(9, endpoint="e-9")])
    await outgoing.put([])

    assert await outgoing.find("msg_1") == ended
    assert await outgoing.find("msg_9") is None


async def test_what_is_due_is_taken_by_one_a_few_of_an_endpoint_and_again_when_nobody_kept_it(
    outgoing: Outgoing,
) -> None:
    await outgoing.put([delivery(number, after=-number) for number in range(6)])
    await outgoing.put([delivery(7, endpoint="e-2"), delivery(8, endpoint="e-3"), delivery(9, after=30)])
    await outgoing.change("e-3", lambda held: held.heard(Attempt(410), now=NOW), now=NOW)

    takes = await asyncio.gather(*(outgoing.due(now=NOW, until=UNTIL, each=2, limit=9) for _ in range(2)))
    rest = await outgoing.due(now=NOW, until=UNTIL, each=9, limit=9)
    abandoned = await outgoing.due(now=UNTIL, until=UNTIL + timedelta(minutes=1), each=9, limit=9)

    taken = [each.delivery_id for each in (*takes[0], *takes[1], *rest)]
    assert sorted(taken) == [*(f"msg_{number}" for number in range(6)), "msg_7"]
    assert all(sum(each.endpoint_id == "e-1" for each in take) <= 2 for take in takes)
    assert all(each.due_at == UNTIL for each in takes[0])
    assert sorted(each.delivery_id for each in abandoned) == [*sorted(taken), "msg_9"]


async def test_the_log_goes_back_in_time_without_a_gap_and_old_ends_are_forgotten(outgoing: Outgoing) -> None:
    await outgoing.put([delivery(number) for number in range(4)])
    await outgoing.put([delivery(5, after=-10)])

    first = await outgoing.log("e-1", before=None, limit=2)
    last = first[-1]
    rest = await outgoing.log("e-1", before=(last.created_at, last.delivery_id), limit=9)
    await outgoing.keep(rest[-1].after(Attempt(200), now=NOW))
    await outgoing.forget(before=NOW)

    assert [each.delivery_id for each in (*first, *rest)] == ["msg_3", "msg_2", "msg_1", "msg_0", "msg_5"]
    assert await outgoing.find("msg_5") is None
    assert await outgoing.find("msg_0") is not None
