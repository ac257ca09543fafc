"""Privacy requests on a real Kafka and Postgres: what a buyer told is gone, and judging goes on meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.address import Address
from schemas.ids import StoreId, order_key
from schemas.order import NameValue, Payload, RawOrder
from schemas.privacy import PrivacyRequested
from schemas.topics import ORDERS_PRODUCTION, ORDERS_RAW, PRIVACY_REQUESTS
from services.eligibility.adapters.privacy import PostgresPrivacyRequests
from services.eligibility.adapters.repository import PostgresRepository
from services.eligibility.app import MIGRATIONS
from services.kit.clock import ManualClock
from services.kit.kafka.publisher import Message
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.eligibility.privacy import Privacy, asked
from tests.eligibility.workbench import START, Bench
from tests.integration import test_eligibility_serving as serving_tests
from tests.integration.test_eligibility_serving import World, answer, decided, keys_on, serving
from tests.schemas.orders import order_item, raw_order

pytestmark = pytest.mark.integration

world = serving_tests.world
PATIENCE_SECONDS = 40.0
#: Words that stand nowhere else in this database; each is in another field of the order.
CANARIES = ("Quetzalina", "77 Canary", "canary@example", "5125550177", "buyer-7001", "canary-note", "canary-payload")
STORE_OF_THOUSANDS = 5_000


def canary(number: str, **changes: Any) -> RawOrder:
    values: dict[str, Any] = {
        "buyer_id": "buyer-7001",
        "email": "canary@example.com",
        "phone": "+15125550177",
        "note": "canary-note",
        "ship_to": Address(
            name="Quetzalina C", line1="77 Canary Way", city="Austin", region="TX", postal_code="73301", country="US"
        ),
        "items": (order_item(personalization=(NameValue(name="Text", value="canary-note"),)),),
        "payload": Payload(form="graphql", body='{"customer":"canary-payload"}'),
    }
    return raw_order(number=number, **(values | changes))


async def ask(world: World, request: PrivacyRequested) -> None:
    message = Message(world.topics.name(PRIVACY_REQUESTS), "st-1", request.model_dump_json().encode())
    await world.publisher.publish([message])


async def everything_kept(dsn: str) -> tuple[str, int]:
    """Return all rows of all tables as text, and how many sealed values there are."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = [row for each in tables for row in await connection.fetch('SELECT * FROM "{}"."{}"'.format(*each))]
        sealed = await connection.fetchval(
            "SELECT (SELECT count(*) FROM eligibility.personal_data)"
            " + (SELECT count(*) FROM eligibility.outbox WHERE sealed)"
        )
        return "\n".join(_text(value) for row in rows for value in row), int(sealed)
    finally:
        await connection.close()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.1)


async def test_after_a_request_nothing_of_the_buyer_is_kept_and_the_seller_sees_that(world: World) -> None:
    await world.open_for_business()
    held, made = canary("1", payment="pending"), canary("2")
    async with serving(world) as session:
        key = await world.key()
        money = {"amount": "10.00", "currency": "USD", "reference": "wire-1"}
        await answer(session, "POST", "/v1/balance/top-ups", key, json=money)
        await world.publish(held, made)
        await decided(world, 2)
        await until(lambda: _published(world))
        await ask(world, asked(event_id="data-1", kind="data"))
        await until(lambda: _count(world, session, key, 1))
        shown = await answer(session, "GET", "/v1/privacy-requests/data-1", key)
        assert [order["ship_to"]["name"] for order in shown["orders"]] == ["Quetzalina C"] * 2

        for _ in range(2):
            await ask(world, asked())
        await until(lambda: _is_erased(session, key))
        await world.publish(canary("1"), canary("3"))
        await decided(world, 4)

        [erasure, _] = (await answer(session, "GET", "/v1/privacy-requests", key))["items"]
        emptied = await answer(session, "GET", "/v1/privacy-requests/data-1", key)
        view = await answer(session, "GET", f"/v1/orders/{held.key}/decision", key)

    text, sealed = await everything_kept(world.settings.database_url)
    assert [planted for planted in CANARIES if planted in text] == []
    assert sealed == 0
    assert (erasure["orders_erased"], emptied["orders"]) == (2, [])
    assert (view["outcome"], [reason["code"] for reason in view["reasons"]]) == ("rejected", ["BUYER_DATA_ERASED"])
    assert await keys_on(world, ORDERS_PRODUCTION.name) == [made.key]


