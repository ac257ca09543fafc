"""A seller reads through when a store is proven complete, and one request checks a period beside the platform."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from deploy.demo.api import Api
from deploy.demo.world import World
from tests.e2e.everywhere import eventually, store_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_a_store_is_proven_complete_and_a_period_is_checked_by_one_request(api: Api, world: World) -> None:
    linked = await store_with(api, world, "etsy", "unmatched_sku")
    complete = await eventually(lambda: _complete(api, linked.store_id)) or {}

    assert datetime.fromisoformat(complete["complete_through"]) > datetime.fromisoformat(complete["complete_from"])
    assert complete["next_sync_because"]

    period = {"from": "2020-01-01", "to": "2099-12-31", "zone": "Eastern", "by": "updated"}
    path = f"/v1/completeness/{linked.store_id}/audits"
    asked = await api.call("reporting", "POST", path, body=period)
    audit = await eventually(lambda: _ended(api, asked["link"])) or {}

    assert (audit["state"], audit["listed"], audit["held"], audit["scope"]) == ("agreed", 1, 1, "asked")


async def _complete(api: Api, store_id: str) -> dict[str, Any] | None:
    page = await api.call("reporting", "GET", "/v1/completeness?limit=200")
    found: list[dict[str, Any]] = [one["completeness"] for one in page["items"] if one["store_id"] == store_id]
    return found[0] if found and found[0]["complete_through"] else None


async def _ended(api: Api, path: str) -> dict[str, Any] | None:
    # It is not there until it began, so it is looked for in the list.
    page = await api.call("reporting", "GET", "/v1/audits?limit=200")
    found: list[dict[str, Any]] = [one for one in page["items"] if path.endswith(one["audit_id"])]
    return found[0] if found and found[0]["finished_at"] else None
