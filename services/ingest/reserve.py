"""Budgets that are counted by who takes from them; work that can wait leaves a share of each to what cannot.

The connectors of manual syncs are built with `Reserve`, those of polls and webhooks with `Counted`, so neither a
connector nor its client knows for whom it reads, and no call can take the wrong budget by a forgotten argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from services.kit.limits import PATIENCE, Available, Limit, Limits

#: The share of what a bucket holds beyond one call that others find there at any time.
SHARE = 0.25
#: How long a call waits for its turn that nothing should send to the end of the line.
PATIENT_SECONDS = 60.0


@dataclass(slots=True)
class Spent:
    """What was taken from each budget meanwhile, beside the size that its taker stated."""

    of: dict[str, tuple[float, Limit]] = field(default_factory=dict)

    def add(self, name: str, cost: float, limit: Limit) -> None:
        """Count what was taken; a negative cost was given back."""
        before = self.of[name][0] if name in self.of else 0.0
        self.of[name] = (max(before + cost, 0.0), limit)


#: Where what this task and its children take is counted besides.
_SPENT: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def spending() -> Iterator[Spent]:
    """Count what is taken inside, by whatever runs in this context."""
    spent = Spent()
    token = _SPENT.set(spent)
    try:
        yield spent
    finally:
        _SPENT.reset(token)


class Counted:
    """`Limits` that tell whoever is `spending` what was taken."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""
        await self._limits.take(name, cost, limit=limit, patience=patience, leave=leave)
        if (spent := _SPENT.get()) is not None:
            spent.add(name, cost, limit)

    async def available(self, name: str) -> Available | None:
        """See `Limits`."""
        return await self._limits.available(name)

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """See `Limits`."""
        await self._limits.learn(name, limit=limit, available=available, refund=refund)
        if refund and (spent := _SPENT.get()) is not None:
            spent.add(name, -refund, limit)

    async def close(self, name: str, *, seconds: float) -> None:
        """See `Limits`."""
        await self._limits.close(name, seconds=seconds)


class Reserve(Counted):
    """`Limits` that leave a share, by the size that the caller states; a bucket of one call is taken from in turn."""

    def __init__(self, limits: Limits, *, share: float = SHARE) -> None:
        super().__init__(limits)
        self._share = share

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""
        reserve = reserved(limit, cost, share=self._share)
        await super().take(name, cost, limit=limit, patience=patience, leave=max(leave, reserve))


class Patient(Counted):
    """`Limits` for work with a deadline of its own: it stays in the line where others come again later.

    Who does not want to wait at all has a line of their own to stand in, and is told at once; of what such a line is
    for, calls at one time, a share is left to others.
    """

    def __init__(self, limits: Limits, *, seconds: float = PATIENT_SECONDS) -> None:
        super().__init__(limits)
        self._seconds = seconds

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = PATIENCE, leave: float = 0.0
    ) -> None:
        """See `Limits`."""
        if patience == 0:
            leave = max(leave, reserved(limit, cost))
        await super().take(name, cost, limit=limit, patience=patience and max(patience, self._seconds), leave=leave)


def reserved(limit: Limit, cost: float, *, share: float = SHARE) -> float:
    """What is left to others of a bucket of that size."""
    return share * max(limit.capacity - cost, 0.0)
