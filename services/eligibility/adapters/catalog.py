"""The catalog in Postgres, and its twin over the repository's twin."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg

from schemas.catalog import CatalogVariant
from services.eligibility.adapters import rows
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.postgres import SQL
from services.eligibility.catalog import is_found, words_of
from services.kit.postgres.pool import translated_errors


class PostgresCatalog:
    """See `Catalog`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def search(self, text: str, *, after: str, limit: int) -> list[CatalogVariant]:
        """In one statement, by an index of words where there are any."""
        with translated_errors():
            if words_of(text):
                found = await self._pool.fetch(SQL.search_variants, text, after, limit)
            else:
                found = await self._pool.fetch(SQL.list_variants, after, limit)
        return [rows.variant(row["variant"]) for row in found]

    async def variants(self, skus: Collection[str]) -> Sequence[CatalogVariant]:
        """In one statement."""
        with translated_errors():
            found = await self._pool.fetch(SQL.find_variants, list(skus))
        return [rows.variant(row["variant"]) for row in found]


class MemoryCatalog:
    """See `Catalog`."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository

    async def search(self, text: str, *, after: str, limit: int) -> list[CatalogVariant]:
        """By looking at each."""
        variants = self._repository.tables.catalog
        found = (variants[sku] for sku in sorted(variants) if sku > after)
        return [variant for variant in found if is_found(variant, text)][:limit]

    async def variants(self, skus: Collection[str]) -> Sequence[CatalogVariant]:
        """At once."""
        variants = self._repository.tables.catalog
        return [variants[sku] for sku in skus if sku in variants]
