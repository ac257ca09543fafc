"""A production system in small: keeps every order it is told of, exactly once, and answers each.

    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python docs/examples/production_consumer.py orders.sqlite

One database transaction holds an order, the answer to it and the position in Kafka. So whatever dies, whenever,
the next start goes on after the last whole order. Answers are sent after that transaction; one that was sent
but not marked is sent again with the same `event_id`, by which readers drop it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

COMMANDS, ANSWERS, GROUP = "orders.production", "production.updates", "production"
BATCH = 500
TABLES = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS orders (order_key TEXT PRIMARY KEY, state TEXT NOT NULL, command TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, order_key TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
"""


def open_database(path: str) -> sqlite3.Connection:
    """The production system's own memory."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(TABLES)
    return database


def take(database: sqlite3.Connection, command: dict[str, Any], *, now: datetime) -> None:
    """Carry out one command within the caller's transaction; a repeated event changes nothing."""
    new = database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (command["event_id"],)).rowcount
    if not new:
        return
    key = command["order_key"]
    found = database.execute("SELECT state FROM orders WHERE order_key = ?", (key,)).fetchone()
    state = found[0] if found else None
    match command["type"]:
        case "order.released":
            _keep(database, command, state="accepted")
            _answer(database, command, "production.accepted", now=now)
        case "order.amended" if state == "accepted":
            _keep(database, command, state="accepted")
        case "order.cancelled" if state == "accepted":
            database.execute("UPDATE orders SET state = 'cancelled' WHERE order_key = ?", (key,))
            _answer(database, command, "production.cancelled", now=now, reason="Cancelled before it was made.")
        case "order.cancelled":
            _answer(database, command, "production.cancel_refused", now=now, reason="It is already being made.")


def _keep(database: sqlite3.Connection, command: dict[str, Any], *, state: str) -> None:
    row = (command["order_key"], state, json.dumps(command))
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", row)


def _answer(database: sqlite3.Connection, command: dict[str, Any], kind: str, *, now: datetime, **facts: Any) -> None:
    """Note an answer; its id follows from the command's, so that the same answer always has the same id."""
    body = {
        "event_id": hashlib.sha256(f"{command['event_id']} {kind}".encode()).hexdigest()[:32],
        "type": kind,
        "schema_version": 1,
        "occurred_at": now.isoformat(),
        "seller_id": command["seller_id"],
        "order_key": command["order_key"],
        **facts,
    }
    database.execute("INSERT INTO answers (order_key, body) VALUES (?, ?)", (body["order_key"], json.dumps(body)))


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Starts each partition where our own database ends, not where Kafka remembers."""

    def __init__(self, consumer: AIOKafkaConsumer, database: sqlite3.Connection) -> None:
        self._consumer = consumer
        self._database = database

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to do: every batch was stored whole."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Seek; a partition we never read starts at its beginning."""
        known = dict(self._database.execute("SELECT partition, next_offset FROM positions"))
        for partition in assigned:
            self._consumer.seek(partition, known.get(partition.partition, 0))


async def read_once(consumer: AIOKafkaConsumer, database: sqlite3.Connection) -> int:
    """Store what is there now, orders and positions in one transaction; answers how many commands."""
    batches = await consumer.getmany(timeout_ms=500, max_records=BATCH)
    database.execute("BEGIN")
    for partition, records in batches.items():
        for record in records:
            take(database, json.loads(record.value), now=datetime.now(UTC))
        position = (partition.partition, records[-1].offset + 1)
        database.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", position)
    database.execute("COMMIT")
    return sum(map(len, batches.values()))


async def send_answers(producer: AIOKafkaProducer, database: sqlite3.Connection, *, topic: str = ANSWERS) -> None:
    """Send what was noted, in order and under the order's key; forget it once Kafka has it."""
    rows = database.execute("SELECT number, order_key, body FROM answers ORDER BY number").fetchall()
    sent = [await producer.send(topic, body.encode(), key=key.encode()) for _, key, body in rows]
    await asyncio.gather(*sent)
    database.executemany("DELETE FROM answers WHERE number = ?", [(number,) for number, _, _ in rows])


@contextlib.asynccontextmanager
async def connected(
    bootstrap: str, database: sqlite3.Connection, *, commands: str = COMMANDS, group: str = GROUP
) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
    """A reader of committed commands and a writer of acknowledged answers."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    consumer.subscribe([commands], listener=Positions(consumer, database))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    async with consumer, producer:
        yield consumer, producer


async def main(path: str) -> None:
    """Read and answer until interrupted."""
    database = open_database(path)
    async with connected(os.environ["KAFKA_BOOTSTRAP_SERVERS"], database) as (consumer, producer):
        while True:
            count = await read_once(consumer, database)
            await send_answers(producer, database)
            if count:
                print(f"took {count} commands")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "orders.sqlite"))
