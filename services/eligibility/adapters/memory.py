"""The in-memory twin of the tables: dictionaries, and one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.catalog import CatalogVariant
from schemas.decisions import Cause
from schemas.ids import fact_id
from schemas.money import Money
from schemas.stores import StoreRecord
from services.eligibility.dossier import Dossier, Judgement
from services.eligibility.facts import Known, Match, MatchRef, SellerSettings
from services.eligibility.payments import Claim, Purse, Settlement, allot, risen
from services.eligibility.ports import Located, Needs, Numbered, StateChange, StoredMatch, Wake
from services.eligibility.waiting import Wait, WaitedFor


@dataclass(slots=True)
class Tables:
    """What the tables hold."""

    dossiers: dict[str, Dossier] = field(default_factory=dict)
    erase_after: dict[str, datetime | None] = field(default_factory=dict)
    waits: dict[str, frozenset[Wait]] = field(default_factory=dict)
    requests: tuple[tuple[int, str, Cause], ...] = ()
    outbox: dict[int, tuple[Numbered, ...]] = field(default_factory=dict)
    published: dict[int, int] = field(default_factory=dict)
    settings: dict[str, SellerSettings] = field(default_factory=dict)
    stores: dict[str, StoreRecord] = field(default_factory=dict)
    matches: dict[str, StoredMatch] = field(default_factory=dict)
    catalog: dict[str, CatalogVariant] = field(default_factory=dict)
    balances: dict[Purse, int] = field(default_factory=dict)
    top_ups: dict[tuple[str, str], Money] = field(default_factory=dict)

    def snapshot(self) -> Tables:
        """Return a copy that later changes do not reach: the values are frozen, the dictionaries new."""
        return Tables(**{name: copy(getattr(self, name)) for name in self.__slots__})


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
        async with self._changing() as tables:
            transaction = MemoryTransaction(tables)
            yield transaction
            _wake(tables, "balance", transaction.payments.refunded, "balance")

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Tables]:
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
        async with self._changing() as tables:
            changed = [sku for sku in gone if tables.catalog.pop(sku, None)]
            for variant in variants:
                before = tables.catalog.get(variant.sku)
                if before is None or (variant.changed_at >= before.changed_at and variant != before):
                    tables.catalog[variant.sku] = variant
                    changed.append(variant.sku)
            _wake(tables, "catalog", changed, "catalog")

    async def put_stores(self, stores: Sequence[StoreRecord]) -> None:
        """Keep the newest word on each store."""
        async with self._changing() as tables:
            for store in stores:
                before = tables.stores.get(store.store_id)
                if before is not None and store.changed_at < before.changed_at:
                    continue
                tables.stores[store.store_id] = store
                if before is None or before.import_since != store.import_since:
                    _wake(tables, "store", [store.store_id], "settings")

    async def seller_of_store(self, store_id: str) -> str | None:
        """Return whose a store is, if it is known."""
        store = self.tables.stores.get(store_id)
        return store.seller_id if store else None

    async def put_match(self, ref: MatchRef, match: Match, *, now: datetime) -> StoredMatch:
        """Keep a match in place of an earlier one of the same ref."""
        stored = StoredMatch(fact_id("match", ref.key()), ref, match, now)
        async with self._changing() as tables:
            tables.matches[stored.match_id] = stored
            _wake(tables, "match", [ref.key()], "match")
        return stored

    async def forget_match(self, seller_id: str, match_id: str) -> bool:
        """Drop a match; False when the seller has none such."""
        async with self._changing() as tables:
            stored = tables.matches.get(match_id)
            if stored is None or stored.ref.seller_id != seller_id:
                return False
            del tables.matches[match_id]
            _wake(tables, "match", [stored.ref.key()], "match")
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
        async with self._changing() as tables:
            settings = replace(tables.settings.get(seller_id, SellerSettings()), **changes)
            tables.settings[seller_id] = settings
            _wake(tables, "settings", [seller_id], "settings")
        return settings

    async def balances(self, seller_id: str) -> list[Money]:
        """Return a seller's balances, one a currency."""
        ours = sorted((purse[1], amount) for purse, amount in self.tables.balances.items() if purse[0] == seller_id)
        return [Money(amount=amount, currency=currency) for currency, amount in ours]

    async def top_up(self, seller_id: str, amount: Money, *, reference: str, now: datetime) -> Money:
        """Add to the balance, once for a reference; return the amount that the reference stands for."""
        del now
        async with self._changing() as tables:
            made = tables.top_ups.setdefault((seller_id, reference), amount)
            if made is amount:
                purse = (seller_id, amount.currency)
                tables.balances[purse] = tables.balances.get(purse, 0) + amount.amount
                _wake(tables, "balance", [seller_id], "balance")
            return made

    async def wake_seller(self, seller_id: str, *, store_id: str | None = None, reason: str | None = None) -> int:
        """Request the reassessment of a seller's held orders; return how many."""
        keys = self._held(seller_id, store_id, reason)
        async with self._changing() as tables:
            _request(tables, keys, "rules")
        return len(keys)

    async def held(
        self, seller_id: str, *, store_id: str | None, reason: str | None, after: str, limit: int
    ) -> list[str]:
        """Return keys of a seller's held orders in their order."""
        return [key for key in self._held(seller_id, store_id, reason) if key > after][:limit]

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
            dossier = self.tables.dossiers[key]
            told = replace(dossier.told, address="", items="") if dossier.told else None
            self.tables.dossiers[key] = replace(dossier, sealed_event=None, sealed_correction=None, told=told)
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


