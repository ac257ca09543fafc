"""Starts child processes that cannot outlive their parent, and ends them by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

#: Linux sends the parent-death signal when the *thread* that forked ends, so every fork happens on this one thread,
#: which lives as long as the process.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

#: An unprivileged account that every Linux has, for programs that refuse to run as root.
NOBODY = 65534

_TRIES_TO_GIVE_WAY = 20
_SECONDS_BETWEEN_TRIES = 0.1


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How one child is started.

    Attributes:
        argv: The program and its arguments.
        log_path: Gets standard output and standard error, appended.
        env: The child's whole environment; None inherits ours.
        cwd: The child's working directory; None inherits ours.
        death_signal: What the kernel sends the child when we die, however we die (Linux only); None lets it live on.
        unprivileged: Run as an unprivileged account when we are root.
        niceness: From 1 to 19: it gives way to the others while there is not processor enough for all.
    """

    argv: Sequence[str]
    log_path: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    death_signal: signal.Signals | None = signal.SIGKILL
    unprivileged: bool = False
    niceness: int = 0


def spawn(launch: Launch) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that a terminal's Ctrl-C reaches only us."""
    return _SPAWNER.submit(_fork, launch).result()


def run_as_prefix(*, unprivileged: bool, death_signal: signal.Signals | None = None) -> list[str]:
    """The `setpriv` words to put before a command; empty where there is nothing to change or no `setpriv`.

    As root, an unprivileged child keeps the one capability to pass through directories that only root may enter
    (a checkout below `/root`); it owns nothing but its data.
    """
    setpriv = shutil.which("setpriv")
    words: list[str] = []
    if unprivileged and os.geteuid() == 0:
        words += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        # Without the secure bit, access(2), with which Postgres examines its own programs, would overlook it.
        words += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    if death_signal is not None:
        words += ["--pdeathsig", death_signal.name.removeprefix("SIG")]
    return [setpriv, *words, "--"] if setpriv and words else []


def end(process: subprocess.Popen[bytes], *, first: signal.Signals, grace: float) -> None:
    """Send `first`, wait `grace` seconds, then SIGKILL; returns when the child is gone."""
    with suppress(ProcessLookupError):
        process.send_signal(first)
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def remember(process: subprocess.Popen[bytes], pid_file: Path) -> None:
    """Note the child's pid and birth, so that a later run can tell an orphan from a stranger with the same pid."""
    with suppress(psutil.NoSuchProcess):
        born = psutil.Process(process.pid).create_time()
        pid_file.write_text(json.dumps({"pid": process.pid, "born": born}))


def end_orphan(pid_file: Path, *, grace: float = 5.0) -> None:
    """End the child that an earlier, crashed run left behind, if it still lives; forget it in any case.

    It may be about to end cleanly by itself, which spares the next start a recovery: it gets `grace` seconds.
    """
    with suppress(FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        note = json.loads(pid_file.read_text())
        orphan = psutil.Process(note["pid"])
        if abs(orphan.create_time() - note["born"]) < 1:
            _end_process(orphan, grace=grace)
    pid_file.unlink(missing_ok=True)


def _end_process(process: psutil.Process, *, grace: float) -> None:
    process.terminate()
    try:
        process.wait(timeout=grace)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def _fork(launch: Launch) -> subprocess.Popen[bytes]:
    launch.log_path.parent.mkdir(parents=True, exist_ok=True)
    prefix = run_as_prefix(unprivileged=launch.unprivileged, death_signal=launch.death_signal)
    with launch.log_path.open("ab") as log:
        process = subprocess.Popen(
            [*prefix, *launch.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=launch.env,
            cwd=launch.cwd,
            start_new_session=True,
        )
    if launch.niceness:
        _give_way(process.pid, launch.niceness)
    return process


def _give_way(pid: int, niceness: int) -> None:
    """Lower the priority of a child, and of its whole session.

    Where Linux shares the processors by session, a niceness counts only among processes of one session (sched(7), "The
    autogroup feature").
    """
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(_TRIES_TO_GIVE_WAY):
        try:
            group.write_text(f"{niceness}")
        except BlockingIOError:
            # Who is not root may ask so ten times a second, all his processes together.
            time.sleep(_SECONDS_BETWEEN_TRIES)
        except OSError:
            return  # a system without it: there, the niceness alone does
        else:
            return
