"""Runs our own services as child processes: ready when they say so, ended by pid, weighed, killed and revived."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psutil

from deploy.local.children import Launch, end, spawn
from deploy.local.errors import LocalStackError, StartFailedError

READY_TIMEOUT = 30.0  # seconds
STOP_GRACE = 20.0  # seconds: a service drains for at most 15
POLL_INTERVAL = 0.05  # seconds
LOG_LINES_SHOWN = 5


class Child:
    """One supervised process; it keeps its name, command and log over `restart`."""

    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self._launch = launch
        self._process = spawn(launch)

    @property
    def pid(self) -> int:
        """The process id, also after its end."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._process.poll()

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._launch.log_path

    def memory_bytes(self) -> int:
        """Resident memory of the process and everything below it; 0 once it has ended."""
        try:
            process = psutil.Process(self.pid)
            return sum(_resident(each) for each in (process, *process.children(recursive=True)))
        except psutil.NoSuchProcess:
            return 0

    def cpu_seconds(self) -> float:
        """User and system time spent so far; 0 once it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def wait_ready(self, url: str, *, timeout: float = READY_TIMEOUT) -> None:
        """Return once a GET of `url` is answered with 200.

        Raises:
            StartFailedError: the process ended, or did not become ready within `timeout` seconds.
        """
        give_up = time.monotonic() + timeout
        while answered_status(url) != http.HTTPStatus.OK:
            if self.exit_code is not None:
                raise StartFailedError(f"{self.name} ended with {self.exit_code} {self._last_words()}")
            if time.monotonic() > give_up:
                raise StartFailedError(f"{self.name} was not ready within {timeout:.0f} s {self._last_words()}")
            time.sleep(POLL_INTERVAL)

    def wait(self, *, timeout: float) -> int:
        """Wait for it to end by itself and give its exit code.

        Raises:
            LocalStackError: it still runs after `timeout` seconds.
        """
        try:
            return self._process.wait(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise LocalStackError(f"{self.name} still runs after {timeout:.0f} s: see {self.log_path}") from error

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would; returns when it is gone."""
        end(self._process, first=signal.SIGKILL, grace=STOP_GRACE)

    def stop(self, *, grace: float = STOP_GRACE) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; harmless when it has ended."""
        end(self._process, first=signal.SIGTERM, grace=grace)

    def restart(self) -> None:
        """Start the same command again; ends the old process first where it still runs."""
        self.stop()
        self._process = spawn(self._launch)

    def _last_words(self) -> str:
        with suppress(FileNotFoundError):
            lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            return f"(log {self.log_path}):\n" + "\n".join(lines)
        return f"(no log at {self.log_path})"


class Supervisor:
    """Holds the children of one run and ends them all, side by side, when its block ends."""

    def __init__(self, log_directory: Path) -> None:
        self._log_directory = log_directory
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    @property
    def children(self) -> Mapping[str, Child]:
        """Every child by name, ended ones too."""
        return self._children

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log_path: Path | None = None,
        niceness: int = 0,
    ) -> Child:
        """Start `argv` under a name that is new or whose child has ended.

        Args:
            name: Also names the log file, below the supervisor's log directory, unless `log_path` is given.
            argv: The program and its arguments.
            env: Settings added to our own environment.
            cwd: The working directory; None inherits ours.
            log_path: Another place for the output.
            niceness: From 1 to 19: it gives way to the others while there is not processor enough for all.

        Raises:
            LocalStackError: a child of this name still runs.
        """
        running = self._children.get(name)
        if running is not None and running.exit_code is None:
            raise LocalStackError(f"{name} already runs as process {running.pid}")
        log = log_path or self._log_directory / f"{name}.log"
        launch = Launch(argv=argv, log_path=log, env={**os.environ, **(env or {})}, cwd=cwd, niceness=niceness)
        self._children[name] = child = Child(name, launch)
        return child

    def start_python(
        self,
        name: str,
        module: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        niceness: int = 0,
    ) -> Child:
        """Start `python -m module arguments…` with the interpreter that runs us."""
        return self.start(name, [sys.executable, "-m", module, *arguments], env=env, cwd=cwd, niceness=niceness)

    def stop_all(self, *, grace: float = STOP_GRACE) -> None:
        """SIGTERM to all at once, SIGKILL to those left after `grace` seconds; returns when all are gone."""
        if not self._children:
            return
        with ThreadPoolExecutor(max_workers=len(self._children)) as pool:
            for child in self._children.values():
                pool.submit(child.stop, grace=grace)


def answered_status(url: str, *, timeout: float = 2.0) -> int | None:
    """The HTTP status of a GET, or None when nobody answers within `timeout` seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = re.sub(r"^[^/]*//[^/]*", "", url) or "/"
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
