"""The tables in Postgres: one transaction a batch, one statement a step, whatever the number of orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from schemas.decisions import Cause
from services.eligibility.adapters import rows
from services.eligibility.dossier import Dossier, Judgement
from services.eligibility.erasures import Erased, Tombstones
from services.eligibility.facts import Known
from services.eligibility.locks import ALL_SELLERS, ERASURES, FACTS, slot_of
from services.eligibility.payments import Claim, Settlement, allot, purses, risen
from services.eligibility.ports import Needs, StateChange, Wake
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

SQL = load_sql(Path(__file__).parents[1] / "sql")

#: Where other processes hear that orders of some shards are to be judged again.
CHANNEL = "eligibility_reassessments"

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


@asynccontextmanager
async def judging(
    pool: asyncpg.Pool, shards: Collection[int], *, clock: Clock, wake_workers: Wake
) -> AsyncIterator[PostgresTransaction]:
    """Open a transaction that alone judges orders of `shards`; see `ports.Transaction`."""
    wanted = sorted(shards)
    with translated_errors():
        async with pool.acquire() as connection, connection.transaction():
            numbers = await _lock(connection, wanted)
            if len(numbers) < len(wanted):
                await connection.execute(SQL.add_shards, wanted)
                numbers = await _lock(connection, wanted)
            transaction = PostgresTransaction(connection, numbers, clock=clock)
            yield transaction
            await transaction.wake_refunded()
            if transaction.requested:
                await connection.execute(SQL.notify, CHANNEL, ",".join(map(str, sorted(transaction.requested))))
    if transaction.requested:
        wake_workers(transaction.requested)


async def _lock(connection: Connection, shards: list[int]) -> dict[int, int]:
    return {row["shard"]: row["last_number"] for row in await connection.fetch(SQL.lock_shards, shards)}


class PostgresTransaction:
    """One transaction that holds the locks of its shards."""

    def __init__(self, connection: Connection, numbers: dict[int, int], *, clock: Clock) -> None:
        self._connection = connection
        self._numbers = numbers
        self._clock = clock
        self.payments = PostgresPayments(connection, clock=clock)
        #: Shards with orders that this transaction wants judged again.
        self.requested: set[int] = set()

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known."""
        found = await self._connection.fetch(SQL.load_dossiers, list(keys))
        return {row["order_key"]: rows.dossier(row) for row in found}

    async def known(self, needs: Needs) -> Known:
        """Return the shared facts, which cannot change until the transaction ends."""
        fetch = self._connection.fetch
        slots = [ALL_SELLERS, ERASURES, *map(slot_of, needs.sellers)]
        await self._connection.execute(SQL.share_facts, FACTS, slots)
        settings = await fetch(SQL.find_settings, list(needs.sellers))
        stores = await fetch(SQL.find_stores, list(needs.stores))
        matches = await fetch(SQL.find_matches, list(needs.refs))
        skus = needs.skus | {row["production_sku"] for row in matches}
        variants = await fetch(SQL.find_variants, list(skus))
        return Known(
            settings={row["seller_id"]: rows.settings(row) for row in settings},
            import_since={row["store_id"]: row["import_since"] for row in stores},
            matches={row["ref"]: rows.match(row) for row in matches},
            catalog={row["sku"]: rows.variant(row["variant"]) for row in variants},
        )

    async def tombstones(self, keys: Collection[str], stores: Collection[str], buyers: Collection[bytes]) -> Tombstones:
        """Return what was asked to be forgotten of these."""
        return rows.tombstones(
            await self._connection.fetch(SQL.find_tombstones, list(keys), list(stores), list(buyers))
        )

    async def take_reassessments(self, shard: int, limit: int) -> dict[str, Cause]:
        """Take requests to judge again, oldest first."""
        taken = await self._connection.fetch(SQL.take_reassessments, shard, limit)
        return {row["order_key"]: row["cause"] for row in sorted(taken, key=lambda row: row["id"])}

    async def touch(self, dossiers: Sequence[Dossier]) -> None:
        """Keep the standing of orders about which nothing is decided."""
        await self._connection.execute(SQL.touch_orders, *rows.columns(map(rows.standing_row, dossiers), 6))

    async def write(self, judgements: Sequence[Judgement]) -> None:
        """Keep the judgements, and put their messages into the outbox in this order; erase what is to be erased."""
        new = [each for each in judgements if not each.judged_before]
        again = [each for each in judgements if each.judged_before]
        if new:
            await self._copy("orders", rows.ORDER_COLUMNS, map(rows.order_row, new))
            await self._copy("personal_data", rows.PERSONAL_COLUMNS, rows.personal_rows(new))
        if again:
            await self._write_again(again)
        waits = [row for judgement in judgements for row in rows.wait_rows(judgement)]
        if waits:
            await self._copy("waits", rows.WAIT_COLUMNS, waits)
        await self._keep_looks([each.dossier for each in judgements if each.looked])
        await self._send(judgements)
        erased = rows.erased(judgements)
        if erased:
            await self.erase(erased)

    async def erase(self, orders: Sequence[Erased]) -> None:
        """Erase what is kept of these orders' buyers, leave a tombstone on each, and count what was there."""
        await self._connection.execute(SQL.erase_orders, *rows.columns(orders, 3), self._clock.now())

    async def put_words(self, dossiers: Sequence[Dossier], cause: Cause) -> None:
        """Keep what the seller said about these orders, and request their reassessment."""
        execute = self._connection.execute
        await execute(SQL.put_words, *rows.columns(map(rows.words_row, dossiers), 6))
        corrections = [(each.order_key, each.sealed_correction) for each in dossiers]
        await execute(SQL.put_corrections, *rows.columns(corrections, 2))
        await self._keep_looks([each for each in dossiers if each.look is not None])
        await self._request([each.order_key for each in dossiers], cause)

    async def put_states(self, changes: Sequence[StateChange], *, again: Collection[str]) -> None:
        """Keep what production answered, and request the reassessment of `again`."""
        states = [(each.order_key, each.state, each.past_return, each.erase_after) for each in changes]
        await self._connection.execute(SQL.put_production_states, *rows.columns(states, 4))
        if again:
            await self._request(again, "production")

    async def wake_refunded(self) -> None:
        """Request the reassessment of orders that wait for the balance of sellers who were given money back.

        For the end of the transaction: orders that it found unpaid before the refund wait by then, too.
        """
        sellers = sorted(self.payments.refunded)
        if sellers:
            woken = await self._connection.fetch(SQL.wake_waiting, "balance", sellers, "balance")
            self.requested.update(row["shard"] for row in woken)

    async def _write_again(self, judgements: Sequence[Judgement]) -> None:
        execute = self._connection.execute
        await execute(SQL.write_orders, *rows.columns(map(rows.order_row, judgements), len(rows.ORDER_COLUMNS)))
        await execute(
            SQL.write_personal_data, *rows.columns(rows.personal_rows(judgements), len(rows.PERSONAL_COLUMNS))
        )
        await execute(SQL.forget_waits, [each.dossier.order_key for each in judgements])

    async def _keep_looks(self, dossiers: Sequence[Dossier]) -> None:
        looked = [rows.look_row(each) for each in dossiers if each.look is not None]
        released = [each.order_key for each in dossiers if each.look is None]
        if looked:
            await self._connection.execute(SQL.keep_looks, *rows.columns(looked, len(rows.LOOK_COLUMNS)))
        if released:
            await self._connection.execute(SQL.forget_looks, released)

    async def _copy(self, table: str, names: Sequence[str], records: Iterable[rows.Row]) -> None:
        # New rows go by COPY: it costs the driver a tenth of what arrays cost, for it looks at no element twice.
        try:
            await self._connection.copy_records_to_table(table, columns=names, records=records)
        except asyncpg.UniqueViolationError as error:
            # Somebody without the shard's lock wrote it first: an order that came through two partitions.
            raise TransientError("postgres: a new row was there already") from error

    async def _request(self, keys: Collection[str], cause: Cause) -> None:
        requested = await self._connection.fetch(SQL.request_reassessments, list(keys), cause)
        self.requested.update(row["shard"] for row in requested)

    async def _send(self, judgements: Sequence[Judgement]) -> None:
        messages = []
        for judgement in judgements:
            shard = judgement.dossier.shard
            for message in judgement.messages:
                self._numbers[shard] += 1
                messages.append(rows.outbox_row(shard, self._numbers[shard], message))
        if messages:
            await self._copy("outbox", rows.OUTBOX_COLUMNS, messages)
            await self._connection.execute(SQL.number_shards, list(self._numbers), list(self._numbers.values()))


