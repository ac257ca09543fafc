"""The services with their own Kafka and Postgres in the background: brought up once, found again, brought down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local.children import Launch, end, spawn
from deploy.local.errors import LocalStackError, StartFailedError
from deploy.local.lock import owner_pid
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Child, Supervisor
from deploy.local.stack import REPOSITORY, VAR, LocalStack, exit_on_sigterm, local_stack, own_settings

UP = VAR / "up"
STATE_NAME = "state.json"
KEY_NAME = "api-key"
SELLER = "first-seller"
#: Service, the setting that names its port, its usual port.
SERVICES = (
    ("ingest", "INGEST_PORT", 8001),
    ("eligibility", "ELIGIBILITY_PORT", 8002),
    ("reporting", "REPORTING_PORT", 8000),
)
UP_TIMEOUT = 120.0  # seconds
DOWN_TIMEOUT = 60.0  # seconds: services drain, then Kafka and Postgres shut down
STEP_TIMEOUT = 60.0  # seconds
WATCH_INTERVAL = 1.0  # seconds
POLL_INTERVAL = 0.1  # seconds

#: Children meant to outlive us; a forgotten one would be reported as a leak.
_DETACHED: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, kw_only=True)
class Running:
    """What is up, and where; kept in a file that only its owner may read, for the database's password.

    Attributes:
        pid: The process that holds everything; SIGTERM to it brings everything down.
        services: Base URL of each service by name; empty when only Kafka and Postgres run.
    """

    pid: int
    kafka_bootstrap_servers: str
    database_url: str
    services: dict[str, str]

    @property
    def page(self) -> str | None:
        """Where the seller's page is."""
        return self.services.get("reporting")


def find(directory: Path = UP) -> Running | None:
    """What is up and ready over `directory`, or None."""
    owner = owner_pid(directory)
    with suppress(FileNotFoundError, ValueError):
        running = Running(**json.loads((directory / STATE_NAME).read_text()))
        # A killed owner leaves its file behind, which says nothing about the next one.
        return running if running.pid == owner else None
    return None


def bring_up(directory: Path = UP, *, with_services: bool = True) -> Running:
    """Start what is not up yet and wait until it serves; harmless when it is up.

    Raises:
        StartFailedError: it ended or took too long; the text ends with the last lines of its log.
    """
    holder = None if owner_pid(directory) else _launch_holder(directory, with_services=with_services)
    try:
        running = _wait_up(directory, holder)
    except BaseException:  # also Ctrl-C: what we began and did not finish must not stay
        if holder is not None:
            end(holder, first=signal.SIGTERM, grace=DOWN_TIMEOUT)
        raise
    if with_services and not running.services:
        raise LocalStackError("only Kafka and Postgres are up: make down, then make up")
    return running


def _wait_up(directory: Path, holder: subprocess.Popen[bytes] | None) -> Running:
    give_up = time.monotonic() + UP_TIMEOUT
    while (running := find(directory)) is None:
        ended = holder is None or holder.poll() is not None
        if (ended and owner_pid(directory) is None) or time.monotonic() > give_up:
            raise StartFailedError(f"could not come up:\n{_last_words(directory)}")
        time.sleep(POLL_INTERVAL)
    return running


def bring_down(directory: Path = UP) -> bool:
    """Stop everything by pid and wait until it is gone; says whether anything was up."""
    pid = owner_pid(directory)
    if pid is None:
        return False
    with suppress(psutil.NoSuchProcess):
        holder = psutil.Process(pid)
        holder.terminate()
        try:
            holder.wait(timeout=DOWN_TIMEOUT)
        except psutil.TimeoutExpired:
            holder.kill()  # the kernel takes its children with it
            holder.wait()
    for detached in _DETACHED:
        detached.poll()
    return True