async def _published(world: World) -> bool:
    connection = await asyncpg.connect(world.settings.database_url)
    try:
        left = await connection.fetchval(
            "SELECT count(*) FROM eligibility.outbox o"
            " LEFT JOIN eligibility.relays r USING (shard) WHERE o.number > coalesce(r.published, 0)"
        )
    finally:
        await connection.close()
    return bool(left == 0)


async def _count(world: World, session: Any, key: dict[str, str], wanted: int) -> bool:
    del world
    return len((await answer(session, "GET", "/v1/privacy-requests", key))["items"]) >= wanted


async def _is_erased(session: Any, key: dict[str, str]) -> bool:
    items = (await answer(session, "GET", "/v1/privacy-requests?state=erased", key))["items"]
    return len(items) == 1


async def test_an_unreadable_request_becomes_a_dead_letter_and_the_next_one_is_acted_upon(world: World) -> None:
    await world.open_for_business()
    bad = b'{"type":"privacy.requested","event_id":"x","buyer_ids":{"name":"Quetzalina"}}'
    async with serving(world) as session:
        key = await world.key()
        await world.publisher.publish([Message(world.topics.name(PRIVACY_REQUESTS), "st-1", bad)])
        await ask(world, asked())
        await until(lambda: _is_erased(session, key))
        letters = await serving_tests.until(world, f"{PRIVACY_REQUESTS.name}.dlq", lambda found: len(found) >= 1, bytes)

    assert letters == [bad]


async def test_an_order_that_is_replayed_after_its_erasure_stays_erased(world: World) -> None:
    await world.open_for_business()
    order = canary("1", payment="pending")
    async with serving(world) as session:
        key = await world.key()
        await world.publish(order)
        await decided(world, 1)
        await ask(world, asked(buyer_ids=(), order_keys=(order.key,)))
        await until(lambda: _is_erased(session, key))
    async with serving(world):
        # What a replay of the topic, or a poll that overlaps the one before, brings once more, and newer besides.
        await world.publish(order, order, canary("1", buyer_id=None, revised_at=START))
        decisions = await decided(world, 3)

    text, sealed = await everything_kept(world.settings.database_url)
    assert [planted for planted in CANARIES if planted in text] == []
    assert sealed == 0
    assert decisions[-1].outcome == "rejected"
    assert await keys_on(world, ORDERS_PRODUCTION.name) == []
    assert ORDERS_RAW.retention is not None


@pytest.fixture
async def bench(fresh_database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    await migrate(fresh_database, schema=MIGRATIONS[0], directory=MIGRATIONS[1])
    pool = await create_pool(fresh_database, schema=MIGRATIONS[0])
    bench = Bench(tmp_path, PostgresRepository(pool, clock=ManualClock(START), wake_workers=lambda _: None))
    await bench.open_for_business()
    bench.privacy = Privacy(bench, PostgresPrivacyRequests(pool))  # type: ignore[attr-defined] # for these tests only
    yield bench
    await pool.close()


async def test_a_store_of_5000_orders_is_erased_while_another_store_is_judged(bench: Bench) -> None:
    privacy: Privacy = bench.privacy  # type: ignore[attr-defined] # as above
    orders = [canary(str(n), payment="pending") for n in range(STORE_OF_THOUSANDS)]
    for start in range(0, STORE_OF_THOUSANDS, 500):
        await bench.arrive(*orders[start : start + 500], shard=start // 500 % 4)
    erasing = asyncio.create_task(privacy.take(asked(kind="erase_store", buyer_ids=())))

    started, slowest, batches = time.perf_counter(), 0.0, 0
    while not erasing.done():
        before = time.perf_counter()
        await bench.arrive(*(_elsewhere(f"{batches}-{n}") for n in range(20)), shard=batches % 4)
        slowest, batches = max(slowest, time.perf_counter() - before), batches + 1
        await asyncio.sleep(0)
    await erasing
    seconds = time.perf_counter() - started

    print(f"erased {STORE_OF_THOUSANDS} in {seconds:.1f} s beside {batches} batches, slowest {slowest:.2f} s")  # noqa: T201
    assert await privacy.counted() == ("erased", STORE_OF_THOUSANDS)
    assert batches >= 10
    # Nobody waits for the whole erasure, only for the chunk of the moment.
    assert slowest < seconds / 3
    assert seconds < PATIENCE_SECONDS


def _elsewhere(number: str) -> RawOrder:
    key = order_key("shopify", "st-2", number)
    return raw_order(number=number, key=key, store_id=StoreId("st-2"), payment="pending")
