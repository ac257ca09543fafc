"""Finds out what an Etsy shop may do: by its recent paid receipts, for in some countries addresses stay hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.etsy.client import EtsyClient

_HIDDEN = (
    "Etsy hides buyers' addresses from new apps of shops in your country: copy them from Shop Manager, and enter "
    "tracking numbers there too."
)
_NOTHING_YET = "No paid order to look at yet."
_NOT_GRANTED = "The permission transactions_w was not granted: connect the store again to let us send tracking numbers."
_POLLED = "This installation has no endpoint in Etsy's webhook portal: orders come by polling."
#: How many receipts are looked at: some are of downloads alone, and go nowhere.
_LOOKED_AT = 10


async def probe(client: EtsyClient, access: Access, *, takes_webhooks: bool) -> tuple[Capability, ...]:
    """Tell whether addresses are visible, and so whether tracking will be taken: Etsy restricts both together."""
    secrets = access.secrets
    query = {"limit": _LOOKED_AT, "was_paid": "true", "sort_on": "updated", "sort_order": "desc"}
    answer = await client.get(secrets["access_token"], f"/shops/{secrets['shop_id']}/receipts", query)
    shipped = [receipt for receipt in _results(answer) if _goes_somewhere(receipt)]
    visible = any(_shows_address(receipt) for receipt in shipped) if shipped else None
    detail = {True: "", False: _HIDDEN, None: _NOTHING_YET}[visible]
    return (
        Capability(name="addresses", allowed=visible, detail=detail),
        _tracking(visible, scopes=await client.scopes(secrets["access_token"])),
        Capability(name="webhooks", allowed=takes_webhooks, detail="" if takes_webhooks else _POLLED),
    )


def _tracking(visible: bool | None, *, scopes: frozenset[str] | None) -> Capability:  # noqa: FBT001 - what is told
    if scopes is not None and "transactions_w" not in scopes:
        return Capability(name="tracking", allowed=False, detail=_NOT_GRANTED)
    # A refusal is only certain once Etsy refuses a number; it goes together with hidden addresses.
    return Capability(name="tracking", allowed=visible, detail={True: "", False: _HIDDEN, None: _NOTHING_YET}[visible])


def _results(answer: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    results = answer.get("results") if answer else None
    return [receipt for receipt in results if isinstance(receipt, dict)] if isinstance(results, list) else []


def _goes_somewhere(receipt: Mapping[str, Any]) -> bool:
    lines = receipt.get("transactions")
    return isinstance(lines, list) and any(isinstance(line, dict) and not line.get("is_digital") for line in lines)


def _shows_address(receipt: Mapping[str, Any]) -> bool:
    return any(receipt.get(name) for name in ("first_line", "formatted_address"))