def hold(directory: Path = UP, *, with_services: bool = True) -> None:
    """Run everything until SIGTERM or Ctrl-C, and revive what dies meanwhile."""
    with exit_on_sigterm(), local_stack(directory) as stack, Supervisor(directory) as supervisor:
        state = directory / STATE_NAME
        state.unlink(missing_ok=True)
        services = _start_services(directory, supervisor, stack) if with_services else {}
        running = Running(pid=os.getpid(), services=services, **_addresses(stack))
        write_private(state, json.dumps(asdict(running), indent=2))
        try:
            _watch(stack, supervisor)
        finally:
            state.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)


def _launch_holder(directory: Path, *, with_services: bool) -> subprocess.Popen[bytes]:
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "up.log"
    log.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "deploy.local", "hold", "--directory", str(directory.resolve())]
    argv += [] if with_services else ["--without-services"]
    holder = spawn(Launch(argv=argv, log_path=log, cwd=REPOSITORY, death_signal=None))
    _DETACHED.append(holder)
    return holder


def _last_words(directory: Path) -> str:
    with suppress(FileNotFoundError):
        return "\n".join((directory / "up.log").read_text(errors="replace").splitlines()[-8:])
    return f"no log in {directory}"


def _addresses(stack: LocalStack) -> dict[str, str]:
    return {"kafka_bootstrap_servers": stack.kafka_bootstrap_servers, "database_url": stack.database_url}


def _settings(directory: Path, stack: LocalStack, ports: dict[str, int]) -> dict[str, str]:
    """What the services are told beside the person's own settings, which win where they are not addresses."""
    chosen = {setting: str(ports[name]) for name, setting, _ in SERVICES}
    neighbours = {
        f"REPORTING_{name.upper()}_URL": f"http://{LOOPBACK}:{ports[name]}" for name in ("ingest", "eligibility")
    }
    key_ring = own_settings().get("MASTER_KEY_FILE") or str(directory.resolve() / "master.key")
    return {**stack.environment(), **chosen, **neighbours, "MASTER_KEY_FILE": key_ring}


def _start_services(directory: Path, supervisor: Supervisor, stack: LocalStack) -> dict[str, str]:
    """Start all services in one process, on the set or usual ports where those are free; give their base URLs."""
    own = own_settings()
    ports = {name: free_port(int(own.get(setting) or usual)) for name, setting, usual in SERVICES}
    settings = _settings(directory, stack, ports)
    _step("migrate", settings=settings)
    _step("topics", settings=settings)
    child = supervisor.start_python("services", "services", "all", env=settings, cwd=REPOSITORY)
    urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    for url in urls.values():
        child.wait_ready(f"{url}/readyz")
    _ensure_key(directory, settings)
    return urls


def _ensure_key(directory: Path, settings: dict[str, str]) -> None:
    """Make the first seller's API key once; later starts print the same one."""
    key_file = directory / KEY_NAME
    if not key_file.exists():
        printed = _step("keys", "create", "--seller", SELLER, settings=settings)
        write_private(key_file, printed.split()[-1])


def _step(*command: str, settings: dict[str, str]) -> str:
    """Run one of the services' commands to its end; give what it printed."""
    argv = [sys.executable, "-m", "services", *command]
    environment = {**os.environ, **settings}
    done = subprocess.run(
        argv, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False, timeout=STEP_TIMEOUT
    )
    if done.returncode != 0:
        raise StartFailedError(f"services {command[0]} failed:\n{done.stderr[-1000:]}")
    return done.stdout


def _watch(stack: LocalStack, supervisor: Supervisor) -> None:
    while True:
        time.sleep(WATCH_INTERVAL)
        for part in (stack.kafka, stack.postgres):
            if part is not None and part.pid is None:
                print(f"{type(part).__name__} ended: starting it again", flush=True)
                part.start()
                part.wait_ready()
        for child in supervisor.children.values():
            _revive(child)


def _revive(child: Child) -> None:
    if child.exit_code is not None:
        print(f"{child.name} ended with {child.exit_code}: starting it again", flush=True)
        child.restart()
