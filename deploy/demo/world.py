"""A running world: Kafka, Postgres, sandbox platforms, factory and services, all children of this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.errors import StartFailedError
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Child, Supervisor
from deploy.local.stack import REPOSITORY, LocalStack, local_stack

READY_TIMEOUT = 30.0  # seconds
SELLER = "demo-seller"
#: Where orders come from that sellers give us themselves: no stand-in is needed for it.
OUR_OWN = "direct"
#: Platforms stop waiting for an answer after seconds; what judges and shows the orders may take its time.
GIVING_WAY = 10
#: Service, the setting that names its port, its usual port.
_PORTS = {
    "ingest": ("INGEST_PORT", 8001),
    "eligibility": ("ELIGIBILITY_PORT", 8002),
    "reporting": ("REPORTING_PORT", 8000),
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a world is built.

    Attributes:
        copies: How many processes of a service run; one where it is not named.
        settings: Further settings of the services.
        time_scale: Divides the platforms' waits between webhook retries.
        platforms: Which sandbox platforms there are; none named: all.
        fixed_ports: Prefer the usual ports, for a person who opens the page.
        niceness: How far what judges, shows and makes orders gives way to what answers platforms, from 0 to 19.
        pace: Seconds that the factory takes to begin an order, and again to ship it.
    """

    copies: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    time_scale: float = 1.0
    fixed_ports: bool = False
    platforms: Sequence[str] = ()
    niceness: int = 0
    pace: float = 0.0


@dataclass(frozen=True, kw_only=True)
class World:
    """Addresses and processes of a world that is ready.

    `services` holds one base URL a process, by child name ("ingest", "ingest-2", …); `settings` is their environment,
    the platforms' app credentials included; `key` is an API key of `SELLER`.
    """

    stack: LocalStack
    supervisor: Supervisor
    platforms: Mapping[str, str]
    control: str
    factory: str
    services: Mapping[str, str]
    settings: Mapping[str, str] = field(repr=False)
    key: str = field(repr=False)

    def child(self, name: str) -> Child:
        """The process of that name."""
        return self.supervisor.children[name]


@contextmanager
def running_world(data_dir: Path, choices: Choices) -> Iterator[World]:
    """Start everything over `data_dir` and stop it all when the block ends, however it ends."""
    with local_stack(data_dir / "stack") as stack, Supervisor(data_dir / "logs") as supervisor:
        sandbox = ready_line(_start_sandbox(supervisor, choices))
        environment = stack.environment() | _settings(data_dir, sandbox["settings"]) | dict(choices.settings)
        _prepare(environment)
        factory = supervisor.start_python(
            "factory", "deploy.sandbox.factory", "--pace", f"{choices.pace}", env=environment, niceness=choices.niceness
        )
        services = _start_services(supervisor, environment, choices, sorted(sandbox["platforms"]))
        key = _make_key(environment)
        for name, url in services.items():
            supervisor.children[name].wait_ready(f"{url}/readyz")
        yield World(
            stack=stack,
            supervisor=supervisor,
            platforms=sandbox["platforms"],
            control=sandbox["control"],
            factory=ready_line(factory)["factory"],
            services=services,
            settings=environment,
            key=key,
        )


def _start_sandbox(supervisor: Supervisor, choices: Choices) -> Child:
    only = [argument for slug in choices.platforms for argument in ("--only", slug)]
    return supervisor.start_python("sandbox", "deploy.sandbox", "--time-scale", str(choices.time_scale), *only)


def _settings(data_dir: Path, platform_settings: Mapping[str, str]) -> dict[str, str]:
    return {
        "MASTER_KEY_FILE": str(data_dir / "master.key"),
        "ALLOW_PRIVATE_ADDRESSES": "1",
        **platform_settings,
    }


def _prepare(environment: Mapping[str, str]) -> None:
    """Migrate and create topics once, before several processes start at the same moment."""
    with ThreadPoolExecutor(max_workers=2) as side_by_side:
        commands = [side_by_side.submit(_run_services_command, (name,), environment) for name in ("migrate", "topics")]
    for command in commands:
        command.result()


def _start_services(
    supervisor: Supervisor, environment: Mapping[str, str], choices: Choices, platforms: Sequence[str]
) -> dict[str, str]:
    urls: dict[str, str] = {}
    for service, (setting, usual) in _PORTS.items():
        arguments = [service, *platforms, OUR_OWN] if service == "ingest" else [service]
        for number in range(1, choices.copies.get(service, 1) + 1):
            name = service if number == 1 else f"{service}-{number}"
            port = free_port(usual if choices.fixed_ports and number == 1 else 0)
            urls[name] = f"http://{LOOPBACK}:{port}"
            own = {setting: str(port), **_addresses_for(service, urls)}
            supervisor.start_python(
                name,
                "services",
                *arguments,
                env={**environment, **own},
                cwd=REPOSITORY,
                niceness=0 if service == "ingest" else choices.niceness,
            )
    return urls


def _addresses_for(service: str, urls: Mapping[str, str]) -> dict[str, str]:
    """What a service is told of where it is reached, or where others are."""
    if service == "ingest":
        return {"PUBLIC_URL": urls["ingest"]}
    if service == "reporting":
        return {"REPORTING_INGEST_URL": urls["ingest"], "REPORTING_ELIGIBILITY_URL": urls["eligibility"]}
    return {}


def _make_key(environment: Mapping[str, str]) -> str:
    return _run_services_command(("keys", "create", "--seller", SELLER, "--label", "demo"), environment).split()[-1]


def _run_services_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=REPOSITORY,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise StartFailedError(f"`python -m services {' '.join(arguments)}` failed:\n{done.stderr[-1500:]}")
    return done.stdout


def ready_line(child: Child) -> dict[str, Any]:
    """The line of JSON by which a sandbox process says where it listens."""
    give_up = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < give_up and child.exit_code is None:
        with suppress(FileNotFoundError):
            for line in child.log_path.read_text(errors="replace").splitlines():
                if line.startswith('{"ready"'):
                    said: dict[str, Any] = json.loads(line)
                    return said
        time.sleep(0.05)
    raise StartFailedError(f"{child.name} did not say where it listens; see {child.log_path}")
