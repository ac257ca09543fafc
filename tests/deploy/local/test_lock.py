from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.errors import DirectoryInUseError
from deploy.local.lock import directory_lock, owner_pid
from deploy.local.throwaway import throwaway_directory

HOLD = """
import sys, time
from pathlib import Path
from deploy.local.lock import directory_lock
with directory_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_owner_is_told_who_has_the_directory(tmp_path: Path) -> None:
    with directory_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()

        with pytest.raises(DirectoryInUseError, match=f"process {os.getpid()}: stop it"), directory_lock(tmp_path):
            pass

    assert owner_pid(tmp_path) is None


def test_a_killed_owner_blocks_nobody(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert owner_pid(tmp_path) == holder.pid

        holder.kill()
        holder.wait()

        with directory_lock(tmp_path):
            assert owner_pid(tmp_path) == os.getpid()


def test_runs_side_by_side_get_directories_of_their_own(tmp_path: Path) -> None:
    with throwaway_directory(tmp_path) as first, throwaway_directory(tmp_path) as second:
        (first / "data").mkdir()

        assert first != second

    assert [entry.name for entry in first.iterdir()] == ["owner.lock"]


def test_what_a_crashed_run_left_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "0" / "kafka").mkdir(parents=True)

    with throwaway_directory(tmp_path) as directory:
        assert directory == tmp_path / "0"
        assert not (directory / "kafka").exists()
