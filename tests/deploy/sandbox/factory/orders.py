"""Commands as production is told them, with only what matters stated."""

from __future__ import annotations

import hashlib
from typing import Any

TIME = "2026-11-20T08:00:00Z"
KEY = "etsy:st-1:3100000001"


def _command(kind: str, key: str, number: int, /, **facts: Any) -> dict[str, Any]:
    event_id = hashlib.blake2b(f"{key}{kind}{number}".encode(), digest_size=16).hexdigest()
    return {
        "event_id": event_id,
        "type": kind,
        "schema_version": 1,
        "occurred_at": TIME,
        "seller_id": "sel-1",
        "order_key": key,
        **facts,
    }


def _order(key: str, revision: int, *, quantity: int, country: str) -> dict[str, Any]:
    platform, store_id, external_id = key.split(":")
    return {
        "order_key": key,
        "order_ref": external_id,
        "external_id": external_id,
        "platform": platform,
        "store_id": store_id,
        "revision": revision,
        "placed_at": TIME,
        "ship_to": {
            "name": "Buyer 0042",
            "company": None,
            "address1": "1 Main Street",
            "address2": None,
            "city": "New York",
            "province_code": "NY",
            "zip": "10001",
            "country_code": country,
            "phone": None,
            "email": None,
            "method": None,
        },
        "items": [
            {
                "item_id": "1",
                "sku": "MUG-11OZ",
                "quantity": quantity,
                "product_name": "Photo Mug",
                "product_style": None,
                "options": [{"name": "Capacity", "value": "11 oz"}],
                "designs": [{"area": "front", "url": "https://designs.example.com/a.png"}],
                "personalization": [],
            }
        ],
        "shipping_service": None,
        "shipping_label_url": None,
        "gift_message": None,
        "note": None,
        "ioss_number": None,
        "tax_number": None,
        "tax_value": None,
        "cost": {"amount": 580, "currency": "USD"},
    }


def released(key: str = KEY, *, quantity: int = 2, country: str = "US") -> dict[str, Any]:
    order = _order(key, 1, quantity=quantity, country=country)
    return _command("order.released", key, 1, order=order)


def amended(key: str = KEY, *, revision: int = 2, quantity: int = 5) -> dict[str, Any]:
    order = _order(key, revision, quantity=quantity, country="US")
    return _command("order.amended", key, revision, order=order)


def cancelled(key: str = KEY, *, revision: int = 2) -> dict[str, Any]:
    return _command("order.cancelled", key, revision, revision=revision, reason="The buyer changed their mind.")
