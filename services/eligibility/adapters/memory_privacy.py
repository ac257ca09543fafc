"""The in-memory twin of the privacy requests, over the tables of the repository's twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from schemas.ids import split_order_key
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.memory_tables import Tables
from services.eligibility.dossier import Dossier
from services.eligibility.erasures import EVERY_STORE, PrivacyRequest, RequestState, Tombstone
from services.eligibility.ports import Affected


class MemoryPrivacyRequests:
    """See `ports.PrivacyRequests`."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository

    async def keep(self, requests: Sequence[PrivacyRequest]) -> int:
        """Keep those that are new; return how many were."""
        async with self._repository.changing() as tables:
            kept = 0
            for request in requests:
                if request.event_id not in tables.privacy:
                    kept += 1
                    tables.privacy[request.event_id] = replace(request, number=len(tables.privacy) + 1)
                    _bury(tables, request)
        return kept

    async def to_erase(self, limit: int) -> list[PrivacyRequest]:
        """Return erasures that are not done, oldest first."""
        return [each for each in self._all() if each.state == "open" and each.kind != "data"][:limit]

    async def affected(self, request: PrivacyRequest, *, after: str, limit: int) -> list[Affected]:
        """Return orders that it is about and of whose buyers something is kept, by key, after a key."""
        found = [
            Affected(key, dossier.shard, dossier.seller_id)
            for key, dossier in sorted(self._repository.tables.dossiers.items())
            if key > after and dossier.sealed_event is not None and _is_about(request, dossier)
        ]
        return found[:limit]

    async def close(self, event_id: str, state: RequestState, *, now: datetime) -> None:
        """Note that an open request is done."""
        async with self._repository.changing() as tables:
            request = tables.privacy[event_id]
            if request.state == "open":
                tables.privacy[event_id] = replace(request, state=state, closed_at=now)

    async def of_seller(
        self, seller_id: str, *, before: int, state: RequestState | None, limit: int
    ) -> list[tuple[PrivacyRequest, int]]:
        """Return requests that concern a seller, newest first, each with how many of their orders were erased."""
        erasures = self._repository.tables.erasures
        ours = [
            (request, erasures.get((request.event_id, seller_id), 0))
            for request in reversed(self._all())
            if request.number < before
            and state in (None, request.state)
            and (request.seller_id == seller_id or (request.event_id, seller_id) in erasures)
        ]
        return ours[:limit]

    async def find(self, seller_id: str, event_id: str) -> tuple[PrivacyRequest, int] | None:
        """Return one of them."""
        everything = len(self._repository.tables.privacy) + 1
        ours = await self.of_seller(seller_id, before=everything, state=None, limit=everything)
        return next((found for found in ours if found[0].event_id == event_id), None)

    def _all(self) -> list[PrivacyRequest]:
        return sorted(self._repository.tables.privacy.values(), key=lambda request: request.number)


def _bury(tables: Tables, request: PrivacyRequest) -> None:
    tombstone = Tombstone(request.event_id, request.asked_at)
    if request.kind == "erase_buyer":
        for key in request.order_keys:
            tables.erased_orders.setdefault(key, tombstone)
        for buyer in request.buyers:
            place = (buyer, request.store_id or EVERY_STORE)
            tables.erased_buyers[place] = max(tables.erased_buyers.get(place, tombstone), tombstone, key=_asked_at)
    if request.kind == "erase_store" and request.store_id is not None:
        before = tables.erased_stores.get(request.store_id, tombstone)
        tables.erased_stores[request.store_id] = max(before, tombstone, key=_asked_at)


def _asked_at(tombstone: Tombstone) -> datetime:
    return tombstone.asked_at


def _is_about(request: PrivacyRequest, dossier: Dossier) -> bool:
    if request.store_id not in (None, split_order_key(dossier.order_key).store_id):
        return False
    if request.kind == "erase_store":
        return True
    return dossier.order_key in request.order_keys or dossier.buyer in request.buyers
