"""Production's catalog as sellers look through it: by SKU, by what a product is called, by its options."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol

from schemas.catalog import CatalogVariant

_SEPARATORS = re.compile(r"[\W_]+")


class Catalog(Protocol):
    """The catalog. Raises `TransientError` when the database is away."""

    async def search(self, text: str, *, after: str, limit: int) -> list[CatalogVariant]:
        """Return variants, by SKU, after one: those in which every word of `text` begins some word; all for none."""
        ...

    async def variants(self, skus: Collection[str]) -> Sequence[CatalogVariant]:
        """Return those of these SKUs that there are, in no order."""
        ...


def words_of(text: str) -> list[str]:
    """Return the words of a text: what stands between signs that are neither letter nor digit."""
    return [word for word in _SEPARATORS.split(text.lower()) if word]


def searched(variant: CatalogVariant) -> list[str]:
    """Return the words under which a variant is found."""
    options = (option.value for option in variant.options)
    return words_of(" ".join((variant.sku, variant.product_name, variant.product_style or "", *options)))


def is_found(variant: CatalogVariant, text: str) -> bool:
    """Say whether every word of `text` begins one of the variant's."""
    found = searched(variant)
    return all(any(word.startswith(wanted) for word in found) for wanted in words_of(text))
