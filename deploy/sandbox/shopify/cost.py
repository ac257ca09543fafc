"""The rate limit: a leaky bucket of query cost per app and store.

Source: shopify.dev/docs/api/usage/rate-limits. The platform does not document the bucket's size; clients are
to read `maximumAvailable`.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Points restored per second, by the store's plan.
RESTORE_RATES = {"standard": 100.0, "advanced": 200.0, "plus": 1000.0, "enterprise": 2000.0}
#: Seconds of restoring that fill an empty bucket, unless the sandbox is told otherwise.
BUCKET_SECONDS = 20.0
#: The most that a single query may cost.
MAX_QUERY_COST = 1000
#: The restore rate with limits switched off: never reached.
UNLIMITED = 1e9


@dataclass(slots=True)
class Bucket:
    """Points that one app may spend at one store; `at` is the time of the last look, in seconds."""

    rate: float
    at: float
    available: float = -1.0
    seconds: float = BUCKET_SECONDS

    @property
    def maximum(self) -> float:
        """The bucket's size in points."""
        return self.rate * self.seconds

    def look(self, now: float) -> float:
        """Points available now."""
        restored = self.maximum if self.available < 0 else self.available + (now - self.at) * self.rate
        self.available = min(self.maximum, restored)
        self.at = max(self.at, now)
        return self.available

    def take(self, cost: float, *, now: float) -> bool:
        """Hold `cost` points; False, and nothing held, if there are fewer."""
        if self.look(now) < cost:
            return False
        self.available -= cost
        return True

    def give_back(self, cost: float) -> None:
        """Return points that were held and not spent."""
        self.available = min(self.maximum, self.available + cost)

    def status(self) -> dict[str, float]:
        """`throttleStatus` as answers carry it."""
        return {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.available),
            "restoreRate": self.rate,
        }
