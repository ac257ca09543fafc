"""The bodies of webhooks that tell of an event rather than of an order: edits, holds, the app's end.

Source: the documented payloads of orders/edited, fulfillment_orders/placed_on_hold and app/uninstalled.
"""

from __future__ import annotations

from datetime import datetime

from deploy.sandbox.shopify.bodies import Body, local
from deploy.sandbox.shopify.world import FulfillmentOrder, Order, Store


def edited_body(order: Order, *, added: dict[int, int], removed: dict[int, int], at: datetime) -> Body:
    """orders/edited: only what changed, by line id."""
    return {
        "order_edit": {
            "id": order.id * 10,
            "app_id": None,
            "created_at": local(at, order.store),
            "committed_at": local(at, order.store),
            "notify_customer": False,
            "order_id": order.id,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [{"id": ident, "delta": units} for ident, units in added.items()],
                "removals": [{"id": ident, "delta": units} for ident, units in removed.items()],
            },
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
    }


def hold_body(part: FulfillmentOrder) -> Body:
    """fulfillment_orders/placed_on_hold and hold_released: GraphQL ids, unlike the order bodies."""
    return {
        "fulfillment_order": {
            "id": f"gid://shopify/FulfillmentOrder/{part.id}",
            "order_id": f"gid://shopify/Order/{part.order.id}",
            "status": part.status.lower(),
            "fulfillment_holds": [{"reason": hold.reason.lower(), "reason_notes": hold.notes} for hold in part.holds],
        }
    }


def shop_body(store: Store) -> Body:
    """app/uninstalled: the shop."""
    return {
        "id": store.id,
        "name": store.name,
        "email": f"owner@{store.handle}.example.com",
        "domain": None,
        "myshopify_domain": store.domain,
        "country": store.country,
        "currency": store.currency,
        "iana_timezone": store.zone.key,
    }
