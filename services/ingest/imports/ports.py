"""What imports need kept: the imports, their files in sealed pieces, what is wrong with their rows, and leases.

As in `services.ingest.ports`: every method raises `TransientError` when the database is away, and messages given to a
method are told if and only if its rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.ids import OrderKey
from services.ingest.imports.record import Import, RowProblem
from services.ingest.ports import Seen
from services.ingest.stores.store import Store
from services.kit.kafka.publisher import Message


@dataclass(frozen=True, slots=True)
class ImportLease:
    """The right to go on with an import, until it expires unrenewed. `number` rises with every lease of the import."""

    held: Import
    store: Store
    owner: str
    number: int


class Imports(Protocol):
    """The imports.

    Whatever takes a lease raises `LeaseLost` once somebody else holds the import, or its seller has cancelled it, and
    then changes nothing.
    """

    async def keep_piece(self, import_id: str, number: int, sealed: bytes, *, now: datetime) -> None:
        """Keep a piece of a file, from 0; its import need not be there yet."""
        ...

    async def piece(self, import_id: str, number: int) -> bytes | None:
        """A piece of a file, None when it is not there (any more)."""
        ...

    async def drop_pieces(self, import_id: str) -> None:
        """Forget a file."""
        ...

    async def add(self, new: Import) -> None:
        """Keep a new import."""
        ...

    async def same_file(self, store_id: str, digest: str) -> str | None:
        """The newest import of this file into this store that was started."""
        ...

    async def get(self, import_id: str) -> Import | None:
        """One import of any seller."""
        ...

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Import]:
        """A seller's imports, into one store or all, the newest first, those after `after`."""
        ...

    async def unfinished(self, store_id: str) -> int:
        """How many imports into the store have not ended."""
        ...

    async def problems(self, import_id: str, *, after: tuple[int, int], limit: int) -> list[tuple[int, RowProblem]]:
        """What is wrong, by order and number within it, those after `after`; each with its number."""
        ...

    async def faulty_orders(self, import_id: str, *, after: int, limit: int) -> list[tuple[int, str]]:
        """The orders (places in the file) with problems after `after`, each with its problems in one text."""
        ...

    async def refused(self, import_id: str, *, first: int, last: int) -> set[int]:
        """The orders (places in the file) from `first` until `last`, exclusive, with problems met when given."""
        ...

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[ImportLease]:
        """Lease of each store the oldest import that has work to do, when it is due and none of the store's is held."""
        ...

    async def renew(self, lease: ImportLease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: ImportLease, *, due: datetime) -> None:
        """End the lease; the import is due again at `due`."""
        ...

    async def record(
        self,
        lease: ImportLease,
        held: Import,
        *,
        problems: Sequence[RowProblem] = (),
        retried: Collection[int] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Keep how far it is, and what was found on the way; a step that is kept already changes nothing.

        `retried` are orders that were given once more: `problems` says all that is wrong with them now.
        """
        ...

    async def leave(self, lease: ImportLease, held: Import, *, messages: Sequence[Message] = ()) -> None:
        """Keep what became of it, and end the lease."""
        ...

    async def steer(
        self, import_id: str, change: Callable[[Import], tuple[Import, Sequence[Message]]]
    ) -> Import | None:
        """Apply what the seller wants, alone; a change takes the lease from whoever holds it.

        Returns the import after it, None when there is none.
        """
        ...

    async def forget(self, *, files_before: datetime, imports_before: datetime) -> None:
        """Forget files that came before the one time, and imports that came before the other."""
        ...
