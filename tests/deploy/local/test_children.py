from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from deploy.local.children import Launch, end, end_orphan, remember, spawn

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_an_orphan_of_a_crashed_run_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    with subprocess.Popen(SLEEP) as orphan:
        remember(orphan, note)

        end_orphan(note)

        assert not psutil.pid_exists(orphan.pid)
    assert not note.exists()


def test_a_stranger_with_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    with subprocess.Popen(SLEEP) as stranger:
        born = psutil.Process(stranger.pid).create_time()
        note.write_text(json.dumps({"pid": stranger.pid, "born": born - 3600}))

        end_orphan(note)

        assert stranger.poll() is None
        stranger.kill()
    assert not note.exists()


def test_a_half_written_note_stops_nothing(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    note.write_text('{"pid": ')

    end_orphan(note)

    assert not note.exists()


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[subprocess.Popen[bytes]] = []
    asking = threading.Thread(target=lambda: started.append(spawn(Launch(argv=SLEEP, log_path=tmp_path / "log"))))

    asking.start()
    asking.join()

    [child] = started
    try:
        assert psutil.Process(child.pid).is_running()
        assert child.poll() is None
    finally:
        end(child, first=signal.SIGKILL, grace=5)


def test_a_polite_child_gives_way_also_where_processors_are_shared_by_session(tmp_path: Path) -> None:
    child = spawn(Launch(argv=SLEEP, log_path=tmp_path / "child.log", niceness=10))

    group = Path(f"/proc/{child.pid}/autogroup")
    niceness, of_session = psutil.Process(child.pid).nice(), group.read_text() if group.exists() else "nice 10"
    end(child, first=signal.SIGKILL, grace=5)

    assert niceness == 10
    assert of_session.strip().endswith("nice 10")
