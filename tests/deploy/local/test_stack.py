from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.kafka.jars import ensure_jars
from deploy.local.stack import JARS, REPOSITORY, LocalStack, local_stack

pytestmark = pytest.mark.integration

PROGRAM = """
import json, signal, sys, time
from pathlib import Path
# Whoever is started in the background of a script inherits an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
from deploy.local.stack import local_stack
with local_stack(Path(sys.argv[1]), environ={}) as stack:
    print(json.dumps([stack.kafka.pid, stack.postgres.pid]), flush=True)
    time.sleep(120)
"""
PARTITION = TopicPartition("kept", 0)


async def test_both_start_in_seconds_and_acknowledged_writes_survive_kills_and_a_move_to_other_ports(
    tmp_path: Path,
) -> None:
    ensure_jars(JARS)

    started = time.monotonic()
    with local_stack(tmp_path, environ={}) as stack:
        seconds = time.monotonic() - started
        await create_places(stack)
        await write(stack, "before the kill")
        for part in (stack.kafka, stack.postgres):
            assert part is not None
            part.kill()
            part.start()
            part.wait_ready()
        await write(stack, "after the kill")
        old_ports = ports_of(stack)
    with taken(*old_ports), local_stack(tmp_path, environ={}) as stack:
        new_ports = ports_of(stack)

        found = await read(stack)

    # Ten seconds are promised of a machine that does nothing else; the rest is for one that does.
    assert seconds <= 30
    assert set(new_ports).isdisjoint(old_ports)
    assert found == (["before the kill", "after the kill"], ["before the kill", "after the kill"])


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_no_child_outlives_its_parent(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
    ) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(pid) for pid in json.loads(parent.stdout.readline())]
        children += [grandchild for child in children for grandchild in child.children(recursive=True)]

        parent.send_signal(ending)
        parent.wait(timeout=30)

        _, alive = psutil.wait_procs(children, timeout=10)
        assert len(children) > 2
        assert alive == []


def test_addresses_of_ones_own_replace_both(tmp_path: Path) -> None:
    own = {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092", "DATABASE_URL": "postgresql://db.example/orders"}

    with local_stack(tmp_path, environ=own) as stack:
        assert stack.environment() == own
        assert (stack.kafka, stack.postgres) == (None, None)


def test_the_password_is_for_its_owner_only(tmp_path: Path) -> None:
    with local_stack(tmp_path, environ={"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092"}) as stack:
        password_file = tmp_path / "postgres" / "password"

        assert password_file.stat().st_mode & 0o077 == 0
        assert stack.postgres is not None
        assert password_file.read_text() not in stack.postgres.log_path.read_text()


def ports_of(stack: LocalStack) -> tuple[int, int]:
    assert stack.kafka is not None
    assert stack.postgres is not None
    return stack.kafka.port, stack.postgres.port


@contextmanager
def taken(*ports: int) -> Iterator[None]:
    with ExitStack() as sockets:
        for port in ports:
            sockets.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


async def create_places(stack: LocalStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(PARTITION.topic, 1, 1)])
    await admin.close()
    await run_sql(stack, "CREATE TABLE kept (number INT GENERATED ALWAYS AS IDENTITY, text TEXT)")


async def write(stack: LocalStack, text: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all")
    await producer.start()
    await producer.send_and_wait(PARTITION.topic, text.encode(), partition=PARTITION.partition)
    await producer.stop()
    await run_sql(stack, f"INSERT INTO kept (text) VALUES ('{text}')")


async def read(stack: LocalStack) -> tuple[list[str], list[str]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([PARTITION])
    end = (await consumer.end_offsets([PARTITION]))[PARTITION]
    in_kafka = [(await consumer.getone()).value.decode() for _ in range(end)]
    await consumer.stop()
    rows = await run_sql(stack, "SELECT text FROM kept ORDER BY number")
    return in_kafka, [row["text"] for row in rows]


async def run_sql(stack: LocalStack, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
