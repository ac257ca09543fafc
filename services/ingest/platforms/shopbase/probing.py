"""Finds out what a ShopBase store may do, from a few paid orders and from what its app was granted."""

from __future__ import annotations

from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.shopbase.client import ShopbaseClient, answered

_QUERY = {
    "order_status": "any",
    "financial_status": "paid",
    "limit": 20,
    "fields": "id,shipping_address,line_items",
}
_NO_ORDER = "No paid order to look at yet."
_NO_ADDRESSES = "ShopBase shows this app no shipping addresses: link the store again and grant what it asks for."
_NO_TRACKING = "The app may not write fulfillments: link the store again and grant write_orders."
_TRACKING_UNTOLD = (
    "A private app does not tell its permissions; let it read and write orders, or tracking numbers are refused."
)
_NO_WEBHOOKS = (
    "Without the private app's shared secret no webhook can be trusted: orders come by polling every few minutes. "
    "Link the store again with it."
)


async def probe(client: ShopbaseClient, access: Access, *, signed: bool) -> tuple[Capability, ...]:
    """Tell what is visible, and how news come; `signed` says whether webhooks could be verified."""
    return (
        await _addresses(client, access),
        _tracking(access),
        Capability(name="webhooks", allowed=signed, detail="" if signed else _NO_WEBHOOKS),
        Capability(name="history", allowed=True, detail="ShopBase gives all orders that the store ever had."),
    )


async def _addresses(client: ShopbaseClient, access: Access) -> Capability:
    answer = await client.get(access.secrets, "/orders.json", _QUERY)
    orders = (answered(answer).get("orders") if answer else None) or ()
    shipped = [order for order in orders if isinstance(order, dict) and _ships(order)]
    if not shipped:
        return Capability(name="addresses", allowed=None, detail=_NO_ORDER)
    visible = any((order.get("shipping_address") or {}).get("address1") for order in shipped)
    return Capability(name="addresses", allowed=visible, detail="" if visible else _NO_ADDRESSES)


def _ships(order: dict[str, Any]) -> bool:
    return any(isinstance(line, dict) and line.get("requires_shipping") for line in order.get("line_items") or ())


def _tracking(access: Access) -> Capability:
    scope = access.secrets.get("scope")
    if not scope:
        return Capability(name="tracking", allowed=None, detail=_TRACKING_UNTOLD)
    allowed = "write_orders" in scope.split(",")
    return Capability(name="tracking", allowed=allowed, detail="" if allowed else _NO_TRACKING)
