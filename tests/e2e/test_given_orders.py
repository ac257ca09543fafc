"""Orders that a seller gives us go the way of all others: judged, made, shipped, and told to whoever wants to know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.sandbox.catalog_of_goods import GOODS
from tests.e2e.everywhere import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SKU = GOODS[0].sku
ADDRESS = {"name": "Buyer 0042", "line1": "12 Example Street", "city": "Austin", "region": "TX", "country": "US"}


def order(reference: str, **changes: Any) -> dict[str, Any]:
    items = [{"sku": changes.pop("sku", SKU), "quantity": 2, "unit_price": "19.99"}]
    return {"reference": reference, "ship_to": ADDRESS | {"postal_code": "73301"}, "items": items, **changes}


async def test_given_orders_are_judged_made_updated_cancelled_and_told(api: Api, told: Told) -> None:
    await journey.top_up(api)
    store = await api.call("ingest", "POST", "/v1/stores", body={"platform": "direct", "name": "By hand"})
    store_id = store["store_id"]
    given = [
        # However old an order is, whoever gives it to us wants it made.
        order("good", placed_at="2020-01-01T00:00:00Z"),
        order("unpaid", paid=False),
        order("unknown", sku="NO-SUCH-THING"),
        order("trial", test=True),
    ]

    batch = await api.call("ingest", "POST", "/v1/orders/batch", body={"store_id": store_id, "orders": given})
    await _stand(api, store_id, {"unpaid": "held", "unknown": "held", "trial": "rejected"})
    unpaid = f"/v1/orders/{store_id}/unpaid"
    await api.call("ingest", "PUT", unpaid, body=order("unpaid"))
    await api.call("ingest", "POST", f"/v1/orders/{store_id}/unknown/cancel", body={"reason": "a slip"})
    stood = await _stand(
        api, store_id, {"good": "shipped", "unpaid": "shipped", "unknown": "CANCELLED", "trial": "TEST_ORDER"}
    )

    session = await api.call("reporting", "GET", f"/v1/sessions/{batch['session_id']}")
    made = (await api.factory("/truth"))["orders"]
    assert {key for key in made if f":{store_id}:" in key} == {
        stood["good"]["order_key"],
        stood["unpaid"]["order_key"],
    }
    assert (batch["new"], session["way"], session["state"]) == (4, "api", "succeeded")
    made_way = {"order.released", "order.shipped"}
    wanted = {"good": made_way, "unpaid": {"order.held", *made_way}, "unknown": {"order.held", "order.cancelled"}}
    assert await eventually(lambda: told.of(store_id, wanted)) == wanted


@dataclass
class Told:
    """What the seller's own system was told, by orders."""

    notices: list[dict[str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.notices.append(await request.json())
        return web.Response(status=204)

    async def of(self, store_id: str, wanted: dict[str, set[str]]) -> dict[str, set[str]] | None:
        """The types of the notices about each order of a store, once nothing wanted is missing."""
        found: dict[str, set[str]] = {}
        for notice in self.notices:
            # Parcels arrive when they do.
            if notice["data"].get("store_id") == store_id and notice["type"] != "order.delivered":
                found.setdefault(notice["data"]["external_id"], set()).add(notice["type"])
        return found if all(types <= found.get(name, set()) for name, types in wanted.items()) else None


@pytest.fixture
async def told(api: Api) -> AsyncIterator[Told]:
    """A seller's system on loopback that is told everything."""
    told, application = Told(), web.Application()
    application.router.add_post("/hook", told.take)
    async with TestServer(application) as server:
        address = {"url": str(server.make_url("/hook"))}
        endpoint = await api.call("ingest", "POST", "/v1/webhook-endpoints", body=address)
        yield told
        await api.call("ingest", "DELETE", f"/v1/webhook-endpoints/{endpoint['endpoint_id']}")


async def _stand(api: Api, store_id: str, wanted: dict[str, str]) -> dict[str, Any]:
    """The store's orders in the report once each has the state, outcome or reason wanted of it."""

    async def check() -> dict[str, Any] | None:
        query = {"store": store_id, "limit": "200"}
        found = {each["external_id"]: each async for each in api.pages("reporting", "/v1/orders", query)}
        return found if all(word in _words(found.get(name)) for name, word in wanted.items()) else None

    return await eventually(check) or {}


def _words(item: Any) -> set[str]:
    if item is None:
        return set()
    return {item["state"], item["outcome"] or "", *(reason["code"] for reason in item["reasons"])}
