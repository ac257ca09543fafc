"""What the factory can make: its catalog as messages of `catalog.variants`."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.catalog_of_goods import GOODS, GOODS_BY_SKU, Good

#: A constant: publishing the same catalog again changes nothing, so it must not look like a change.
CHANGED_AT = "2026-01-01T00:00:00Z"
#: Share of the selling price that making costs, in percent.
_COST_PERCENT = 40


def catalog() -> list[dict[str, Any]]:
    """Every variant of the standing catalog."""
    return [variant(good) for good in GOODS]


def variant_of(sku: str, *, changed_at: str, available: bool = True) -> dict[str, Any]:
    """One variant by SKU, for a catalog that changes while orders wait; a new SKU becomes a plain product."""
    good = GOODS_BY_SKU.get(sku) or Good(sku, "Made to order", (), 1500, 100)
    return variant(good) | {"changed_at": changed_at, "available": available}


def variant(good: Good) -> dict[str, Any]:
    """The message that says the factory makes this good, with artwork of its own."""
    return {
        "type": "catalog.variant",
        "schema_version": 1,
        "sku": good.sku,
        "product_name": good.title,
        "product_style": None,
        "options": [{"name": name, "value": value} for name, value in good.options],
        "cost": {"amount": good.price * _COST_PERCENT // 100, "currency": "USD"},
        "available": True,
        "needs_artwork": True,
        "designs": [{"area": "front", "url": f"https://designs.example.com/{good.sku}/front.png"}],
        "picture_url": f"https://designs.example.com/{good.sku}/picture.jpg",
        "changed_at": CHANGED_AT,
    }
