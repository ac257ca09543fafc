"""Orders as sellers give them, for tests; they state only what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.ids import SellerId, StoreId
from services.ingest.contract.stores import StoreRef

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STORE = StoreRef(store_id=StoreId("st-1"), seller_id=SellerId("seller-1"), platform="direct", external_id="d-1")


def given(reference: str = "W-1", **changes: Any) -> dict[str, Any]:
    order: dict[str, Any] = {
        "reference": reference,
        "ship_to": address(),
        "items": [item()],
    }
    return order | changes


def address(**changes: Any) -> dict[str, Any]:
    there = {"name": "Buyer 0042", "line1": "100 Example Street", "city": "Springfield", "region": "IL"}
    return {**there, "postal_code": "62701", "country": "US"} | changes


def item(**changes: Any) -> dict[str, Any]:
    return {"sku": "TEE-BLK-M", "quantity": 2, "unit_price": "19.99"} | changes