class PostgresPayments:
    """Prepaid balances in the same transaction as the decisions."""

    def __init__(self, connection: Connection, *, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        #: Sellers whose balance this transaction raised.
        self.refunded: set[str] = set()

    async def settle(self, claims: Sequence[Claim]) -> Mapping[str, Settlement]:
        """Charge what the balances allow, in the order of the claims."""
        wanted = rows.columns(purses(claims), 2)
        execute = self._connection.execute
        # One statement for all: a lock that is shared first and owned later lets two transactions wait for each other.
        lock = SQL.lock_balances if any(claim.binding for claim in claims) else SQL.share_balances
        locked = await self._connection.fetch(lock, *wanted)
        if len(locked) < len(wanted[0]):
            await execute(SQL.add_balances, *wanted)
            locked = await self._connection.fetch(lock, *wanted)
        before = {(row["seller_id"], row["currency"]): row["amount"] for row in locked}
        allotted = allot(claims, before)
        changed = [(*purse, left) for purse, left in allotted.balances.items() if left != before[purse]]
        if changed:
            await execute(SQL.set_balances, *rows.columns(changed, 3))
        self.refunded |= risen(before, allotted.balances)
        await self._charge(allotted.charges)
        return allotted.settlements

    async def _charge(self, charges: Mapping[str, Claim]) -> None:
        now = self._clock.now()
        new = [rows.charge_row(claim, now) for claim in charges.values() if claim.charged is None]
        again = [rows.charge_row(claim, now)[:4] for claim in charges.values() if claim.charged is not None]
        if new:
            await self._connection.copy_records_to_table("charges", columns=rows.CHARGE_COLUMNS, records=new)
        if again:
            await self._connection.execute(SQL.write_charges, *rows.columns(again, 4), now)
