"""A seller asks whether all orders of a period are there: what polls missed arrives, what is gone there is not made."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World
from tests.e2e.everywhere import eventually, orders_of, store_with, with_outcome

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

#: Polls look back for ten minutes, and nothing tells of this order.
LONG_AGO: dict[str, Any] = {"created_ago": 3_600, "created_over": 60, "webhooks": False}


async def test_an_audit_brings_what_no_poll_saw_and_takes_away_what_the_platform_lost(api: Api, world: World) -> None:
    linked = await store_with(api, world, "etsy", "unmatched_sku", "invalid_address")
    lost, _ = await eventually(lambda: _two(api, linked)) or ("", "")
    await journey.create_orders(api, linked.opened, 1, state="unmatched_sku", seed=9, **LONG_AGO)
    await journey.change_order(api, linked.opened, lost, action="delete")

    audit = await _audited(api, linked)

    assert (audit["state"], audit["listed"], audit["missing"], audit["unknown"]) == ("explained", 2, 1, 1)
    found = {one["external_id"]: one for one in audit["differences"]}
    assert found.pop(lost)["explanation"] == "deleted"
    [(missed, difference)] = found.items()
    assert difference["settled"]
    await with_outcome(api, linked, "held", order=missed)
    gone = await with_outcome(api, linked, "rejected", order=lost)
    assert [reason["code"] for reason in gone["reasons"]] == ["DELETED_ON_PLATFORM"]


async def _two(api: Api, linked: Linked) -> tuple[str, ...] | None:
    """The store's two orders, once both are judged."""
    orders = await orders_of(api, linked)
    return tuple(sorted(orders)) if len(orders) == 2 and all(one["outcome"] for one in orders.values()) else None


async def _audited(api: Api, linked: Linked) -> dict[str, Any]:
    """An audit of everything that ever changed in the store, at its end."""
    body = {
        "stores": [linked.store_id],
        "period": {"from": "2020-01-01", "to": "2099-12-31"},
        "zone": "UTC",
        "by": "updated",
    }
    page = await api.call("ingest", "POST", "/v1/audits", body=body)
    path = f"/v1/audits/{page['items'][0]['audit_id']}"

    async def ended() -> dict[str, Any] | None:
        shown = await api.call("ingest", "GET", path)
        return shown if shown["finished_at"] else None

    return await eventually(ended) or {}
