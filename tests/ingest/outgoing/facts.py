"""Facts that sellers' systems wait for, for tests; they state only what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.decisions import OrderDecided, OrderSummary
from schemas.ids import OrderKey, SellerId, StoreId
from schemas.money import Money
from schemas.production import Shipment, ShippedItem
from schemas.reasons import Reason, ReasonCode

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = OrderKey("direct:st-1:W-1")
SELLER = SellerId("seller-1")
HELD = (Reason(code=ReasonCode.ITEM_NOT_MATCHED, item_id="1", evidence={"sku": "TEE", "title": "Tee"}),)


def decided(**changes: Any) -> OrderDecided:
    facts: dict[str, Any] = {
        "event_id": "decision-1",
        "occurred_at": NOW,
        "seller_id": SELLER,
        "order_key": KEY,
        "store_id": StoreId("st-1"),
        "platform": "direct",
        "external_id": "W-1",
        "number": 1,
        "raw_event_id": "raw-1",
        "cause": "revision",
        "outcome": "held",
        "reasons": HELD,
        "rules_version": "3",
        "summary": OrderSummary(
            display_name="W-1",
            placed_at=NOW,
            revised_at=NOW,
            imported_at=NOW,
            way="api",
            test=False,
            payment="paid",
            fulfilment="unfulfilled",
            total=Money(amount=100, currency="USD"),
            items=(),
        ),
    }
    return OrderDecided(**facts | changes)


def update(kind: Any, **facts: Any) -> Any:
    return kind(**{"event_id": "update-1", "occurred_at": NOW, "seller_id": SELLER, "order_key": KEY} | facts)


def shipment(shipment_id: str = "S-1") -> Shipment:
    return Shipment(
        shipment_id=shipment_id,
        carrier="usps",
        tracking_number="9400100000000000000000",
        shipped_at=NOW,
        items=(ShippedItem(item_id="1", quantity=2),),
    )
