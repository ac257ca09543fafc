"""The in-memory twin of the tables: dictionaries, and one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime

from schemas.catalog import CatalogVariant
from schemas.ids import fact_id
from schemas.money import Money
from schemas.stores import StoreRecord
from services.eligibility.adapters.memory_tables import MemoryTransaction, Tables, request_again, wake
from services.eligibility.decisions import erased
from services.eligibility.dossier import Dossier
from services.eligibility.facts import Match, MatchRef, SellerSettings
from services.eligibility.ports import Located, Numbered, StoredMatch, Wake


class MemoryRepository:
    """See `ports.Repository` and `ports.Outbox`."""

    def __init__(self, *, wake_workers: Wake | None = None) -> None:
        self.tables = Tables()
        self._turn = asyncio.Lock()
        self._wake_workers = wake_workers or (lambda _: None)
        self._failure: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Let every transaction raise `error` before it commits, until told None."""
        self._failure = error

    def judging(self, shards: Collection[int]) -> AbstractAsyncContextManager[MemoryTransaction]:
        """Open a transaction; the twin lets one at a time in, whatever its shards."""
        del shards
        return self._judging()

    @asynccontextmanager
    async def _judging(self) -> AsyncIterator[MemoryTransaction]:
        async with self.changing() as tables:
            transaction = MemoryTransaction(tables)
            yield transaction
            wake(tables, "balance", transaction.payments.refunded, "balance")

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Tables]:
        """Open a transaction over all tables."""
        async with self._turn:
            before, requests = self.tables.snapshot(), self.tables.requests
            try:
                yield self.tables
                if self._failure is not None:
                    raise self._failure  # noqa: TRY301 - it must undo what the block did
            except BaseException:  # whatever ended the block, a cancellation too, undoes it as a transaction would
                self.tables = before
                raise
        woken = {shard for shard, _, _ in set(self.tables.requests) - set(requests)}
        if woken:
            self._wake_workers(woken)

    async def locate(self, keys: Collection[str]) -> dict[str, Located]:
        """Return where those orders that are known belong."""
        found = await self.dossiers(keys)
        return {key: Located(dossier.shard, dossier.seller_id) for key, dossier in found.items()}

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known, as they stand now."""
        return {key: self.tables.dossiers[key] for key in keys if key in self.tables.dossiers}

    async def put_variants(self, variants: Sequence[CatalogVariant], gone: Sequence[str] = ()) -> None:
        """Keep the catalog's newest word on each SKU."""
        async with self.changing() as tables:
            changed = [sku for sku in gone if tables.catalog.pop(sku, None)]
            for variant in variants:
                before = tables.catalog.get(variant.sku)
                if before is None or (variant.changed_at >= before.changed_at and variant != before):
                    tables.catalog[variant.sku] = variant
                    changed.append(variant.sku)
            wake(tables, "catalog", changed, "catalog")

    async def put_stores(self, stores: Sequence[StoreRecord]) -> None:
        """Keep the newest word on each store."""
        async with self.changing() as tables:
            for store in stores:
                before = tables.stores.get(store.store_id)
                if before is not None and store.changed_at < before.changed_at:
                    continue
                tables.stores[store.store_id] = store
                if before is None or before.import_since != store.import_since:
                    wake(tables, "store", [store.store_id], "settings")
                if store.state == "linked":
                    _hurry_looks(tables, store.store_id)

    async def seller_of_store(self, store_id: str) -> str | None:
        """Return whose a store is, if it is known."""
        store = self.tables.stores.get(store_id)
        return store.seller_id if store else None

    async def put_match(self, ref: MatchRef, match: Match, *, now: datetime) -> StoredMatch:
        """Keep a match in place of an earlier one of the same ref."""
        stored = StoredMatch(fact_id("match", ref.key()), ref, match, now)
        async with self.changing() as tables:
            tables.matches[stored.match_id] = stored
            wake(tables, "match", [ref.key()], "match")
        return stored

    async def forget_match(self, seller_id: str, match_id: str) -> bool:
        """Drop a match; False when the seller has none such."""
        async with self.changing() as tables:
            stored = tables.matches.get(match_id)
            if stored is None or stored.ref.seller_id != seller_id:
                return False
            del tables.matches[match_id]
            wake(tables, "match", [stored.ref.key()], "match")
            return True

    async def matches(
        self, seller_id: str, *, after: str = "", store_id: str | None = None, limit: int = 100
    ) -> list[StoredMatch]:
        """Return a seller's matches in the order of their ids."""
        ours = [
            stored
            for match_id, stored in sorted(self.tables.matches.items())
            if stored.ref.seller_id == seller_id and match_id > after and store_id in (None, stored.ref.store_id)
        ]
        return ours[:limit]

    async def settings(self, seller_id: str) -> SellerSettings:
        """Return a seller's settings."""
        return self.tables.settings.get(seller_id, SellerSettings())

    async def change_settings(self, seller_id: str, changes: Mapping[str, bool]) -> SellerSettings:
        """Change what is named of a seller's settings and return them whole; changes at once are both kept."""
        async with self.changing() as tables:
            settings = replace(tables.settings.get(seller_id, SellerSettings()), **changes)
            tables.settings[seller_id] = settings
            wake(tables, "settings", [seller_id], "settings")
        return settings

    async def balances(self, seller_id: str) -> list[Money]:
        """Return a seller's balances, one a currency."""
        ours = sorted((purse[1], amount) for purse, amount in self.tables.balances.items() if purse[0] == seller_id)
        return [Money(amount=amount, currency=currency) for currency, amount in ours]

    async def top_up(self, seller_id: str, amount: Money, *, reference: str, now: datetime) -> Money:
        """Add to the balance, once for a reference; return the amount that the reference stands for."""
        del now
        async with self.changing() as tables:
            made = tables.top_ups.setdefault((seller_id, reference), amount)
            if made is amount:
                purse = (seller_id, amount.currency)
                tables.balances[purse] = tables.balances.get(purse, 0) + amount.amount
                wake(tables, "balance", [seller_id], "balance")
            return made

    async def wake_seller(self, seller_id: str, *, store_id: str | None = None, reason: str | None = None) -> int:
        """Request the reassessment of a seller's held orders; return how many."""
        keys = self._held(seller_id, store_id, reason)
        async with self.changing() as tables:
            request_again(tables, keys, "rules")
        return len(keys)

    async def held(
        self, seller_id: str, *, store_id: str | None, reason: str | None, after: str, limit: int
    ) -> list[str]:
        """Return keys of a seller's held orders in their order."""
        return [key for key in self._held(seller_id, store_id, reason) if key > after][:limit]

    async def ask_looks_again(self, shards: Collection[int], *, now: datetime) -> datetime | None:
        """Request the reassessment of orders of these shards whose last look has had no answer in time."""
        async with self.changing() as tables:
            looks = {
                each.order_key: each.look for each in tables.dossiers.values() if each.shard in shards and each.look
            }
            asked = {key for _, key, cause in tables.requests if cause == "look"}
            overdue = [key for key, look in looks.items() if look.again_at is not None and look.again_at <= now]
            kept = [key for key in overdue if key not in asked and tables.dossiers[key].sealed_event is not None]
            request_again(tables, kept, "look")
        return min((look.since for look in looks.values() if look.since is not None), default=None)

    async def requested(self, shards: Collection[int]) -> list[int]:
        """Return which of the shards have requests to judge again."""
        return sorted({shard for shard, _, _ in self.tables.requests} & set(shards))

    async def installation(self) -> str:
        """Return the name of this database among all that publish to one Kafka."""
        return "memory"

    async def read(self, shard: int, *, after: int, limit: int) -> list[Numbered]:
        """Return the messages that follow number `after`."""
        return [each for each in self.tables.outbox.get(shard, ()) if each.number > after][:limit]

    async def published(self, shard: int) -> int:
        """Return a number up to which the shard was surely published."""
        return self.tables.published.get(shard, 0)

    async def note_published(self, shard: int, number: int) -> None:
        """Keep such a number; a lower one than before changes nothing."""
        self.tables.published[shard] = max(number, await self.published(shard))

    async def erase_personal_data(self, *, now: datetime, limit: int) -> int:
        """Erase buyers' data whose time has come; return of how many orders."""
        due = [key for key, time in self.tables.erase_after.items() if time is not None and time <= now][:limit]
        for key in due:
            del self.tables.erase_after[key]
            self.tables.dossiers[key] = erased(self.tables.dossiers[key])
        return len(due)

    def _held(self, seller_id: str, store_id: str | None, reason: str | None) -> list[str]:
        return sorted(
            dossier.order_key
            for dossier in self.tables.dossiers.values()
            if dossier.seller_id == seller_id
            and dossier.decided is not None
            and dossier.decided.outcome == "held"
            and store_id in (None, dossier.store_id)
            and (reason is None or reason in {each.code.value for each in dossier.decided.reasons})
        )


def _hurry_looks(tables: Tables, store_id: str) -> None:
    """Have the platform asked again at once about orders of a store that could not be read before."""
    for key, dossier in sorted(tables.dossiers.items()):
        look = dossier.look
        if dossier.store_id != store_id or look is None or look.asked_at is None or look.again_at is None:
            continue
        if look.problem in {"unlinked", "reconnect"} and look.again_at > look.asked_at:
            tables.dossiers[key] = replace(dossier, look=replace(look, again_at=look.asked_at))
            request_again(tables, [key], "look")
