"""Kafka and Postgres together: started side by side, stopped by pid, replaced by addresses in the environment."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from dotenv import dotenv_values

from deploy.local.kafka.broker import KafkaBroker
from deploy.local.kafka.jars import ensure_jars
from deploy.local.lock import directory_lock
from deploy.local.postgres import PostgresServer

REPOSITORY = Path(__file__).resolve().parents[2]
VAR = REPOSITORY / "var"
JARS = VAR / "kafka-jars"


class Part(Protocol):
    """A child process with one address for its life; `start` returns at once, `wait_ready` when it serves."""

    def start(self) -> None:
        """Launch it."""

    def wait_ready(self) -> None:
        """Wait until it serves."""

    def stop(self) -> None:
        """End it cleanly; harmless when it does not run."""


@dataclass(frozen=True, kw_only=True)
class LocalStack:
    """Addresses of a Kafka and a Postgres that serve.

    Attributes:
        kafka_bootstrap_servers: Host and port, as Kafka clients take it.
        database_url: A DSN, password included: keep it out of logs.
        kafka: The embedded broker; None when an address in the environment replaces it.
        postgres: The embedded server; None when an address in the environment replaces it.
    """

    kafka_bootstrap_servers: str
    database_url: str
    kafka: KafkaBroker | None
    postgres: PostgresServer | None

    def environment(self) -> dict[str, str]:
        """The settings by which the services find both."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers, "DATABASE_URL": self.database_url}


@contextmanager
def local_stack(data_dir: Path, *, environ: Mapping[str, str] | None = None) -> Iterator[LocalStack]:
    """Run Kafka and Postgres over `data_dir` until the block ends; data stays for the next time.

    `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL`, where not empty, replace the part; they are read from `environ`, or
    else from the environment and `.env`. A SIGTERM ends the
    block by `SystemExit`, as Ctrl-C does by `KeyboardInterrupt`.

    Raises:
        DirectoryInUseError: another living process runs the parts of this directory.
        LocalStackError: something is missing; the text says what to install.
    """
    settings = own_settings() if environ is None else environ
    kafka_address, database_url = settings.get("KAFKA_BOOTSTRAP_SERVERS"), settings.get("DATABASE_URL")
    with ExitStack() as cleanup:
        cleanup.enter_context(exit_on_sigterm())
        cleanup.enter_context(directory_lock(data_dir))
        kafka = None if kafka_address else KafkaBroker(data_dir / "kafka", jars=ensure_jars(JARS))
        postgres = None if database_url else PostgresServer(data_dir / "postgres")
        cleanup.enter_context(running(postgres, kafka))
        yield LocalStack(
            kafka_bootstrap_servers=kafka_address or (kafka.bootstrap_servers if kafka else ""),
            database_url=database_url or (postgres.url if postgres else ""),
            kafka=kafka,
            postgres=postgres,
        )


def own_settings() -> dict[str, str]:
    """What the person has set: the environment, and `.env` below it, as the services read them."""
    in_file = dotenv_values(REPOSITORY / ".env")
    return {name: value for name, value in {**in_file, **os.environ}.items() if value}


@contextmanager
def running(*parts: Part | None) -> Iterator[None]:
    """Start the parts side by side (None is skipped), stop them all side by side at the end."""
    present = [part for part in parts if part is not None]
    try:
        _side_by_side([part.start for part in present])
        for part in present:
            part.wait_ready()
        yield
    finally:
        _side_by_side([part.stop for part in present])


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises `SystemExit`, so that cleanups run; off the main thread it changes nothing."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_system_exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_system_exit(signal_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


def _side_by_side(actions: Sequence[Callable[[], None]]) -> None:
    """Run all to their end, then raise the first error, if any."""
    if not actions:
        return
    with ThreadPoolExecutor(max_workers=len(actions)) as pool:
        futures = [pool.submit(action) for action in actions]
    for future in futures:
        future.result()
