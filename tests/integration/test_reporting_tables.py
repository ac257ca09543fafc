"""Postgres merges facts as the values do: in any order, in any batches, however often."""

from __future__ import annotations

import asyncio
import random

import pytest

from schemas.sessions import Window
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.kit.postgres.sql import load_sql
from services.reporting.adapters.postgres import (
    MIGRATIONS_DIRECTORY,
    SCHEMA,
    SQL_DIRECTORY,
    PostgresProjections,
    _write,
)
from services.reporting.facts import Fact
from services.reporting.projections import reduce_facts
from tests.reporting.facts import (
    FACTS,
    SELLER,
    START,
    STORE,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    key,
    located,
    outcome,
    polled,
    summary,
)
from tests.reporting.tables import dump

pytestmark = pytest.mark.integration

SEEDS = range(8)


async def test_any_order_any_batches_and_any_repetition_give_the_same_tables(fresh_database: str) -> None:
    expected = await _tables_of(fresh_database, "expected", [list(FACTS)])

    for seed in SEEDS:
        found = await _tables_of(fresh_database, f"shuffled_{seed}", _shuffled(random.Random(seed)))

        assert found == expected, f"seed {seed}"


async def test_partitions_that_meet_in_any_way_prove_the_same_and_nothing_that_is_not_judged(
    fresh_database: str,
) -> None:
    expected = await _tables_of(fresh_database, "expected", [[fact for each in PARTITIONS for fact in each]])

    for seed in SEEDS:
        found = await _tables_of(fresh_database, f"met_{seed}", _interleaved(random.Random(seed)))

        assert found == expected, f"seed {seed}"
    # The second poll listed an order that is never judged; an audit proves a part of what it read.
    assert expected["completeness"] == [
        (
            '(store-1,"{[""2026-03-01 12:00:00+00"",""2026-03-01 12:10:00+00"")}",'
            '"{[""2026-03-01 12:00:00+00"",""2026-03-01 12:15:00+00"")}")'
        )
    ]


async def test_two_readers_that_bring_the_halves_of_a_proof_at_once_do_not_overlook_it(fresh_database: str) -> None:
    await migrate(fresh_database, schema=SCHEMA, directory=MIGRATIONS_DIRECTORY)
    pool = await create_pool(fresh_database, schema=SCHEMA, max_size=3)
    polls, judged = reduce_facts(polled("p", outcome(1, "existing"))), reduce_facts([decided(key(1))])

    async def second() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await _write(connection, judged)

    async with pool.acquire() as connection:
        async with connection.transaction():
            await _write(connection, polls)
            beside = asyncio.create_task(second())
            # It either waits for the first reader, or ends without having seen what that has not committed.
            while not beside.done() and not await pool.fetchval(_ANY_WAITING):  # noqa: ASYNC110 - Postgres knows
                await asyncio.sleep(0.01)
        await beside

    proven = await pool.fetchval("SELECT count(*) FROM completeness")
    await pool.close()
    assert proven == 1


_ANY_WAITING = """
    SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def test_a_thousand_listed_orders_are_found_by_their_keys_and_a_span_by_its_index(fresh_database: str) -> None:
    await migrate(fresh_database, schema=SCHEMA, directory=MIGRATIONS_DIRECTORY)
    pool = await create_pool(fresh_database, schema=SCHEMA, max_size=1)
    sql = load_sql(SQL_DIRECTORY / "completeness.sql")
    keys = [key(number) for number in range(1000)]
    await pool.execute(_MANY_ORDERS, SELLER, STORE, START)
    await pool.execute("ANALYZE orders")

    plans = [
        "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {statement}", SELLER, *arguments))
        for statement, arguments in (
            (sql.held_by_key, (keys,)),
            (sql.held_by_change, (STORE, at(0), at(600))),
            (sql.held_by_creation, (STORE, at(0), at(600))),
        )
    ]
    await pool.close()

    assert not any("Seq Scan" in plan for plan in plans)
    for index, plan in zip(("orders_pkey", "orders_by_revision", "orders_by_store"), plans, strict=True):
        assert index in plan


#: One a minute.
_MANY_ORDERS = """
    INSERT INTO orders (order_key, seller_id, store_id, platform, external_id, changed_at, placed_at, judged_revised_at)
    SELECT 'etsy:' || $2 || ':' || n, $1, $2, 'etsy', n::text, at, at, at
    FROM generate_series(1001, 21000) AS n CROSS JOIN LATERAL (SELECT $3::timestamptz + n * interval '1 min' AS at) AS t
"""


#: What may meet in any way, each in its own order.
PARTITIONS: tuple[tuple[Fact, ...], ...] = (
    (
        *polled("a", outcome(1, "existing"), outcome(2, "existing"), start=0, through=10, minute=12),
        *polled("b", outcome(1, "existing", revised_at=at(9)), outcome(3), start=8, through=20, minute=22),
    ),
    (decided(key(1)), decided(key(2)), decided(key(1), number=2, summary=summary(key(1), revised_at=at(9)))),
    (
        audit_started("x", window=Window(start=at(5), end=at(15))),
        audit_progressed("x", unsettled=1, unsettled_since=at(6)),
        audit_progressed("x", step=2),
        audit_finished("x", "explained"),
    ),
)


def _interleaved(chance: random.Random) -> list[list[Fact]]:
    rest = [list(facts) for facts in PARTITIONS]
    batches: list[list[Fact]] = []
    while any(rest):
        chosen = chance.choice([facts for facts in rest if facts])
        batches.append([chosen.pop(0) for _ in range(min(len(chosen), chance.randint(1, 3)))])
    return batches


def _shuffled(chance: random.Random) -> list[list[Fact]]:
    facts = [*FACTS, *chance.choices(FACTS, k=10)]
    chance.shuffle(facts)
    batches: list[list[Fact]] = [[]]
    for fact in facts:
        if chance.random() < 1 / 3:
            batches.append([])
        batches[-1].append(fact)
    return [batch for batch in batches if batch]


async def _tables_of(dsn: str, schema: str, batches: list[list[Fact]]) -> dict[str, list[str]]:
    await migrate(dsn, schema=schema, directory=MIGRATIONS_DIRECTORY)
    pool = await create_pool(dsn, schema=schema, max_size=1)
    projections, offset = PostgresProjections(pool, silent=True), 0
    for batch in batches:
        await projections.apply(located(*batch, first=offset))
        offset += len(batch)
    await pool.close()
    return await dump(dsn, schema=schema)
