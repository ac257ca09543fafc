"""The budget of one shop: a leaky bucket of 30 calls that leaks two a second, told in a header of every answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

SIZE = 30
#: Calls that leave the bucket each second.
LEAK = 2.0
HEADER = "X-Sb-Shop-Api-Call-Limit"


@dataclass(slots=True)
class Bucket:
    """Counts calls; `now` answers seconds of any steady clock."""

    now: Callable[[], float]
    _level: float = 0.0
    _seen: float = 0.0

    def admit(self) -> bool:
        """Take one call in; a call that finds the bucket full is refused, not queued, and does not fill it further."""
        level = self._settled()
        if level + 1 > SIZE:
            return False
        self._level = level + 1
        return True

    @property
    def header(self) -> str:
        """Used and size, "22/30"."""
        return f"{math.ceil(self._settled())}/{SIZE}"

    @property
    def wait(self) -> int:
        """Whole seconds until a call has room."""
        return max(1, math.ceil((self._settled() + 1 - SIZE) / LEAK))

    def _settled(self) -> float:
        now = self.now()
        self._level = max(0.0, self._level - (now - self._seen) * LEAK)
        self._seen = now
        return self._level
