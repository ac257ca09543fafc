"""Counts an app's calls against Etsy's two budgets: calls a second and calls in a sliding 24 hours."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

DAY = 86_400.0
#: What Etsy gave new apps for years; larger apps get more, which is why clients must read the headers.
PER_SECOND = 10
PER_DAY = 10_000
#: Budgets while the artificial limits are off: present in the headers, out of anyone's reach.
UNLIMITED_PER_SECOND = 1_000_000
UNLIMITED_PER_DAY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether one call may pass, with the headers that tell the client what is left."""

    allowed: bool
    headers: dict[str, str]


@dataclass(slots=True)
class Quota:
    """One app's budgets; `now` answers seconds of any steady clock."""

    now: Callable[[], float]
    per_second: int = PER_SECOND
    per_day: int = PER_DAY
    limited: bool = True
    over_budget: int = 0
    _second: deque[float] = field(default_factory=deque)
    _day: deque[float] = field(default_factory=deque)

    def admit(self) -> Admission:
        """Count one call; the second's budget is checked before the day's, as the documentation says."""
        if not self.limited:
            return Admission(allowed=True, headers=_UNLIMITED_HEADERS)
        now = self.now()
        _forget(self._second, before=now - 1.0)
        _forget(self._day, before=now - DAY)
        wait = self._wait(now)
        if wait is not None:
            self.over_budget += 1
            return Admission(allowed=False, headers={**self._headers(), "retry-after": str(wait)})
        self._second.append(now)
        self._day.append(now)
        return Admission(allowed=True, headers=self._headers())

    def _wait(self, now: float) -> int | None:
        if len(self._second) >= self.per_second:
            return 1
        if len(self._day) >= self.per_day:
            return max(1, math.ceil(self._day[0] + DAY - now))
        return None

    def _headers(self) -> dict[str, str]:
        return {
            "x-limit-per-second": str(self.per_second),
            "x-remaining-this-second": str(max(0, self.per_second - len(self._second))),
            "x-limit-per-day": str(self.per_day),
            "x-remaining-today": str(max(0, self.per_day - len(self._day))),
        }


def _forget(times: deque[float], *, before: float) -> None:
    while times and times[0] <= before:
        times.popleft()


_UNLIMITED_HEADERS = {
    "x-limit-per-second": str(UNLIMITED_PER_SECOND),
    "x-remaining-this-second": str(UNLIMITED_PER_SECOND - 1),
    "x-limit-per-day": str(UNLIMITED_PER_DAY),
    "x-remaining-today": str(UNLIMITED_PER_DAY - 1),
}
