"""At most one process owns a data directory, and a dead owner never blocks the next one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import DirectoryInUseError

LOCK_NAME = "owner.lock"


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Own `directory` (created if missing) until the block ends.

    The lock is the kernel's (`flock`): it ends with its process, however that ends. The file also holds the owner's
    pid, for people.

    Raises:
        DirectoryInUseError: a living process owns it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, directory)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def owner_pid(directory: Path) -> int | None:
    """The pid of the living owner of `directory`, or None when nobody owns it."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text else None
    else:
        return None
    finally:
        os.close(descriptor)


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
        raise DirectoryInUseError(
            f"{directory} is in use by process {pid}: stop it, or choose another data directory"
        ) from error
