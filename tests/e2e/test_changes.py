"""What changes on a platform after an order was read arrives, and changes what becomes of the order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import World
from tests.e2e.everywhere import PLATFORMS, all_held, in_state, store_with, with_outcome

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ADDRESS = {
    "name": "Robin Example",
    "line1": "12 Example Street",
    "city": "Austin",
    "region": "TX",
    "zip": "73301",
    "country": "US",
    "phone": "+15125550177",
}
CHANGES: dict[str, dict[str, Any]] = {
    "unpaid_pending": {"action": "pay"},
    "invalid_address": {"action": "address", "address": ADDRESS},
    "unmatched_sku": {"action": "cancel"},
}
#: Amazon's notifications do not tell of addresses, and its lists do so minutes later: the seller asks for the order.
UNTOLD = {("amazon", "invalid_address")}


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_payment_address_and_cancellation_arrive(api: Api, world: World, platform: str) -> None:
    await journey.top_up(api)
    linked = await store_with(api, world, platform, *CHANGES)
    await all_held(api, linked, count=len(CHANGES))

    changed = await _change_all(api, linked)

    paid, readdressed, cancelled = await asyncio.gather(
        in_state(api, linked, "shipped", order=changed["unpaid_pending"]),
        in_state(api, linked, "shipped", order=changed["invalid_address"]),
        with_outcome(api, linked, "rejected", order=changed["unmatched_sku"]),
    )
    made = (await api.factory("/truth"))["orders"]
    assert {reason["code"] for reason in cancelled["reasons"]} & {"CANCELLED", "REFUNDED"}
    assert made[paid["order_key"]]["units_made"] > 0
    assert made[readdressed["order_key"]]["units_made"] > 0
    assert cancelled["order_key"] not in made


async def test_an_order_cancelled_after_its_release_is_not_made(api: Api, world: World) -> None:
    await journey.top_up(api)
    linked = await store_with(api, world, "shopify")
    await api.factory("/settings", method="POST", body={"pace": 5.0})
    try:
        await journey.create_orders(api, linked.opened, 1, state="paid")
        order = await in_state(api, linked, "accepted")

        await journey.change_order(api, linked.opened, order["external_id"], action="cancel", reason="CUSTOMER")

        cancelled = await in_state(api, linked, "cancelled")
        book = await api.factory("/truth")
        assert book["orders"][cancelled["order_key"]]["units_made"] == 0
    finally:
        await api.factory("/settings", method="POST", body={"pace": 0.0})


async def _change_all(api: Api, linked: Linked) -> dict[str, str]:
    """Carry out every change; the changed orders' ids by what they were an example of."""
    orders = {order["scenario"]: order["id"] for order in await journey.truth(api, linked.opened)}
    for scenario, change in CHANGES.items():
        await journey.change_order(api, linked.opened, orders[scenario], **change)
        if (linked.opened.platform, scenario) in UNTOLD:
            await api.call("ingest", "POST", f"/v1/stores/{linked.store_id}/orders/{orders[scenario]}/read")
    return orders
