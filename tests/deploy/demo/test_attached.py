"""How the attached sandbox ends; that it is attached is shown end to end."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from deploy.local.stack import REPOSITORY

PROGRAM = """
import signal, sys
from pathlib import Path
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
from deploy.demo import attached
attached.background.find = lambda up: object()
attached.DIRECTORY = Path(sys.argv[2])
attached._run = lambda supervisor, up: print(supervisor.start("child", ["sleep", "60"]).pid, flush=True)
sys.exit(attached.main())
"""


@pytest.mark.parametrize(
    ("inherited", "signal_number", "code"),
    [("usual", signal.SIGINT, 0), ("ignored", signal.SIGINT, 0), ("usual", signal.SIGTERM, 128 + signal.SIGTERM)],
)
def test_a_signal_ends_it_and_what_it_started(
    tmp_path: object, inherited: str, signal_number: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, inherited, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))

        process.send_signal(signal_number)

        assert process.wait(30) == code
        assert not child.is_running()
