"""Gives tests a real Kafka and Postgres, started when first asked for, and keeps unit tests off the network."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis  # noqa: F401 - imported late, from within pytest's summary, it overflows CPython 3.11's parser
import pytest
import structlog
from xdist.remote import Producer

from deploy.local.kafka.broker import KafkaBroker
from deploy.local.kafka.jars import ensure_jars
from deploy.local.postgres import PostgresServer
from deploy.local.stack import JARS, VAR, running
from deploy.local.throwaway import throwaway_directory
from tests.databases import Databases
from tests.turns import Turns, turn_of

#: Tests with one of these marks may talk to this machine, and to nothing else.
ON_LOOPBACK = ("integration", "e2e", "browser", "faults", "bench")
LOOPBACK = ["127.0.0.1", "localhost", "::1"]
OWN_CHOICE = ("disable_socket", "enable_socket", "allow_hosts")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """An event loop wakes itself through a Unix socket pair, which is no network."""
    config.option.allow_unix_socket = True


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Close the network to unit tests, and all but loopback to the others; after the shuffle, say whose turn it is."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if marks.isdisjoint(OWN_CHOICE):
            local = not marks.isdisjoint(ON_LOOPBACK)
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK) if local else pytest.mark.disable_socket)
    yield
    items.sort(key=lambda item: turn_of(item.nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Turns:
    """Whatever `--dist` says: tests that share a running world run in one process."""
    return Turns(config, log)


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _fresh_logging() -> None:
    """A service started inside an earlier test may have configured the log, and its level, for the whole process.

    Tracebacks are plain: the usual ones show every local value, and some are megabytes.
    """
    structlog.reset_defaults()
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])


@pytest.fixture(scope="session")
def embedded_directory() -> Iterator[Path]:
    """An empty directory for this run's Kafka and Postgres; runs side by side get different ones."""
    with throwaway_directory(VAR / "test") as directory:
        yield directory


@pytest.fixture(scope="session")
def kafka_bootstrap(embedded_directory: Path) -> Iterator[str]:
    """Bootstrap servers of a real Kafka: use random topic prefixes and group ids."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield address
        return
    broker = KafkaBroker(embedded_directory / "kafka", jars=ensure_jars(JARS), preferred_port=0)
    with running(broker):
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def database_url(embedded_directory: Path) -> Iterator[str]:
    """A DSN of a real Postgres whose role may create databases."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    server = PostgresServer(embedded_directory / "postgres", preferred_port=0)
    with running(server):
        yield server.url


@pytest.fixture(scope="session")
def databases(database_url: str) -> Iterator[Databases]:
    """What this process's tests keep in that Postgres."""
    databases = Databases(database_url)
    yield databases
    if os.environ.get("DATABASE_URL"):
        databases.drop()


@pytest.fixture
def fresh_database(databases: Databases) -> str:
    """The DSN of an empty database."""
    return databases.empty()


@pytest.fixture
def migrated_database(databases: Databases) -> Callable[[str, Path], str]:
    """The DSN of a database with this schema, from that directory's migrations, and none of the other tests' rows."""
    return databases.migrated
