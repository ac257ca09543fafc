"""Which tests run in one process, and in which turn: what mostly waits comes first, and all else is done beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

#: Tests of the whole path share one running world; tests of single services share one Kafka and one Postgres.
FIRST = ("world", "servers")
_ROOT = Path(__file__).parents[1]


@cache
def group_of(path: str) -> str:
    """What runs in one process with the tests of this file (its path from the root); else the file is its own group."""
    if path.startswith("tests/e2e/"):
        return "world"
    return "servers" if "mark.integration" in (_ROOT / path).read_text() else path


def turn_of(path: str) -> int:
    """Only what runs together has a turn of its own."""
    group = group_of(path)
    return FIRST.index(group) if group in FIRST else len(FIRST)


class Turns(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process a group at a time, in the order of collection.

    xdist's own groups are suffixes of the tests' ids, which pytest 9.2 no longer lets it write.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])
