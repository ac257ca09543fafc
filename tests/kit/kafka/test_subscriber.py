from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import BaseModel

from schemas.topics import Topic
from services.kit.clock import SystemClock
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.dead_letters import DeadLetters, replay
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.kafka.subscriber import KafkaSubscriber, Record, Subscription, asyncapi
from services.kit.kafka.topics import ensure_topics
from services.kit.metrics import Metrics

pytestmark = pytest.mark.integration


class Told(BaseModel):
    number: int


async def until(fact: Callable[[], bool], within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not fact():  # noqa: ASYNC110 - what is awaited happens in a broker
            await asyncio.sleep(0.02)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"facts-{secrets.token_hex(4)}"
    await ensure_topics(kafka_bootstrap, [Topic(name, "key", Told)], partitions=4)
    return name


@pytest.fixture
async def publisher(kafka_bootstrap: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(kafka_bootstrap, "test", timeout=10)
    await publisher.start()
    yield publisher
    await publisher.stop()


@asynccontextmanager
async def subscribed(
    bootstrap: str, publisher: KafkaPublisher, topic: str, handler: Any, **options: Any
) -> AsyncIterator[KafkaSubscriber]:
    subscriber = KafkaSubscriber(
        bootstrap, "test", clock=SystemClock(), metrics=Metrics(), dead_letters=DeadLetters(publisher)
    )
    subscriber.add(Subscription(topics=[topic], handler=handler, **{"group": f"{topic}-readers", **options}))
    await subscriber.start()
    try:
        yield subscriber
    finally:
        await subscriber.stop()


def messages(topic: str, count: int) -> list[Message]:
    return [
        Message(topic, f"key-{number % 7}", str(number).encode(), (("trace", b"\xff\x00"),)) for number in range(count)
    ]


async def committed(bootstrap: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=f"{topic}-readers", enable_auto_commit=False)
    await consumer.start()
    try:
        kept = [await consumer.committed(TopicPartition(topic, number)) for number in range(4)]
        return sum(position or 0 for position in kept)
    finally:
        await consumer.stop()


async def test_every_record_is_handled_once_in_the_order_of_its_key(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[Record] = []

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(records)

    await publisher.publish(messages(topic, 1000))
    async with subscribed(kafka_bootstrap, publisher, topic, handler):
        await until(lambda: len(handled) >= 1000)

    assert sorted(int(record.value) for record in handled) == list(range(1000))
    for key in {record.key for record in handled}:
        of_key = [int(record.value) for record in handled if record.key == key]
        assert of_key == sorted(of_key)
    assert handled[0].headers["trace"] == b"\xff\x00"


async def test_a_graceful_stop_commits_what_was_handled(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[Record] = []

    async def slow(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.3)
        handled.extend(records)

    await publisher.publish(messages(topic, 100))
    async with subscribed(kafka_bootstrap, publisher, topic, slow, max_records=10):
        await until(lambda: len(handled) >= 20)

    assert await committed(kafka_bootstrap, topic) == len(handled)
    assert len(handled) < 100


async def test_a_passing_failure_is_repeated_until_it_passes_and_commits_nothing_before(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[Record] = []
    failures = iter([TransientError("away")] * 3)

    async def handler(records: Sequence[Record]) -> None:
        for failure in failures:
            assert await committed(kafka_bootstrap, topic) == 0
            raise failure
        handled.extend(records)

    await publisher.publish(messages(topic, 10))
    async with subscribed(kafka_bootstrap, publisher, topic, handler):
        await until(lambda: len(handled) >= 10)

    assert sorted(int(record.value) for record in handled) == list(range(10))


async def test_a_bad_record_becomes_a_dead_letter_that_can_be_replayed(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[int] = []
    is_fixed = False

    async def handler(records: Sequence[Record]) -> None:
        for record in records:
            if record.value == b"13" and not is_fixed:
                raise UnreadableMessage("number", "is unlucky")
        handled.extend(int(record.value) for record in records)

    await publisher.publish(messages(topic, 50))
    async with subscribed(kafka_bootstrap, publisher, topic, handler):
        await until(lambda: len(handled) >= 49)
        assert 13 not in handled
        is_fixed = True
        reasons: list[bytes] = []

        def remember(told: Mapping[str, bytes]) -> bool:
            reasons.append(told["reason"] + b" " + told["detail"])
            return True

        others = await replay(kafka_bootstrap, topic, where=lambda told: told["reason"] == b"failed")
        replayed = await replay(kafka_bootstrap, topic, where=remember, group=f"{topic}-replay")
        again = await replay(kafka_bootstrap, topic, group=f"{topic}-replay")
        await until(lambda: 13 in handled)

    assert (others, replayed, again) == (0, 1, 0)
    assert reasons == [b"unreadable number: is unlucky"]
    assert sorted(handled) == list(range(50))


async def test_positions_kept_elsewhere_decide_where_reading_starts(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[Record] = []

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(records)

    async def kept(partitions: Any) -> dict[tuple[str, int], int]:
        return dict.fromkeys(partitions, 2)

    async def nothing_kept(_partitions: Any) -> dict[tuple[str, int], int]:
        return {}

    await publisher.publish(messages(topic, 100))
    async with subscribed(kafka_bootstrap, publisher, topic, handler, start_positions=kept):
        await until(lambda: any(record.value == b"99" for record in handled))
        await asyncio.sleep(0.3)
    first = {(record.partition, record.offset) for record in handled}
    handled.clear()
    async with subscribed(kafka_bootstrap, publisher, topic, handler, start_positions=nothing_kept):
        await until(lambda: len(handled) >= 100)

    assert min(offset for _, offset in first) == 2
    assert len(handled) == 100


async def test_only_committed_transactions_are_read_and_their_markers_are_no_lag(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[bytes] = []

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(record.value for record in records)

    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=f"{topic}-relay")
    await producer.start()
    async with producer.transaction():
        await producer.send(topic, b"kept", partition=0)
    await producer.begin_transaction()
    await producer.send(topic, b"dropped", partition=1)
    await producer.flush()
    await producer.abort_transaction()
    await producer.stop()
    async with subscribed(kafka_bootstrap, publisher, topic, handler) as subscriber:
        await until(lambda: len(handled) >= 1)
        await asyncio.sleep(0.5)
        [consuming] = subscriber._consuming
        await consuming.measure()

        assert handled == [b"kept"]
        assert consuming._lag == 0


async def test_a_second_reader_takes_over_without_losing_or_repeating_what_was_committed(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[int] = []

    async def handler(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.01)
        handled.extend(int(record.value) for record in records)

    async with subscribed(kafka_bootstrap, publisher, topic, handler, max_records=20):
        await publisher.publish(messages(topic, 300))
        await until(lambda: len(handled) >= 20)
        async with subscribed(kafka_bootstrap, publisher, topic, handler, max_records=20):
            await publisher.publish(messages(topic, 300))
            await until(lambda: len(handled) >= 600)

    assert sorted(handled) == sorted([*range(300), *range(300)])


async def test_a_batch_that_waits_to_be_repeated_moves_to_whoever_gets_its_partition(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[int] = []
    moved: list[str] = []

    async def stuck(_records: Sequence[Record]) -> None:
        raise TransientError("away", retry_after=3600)

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(int(record.value) for record in records)

    async def assigned(_partitions: Any) -> None:
        moved.append("assigned")

    async def revoked(_partitions: Any) -> None:
        moved.append("revoked")

    await publisher.publish(messages(topic, 40))
    async with subscribed(kafka_bootstrap, publisher, topic, stuck, on_assigned=assigned, on_revoked=revoked) as first:
        await until(lambda: first._consuming[0]._handling.is_waiting)
        async with subscribed(kafka_bootstrap, publisher, topic, handler):
            await until(lambda: len(handled) > 0)
            await first.stop()
            await until(lambda: len(handled) >= 40)

    assert sorted(handled) == list(range(40))
    assert moved[:3] == ["assigned", "revoked", "assigned"]


async def test_a_reader_started_before_kafka_begins_when_it_is_there(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    handled: list[Record] = []
    host, _, port = kafka_bootstrap.partition(":")

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(records)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, here), pump(there, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
    await publisher.publish(messages(topic, 5))
    async with subscribed(f"127.0.0.1:{address[1]}", publisher, topic, handler) as subscriber:
        before = await subscriber.check()
        proxy = await asyncio.start_server(forward, *address)
        await until(lambda: len(handled) >= 5)
        after = await subscriber.check()
    proxy.close()

    assert before is not None
    assert after is None


async def test_a_reader_that_can_read_nothing_stops_and_says_so(
    kafka_bootstrap: str, topic: str, publisher: KafkaPublisher
) -> None:
    async def handler(_records: Sequence[Record]) -> None:
        raise UnreadableMessage("number", "is missing")

    await publisher.publish(messages(topic, 200))
    async with subscribed(kafka_bootstrap, publisher, topic, handler) as subscriber:
        await until(lambda: bool(subscriber.liveness()))
        problems = subscriber.liveness()

    assert "more than 100 records failed" in problems[0]
    assert await committed(kafka_bootstrap, topic) == 0


async def test_what_is_read_is_described(kafka_bootstrap: str, topic: str, publisher: KafkaPublisher) -> None:
    async def handler(_records: Sequence[Record]) -> None:
        pass

    async with subscribed(kafka_bootstrap, publisher, topic, handler, payload=Told) as subscriber:
        document = asyncapi(subscriber, title="Facts")

    assert document["asyncapi"].startswith("3.")
    assert document["info"]["title"] == "Facts"
    assert any(channel["address"] == topic for channel in document["channels"].values())
    assert "number" in str(document["components"])
