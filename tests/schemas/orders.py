"""Builds orders that state only what matters to a test."""

from datetime import UTC, datetime
from typing import Any

from schemas.address import Address
from schemas.ids import SellerId, StoreId, order_key
from schemas.money import Money
from schemas.order import OrderItem, Payload, RawOrder

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PRICE = Money.parse("19.90", "USD")


def order_item(**changes: Any) -> OrderItem:
    """One black T-shirt, size M, unless told otherwise."""
    values: dict[str, Any] = {
        "external_id": "line-1",
        "title": "T-shirt",
        "sku": "TEE-BLK-M",
        "product_id": "p-1",
        "variant_id": "v-1",
        "quantity": 1,
        "quantity_to_make": 1,
        "unit_price": PRICE,
    }
    return OrderItem(**(values | changes))


#: Values are frozen, so that orders may share them.
_ADDRESS = Address(
    name="Buyer 0042",
    line1="1 Market Street",
    city="San Francisco",
    region="CA",
    postal_code="94105",
    country="US",
)
_ITEMS, _PAYLOAD = (order_item(),), Payload(form="test", body="{}")


def raw_order(**changes: Any) -> RawOrder:
    """A paid order to a valid US address, unless told otherwise; `number` sets its ids."""
    number = changes.pop("number", "1001")
    values: dict[str, Any] = {
        "key": order_key("shopify", "st-1", number),
        "seller_id": SellerId("seller-1"),
        "store_id": StoreId("st-1"),
        "platform": "shopify",
        "external_id": number,
        "display_name": f"#{number}",
        "placed_at": NOON,
        "revised_at": NOON,
        "fetched_at": NOON,
        "way": "poll",
        "payment": "paid",
        "total": PRICE,
        "ship_to": _ADDRESS,
        "items": _ITEMS,
        "payload": _PAYLOAD,
    }
    return RawOrder(**(values | changes))
