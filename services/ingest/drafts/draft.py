"""An order as far as it is typed, sealed for its seller; and where such drafts are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from services.kit.vault import Vault

#: Who did not go on with a draft for so long will not.
DRAFTS_KEPT = timedelta(days=90)
#: Of one seller.
MOST_DRAFTS = 100
#: Of one draft's fields together, as JSON.
LARGEST_DRAFT_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is kept.

    `store_id` and `order_keys` tell which requests of buyers it falls under: the keys are those of the order that it
    would become and of the order that it was copied from.
    """

    draft_id: str
    seller_id: str
    store_id: str | None
    order_keys: tuple[str, ...]
    changed_at: datetime
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a draft holds: the form's fields as they were typed, right or wrong, and what lists call it."""

    title: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)

    def sealed(self, vault: Vault, seller_id: str, draft_id: str) -> bytes:
        """Seal it for one place."""
        plain = orjson.dumps({"title": self.title, "fields": dict(self.fields)})
        return vault.seal(plain, context=_context(seller_id, draft_id))


class Drafts(Protocol):
    """The drafts of all sellers. Raises `TransientError` when the database is away."""

    async def of_seller(self, seller_id: str) -> Sequence[Draft]:
        """A seller's drafts, the one changed last first."""
        ...

    async def get(self, seller_id: str, draft_id: str) -> Draft | None:
        """One of a seller's drafts."""
        ...

    async def put(self, draft: Draft, *, most: int) -> bool:
        """Keep a draft in place of an earlier one of its id; False when the seller has `most` others."""
        ...

    async def remove(self, seller_id: str, draft_id: str) -> None:
        """Forget one, if it is there."""
        ...

    async def forget(self, *, before: datetime) -> None:
        """Forget those changed before that."""
        ...

    async def erase(self, *, store_ids: Collection[str], order_keys: Collection[str]) -> int:
        """Forget those of these stores, and those about these orders; return how many."""
        ...


def opened(draft: Draft, vault: Vault) -> Typed:
    """What a draft holds. Raises UnsealingError when its key is gone."""
    content = orjson.loads(vault.unseal(draft.sealed, context=_context(draft.seller_id, draft.draft_id)))
    return Typed(content["title"], content["fields"])


def _context(seller_id: str, draft_id: str) -> str:
    return f"ingest.drafts|{seller_id}|{draft_id}"
