from __future__ import annotations

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

pytestmark = pytest.mark.integration


async def test_kafka_runs_transactions(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("embedded.transactions", 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id="embedded")
    await producer.start()

    async with producer.transaction():
        written = await producer.send_and_wait("embedded.transactions", b"one", partition=0)
    await producer.stop()

    assert written.offset == 0


async def test_postgres_is_durable_and_empty(fresh_database: str) -> None:
    connection = await asyncpg.connect(fresh_database)

    settings = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()

    assert settings == ["on", "on"]
    assert tables == []
