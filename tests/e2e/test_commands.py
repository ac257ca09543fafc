"""The commands that a person runs first: the demo adds up and ends by itself; the sandbox joins what is up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.demo.__main__ import DIRECTORY
from deploy.demo.direct.files import kinds
from deploy.local import background
from deploy.local.stack import REPOSITORY, VAR
from deploy.local.throwaway import throwaway_directory
from tests.e2e.everywhere import PLATFORMS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ORDERS = 60
STOPS_WITHIN = 30.0


def test_the_demo_adds_up_and_exits() -> None:
    summary = DIRECTORY / "summary.json"
    summary.unlink(missing_ok=True)

    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        capture_output=True,
        text=True,
        env={**os.environ, "ONCE": "1", "ORDERS": str(ORDERS), "PLATFORMS": ""},
        cwd=REPOSITORY,
        check=False,
        timeout=170,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(summary.read_text())
    assert told["adds_up"] is True
    assert told["differences"] == []
    assert told["seconds"] > 0
    assert told["orders_per_second"] > 0
    assert tuple(sorted(told["platforms"])) == PLATFORMS
    for row in told["platforms"].values():
        assert row["on_platform"] == row["imported"] == ORDERS // len(PLATFORMS)
        assert row["shipped"] == row["released"]
        assert row.keys() >= {"held", "rejected", "seconds"}
    given = told["direct"]["ways"]
    assert len(given) == len(kinds()) + 1
    assert all(row["shipped"] == row["released"] > 0 for row in given.values())
    assert "Everything adds up." in done.stdout


@pytest.fixture(scope="module")
def up() -> Iterator[Path]:
    """Services in the background, as `make up` has them, over a directory of their own."""
    with throwaway_directory(VAR / "e2e-up") as directory:
        # As commands: what is up must not be a child of ours, which nobody but us could see end.
        command = [sys.executable, "-m", "deploy.local", "--directory", str(directory / "up")]
        subprocess.run([*command, "up"], check=True, capture_output=True, cwd=REPOSITORY, timeout=120)
        try:
            yield directory / "up"
        finally:
            subprocess.run([*command, "down"], check=True, capture_output=True, cwd=REPOSITORY, timeout=60)


def test_the_sandbox_refuses_where_nothing_is_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo.attached", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert "make up" in done.stderr


def test_the_sandbox_says_where_everything_is_and_leaves_nothing_behind(up: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.demo.attached", str(up)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        try:
            told = _told(process)
            started = _sandbox_processes(process.pid)
            process.send_signal(signal.SIGINT)
            process.wait(STOPS_WITHIN)
        finally:
            process.kill()

    assert told.keys() >= {*PLATFORMS, "factory", "control"}
    assert all(told[name].startswith("http://127.0.0.1:") for name in (*PLATFORMS, "factory", "control"))
    assert len(started) == 2
    assert [child for child in started if child.is_running()] == []
    assert background.find(up) is not None


def _sandbox_processes(pid: int) -> list[psutil.Process]:
    """What it started for itself: the services that it started again are meant to stay."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if any("deploy.sandbox" in word for word in child.cmdline())]


def _told(process: subprocess.Popen[str]) -> dict[str, str]:
    """What it printed until it stays: a name and an address a line."""
    assert process.stdout is not None
    told: dict[str, str] = {}
    for line in process.stdout:
        name, _, address = line.strip().partition(" ")
        told[name] = address.strip()
        if name == "Ctrl-C":
            break
    return told
