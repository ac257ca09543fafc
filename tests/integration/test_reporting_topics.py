"""The report on a real Kafka and Postgres: killed in the middle, rebuilt, told live, and always the same."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import aiohttp
import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted, ListedOrder, OrdersCompared, OrdersListed
from schemas.base import Event
from schemas.sessions import SessionFinished, SessionProgressed, SessionStarted
from schemas.stores import Capability, StoreRecord
from schemas.tracking import TrackingPushed
from services.kit.clock import SystemClock
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.kafka.topics import ensure_topics
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA, ALL_SCOPES, create_key, revoke_key
from services.kit.metrics import Metrics
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, SCHEMA, PostgresProjections
from services.reporting.app import serve
from services.reporting.facts import Fact, Reader
from services.reporting.projector import Projector
from services.reporting.rebuild import rebuild
from services.reporting.settings import ReportingSettings
from tests.reporting.facts import (
    SELLER,
    STORE,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    differing,
    finished,
    key,
    located,
    not_matched,
    outcome,
    progressed,
    started,
    store,
    update,
)
from tests.reporting.tables import dump

pytestmark = pytest.mark.integration

T = TypeVar("T")

ORDERS = 120


@dataclass
class Place:
    """A Kafka with topics of its own and an empty database."""

    bootstrap: str
    dsn: str
    prefix: str
    publisher: KafkaPublisher

    async def publish(self, facts: Iterable[Fact]) -> None:
        await self.publisher.publish([_message(fact, prefix=self.prefix) for fact in facts])

    def settings(self, directory: Path) -> ReportingSettings:
        return ReportingSettings(
            kafka_bootstrap_servers=self.bootstrap,
            database_url=self.dsn,
            master_key_file=directory / "master.key",
            reporting_port=0,
            topic_partitions=4,
        )


@pytest.fixture
async def place(kafka_bootstrap: str, fresh_database: str) -> AsyncIterator[Place]:
    prefix = f"t{secrets.token_hex(4)}."
    await ensure_topics(kafka_bootstrap, Reader(prefix=prefix).topics, partitions=4)
    await migrate(fresh_database, schema=SCHEMA, directory=MIGRATIONS_DIRECTORY)
    publisher = KafkaPublisher(kafka_bootstrap, "test")
    await publisher.start()
    yield Place(kafka_bootstrap, fresh_database, prefix, publisher)
    await publisher.stop()


async def test_a_projector_killed_in_the_middle_leaves_the_same_report(place: Place) -> None:
    await place.publish(_story())
    expected = await _expected(place.dsn)
    enough = len(expected["timeline"])

    for share in (0.2, 0.6):
        async with _projecting(place):
            await _until_rows(place.dsn, int(share * enough))
    async with _projecting(place):
        await _until(lambda: dump(place.dsn), lambda found: found == expected)


async def test_a_rebuilt_report_is_equal_and_stays_readable(place: Place, tmp_path: Path) -> None:
    await place.publish(_story())
    expected = await _expected(place.dsn)
    async with _running(place, tmp_path) as (client, _):
        await _until(lambda: dump(place.dsn), lambda found: found == expected)
        reading = asyncio.create_task(_read_for_ever(client))

        await rebuild(place.settings(tmp_path), topic_prefix=place.prefix)

        assert await dump(place.dsn) == expected
        await place.publish([decided(key(ORDERS + 1))])
        await _until(lambda: _imported(client), lambda imported: imported == ORDERS + 1)
        assert not reading.done()
        reading.cancel()


async def test_a_rebuild_mends_tables_that_were_spoilt(place: Place, tmp_path: Path) -> None:
    await place.publish(_story())
    expected = await _expected(place.dsn)
    async with _projecting(place):
        await _until(lambda: dump(place.dsn), lambda found: found == expected)
    await _execute(place.dsn, "UPDATE reporting.orders SET display_name = 'spoilt'; DELETE FROM reporting.timeline")

    await rebuild(place.settings(tmp_path), topic_prefix=place.prefix)

    assert await dump(place.dsn) == expected


async def test_a_rebuild_passes_over_what_a_transaction_left_open_or_took_back(place: Place, tmp_path: Path) -> None:
    topic = f"{place.prefix}orders.decisions"
    kept, taken_back, unfinished = decided(key(1)), decided(key(2)), decided(key(3))
    async with _transacting(place) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, kept.to_bytes(), key=key(1).encode(), partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, taken_back.to_bytes(), key=key(2).encode(), partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(topic, unfinished.to_bytes(), key=key(3).encode(), partition=1)

        await asyncio.wait_for(rebuild(place.settings(tmp_path), topic_prefix=place.prefix), 30)

        orders = [row.split(",")[0] for row in (await dump(place.dsn))["orders"]]
        assert orders == [f"({key(1)}"]
        await producer.abort_transaction()


async def test_connections_that_are_cut_are_opened_again_and_nothing_is_lost(place: Place, tmp_path: Path) -> None:
    expected = await _expected(place.dsn)
    async with _running(place, tmp_path) as (client, _):
        telling = asyncio.create_task(place.publish(_story()))
        for _ in range(5):
            await _execute(place.dsn, _CUT)
            await asyncio.sleep(0.1)
        await telling

        await _until(lambda: dump(place.dsn), lambda found: found == expected)

        assert await _imported(client) == ORDERS


async def test_an_unreadable_record_becomes_a_dead_letter_and_the_rest_goes_on(place: Place, tmp_path: Path) -> None:
    await place.publisher.publish([Message(f"{place.prefix}orders.decisions", key(1), b'{"type": "order.decided"}')])
    await place.publish([decided(key(1)), decided(key(2))])

    async with _running(place, tmp_path) as (client, _):
        await _until(lambda: _imported(client), lambda imported: imported == 2)
        await rebuild(place.settings(tmp_path), topic_prefix=place.prefix)

        assert await _imported(client) == 2


async def test_a_platforms_list_is_compared_with_what_the_report_holds(place: Place, tmp_path: Path) -> None:
    listed = OrdersListed(
        event_id="listed-1",
        occurred_at=at(60),
        seller_id=SELLER,
        audit_id="audit-1",
        store_id=STORE,
        platform="etsy",
        round=1,
        part=1,
        by="updated",
        orders=(ListedOrder(external_id="1001", at=at(0)), ListedOrder(external_id="1002", at=at(0))),
    )
    async with _running(place, tmp_path) as (client, _):
        await place.publish([decided(key(1))])
        await _until(lambda: _imported(client), lambda imported: imported == 1)

        await place.publisher.publish([Message(f"{place.prefix}sync.listings", STORE, listed.to_bytes())])
        answer = OrdersCompared.model_validate_json(await _first(place, "sync.comparisons"))

    assert (answer.audit_id, answer.round, answer.part, answer.held) == ("audit-1", 1, 1, 1)
    assert [(one.external_id, one.finding) for one in answer.found] == [("1002", "missing")]


async def test_what_a_seller_asks_for_reaches_ingests_topic(place: Place, tmp_path: Path) -> None:
    period = {"from": "2026-02-27", "to": "2026-02-28", "zone": "Eastern"}
    async with _running(place, tmp_path) as (client, _):
        await place.publish([store()])
        await _until(lambda: _stores(client), lambda stores: stores == 1)

        async with client.post(f"/v1/completeness/{STORE}/audits", json=period) as answer:
            asked = await answer.json()
        request = orjson.loads(await _first(place, "sync.requests"))

    assert (answer.status, request["audit_id"], request["type"]) == (202, asked["audit_id"], "audit.requested")


async def test_changes_are_heard_live_and_a_revoked_key_ends_the_stream(place: Place, tmp_path: Path) -> None:
    async with _running(place, tmp_path) as (client, key_id):
        stream = await client.get("/v1/events")
        await stream.content.readuntil(b"\n\n")

        await place.publish([decided(key(7))])
        heard = await asyncio.wait_for(_heard(stream, b"changed"), 10)
        await _revoke(place.dsn, key_id)
        rest = await asyncio.wait_for(stream.content.read(), 12)

        assert key(7) in orjson.loads(heard)["orders"]
        assert b"changed" not in rest
        assert (await client.get("/v1/summary")).status == 401


def _story() -> list[Fact]:
    """Orders on their way, with facts that come twice."""
    numbers = range(1, ORDERS + 1)
    facts: list[Fact] = [
        store(access_ends_at=at(1000), capabilities=(Capability(name="webhooks", allowed=False, detail="None."),)),
        started(),
        started("failing"),
        progressed(outcome(1, "failed", problem="no total"), session="failing"),
        finished("failing", state="partial", problem="It broke off."),
    ]
    for part, begin in enumerate(range(1, ORDERS + 1, 20), start=1):
        facts.append(progressed(*(outcome(number) for number in range(begin, begin + 20)), part=part, total=ORDERS))
    facts.append(finished(read_through=at(0)))
    facts += [audit_started(), audit_progressed(), audit_finished(), *differing("audit-2", minute=30)]
    for number in numbers:
        held = number % 3 == 0
        facts.append(decided(key(number), reasons=(not_matched(),) if held else ()))
        if held and number % 2:
            facts.append(decided(key(number), number=2, cause="match", step="released", minute=4))
        if not held:
            facts += [update(kind, key(number), minute=minute) for minute, kind in enumerate(_WAY_OUT, start=5)]
    return facts + facts[::7]


_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_WAY_OUT = ("accepted", "in_production", "shipped")


def _message(fact: Fact, *, prefix: str) -> Message:
    match fact:
        case StoreRecord():
            return Message(f"{prefix}stores", fact.store_id, fact.model_dump_json().encode())
        case SessionStarted() | SessionProgressed() | SessionFinished():
            return Message(f"{prefix}sync.sessions", fact.session_id, fact.to_bytes())
        case AuditStarted() | AuditProgressed() | AuditFinished():
            return Message(f"{prefix}sync.audits", fact.store_id, fact.to_bytes())
        case TrackingPushed():
            return Message(f"{prefix}tracking.pushes", fact.order_key, fact.to_bytes())
        case Event():
            topic = "orders.decisions" if fact.type == "order.decided" else "production.updates"
            return Message(f"{prefix}{topic}", fact.order_key, fact.to_bytes())
        case _:
            raise AssertionError(fact)


def main(bootstrap: str, dsn: str, prefix: str) -> None:
    """Project in a process of its own, in small and slow batches, until it is killed."""
    asyncio.run(_project_for_ever(bootstrap, dsn, prefix))


async def _project_for_ever(bootstrap: str, dsn: str, prefix: str) -> None:
    pool = await create_pool(dsn, schema=SCHEMA)
    projector = Projector(PostgresProjections(pool), reader=Reader(prefix=prefix))

    async def handle(records: Sequence[Record]) -> None:
        await projector.handle(records)
        await asyncio.sleep(0.01)

    publisher = KafkaPublisher(bootstrap, "test")
    subscriber = KafkaSubscriber(
        bootstrap, "test", clock=SystemClock(), metrics=Metrics(), dead_letters=DeadLetters(publisher)
    )
    # Each life has a group of its own, so that none waits for the one before to be missed.
    subscription = projector.subscription(group=prefix + secrets.token_hex(4))
    subscriber.add(replace(subscription, handler=handle, max_records=23))
    await subscriber.start()
    await asyncio.Event().wait()


@asynccontextmanager
async def _projecting(place: Place) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from tests.integration.test_reporting_topics import main; main(*sys.argv[1:])",
        place.bootstrap,
        place.dsn,
        place.prefix,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _running(place: Place, directory: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """The whole service, and a client with a key."""
    await migrate(place.dsn, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(place.dsn, schema=ACCESS_SCHEMA, max_size=1)
    text, record = await create_key(pool, SELLER, [ALL_SCOPES], "test")
    await pool.close()
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    service = asyncio.create_task(
        serve(stop=stop, settings=place.settings(directory), topic_prefix=place.prefix, started=port.set_result)
    )
    await asyncio.wait({service, port}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    if service.done():
        service.result()
    headers = {"Authorization": f"Bearer {text}"}
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port.result()}", headers=headers) as client:
            yield client, record.key_id
    finally:
        stop.set()
        await asyncio.wait_for(service, 30)


@asynccontextmanager
async def _transacting(place: Place) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap, transactional_id=f"{place.prefix}decisions")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _first(place: Place, topic: str) -> bytes:
    """The first message of a topic."""
    consumer = AIOKafkaConsumer(
        f"{place.prefix}{topic}", bootstrap_servers=place.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        record = await asyncio.wait_for(consumer.getone(), 20)
    finally:
        await consumer.stop()
    value: bytes = record.value
    return value


async def _stores(client: aiohttp.ClientSession) -> int:
    async with client.get("/v1/stores") as answer:
        return len((await answer.json())["items"])


async def _imported(client: aiohttp.ClientSession) -> int:
    async with client.get("/v1/summary") as answer:
        assert answer.status == 200
        return int((await answer.json())["total"]["imported"])


async def _read_for_ever(client: aiohttp.ClientSession) -> None:
    while True:
        assert await _imported(client) >= ORDERS
        await asyncio.sleep(0.02)


async def _heard(stream: aiohttp.ClientResponse, kind: bytes) -> bytes:
    while True:
        event = await stream.content.readuntil(b"\n\n")
        if b"event: " + kind in event:
            return event.split(b"data: ")[1].strip()


async def _revoke(dsn: str, key_id: str) -> None:
    pool = await create_pool(dsn, schema=ACCESS_SCHEMA, max_size=1)
    await revoke_key(pool, key_id)
    await pool.close()


async def _expected(dsn: str) -> dict[str, list[str]]:
    """What the tables hold when every fact is taken in at once, without a Kafka."""
    await migrate(dsn, schema="expected", directory=MIGRATIONS_DIRECTORY)
    pool = await create_pool(dsn, schema="expected", max_size=1)
    await PostgresProjections(pool, silent=True).apply(located(*_story()))
    await pool.close()
    return await dump(dsn, schema="expected")


async def _until_rows(dsn: str, rows: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        count = "SELECT count(*) FROM reporting.timeline"
        await _until(lambda: connection.fetchval(count), lambda found: int(found) >= rows)
    finally:
        await connection.close()


async def _until(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], *, seconds: float = 60) -> T:
    async with asyncio.timeout(seconds):
        while not wanted(found := await ask()):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    return found


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
