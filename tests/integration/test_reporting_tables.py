"""Postgres merges facts as the values do: in any order, in any batches, however often."""

from __future__ import annotations

import random

import pytest

from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, PostgresProjections
from services.reporting.facts import Fact
from tests.reporting.facts import FACTS, located
from tests.reporting.tables import dump

pytestmark = pytest.mark.integration

SEEDS = range(8)


async def test_any_order_any_batches_and_any_repetition_give_the_same_tables(fresh_database: str) -> None:
    expected = await _tables_of(fresh_database, "expected", [list(FACTS)])

    for seed in SEEDS:
        found = await _tables_of(fresh_database, f"shuffled_{seed}", _shuffled(random.Random(seed)))

        assert found == expected, f"seed {seed}"


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
