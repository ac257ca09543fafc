"""Finds out what an Etsy shop may do, from one recent paid receipt: in some countries addresses stay hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.stores import Capability
from services.ingest.connector import Access
from services.ingest.platforms.etsy.client import EtsyClient

_HIDDEN = (
    "Etsy hides buyers' addresses from new apps of shops in your country: copy them from Shop Manager, and enter "
    "tracking numbers there too."
)


async def probe(client: EtsyClient, access: Access) -> tuple[Capability, ...]:
    """Tell whether addresses are visible, and so whether tracking will be taken: Etsy restricts both together."""
    secrets = access.secrets
    query = {"limit": 1, "was_paid": "true", "sort_on": "updated", "sort_order": "desc"}
    answer = await client.get(secrets["access_token"], f"/shops/{secrets['shop_id']}/receipts", query)
    receipt = _first(answer)
    visible = _shows_address(receipt) if receipt is not None else None
    detail = {True: "", False: _HIDDEN, None: "No paid order to look at yet."}[visible]
    return (Capability(name="addresses", allowed=visible, detail=detail), _tracking(visible))


def _tracking(visible: bool | None) -> Capability:  # noqa: FBT001 - what is told
    # A refusal is only certain once Etsy refuses a number; it goes together with hidden addresses.
    if visible is False:
        return Capability(name="tracking", allowed=False, detail=_HIDDEN)
    return Capability(name="tracking", allowed=visible)


def _first(answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    results = answer.get("results") if answer else None
    found = results[0] if isinstance(results, list) and results else None
    return found if isinstance(found, dict) else None


def _shows_address(receipt: Mapping[str, Any]) -> bool:
    return any(receipt.get(name) for name in ("first_line", "formatted_address"))
