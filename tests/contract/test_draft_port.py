"""What the port of drafts promises, over Postgres and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.ingest.adapters.memory.drafts import MemoryDrafts
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.drafts import PostgresDrafts
from services.ingest.drafts.draft import Draft, Drafts
from services.kit.postgres.pool import create_pool
from tests.ingest.workbench import START

FIRST = Draft("draft-1", "seller-1", "st-1", ("direct:st-1:W-1",), START, b"sealed")
SECOND = replace(FIRST, draft_id="draft-2", store_id=None, order_keys=(), changed_at=START + timedelta(days=1))
OTHERS = replace(FIRST, seller_id="seller-2", store_id="st-2", order_keys=("a", "b"), sealed=b"theirs")


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def drafts(request: pytest.FixtureRequest) -> AsyncIterator[Drafts]:
    if request.param == "memory":
        yield await _filled(MemoryDrafts())
        return
    pool = await create_pool(
        request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS), schema=SCHEMA, max_size=2
    )
    yield await _filled(PostgresDrafts(pool))
    await pool.close()


async def _filled(drafts: Drafts) -> Drafts:
    for draft in (FIRST, SECOND, OTHERS):
        assert await drafts.put(draft, most=9)
    return drafts


async def test_a_seller_has_their_own_drafts_the_newest_first(drafts: Drafts) -> None:
    assert list(await drafts.of_seller("seller-1")) == [SECOND, FIRST]
    assert await drafts.get("seller-2", "draft-1") == OTHERS
    assert await drafts.get("seller-2", "draft-2") is None

    await drafts.remove("seller-1", "draft-1")
    await drafts.remove("seller-1", "draft-1")

    assert list(await drafts.of_seller("seller-1")) == [SECOND]
    assert await drafts.get("seller-2", "draft-1") == OTHERS


async def test_one_more_than_the_most_is_not_kept_and_a_known_one_is(drafts: Drafts) -> None:
    changed = replace(FIRST, sealed=b"more", order_keys=())

    assert not await drafts.put(replace(FIRST, draft_id="draft-3"), most=2)
    assert await drafts.put(changed, most=2)
    assert await drafts.get("seller-1", "draft-1") == changed
    assert await drafts.get("seller-1", "draft-3") is None


async def test_what_nobody_went_on_with_is_forgotten(drafts: Drafts) -> None:
    await drafts.forget(before=SECOND.changed_at)

    assert list(await drafts.of_seller("seller-1")) == [SECOND]


async def test_stores_and_orders_that_are_to_be_forgotten_take_their_drafts_with_them(drafts: Drafts) -> None:
    assert await drafts.erase(store_ids=[], order_keys=["b", "c"]) == 1
    assert await drafts.erase(store_ids=["st-1"], order_keys=[]) == 1

    assert list(await drafts.of_seller("seller-1")) == [SECOND]
    assert list(await drafts.of_seller("seller-2")) == []
