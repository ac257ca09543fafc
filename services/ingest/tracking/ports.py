"""What pushes need kept: the pushes of each order, who goes on with them, and stores whose platform takes none.

As in `services.ingest.ports`: every method raises `TransientError` when the database is away. What changes is told if
and only if it is kept: whoever changes a push need not think of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.ids import OrderKey
from schemas.tracking import PushState
from services.ingest.stores.store import Store
from services.ingest.tracking.push import Push, PushOrder

#: The pushes of an order by their ids, and those of them that are new or changed.
Pushes = Mapping[str, Push]
Change = Callable[[Pushes], Sequence[Push]]


@dataclass(frozen=True, slots=True)
class PushLease:
    """The right to tell a platform of an order's parcels, until it expires unrenewed. `number` rises with each."""

    order_key: OrderKey
    store: Store
    owner: str
    number: int


@dataclass(frozen=True, slots=True)
class Block:
    """A store whose platform takes no parcel: why, since which grant of access, and when one tries again."""

    store_id: str
    code: str
    problem: str
    grants: int
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class PushFilter:
    """Which of a seller's pushes are meant."""

    seller_id: str
    state: PushState | None = None
    code: str | None = None
    store_id: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What was heard of an order's parcels: how it changes the order's pushes."""

    order: PushOrder
    change: Change


class PushStorage(Protocol):
    """The pushes.

    What takes a lease raises `LeaseLost` once somebody else holds the order, and then changes nothing.
    """

    async def take(self, news: Sequence[News], *, now: datetime) -> None:
        """Apply news to orders' pushes, in turn and all or none; the first of an order makes it known."""
        ...

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[PushLease]:
        """Lease orders with something to do that nobody holds.

        Of each store those with the nearest deadline first, then those that wait longest; stores with fewer orders
        under way go first, and none gets more than `ORDERS_OF_A_STORE` at once.
        """
        ...

    async def renew(self, lease: PushLease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: PushLease, *, due: datetime) -> None:
        """End the lease without a result; the order is due again at `due`."""
        ...

    async def change(self, lease: PushLease, change: Change, *, now: datetime) -> Pushes:
        """Apply what was done to the present pushes, alone; returns them all, as they are then."""
        ...

    async def leave(self, lease: PushLease) -> None:
        """End the lease: everything that was done is kept."""
        ...

    async def of_order(self, order_key: OrderKey) -> Pushes:
        """The pushes of an order."""
        ...

    async def get(self, push_id: str) -> Push | None:
        """One push of any seller."""
        ...

    async def page(self, wanted: PushFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Push]:
        """Pushes, the newest first, those made before `after` (the time and id of a push)."""
        ...

    async def retry(self, push_id: str, *, now: datetime) -> Push | None:
        """Have one tried again; returns it, None when there is none."""
        ...

    async def retry_all(self, wanted: PushFilter, *, now: datetime) -> int:
        """Have all of them tried again, and lift their stores' blocks for that code; how many there were."""
        ...

    async def blocked(self, store: Store, *, now: datetime) -> Block | None:
        """Why the store's platform takes no parcel now; None: ask it.

        From `probe_at` on, one caller is told None and the others wait another day. A block from before the last grant
        of access is lifted.
        """
        ...

    async def block(self, block: Block) -> None:
        """Keep that the platform takes none of a store's parcels."""
        ...

    async def lift(self, store_id: str, *, now: datetime) -> None:
        """The platform takes the store's parcels again: those that wait for it are due."""
        ...

    async def forget(self, *, before: datetime) -> None:
        """Forget orders whose first parcel was told of before `before` and that have nothing more to do."""
        ...


#: Orders of one store that are told of at once: a platform counts calls, and others wait for theirs.
ORDERS_OF_A_STORE = 4
