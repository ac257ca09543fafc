"""The goods that stand-in stores sell: the SKUs that the factory's catalog knows, and some that it does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Good:
    """One sellable variant; price in US cents, weight in grams, options as (name, value)."""

    sku: str
    title: str
    options: tuple[tuple[str, str], ...]
    price: int
    grams: int

    @property
    def variant_title(self) -> str:
        """The option values joined as stores show them, "Black / S"."""
        return " / ".join(value for _, value in self.options)


GOODS: tuple[Good, ...] = (
    Good("TEE-BLK-S", "Classic Tee", (("Color", "Black"), ("Size", "S")), 1999, 180),
    Good("TEE-BLK-M", "Classic Tee", (("Color", "Black"), ("Size", "M")), 1999, 190),
    Good("TEE-BLK-L", "Classic Tee", (("Color", "Black"), ("Size", "L")), 1999, 200),
    Good("TEE-WHT-S", "Classic Tee", (("Color", "White"), ("Size", "S")), 1999, 180),
    Good("TEE-WHT-M", "Classic Tee", (("Color", "White"), ("Size", "M")), 1999, 190),
    Good("TEE-WHT-L", "Classic Tee", (("Color", "White"), ("Size", "L")), 1999, 200),
    Good("HOOD-GRY-M", "Everyday Hoodie", (("Color", "Grey"), ("Size", "M")), 3999, 520),
    Good("HOOD-GRY-L", "Everyday Hoodie", (("Color", "Grey"), ("Size", "L")), 3999, 550),
    Good("MUG-11OZ", "Photo Mug", (("Capacity", "11 oz"),), 1450, 380),
    Good("MUG-15OZ", "Photo Mug", (("Capacity", "15 oz"),), 1650, 460),
    Good("POSTER-A3", "Art Poster", (("Size", "A3"),), 1200, 90),
    Good("CANVAS-16X20", "Stretched Canvas", (("Size", "16x20 in"),), 5900, 900),
)

#: Sold before the factory was chosen: no catalog entry has this SKU.
LEGACY = Good("LEGACY-001", "Vintage Tote", (("Color", "Natural"),), 1750, 150)
#: Goods that nobody has to make.
GIFT_CARD = Good("", "Gift Card", (("Denominations", "$25.00"),), 2500, 0)
DOWNLOAD = Good("DIGITAL-PATTERN", "Printable Pattern (PDF)", (("Format", "PDF"),), 650, 0)

GOODS_BY_SKU: dict[str, Good] = {good.sku: good for good in (*GOODS, LEGACY, DOWNLOAD)}
