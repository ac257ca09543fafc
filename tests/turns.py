"""Which tests run in one process, and in which turn: what mostly waits first, then what computes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parents[1]
_WHOLE_PATH = "tests/e2e/"


@cache
def turn_of(path: str) -> int:
    """First what shares one running world, then files (paths from the root) with Kafka or Postgres, then the others."""
    if path.startswith(_WHOLE_PATH):
        return 0
    return 1 if "mark.integration" in (_ROOT / path).read_text() else 2


class Turns(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process a file at a time, in the order of collection; to one, all that share the running world.

    xdist's own groups are suffixes of the tests' ids, which pytest 9.2 no longer lets it write.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return _WHOLE_PATH if path.startswith(_WHOLE_PATH) else path
