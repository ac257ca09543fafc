"""Finds what production makes for an item: by the seller's match, else by the SKU itself."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.catalog import CatalogVariant
from schemas.order import Design, OrderItem, RawOrder
from services.eligibility.facts import Facts, refs_of


@dataclass(frozen=True, slots=True)
class Making:
    """How one item is made. `variant` None: the match names a SKU that the catalog does not have."""

    sku: str
    variant: CatalogVariant | None
    designs: tuple[Design, ...]


def items_to_make(order: RawOrder) -> tuple[OrderItem, ...]:
    """Return the lines of which something physical remains to be made."""
    return tuple(item for item in order.items if item.kind == "physical" and item.quantity_to_make > 0)


def making_of(order: RawOrder, item: OrderItem, facts: Facts) -> Making | None:
    """Return how the item is made; None when nothing is matched to it. Artwork that came with the order goes first."""
    matches, catalog = facts.known.matches, facts.known.catalog
    if matches:
        for ref in refs_of(order, item):
            match = matches.get(ref.key())
            if match is not None:
                variant = catalog.get(match.production_sku)
                designs = item.designs or match.designs or (variant.designs if variant else ())
                return Making(match.production_sku, variant, designs)
    if item.sku and facts.settings_of(order).auto_match:
        variant = catalog.get(item.sku)
        if variant is not None:
            return Making(item.sku, variant, item.designs or variant.designs)
    return None
