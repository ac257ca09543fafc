"""A store is broken in several ways at once through the sandbox's control API: the report heals, and says what was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World
from tests.e2e.everywhere import all_held, eventually, orders_of, store_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

#: What the platform answers next, one after another; each makes a poll come again later.
TROUBLE = ("status_500", "truncated_json", "html_200")
#: Polls come again after growing waits.
WITHIN = 150.0


async def test_a_broken_store_heals_says_what_was_broken_and_is_complete_again(api: Api, world: World) -> None:
    linked = await store_with(api, world, "woocommerce", "unmatched_sku")
    [cancelled] = await all_held(api, linked, count=1)
    broken_at = datetime.now(UTC)
    await _break(api, linked)

    await journey.create_orders(api, linked.opened, 3, state="unmatched_sku", seed=5)
    await journey.change_order(api, linked.opened, cancelled, action="cancel")

    orders = await eventually(lambda: _all_here(api, linked, cancelled), within=WITHIN) or {}
    assert {order["id"] for order in await journey.truth(api, linked.opened)} == set(orders)
    session = await eventually(lambda: _healed(api, linked), within=WITHIN) or {}
    assert "they were set up again" in session["healed"]
    complete = await eventually(lambda: _complete_after(api, linked, broken_at), within=WITHIN)
    assert complete


async def _break(api: Api, linked: Linked) -> None:
    """Have the store's webhooks signed with another secret, and the platform answer nonsense for a while."""
    store = f"/woocommerce/stores/{linked.opened.external_id}"
    await api.control("POST", f"{store}/webhooks", body={"ailment": "wrong_secret"})
    for kind in TROUBLE:
        await api.control("POST", "/woocommerce/faults", body={"kind": kind, "path": "/orders", "count": 1})


async def _all_here(api: Api, linked: Linked, cancelled: str) -> dict[str, Any] | None:
    orders = await orders_of(api, linked)
    done = len(orders) == 4 and all(order["outcome"] for order in orders.values())
    return orders if done and orders[cancelled]["outcome"] == "rejected" else None


async def _healed(api: Api, linked: Linked) -> dict[str, Any] | None:
    """The session that an alert about mended webhooks of this store leads to."""
    page = await api.call("reporting", "GET", "/v1/alerts?limit=200")
    for alert in page["items"]:
        if alert["code"] == "WEBHOOKS_HEALED":
            session: dict[str, Any] = await api.call("reporting", "GET", f"/v1{alert['link']}")
            if session["store_id"] == linked.store_id:
                return session
    return None


async def _complete_after(api: Api, linked: Linked, moment: datetime) -> bool:
    page = await api.call("reporting", "GET", "/v1/completeness?limit=200")
    [found] = [one["completeness"] for one in page["items"] if one["store_id"] == linked.store_id]
    through = found["complete_through"]
    return through is not None and datetime.fromisoformat(through) > moment
