"""Drafts in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from services.ingest.drafts.draft import Draft


class MemoryDrafts:
    """`Drafts` in a dictionary."""

    def __init__(self) -> None:
        self.drafts: dict[tuple[str, str], Draft] = {}

    async def of_seller(self, seller_id: str) -> Sequence[Draft]:
        """By age."""
        found = [self.drafts[place] for place in sorted(self.drafts) if place[0] == seller_id]
        return sorted(found, key=lambda draft: draft.changed_at, reverse=True)

    async def get(self, seller_id: str, draft_id: str) -> Draft | None:
        """If it is there."""
        return self.drafts.get((seller_id, draft_id))

    async def put(self, draft: Draft, *, most: int) -> bool:
        """At once."""
        place = (draft.seller_id, draft.draft_id)
        others = [other for other in self.drafts if other[0] == draft.seller_id and other != place]
        if len(others) >= most:
            return False
        self.drafts[place] = draft
        return True

    async def remove(self, seller_id: str, draft_id: str) -> None:
        """At once."""
        self.drafts.pop((seller_id, draft_id), None)

    async def forget(self, *, before: datetime) -> None:
        """By looking at each."""
        self.drafts = {place: draft for place, draft in self.drafts.items() if draft.changed_at >= before}

    async def erase(self, *, store_ids: Collection[str], order_keys: Collection[str]) -> int:
        """By looking at each."""
        gone = [
            place
            for place, draft in self.drafts.items()
            if draft.store_id in store_ids or set(draft.order_keys) & set(order_keys)
        ]
        for place in gone:
            del self.drafts[place]
        return len(gone)
