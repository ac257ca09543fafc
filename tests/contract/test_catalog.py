"""The contract of `Catalog`, run on Postgres and on its twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

import pytest

from schemas.catalog import CatalogVariant
from schemas.order import NameValue
from services.eligibility.adapters.catalog import MemoryCatalog, PostgresCatalog
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.repository import PostgresRepository
from services.eligibility.app import MIGRATIONS
from services.eligibility.catalog import Catalog
from services.eligibility.ports import Repository
from services.kit.clock import ManualClock
from services.kit.postgres.pool import create_pool
from tests.eligibility.workbench import START, variant


@dataclass
class Kept:
    """A catalog, and the repository that fills it."""

    repository: Repository
    catalog: Catalog

    async def find(self, text: str, *, after: str = "", limit: int = 9) -> list[str]:
        return [each.sku for each in await self.catalog.search(text, after=after, limit=limit)]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        repository = MemoryRepository(wake_workers=_nobody)
        yield Kept(repository, MemoryCatalog(repository))
        return
    pool = await create_pool(
        request.getfixturevalue("migrated_database")(*MIGRATIONS), schema=MIGRATIONS[0], max_size=2
    )
    yield Kept(PostgresRepository(pool, clock=ManualClock(START), wake_workers=_nobody), PostgresCatalog(pool))
    await pool.close()


def _nobody(_shards: Collection[int]) -> None:
    pass


def _colored(sku: str, name: str, color: str) -> CatalogVariant:
    return variant(sku=sku, product_name=name, product_style="Gildan 5000", options=(NameValue(name="C", value=color),))


async def test_every_word_begins_a_word_of_the_sku_the_name_or_the_options(kept: Kept) -> None:
    await kept.repository.put_variants(
        [
            _colored("TEE-BLK-M", "Unisex T-shirt", "Black"),
            _colored("TEE-WHT-M", "Unisex T-shirt", "White"),
            _colored("MUG_11", 'Mug, 11oz "Big" O\'Neil', "Dark blue"),
        ]
    )

    assert await kept.find("tee-bl") == ["TEE-BLK-M"]
    assert await kept.find("UNISEX wh") == ["TEE-WHT-M"]
    assert await kept.find("m tee") == ["TEE-BLK-M", "TEE-WHT-M"]
    assert await kept.find("neil 11oz blue mug_11") == ["MUG_11"]
    assert await kept.find("gildan 5000 black") == ["TEE-BLK-M"]
    assert await kept.find("lack") == []
    assert await kept.find("tee ' & | ! :* \\ \" (") == ["TEE-BLK-M", "TEE-WHT-M"]
    assert await kept.find(" - ") == ["MUG_11", "TEE-BLK-M", "TEE-WHT-M"]


async def test_pages_go_on_after_a_sku_and_follow_the_catalogs_changes(kept: Kept) -> None:
    await kept.repository.put_variants([variant(sku=sku) for sku in ("b", "B", "a-1", "a1")])

    assert await kept.find("", limit=2) == ["B", "a-1"]
    assert await kept.find("", after="a-1") == ["a1", "b"]
    assert await kept.find("t-shirt", after="B", limit=1) == ["a-1"]

    await kept.repository.put_variants([_colored("b", "Mug", "Red")], gone=["B"])
    assert await kept.find("mug") == ["b"]
    assert await kept.find("shirt") == ["a-1", "a1"]


async def test_a_word_of_any_length_is_kept(kept: Kept) -> None:
    await kept.repository.put_variants(
        [variant(product_name="é" * 5000, options=(NameValue(name="n", value="x" * 5000),))]
    )

    assert len(await kept.find("")) == 1


async def test_skus_are_looked_up_as_they_are(kept: Kept) -> None:
    await kept.repository.put_variants([variant(sku="A"), variant(sku="B")])

    assert {each.sku for each in await kept.catalog.variants(["A", "a", "C"])} == {"A"}
