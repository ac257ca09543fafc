"""What last looks need kept: the questions by order, and which process reads which store.

As in `services.ingest.ports`: every method raises `TransientError` when the database is away.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.looks import LookWanted
from services.ingest.stores.store import Store


@dataclass(frozen=True, slots=True)
class LookLease:
    """The right to look at a store's orders, until it expires unrenewed. `number` rises with every lease of the store.

    `failures` is how often in a row its platform did not answer.
    """

    store: Store
    owner: str
    number: int
    failures: int = 0


class Looks(Protocol):
    """The questions.

    What takes a lease raises `LeaseLost` once somebody else holds the store, and then changes nothing.
    """

    async def ask(self, wanted: Sequence[LookWanted], *, now: datetime) -> None:
        """Keep questions of stores that there are; a later one about an order stands for those before it."""
        ...

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[LookLease]:
        """Lease stores with questions that are due and that nobody holds, those first that wait longest.

        Stores that are not linked count too: their questions have to be answered.
        """
        ...

    async def renew(self, lease: LookLease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: LookLease, *, due: datetime) -> None:
        """End the lease without a result; the store is due again at `due`."""
        ...

    async def next(self, lease: LookLease, *, limit: int) -> list[LookWanted]:
        """The store's questions that were asked first."""
        ...

    async def answered(self, lease: LookLease, wanted: Sequence[LookWanted]) -> None:
        """Forget questions that were answered; not those that were put anew meanwhile."""
        ...

    async def leave(self, lease: LookLease, *, due: datetime, failures: int = 0) -> None:
        """End the lease; the store is due again at `due` if it has questions then."""
        ...
