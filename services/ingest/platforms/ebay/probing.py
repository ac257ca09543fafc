"""Finds out what a seller's account may do for us, by real calls that change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.ebay.client import NOTIFY, SELL, Declined, EbayClient
from services.ingest.platforms.ebay.linking import SCOPES
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.errors import AuthorizationError

#: eBay shows names, streets and telephone numbers for this long.
ADDRESSES_SHOWN = timedelta(days=89)
_SHOWN = "eBay shows names, streets and telephone numbers for 90 days, and an alias of the buyer's e-mail for 14."
_PUSHED = "New orders are pushed. Changes, cancellations and refunds come by polling: eBay does not push them."


async def probe(client: EbayClient, settings: EbaySettings, access: Access, *, now: datetime) -> tuple[Capability, ...]:
    """Return what the account may do."""
    newest = await _newest_order(client, access, now=now)
    return (
        _addresses(newest),
        _tracking(access),
        Capability(name="history", allowed=True, detail="eBay gives orders of the last two years."),
        await _webhooks(client, settings, access),
    )


async def _newest_order(client: EbayClient, access: Access, *, now: datetime) -> dict[str, Any] | None:
    since = (now - ADDRESSES_SHOWN).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    query = {"filter": f"creationdate:[{since}..]", "limit": 1, "offset": 0}
    reply = await client.call("GET", f"{SELL}/order", token=access.secrets["access_token"], query=query)
    orders = reply.body.get("orders")
    return orders[0] if isinstance(orders, list) and orders and isinstance(orders[0], dict) else None


def _addresses(order: dict[str, Any] | None) -> Capability:
    steps = order.get("fulfillmentStartInstructions") if order else None
    if not steps:
        return Capability(name="addresses", allowed=None, detail=f"No recent order to look at yet. {_SHOWN}")
    shown = any(_street(step) for step in steps)
    return Capability(name="addresses", allowed=True if shown else None, detail=_SHOWN)


def _street(instruction: Any) -> object:
    found = instruction
    for name in ("shippingStep", "shipTo", "contactAddress", "addressLine1"):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _tracking(access: Access) -> Capability:
    # eBay grants all of the scopes or none; the one that reads orders also writes their tracking.
    allowed = SCOPES[0] in access.secrets.get("scopes", "").split()
    detail = "" if allowed else "Link the store again and agree to everything that is asked for."
    return Capability(name="tracking", allowed=allowed, detail=detail)


async def _webhooks(client: EbayClient, settings: EbaySettings, access: Access) -> Capability:
    if not settings.ebay_verification_token.get_secret_value():
        detail = "This installation takes no notifications: set EBAY_VERIFICATION_TOKEN. Orders come by polling."
        return Capability(name="webhooks", allowed=False, detail=detail)
    try:
        await client.call("GET", f"{NOTIFY}/subscription", token=access.secrets["access_token"], query={"limit": 100})
    except (AuthorizationError, Declined) as error:
        return Capability(name="webhooks", allowed=False, detail=f"{error} Until then orders come by polling.")
    return Capability(name="webhooks", allowed=True, detail=_PUSHED)
