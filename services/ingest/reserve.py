"""Budgets for work that can wait: it leaves a share of each to what cannot.

The connectors of manual syncs are built with these limits, those of polls and webhooks with the plain ones, so neither
a connector nor its client knows for whom it reads, and no call can take the wrong budget by a forgotten argument.
"""

from __future__ import annotations

from services.kit.limits import PATIENCE, Available, Limit, Limits

#: The share of what a bucket holds beyond one call that others find there at any time.
SHARE = 0.25


class Reserve:
    """`Limits` that leave a share, by the size that the caller states; a bucket of one call is taken from in turn."""

    def __init__(self, limits: Limits, *, share: float = SHARE) -> None:
        self._limits = limits
        self._share = share

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""
        reserve = self._share * max(limit.capacity - cost, 0.0)
        await self._limits.take(name, cost, limit=limit, patience=patience, leave=max(leave, reserve))

    async def available(self, name: str) -> Available | None:
        """See `Limits`."""
        return await self._limits.available(name)

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """See `Limits`."""
        await self._limits.learn(name, limit=limit, available=available, refund=refund)

    async def close(self, name: str, *, seconds: float) -> None:
        """See `Limits`."""
        await self._limits.close(name, seconds=seconds)
