"""`/v1/tracking` over twins: a seller sees their own parcels and has them tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from services.ingest.schedule import Schedule
from services.ingest.tracking.routes import PushApi, push_routes
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.ingest.pushing import PushBench, refused
from tests.ingest.workbench import SELLER, STORE

#: The API is served on loopback, over twins.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@dataclass
class Seller:
    """A seller's client, and another's key."""

    bench: PushBench
    session: aiohttp.ClientSession
    key: str
    other: str

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        async with self.session.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def seller() -> AsyncIterator[Seller]:
    bench = await PushBench().linked()
    schedule = Schedule(
        bench.push_runner.run,
        bench.pushes,
        owner="process-1",
        platforms=["twin"],
        at_once=1,
        clock=bench.clock,
        metrics=bench.metrics,
        what="push",
    )
    keys = MemoryKeyRing()
    routes = push_routes(PushApi(bench.stores, bench.pushes, schedule, bench.clock))
    server = await serve(build_app(routes, keys=keys, metrics=Metrics(), health=Health()), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield Seller(bench, session, keys.grant(SELLER), keys.grant("seller-2"))
    await server.stop()


async def test_parcels_are_listed_in_parts_and_by_what_is_asked_for(seller: Seller) -> None:
    for number in ("o1", "o2", "o3"):
        await seller.bench.ship(number, shipment_id=number)
        seller.bench.clock.advance(1)
    seller.bench.writer.faults = [refused()]
    await seller.bench.work()

    _, first = await seller.call("GET", "/v1/tracking?limit=2")
    _, rest = await seller.call("GET", f"/v1/tracking?limit=2&cursor={first['next']}".replace("+", "%2B"))
    _, refusals = await seller.call("GET", f"/v1/tracking?code=RIGHT_MISSING&store_id={STORE}")
    _, verified = await seller.call("GET", "/v1/tracking?state=verified")

    assert [item["external_id"] for item in (*first["items"], *rest["items"])] == ["o3", "o2", "o1"]
    assert [(item["state"], item["problem"]) for item in refusals["items"]] == [("needs_attention", "Grant the right.")]
    assert (len(verified["items"]), rest["next"]) == (2, None)


async def test_one_parcel_or_all_of_a_code_are_tried_again(seller: Seller) -> None:
    bench = seller.bench
    bench.writer.faults = [refused() for _ in range(3)]
    pushes = [await bench.ship(number, shipment_id=number) for number in ("o1", "o2", "o3")]
    await bench.work()

    status, one = await seller.call("POST", f"/v1/tracking/{pushes[0].push_id}/retry")
    _, others = await seller.call("POST", "/v1/tracking/retries", {"code": "RIGHT_MISSING"})
    await bench.work()

    assert (status, one["state"], others) == (200, "queued", {"retried": 2})
    assert [(await bench.push(number)).state for number in ("o1", "o2", "o3")] == ["verified"] * 3


async def test_a_seller_chooses_for_all_stores_or_those_of_a_platform(seller: Seller) -> None:
    memory = seller.bench.memory
    for store_id in ("st-2", "st-3"):
        await seller.bench.add_store(store_id)
    memory.stores["st-3"] = replace(memory.stores["st-3"], platform="other")
    memory.outbox.clear()

    _, of_twin = await seller.call("POST", "/v1/tracking/switches", {"platform": "twin", "sync_tracking": False})
    _, of_all = await seller.call("POST", "/v1/tracking/switches", {"notify_buyer": False})
    _, of_nobody = await seller.call("POST", "/v1/tracking/switches", {"notify_buyer": True}, key=seller.other)

    settings = {store_id: store.settings for store_id, store in memory.stores.items()}
    assert (of_twin, of_all, of_nobody) == ({"stores": 2}, {"stores": 3}, {"stores": 0})
    assert [settings[store_id].sync_tracking for store_id in (STORE, "st-2", "st-3")] == [False, False, True]
    assert {one.notify_buyer for one in settings.values()} == {False}


async def test_another_sellers_parcels_are_not_there(seller: Seller) -> None:
    push = await seller.bench.ship()

    _, listed = await seller.call("GET", "/v1/tracking", key=seller.other)
    status, _ = await seller.call("POST", f"/v1/tracking/{push.push_id}/retry", key=seller.other)
    _, retried = await seller.call("POST", "/v1/tracking/retries", {"code": "ON_HOLD"}, key=seller.other)

    assert (listed["items"], status, retried) == ([], 404, {"retried": 0})


async def test_a_cursor_that_was_never_given_is_refused(seller: Seller) -> None:
    status, problem = await seller.call("GET", "/v1/tracking?cursor=yesterday")

    assert (status, problem["code"]) == (422, "bad_cursor")