class MemoryTransaction:
    """See `ports.Transaction`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.payments = MemoryPayments(tables)

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known."""
        return {key: self._tables.dossiers[key] for key in keys if key in self._tables.dossiers}

    async def known(self, needs: Needs) -> Known:
        """Return the shared facts; a SKU that a match names is looked up too."""
        tables = self._tables
        matches = {stored.ref.key(): stored.match for stored in tables.matches.values()}
        matches = {ref: match for ref, match in matches.items() if ref in needs.refs}
        skus = needs.skus | {match.production_sku for match in matches.values()}
        stores = (tables.stores[store] for store in needs.stores if store in tables.stores)
        return Known(
            settings={seller: tables.settings[seller] for seller in needs.sellers if seller in tables.settings},
            import_since={store.store_id: store.import_since for store in stores},
            matches=matches,
            catalog={sku: tables.catalog[sku] for sku in skus if sku in tables.catalog},
        )

    async def take_reassessments(self, shard: int, limit: int) -> dict[str, Cause]:
        """Take requests to judge again, oldest first."""
        taken = [each for each in self._tables.requests if each[0] == shard][:limit]
        left = list(self._tables.requests)
        for each in taken:
            left.remove(each)
        self._tables.requests = tuple(left)
        return {key: cause for _, key, cause in taken}

    async def touch(self, dossiers: Sequence[Dossier]) -> None:
        """Keep the standing of orders about which nothing is decided."""
        for dossier in dossiers:
            kept = self._tables.dossiers[dossier.order_key]
            self._tables.dossiers[dossier.order_key] = replace(
                kept, standing=dossier.standing, imported_at=dossier.imported_at
            )

    async def write(self, judgements: Sequence[Judgement]) -> None:
        """Keep the judgements, and put their messages into the outbox in this order."""
        for judgement in judgements:
            key, shard = judgement.dossier.order_key, judgement.dossier.shard
            charged = self._tables.dossiers[key].charged if key in self._tables.dossiers else None
            charged = self.payments.charged.get(key, charged)
            self._tables.dossiers[key] = replace(judgement.dossier, charged=charged)
            self._tables.erase_after[key] = judgement.erase_after
            self._tables.waits[key] = judgement.waits
            for message in judgement.messages:
                before = self._tables.outbox.get(shard, ())
                self._tables.outbox[shard] = (*before, Numbered(len(before) + 1, message))

    async def put_words(self, dossiers: Sequence[Dossier], cause: Cause) -> None:
        """Keep what the seller said about these orders, and request their reassessment."""
        for dossier in dossiers:
            self._tables.dossiers[dossier.order_key] = replace(
                self._tables.dossiers[dossier.order_key],
                approval=dossier.approval,
                held_by_seller=dossier.held_by_seller,
                pay_asked=dossier.pay_asked,
                sealed_correction=dossier.sealed_correction,
            )
        _request(self._tables, [dossier.order_key for dossier in dossiers], cause)

    async def put_states(self, changes: Sequence[StateChange], *, again: Collection[str]) -> None:
        """Keep what production answered, and request the reassessment of `again`."""
        for change in changes:
            dossier = self._tables.dossiers[change.order_key]
            if dossier.told is not None:
                told = replace(dossier.told, state=change.state, past_return=change.past_return)
                charged = self.payments.charged.get(change.order_key, dossier.charged)
                self._tables.dossiers[change.order_key] = replace(dossier, told=told, charged=charged)
            if change.erase_after is not None:
                self._tables.erase_after[change.order_key] = change.erase_after
        _request(self._tables, again, "production")


class MemoryPayments:
    """See `ports.Payments`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        #: What this transaction charged, by order.
        self.charged: dict[str, Money] = {}
        #: Sellers whose balance this transaction raised.
        self.refunded: set[str] = set()

    async def settle(self, claims: Sequence[Claim]) -> Mapping[str, Settlement]:
        """Charge what the balances allow, in the order of the claims."""
        allotted = allot(claims, self._tables.balances)
        self.refunded |= risen(self._tables.balances, allotted.balances)
        self._tables.balances = allotted.balances
        self.charged |= {key: claim.cost for key, claim in allotted.charges.items()}
        return allotted.settlements


def _wake(tables: Tables, fact: WaitedFor, refs: Iterable[str], cause: Cause) -> None:
    wanted = {Wait(fact, ref) for ref in refs}
    _request(tables, sorted(key for key, waits in tables.waits.items() if waits & wanted), cause)


def _request(tables: Tables, keys: Iterable[str], cause: Cause) -> None:
    requests = tuple((tables.dossiers[key].shard, key, cause) for key in keys)
    tables.requests = (*tables.requests, *requests)
