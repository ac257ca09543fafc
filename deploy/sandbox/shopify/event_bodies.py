"""The bodies of webhooks that tell of an event rather than of an order: edits, holds, the app's end, privacy.

Source: the documented payloads of orders/edited, fulfillment_orders/placed_on_hold, app/uninstalled and the mandatory
privacy topics.
"""

from __future__ import annotations

from datetime import datetime

from deploy.sandbox.shopify.bodies import Body, buyer_number, local
from deploy.sandbox.shopify.world import FulfillmentOrder, Hold, Order, Store


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


def placed_on_hold_body(part: FulfillmentOrder) -> Body:
    """fulfillment_orders/placed_on_hold: GraphQL ids, unlike the order bodies, and not which order it is."""
    holds = [_hold(hold) for hold in part.holds]
    return {
        "fulfillment_order": {**_fulfillment_order(part), "fulfillment_holds": holds},
        "remaining_fulfillment_order": None,
        "held_fulfillment_order_line_items": [
            {"id": f"gid://shopify/FulfillmentOrderLineItem/{line.id}", "quantity": line.remaining}
            for line in part.lines
        ],
        "created_fulfillment_hold": holds[-1],
    }


def hold_released_body(part: FulfillmentOrder) -> Body:
    """fulfillment_orders/hold_released."""
    return {"fulfillment_order": _fulfillment_order(part)}


def _fulfillment_order(part: FulfillmentOrder) -> Body:
    return {"id": f"gid://shopify/FulfillmentOrder/{part.id}", "status": part.status.lower()}


def _hold(hold: Hold) -> Body:
    return {
        "id": f"gid://shopify/FulfillmentHold/{hold.id}",
        "reason": hold.reason.lower(),
        "reason_notes": hold.notes,
        "held_by_requesting_app": False,
        "handle": None,
        "held_by_app": None,
    }


def privacy_body(store: Store, topic: str, orders: list[Order], *, request_id: int) -> Body:
    """customers/data_request, customers/redact and shop/redact; the buyer is the one of the first order."""
    body: Body = {"shop_id": store.id, "shop_domain": store.domain}
    if topic == "shop/redact":
        return body
    buyer = next((order.buyer for order in orders if order.buyer), None)
    body["customer"] = {"id": buyer_number(buyer), "email": buyer.email, "phone": buyer.phone} if buyer else {}
    numbers = [order.id for order in orders]
    if topic == "customers/data_request":
        return body | {"orders_requested": numbers, "data_request": {"id": request_id}}
    return body | {"orders_to_redact": numbers}


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
