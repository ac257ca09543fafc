"""Counts calls against Amazon's usage plans: a token bucket for each seller, app and operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

Operation = Literal[
    "searchOrders",
    "getOrder",
    "confirmShipment",
    "getSubscriptions",
    "getSubscription",
    "createSubscription",
    "getSubscriptionById",
    "deleteSubscriptionById",
    "sendTestNotification",
    "getDestinations",
    "createDestination",
    "getDestination",
    "deleteDestination",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
_NOTIFICATIONS = (1.0, 5)
#: Requests a second and burst; about one search in 178 seconds.
PLANS: dict[Operation, tuple[float, int]] = dict.fromkeys(OPERATIONS, _NOTIFICATIONS) | {
    "searchOrders": (0.0056, 20),
    "getOrder": (0.5, 30),
    "confirmShipment": (2.0, 10),
}
#: The rate that headers show while the artificial limits are off.
UNLIMITED = 1000.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Usage:
    """All buckets; `now` answers seconds of any steady clock."""

    now: Callable[[], float]
    limited: bool = True
    plans: dict[Operation, tuple[float, int]] = field(default_factory=lambda: dict(PLANS))
    _buckets: dict[tuple[str, str, Operation], _Bucket] = field(default_factory=dict)

    def admit(self, operation: Operation, *, seller: str, client: str) -> bool:
        """Take one token; False when the bucket has none."""
        if not self.limited:
            return True
        rate, burst = self.plans[operation]
        now = self.now()
        bucket = self._buckets.setdefault((seller, client, operation), _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def rate(self, operation: Operation) -> float:
        """The rate in effect, as `x-amzn-RateLimit-Limit` tells it: never what is left."""
        return self.plans[operation][0] if self.limited else UNLIMITED

    def wait(self, operation: Operation, *, seller: str, client: str) -> float:
        """Seconds until a refused call would pass."""
        bucket = self._buckets[seller, client, operation]
        return (1 - bucket.tokens) / self.plans[operation][0]
