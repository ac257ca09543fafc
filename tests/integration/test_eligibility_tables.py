"""What only the real tables can show: waking across processes, cleaning by the database's own time, many at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.order import RawOrder
from services.eligibility.adapters.repository import PostgresRepository, listen
from services.eligibility.app import MIGRATIONS
from services.eligibility.facts import Match, MatchRef
from services.eligibility.janitor import clean
from services.kit.clock import ManualClock, SystemClock
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.eligibility.workbench import KEEP_FOR, SELLER, SKU, START, STORE, Bench, dollars
from tests.schemas.orders import order_item, raw_order

pytestmark = pytest.mark.integration


@pytest.fixture
async def bench(fresh_database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    await migrate(fresh_database, schema=MIGRATIONS[0], directory=MIGRATIONS[1])
    pool = await create_pool(fresh_database, schema=MIGRATIONS[0])
    repository = PostgresRepository(pool, clock=ManualClock(START), wake_workers=lambda _: None)
    bench = Bench(tmp_path, repository, look_after=timedelta(minutes=15))
    await bench.open_for_business()
    yield bench
    await pool.close()


def read_now(**changes: Any) -> RawOrder:
    """An order that was read a moment ago, so that nobody looks at it once more."""
    return raw_order(fetched_at=START, **changes)


async def test_a_fact_wakes_the_workers_of_other_processes(bench: Bench, fresh_database: str) -> None:
    woken: asyncio.Queue[list[int]] = asyncio.Queue()
    listening = asyncio.create_task(
        listen(fresh_database, lambda shards: woken.put_nowait(sorted(shards)), clock=SystemClock())
    )
    await bench.arrive(read_now(items=(order_item(sku="X"),)), shard=2)
    await bench.arrive(read_now(number="2", items=(order_item(sku="X"),)), shard=6)
    await asyncio.sleep(0.3)

    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)

    async with asyncio.timeout(5):
        assert await woken.get() == [2, 6]
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


async def test_a_match_that_5000_orders_wait_for_releases_them_all_in_10_seconds(bench: Bench) -> None:
    orders = [read_now(number=str(n), items=(order_item(sku="X"),)) for n in range(5000)]
    for start in range(0, 5000, 500):
        await bench.arrive(*orders[start : start + 500], shard=start // 500 % 4)
    await bench.repository.top_up(SELLER, dollars("50000"), reference="enough", now=START)

    started = time.perf_counter()
    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)
    judged = sum([await bench.judge_again(shard) for shard in range(4)])
    seconds = time.perf_counter() - started

    assert judged == 5000
    assert seconds <= 10
    released = sum([(await bench.commands(shard)).count("order.released") for shard in range(4)])
    assert released == 5000


async def test_a_fact_that_comes_while_orders_are_judged_is_never_missed(bench: Bench) -> None:
    orders = [read_now(number=str(n), items=(order_item(sku="X"),)) for n in range(400)]

    await asyncio.gather(
        *(bench.arrive(*orders[start : start + 50], shard=start // 50) for start in range(0, 400, 50)),
        bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START),
    )
    for shard in range(8):
        await bench.judge_again(shard)

    assert [await bench.reasons(order.key) for order in orders] == [[]] * 400


async def test_cleaning_drops_only_what_was_published_and_is_old(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, PostgresRepository)
    await bench.arrive(read_now(), read_now(number="2"))
    await repository.note_published(0, 3)

    await clean(repository, clock=ManualClock(datetime.now(UTC)))
    assert len(await repository.read(0, after=0, limit=9)) == 4

    await clean(repository, clock=ManualClock(datetime.now(UTC) + KEEP_FOR + timedelta(days=1)))
    assert [each.number for each in await repository.read(0, after=0, limit=9)] == [4]


async def test_no_table_but_the_sealed_ones_knows_a_buyer(bench: Bench, fresh_database: str) -> None:
    await bench.arrive(
        read_now(email="ann.lee@example.com", note="for Ann Lee", gift_message="Ann Lee"),
        read_now(number="2", payment="pending", email="ann.lee@example.com"),
    )

    pool = await create_pool(fresh_database, schema=MIGRATIONS[0], max_size=1)
    tables = [
        row["tablename"]
        for row in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", MIGRATIONS[0])
    ]
    texts = [str(dict(row)) for table in tables for row in await pool.fetch(f'SELECT * FROM "{table}"')]
    await pool.close()

    assert len(tables) > 10
    for planted in ("Ann Lee", "ann.lee", "Buyer 0042", "Market Street", "94105"):
        assert not [text for text in texts if planted in text]
