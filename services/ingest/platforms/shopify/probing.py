"""Finds out what a Shopify store may do: which scopes were granted, and whether buyers' data may be seen."""

from __future__ import annotations

from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import ShopifyClient

#: Writing a fulfilment needs both scopes of one of these pairs, by whose location ships.
_TRACKING = tuple(
    {f"read_{whose}_fulfillment_orders", f"write_{whose}_fulfillment_orders"}
    for whose in ("merchant_managed", "assigned", "third_party")
)
_NO_TRACKING = (
    "The app may not write fulfilments: connect the store again and grant write_merchant_managed_fulfillment_orders."
)
_NO_HISTORY = "Shopify shows this app the last 60 days of orders; older ones need the scope read_all_orders."
_NO_WEBHOOKS = (
    "Shopify's news cannot be verified, so orders come by polling only: link the store again and give the custom "
    "app's client secret as webhook_secret."
)
_NO_ADDRESSES = "Shopify hides buyers' names and addresses: the app needs access to protected customer data."


async def probe(client: ShopifyClient, access: Access, *, app_secrets: tuple[str, ...]) -> tuple[Capability, ...]:
    """Read the granted scopes and the newest orders' addresses."""
    secrets = access.secrets
    answer = await client.graphql(secrets["shop"], secrets["access_token"], queries.PROBE, {}, operation="Probe")
    installation = answer.get("currentAppInstallation") or {}
    scopes = {scope.get("handle") for scope in installation.get("accessScopes") or ()}
    return (
        _addresses(answer),
        _told("tracking", any(pair <= scopes for pair in _TRACKING), _NO_TRACKING),
        _told("webhooks", bool(secrets.get("webhook_secret") or app_secrets), _NO_WEBHOOKS),
        _told("history", "read_all_orders" in scopes, _NO_HISTORY),
    )


def _addresses(answer: dict[str, Any]) -> Capability:
    orders = (answer.get("orders") or {}).get("nodes") or ()
    shipped = [order for order in orders if isinstance(order, dict) and order.get("requiresShipping")]
    if not shipped:
        return Capability(name="addresses", allowed=None, detail="No order to look at yet.")
    return _told(
        "addresses", any((order.get("shippingAddress") or {}).get("address1") for order in shipped), _NO_ADDRESSES
    )


def _told(name: str, allowed: bool, otherwise: str) -> Capability:  # noqa: FBT001 - what is told
    return Capability(name=name, allowed=allowed, detail="" if allowed else otherwise)
