"""The repository in Postgres: judging transactions, and facts whose change wakes the orders that wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg

from schemas.catalog import CatalogVariant
from schemas.decisions import Cause
from schemas.ids import fact_id
from schemas.money import Money
from schemas.stores import StoreRecord
from services.eligibility.adapters import rows
from services.eligibility.adapters.postgres import CHANNEL, SQL, Connection, PostgresTransaction, judging
from services.eligibility.dossier import Dossier
from services.eligibility.facts import Match, MatchRef, SellerSettings
from services.eligibility.locks import ALL_SELLERS, FACTS, slot_of
from services.eligibility.ports import Located, Numbered, StoredMatch, Wake
from services.eligibility.waiting import WaitedFor
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.postgres.pool import translated_errors

_RECONNECT_SECONDS = 2.0


class PostgresRepository:
    """See `ports.Repository` and `ports.Outbox`."""

    def __init__(self, pool: asyncpg.Pool, *, clock: Clock, wake_workers: Wake) -> None:
        self._pool = pool
        self._clock = clock
        self._wake_workers = wake_workers

    def judging(self, shards: Collection[int]) -> AbstractAsyncContextManager[PostgresTransaction]:
        """Open a transaction that alone judges orders of `shards`."""
        return judging(self._pool, shards, clock=self._clock, wake_workers=self._wake_workers)

    async def locate(self, keys: Collection[str]) -> dict[str, Located]:
        """Return where those orders that are known belong."""
        found = await self._fetch(SQL.locate_orders, list(keys))
        return {row["order_key"]: Located(row["shard"], row["seller_id"]) for row in found}

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known, as they stand now."""
        found = await self._fetch(SQL.load_dossiers, list(keys))
        return {row["order_key"]: rows.dossier(row) for row in found}

    async def put_variants(self, variants: Sequence[CatalogVariant], gone: Sequence[str] = ()) -> None:
        """Keep the catalog's newest word on each SKU."""
        newest = {variant.sku: variant for variant in variants}
        table = [(each.sku, each.model_dump_json(), each.changed_at) for each in newest.values()]
        async with self._changing_facts(ALL_SELLERS) as change:
            changed = await change.fetch(SQL.put_variants, *rows.columns(table, 3))
            dropped = await change.fetch(SQL.forget_variants, list(gone))
            await change.wake("catalog", [row["sku"] for row in (*changed, *dropped)], "catalog")

    async def put_stores(self, stores: Sequence[StoreRecord]) -> None:
        """Keep the newest word on each store."""
        newest = {store.store_id: store for store in stores}
        table = [(s.store_id, s.seller_id, s.platform, s.import_since, s.changed_at) for s in newest.values()]
        async with self._changing_facts(ALL_SELLERS) as change:
            changed = await change.fetch(SQL.put_stores, *rows.columns(table, 5))
            await change.wake("store", [row["store_id"] for row in changed], "settings")
            linked = [store.store_id for store in newest.values() if store.state == "linked"]
            if linked:
                await change.request(SQL.hurry_looks, linked)

    async def seller_of_store(self, store_id: str) -> str | None:
        """Return whose a store is, if it is known."""
        found = await self._fetch(SQL.find_seller_of_store, store_id)
        return found[0]["seller_id"] if found else None

    async def put_match(self, ref: MatchRef, match: Match, *, now: datetime) -> StoredMatch:
        """Keep a match in place of an earlier one of the same ref."""
        match_id = fact_id("match", ref.key())
        values = (ref.seller_id, ref.store_id, ref.kind, ref.value, match.production_sku)
        async with self._changing_facts(slot_of(ref.seller_id)) as change:
            await change.fetch(SQL.put_match, match_id, ref.key(), *values, rows.designs_text(match.designs), now)
            await change.wake("match", [ref.key()], "match")
        return StoredMatch(match_id, ref, match, now)

    async def forget_match(self, seller_id: str, match_id: str) -> bool:
        """Drop a match; False when the seller has none such."""
        async with self._changing_facts(slot_of(seller_id)) as change:
            dropped = await change.fetch(SQL.forget_match, seller_id, match_id)
            await change.wake("match", [row["ref"] for row in dropped], "match")
        return bool(dropped)

    async def matches(
        self, seller_id: str, *, after: str = "", store_id: str | None = None, limit: int = 100
    ) -> list[StoredMatch]:
        """Return a seller's matches in the order of their ids."""
        found = await self._fetch(SQL.list_matches, seller_id, after, store_id, limit)
        return [_stored_match(seller_id, row) for row in found]

    async def settings(self, seller_id: str) -> SellerSettings:
        """Return a seller's settings."""
        found = await self._fetch(SQL.find_settings, [seller_id])
        return rows.settings(found[0]) if found else SellerSettings()

    async def change_settings(self, seller_id: str, changes: Mapping[str, bool]) -> SellerSettings:
        """Change what is named of a seller's settings and return them whole; changes at once are both kept."""
        async with self._changing_facts(slot_of(seller_id)) as change:
            found = await change.fetch(SQL.find_settings, [seller_id])
            settings = replace(rows.settings(found[0]) if found else SellerSettings(), **changes)
            values = (settings.auto_match, settings.auto_approve, settings.auto_pay)
            await change.fetch(SQL.put_settings, seller_id, *values)
            await change.wake("settings", [seller_id], "settings")
        return settings

    async def balances(self, seller_id: str) -> list[Money]:
        """Return a seller's balances, one a currency."""
        found = await self._fetch(SQL.list_balances, seller_id)
        return [Money(amount=row["amount"], currency=row["currency"]) for row in found]

    async def top_up(self, seller_id: str, amount: Money, *, reference: str, now: datetime) -> Money:
        """Add to the balance, once for a reference; return the amount that the reference stands for."""
        # No fact lock: the row of the balance makes top-ups and charges take turns.
        async with self._changing_facts() as change:
            values = (seller_id, reference, amount.amount, amount.currency, now)
            if await change.fetch(SQL.add_top_up, *values):
                await change.fetch(SQL.raise_balance, seller_id, amount.currency, amount.amount)
                await change.wake("balance", [seller_id], "balance")
                return amount
            [made] = await change.fetch(SQL.find_top_up, seller_id, reference)
        return Money(amount=made["amount"], currency=made["currency"])

    async def wake_seller(self, seller_id: str, *, store_id: str | None = None, reason: str | None = None) -> int:
        """Request the reassessment of a seller's held orders; return how many."""
        async with self._changing_facts() as change:
            return await change.request(SQL.wake_seller, seller_id, store_id, "rules", reason)

    async def held(
        self, seller_id: str, *, store_id: str | None, reason: str | None, after: str, limit: int
    ) -> list[str]:
        """Return keys of a seller's held orders in their order."""
        found = await self._fetch(SQL.list_held, seller_id, store_id, reason, after, limit)
        return [row["order_key"] for row in found]

    async def ask_looks_again(self, shards: Collection[int], *, now: datetime) -> datetime | None:
        """Request the reassessment of orders of these shards whose last look has had no answer in time."""
        wanted = sorted(shards)
        async with self._changing_facts() as change:
            await change.request(SQL.ask_looks_again, wanted, now)
            [row] = await change.fetch(SQL.longest_look, wanted)
        since: datetime | None = row["since"]
        return since

    async def requested(self, shards: Collection[int]) -> list[int]:
        """Return which of the shards have requests to judge again."""
        return [row["shard"] for row in await self._fetch(SQL.find_requested, sorted(shards))]

    async def installation(self) -> str:
        """Return the name of this database among all that publish to one Kafka."""
        [row] = await self._fetch(SQL.find_installation)
        name: str = row["id"]
        return name

    async def read(self, shard: int, *, after: int, limit: int) -> list[Numbered]:
        """Return the messages that follow number `after`."""
        found = await self._fetch(SQL.read_outbox, shard, after, limit)
        return [Numbered(row["number"], rows.outbox_message(row)) for row in found]

    async def published(self, shard: int) -> int:
        """Return a number up to which the shard was surely published."""
        found = await self._fetch(SQL.find_published, shard)
        return found[0]["published"] if found else 0

    async def note_published(self, shard: int, number: int) -> None:
        """Keep such a number; a lower one than before changes nothing."""
        await self._fetch(SQL.note_published, shard, number)

    async def erase_personal_data(self, *, now: datetime, limit: int) -> int:
        """Erase buyers' data whose time has come; return of how many orders."""
        return len(await self._fetch(SQL.erase_personal_data, now, limit))

    async def forget_published(self, *, before: datetime, limit: int) -> int:
        """Drop messages that were published and are older than `before`; return how many."""
        return len(await self._fetch(SQL.forget_published, before, limit))

    async def _fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        with translated_errors():
            return await self._pool.fetch(statement, *arguments)

    @asynccontextmanager
    async def _changing_facts(self, *slots: int) -> AsyncIterator[_Change]:
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if slots:
                    await connection.execute(SQL.own_facts, FACTS, list(slots))
                change = _Change(connection)
                yield change
                await change.announce()
        if change.shards:
            self._wake_workers(change.shards)


