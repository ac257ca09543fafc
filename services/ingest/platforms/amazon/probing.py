"""Finds out what an Amazon seller's authorization allows, from recent orders that wait to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.client import AmazonClient, RequestRefused, iso
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.reading import ORDERS
from services.kit.errors import TransientError

#: How far back an unsent order is looked for.
_LOOK_BACK = timedelta(days=14)
_NO_ORDER = "No unsent order of the last two weeks to look at yet."
_NO_ADDRESSES = (
    "Amazon hides buyers' addresses: the app lacks the role Direct-to-Consumer Delivery (Restricted). Have it granted, "
    "authorize the app again, and link the store again."
)
_NO_EMAILS = (
    "Amazon hides buyers' e-mail: the app lacks the role Tax Remittance or Tax Invoicing. Nothing else needs it."
)
_TRACKING = "Amazon tells only when the first shipment is confirmed. Orders that Amazon fulfils are never confirmed."
_POLLED = "Amazon calls nobody: orders come by polling every few minutes, because no queue for its messages is set up."
_HISTORY = {
    True: "Amazon gives orders since 2016.",
    False: "Amazon gives orders of the last two years.",
}


async def probe(client: AmazonClient, access: Access, *, queue: str, now: datetime) -> tuple[Capability, ...]:
    """Tell what is visible, and how news come. One call, of the same budget that orders are listed with."""
    found = await _unsent(client, access, now=now)
    return (
        _seen("addresses", [_shows_address(order) for order in found], hidden=_NO_ADDRESSES),
        _seen("emails", [_shows_email(order) for order in found], hidden=_NO_EMAILS),
        Capability(name="tracking", allowed=None, detail=_TRACKING),
        Capability(name="webhooks", allowed=bool(queue), detail="" if queue else _POLLED),
        Capability(name="history", allowed=True, detail=_HISTORY[access.secrets["region"] == "fe"]),
    )


async def _unsent(client: AmazonClient, access: Access, *, now: datetime) -> list[Mapping[str, Any]]:
    query = {
        "lastUpdatedAfter": iso(now - _LOOK_BACK),
        "fulfillmentStatuses": "UNSHIPPED,PARTIALLY_SHIPPED",
        "fulfilledBy": "MERCHANT",
        "maxResultsPerPage": "10",
        "includedData": "BUYER,RECIPIENT,FULFILLMENT",
    }
    if access.secrets.get("marketplaces"):
        query["marketplaceIds"] = access.secrets["marketplaces"]
    try:
        answer = await client.call(account_of(access.secrets), "searchOrders", ORDERS, query=query)
    except RequestRefused as error:
        raise TransientError(str(error)) from error
    orders = answer.get("orders") if answer else None
    if not isinstance(orders, list):
        raise TransientError("Amazon's list of orders cannot be read")
    return [order for order in orders if isinstance(order, dict)]


def _seen(name: str, shown: list[bool], *, hidden: str) -> Capability:
    """Return whether something is visible: one order that shows it is proof, none at all tells nothing."""
    if not shown:
        return Capability(name=name, allowed=None, detail=_NO_ORDER)
    return Capability(name=name, allowed=any(shown), detail="" if any(shown) else hidden)


def _shows_address(order: Mapping[str, Any]) -> bool:
    address = _part(_part(order, "recipient"), "deliveryAddress")
    return any(address.get(name) for name in ("name", "addressLine1", "postalCode"))


def _shows_email(order: Mapping[str, Any]) -> bool:
    return bool(_part(order, "buyer").get("buyerEmail"))


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) else {}
