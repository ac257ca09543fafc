"""eBay's daily call quotas: one for each API and for each way to ask for a token, reset at a fixed hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

DAY = 86_400
#: Quotas are whole again at this second of the UTC day (midnight in California, in winter).
RESET_AT = 8 * 3_600
#: Calls a day by quota; the Fulfillment number is quoted by third parties, the others by eBay.
PER_DAY: dict[str, int] = {
    "fulfillment": 100_000,
    "notification": 10_000,
    "analytics": 5_000,
    "identity": 5_000,
    "client_credentials": 1_000,
    "authorization_code": 10_000,
    "refresh_token": 50_000,
}


@dataclass(slots=True)
class Quotas:
    """What the app used of each quota today; `now` answers Unix seconds."""

    now: Callable[[], float]
    limited: bool = True
    per_day: dict[str, int] = field(default_factory=lambda: dict(PER_DAY))
    _used: dict[str, int] = field(default_factory=dict)
    _ends_at: float = 0.0

    def admit(self, quota: str) -> bool:
        """Count one call, unless the day's are used up."""
        if not self.limited:
            return True
        self._turn()
        if self._used.get(quota, 0) >= self.per_day[quota]:
            return False
        self._used[quota] = self._used.get(quota, 0) + 1
        return True

    def remaining(self, quota: str) -> int:
        """Calls that are left today."""
        self._turn()
        return max(0, self.per_day[quota] - self._used.get(quota, 0))

    @property
    def ends_at(self) -> float:
        """Unix time at which everything is whole again."""
        self._turn()
        return self._ends_at

    def _turn(self) -> None:
        now = self.now()
        if now >= self._ends_at:
            self._used.clear()
            self._ends_at = (int(now - RESET_AT) // DAY + 1) * DAY + RESET_AT