class _Change:
    """One transaction that changes facts and collects which shards must judge again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fetch = partial(connection.fetch)
        self.shards: set[int] = set()

    async def wake(self, fact: WaitedFor, refs: Iterable[str], cause: Cause) -> None:
        wanted = list(refs)
        if wanted:
            await self.request(SQL.wake_waiting, fact, wanted, cause)

    async def request(self, statement: str, *arguments: Any) -> int:
        requested = await self._connection.fetch(statement, *arguments)
        self.shards.update(row["shard"] for row in requested)
        return len(requested)

    async def announce(self) -> None:
        if self.shards:
            await self._connection.execute(SQL.notify, CHANNEL, ",".join(map(str, sorted(self.shards))))


def _stored_match(seller_id: str, row: asyncpg.Record) -> StoredMatch:
    ref = MatchRef(seller_id, row["store_id"], row["kind"], row["value"])
    match = Match(row["production_sku"], rows.designs(row["designs"]))
    return StoredMatch(row["match_id"], ref, match, row["changed_at"])


async def listen(dsn: str, wake_workers: Wake, *, clock: Clock) -> None:
    """Hear from other processes for ever that orders are to be judged again; a lost connection is made again."""
    while True:
        try:
            with translated_errors():
                await _listen_once(dsn, wake_workers)
        except TransientError:
            await clock.sleep(_RECONNECT_SECONDS)


async def _listen_once(dsn: str, wake_workers: Wake) -> None:
    connection = await asyncpg.connect(dsn, timeout=5)
    ended = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: ended.set())
        await connection.add_listener(CHANNEL, lambda _c, _p, _ch, said: wake_workers(_shards_in(str(said))))
        await ended.wait()
    finally:
        await connection.close(timeout=2)


def _shards_in(said: str) -> list[int]:
    return [int(shard) for shard in said.split(",") if shard.isdigit()]
