"""Directories for runs that keep nothing: several runs at once each get their own, and crashes pile nothing up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from deploy.local.errors import DirectoryInUseError
from deploy.local.lock import LOCK_NAME, directory_lock


@contextmanager
def throwaway_directory(parent: Path) -> Iterator[Path]:
    """An empty directory of our own below `parent`, emptied again at the end."""
    for number in count():
        directory = parent / str(number)
        try:
            with directory_lock(directory):
                _empty(directory)
                yield directory
                _empty(directory)
        except DirectoryInUseError:
            continue
        return


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK_NAME:
            entry.unlink()
