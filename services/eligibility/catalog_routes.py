"""`/v1/catalog`: sellers look for what production makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from schemas.catalog import CatalogVariant
from schemas.money import Money
from schemas.order import NameValue
from services.eligibility.catalog import Catalog
from services.kit.http.routes import Routes

_SCOPE = "orders:read"
_MOST_SKUS = 200


class CatalogQuery(BaseModel):
    """What is looked for: words, or exactly these SKUs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    q: str = Field(default="", max_length=200, description="Every word begins one of the SKU, the name or the options.")
    sku: list[str] = Field(default=[], max_length=_MOST_SKUS, description="Exactly these; words are not looked at.")
    cursor: str = Field(default="", max_length=500)
    limit: int = Field(default=20, ge=1, le=_MOST_SKUS)


class CatalogItem(BaseModel):
    """One variant. `cost` is what production asks for one; `needs_artwork` false: nothing is printed on it."""

    sku: str
    product_name: str
    product_style: str | None
    options: tuple[NameValue, ...]
    cost: Money
    available: bool
    needs_artwork: bool
    areas: tuple[str, ...] = Field(description="Print areas whose artwork the SKU brings along.")
    picture_url: str | None

    @classmethod
    def of(cls, variant: CatalogVariant) -> Self:
        """Return the view of a variant."""
        return cls(
            sku=variant.sku,
            product_name=variant.product_name,
            product_style=variant.product_style,
            options=variant.options,
            cost=variant.cost,
            available=variant.available,
            needs_artwork=variant.needs_artwork,
            areas=tuple(design.area for design in variant.designs),
            picture_url=variant.picture_url,
        )


class CatalogPage(BaseModel):
    """Variants by SKU. `next` is the cursor of the following page."""

    items: tuple[CatalogItem, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class CatalogApi:
    """What the routes work with."""

    catalog: Catalog

    async def search(self, _request: web.Request, *, query: CatalogQuery) -> CatalogPage:
        """Look for products. A SKU that is exactly what was typed comes first."""
        if query.sku:
            found = await self.catalog.variants(query.sku)
            return CatalogPage(items=tuple(map(CatalogItem.of, sorted(found, key=lambda each: each.sku))), next=None)
        variants = await self.catalog.search(query.q, after=query.cursor, limit=query.limit + 1)
        page = variants[: query.limit]
        following = page[-1].sku if len(variants) > query.limit else None
        if not query.cursor and query.q.strip():
            exact = await self.catalog.variants({query.q.strip(), query.q.strip().upper()})
            page = [*exact, *(each for each in page if each not in exact)]
        return CatalogPage(items=tuple(map(CatalogItem.of, page)), next=following)


def catalog_routes(api: CatalogApi) -> Routes:
    """Declare the routes."""
    routes = Routes(title="Sync Order: eligibility", version="1")
    routes.get("/v1/catalog", summary="Look for products", tags=["catalog"], scope=_SCOPE)(api.search)
    return routes
