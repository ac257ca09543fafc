"""What the production system's engineers read is true: the JSON fits the schemas, the example runs and holds."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from docs.examples.production_consumer import connected, open_database, read_once, send_answers, take
from tests.deploy.sandbox.factory.orders import amended, cancelled, released

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TOPICS = {"command": "orders.production", "answer": "production.updates", "catalog": "catalog.variants"}
BLOCKS = re.findall(r"```json (\w+)\n(.*?)```", (ROOT / "docs" / "production-system.md").read_text(), re.DOTALL)


def validate(topic: str, message: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "schemas" / "json" / f"{topic}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(message)


def answers(database: sqlite3.Connection) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in database.execute("SELECT body FROM answers ORDER BY number")]


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    return open_database(str(tmp_path / "orders.sqlite"))


@pytest.mark.parametrize(("kind", "text"), BLOCKS)
def test_the_documents_examples_fit_the_schemas(kind: str, text: str) -> None:
    validate(TOPICS[kind], json.loads(text))


def test_the_document_shows_every_direction() -> None:
    assert {kind for kind, _ in BLOCKS} == set(TOPICS)


def test_the_document_names_every_command_and_answer() -> None:
    text = (ROOT / "docs" / "production-system.md").read_text()
    schemas = [(ROOT / "schemas" / "json" / f"{topic}.json").read_text() for topic in list(TOPICS.values())[:2]]
    types = {kind for schema in schemas for kind in re.findall(r'"const": "((?:order|production)\.\w+)"', schema)}

    missing = {kind for kind in types if f"`{kind}`" not in text}

    assert len(types) == 13
    assert missing == set()


def test_a_repeated_command_changes_and_answers_nothing(database: sqlite3.Connection) -> None:
    for _ in range(2):
        take(database, released(), now=NOW)

    assert [one["type"] for one in answers(database)] == ["production.accepted"]


def test_an_amendment_replaces_and_a_cancellation_ends_the_order(database: sqlite3.Connection) -> None:
    for command in (released(), amended(quantity=9), cancelled(revision=3)):
        take(database, command, now=NOW)

    [(state, kept)] = database.execute("SELECT state, command FROM orders").fetchall()
    assert state == "cancelled"
    assert json.loads(kept)["order"]["items"][0]["quantity"] == 9
    assert [one["type"] for one in answers(database)] == ["production.accepted", "production.cancelled"]


def test_a_cancellation_too_late_is_refused(database: sqlite3.Connection) -> None:
    take(database, released(), now=NOW)
    database.execute("UPDATE orders SET state = 'in_production'")

    take(database, cancelled(), now=NOW)

    assert answers(database)[-1]["type"] == "production.cancel_refused"


def test_its_answers_fit_the_schema(database: sqlite3.Connection) -> None:
    for command in (released(), cancelled()):
        take(database, command, now=NOW)

    for one in answers(database):
        validate("production.updates", one)


@pytest.mark.integration
async def test_it_runs_on_kafka_and_repeats_nothing_after_a_restart(
    kafka_bootstrap: str, database: sqlite3.Connection
) -> None:
    prefix = f"t{secrets.token_hex(4)}."
    commands, updates = f"{prefix}orders.production", f"{prefix}production.updates"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics(
        [NewTopic(topic, num_partitions=2, replication_factor=1) for topic in (commands, updates)]
    )
    await admin.close()
    relay = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=f"{prefix}relay")
    async with relay, relay.transaction():
        for number in range(5):
            command = released(f"etsy:st-1:{number}")
            await relay.send(commands, json.dumps(command).encode(), key=command["order_key"].encode())

    taken = []
    for _ in range(2):
        async with connected(kafka_bootstrap, database, commands=commands, group=f"{prefix}production") as both:
            taken.append(sum([await read_once(both[0], database) for _ in range(6)]))
            await send_answers(both[1], database, topic=updates)

    reader = AIOKafkaConsumer(updates, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    keys: list[str] = []
    async with reader:
        while batches := await reader.getmany(timeout_ms=1000):
            keys += [record.key.decode() for records in batches.values() for record in records]
    assert taken == [5, 0]
    assert sorted(keys) == [f"etsy:st-1:{number}" for number in range(5)]
