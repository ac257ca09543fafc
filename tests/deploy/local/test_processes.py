from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import LocalStackError, StartFailedError
from deploy.local.ports import free_port
from deploy.local.processes import Supervisor

pytestmark = pytest.mark.integration

SERVE = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_a_child_is_ready_when_it_answers_and_gone_when_stopped(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/"
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("web", [sys.executable, "-c", SERVE, str(port)], cwd=tmp_path)

        child.wait_ready(url)

        assert child.memory_bytes() > 1_000_000
        pid = child.pid
    assert not psutil.pid_exists(pid)
    assert "GET / HTTP" in (tmp_path / "web.log").read_text()


def test_a_killed_child_comes_back_by_restart(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/"
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("web", [sys.executable, "-c", SERVE, str(port)], cwd=tmp_path)
        child.wait_ready(url)
        first = child.pid

        child.kill()
        exit_code = child.exit_code
        child.restart()
        child.wait_ready(url)

        assert exit_code == -9
        assert child.pid != first


def test_a_child_that_ends_while_starting_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("broken", [sys.executable, "-c", "raise SystemExit('no settings')"])

        with pytest.raises(StartFailedError, match=r"broken ended with 1 .*\n.*no settings"):
            child.wait_ready(f"http://127.0.0.1:{free_port()}/")


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    child = supervisor.start("stubborn", [sys.executable, "-c", STUBBORN])
    while not (tmp_path / "stubborn.log").read_text():
        pass

    supervisor.stop_all(grace=0.2)

    assert child.exit_code == -9


def test_one_name_is_one_living_child(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start("only", [sys.executable, "-c", STUBBORN])

        with pytest.raises(LocalStackError, match="only already runs"):
            supervisor.start("only", [sys.executable, "-c", STUBBORN])

        supervisor.stop_all(grace=0.1)
