"""`catalog.variants`: what production can make, at what cost. Compacted; the key is the SKU."""

from typing import Literal

from schemas.base import UtcTime, Value
from schemas.money import Money
from schemas.order import Design, NameValue


class CatalogVariant(Value):
    """One product variant of production's. `designs` is the artwork a SKU brings along, if it does."""

    type: Literal["catalog.variant"] = "catalog.variant"
    schema_version: Literal[1] = 1
    sku: str
    product_name: str
    product_style: str | None = None
    options: tuple[NameValue, ...] = ()
    cost: Money
    available: bool = True
    needs_artwork: bool = True
    designs: tuple[Design, ...] = ()
    picture_url: str | None = None
    changed_at: UtcTime
