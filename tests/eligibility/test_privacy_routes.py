from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from schemas.order import NameValue, Payload
from services.eligibility.app import routes_document
from services.eligibility.privacy_routes import PrivacyApi, privacy_routes
from services.eligibility.words import correct_address, say
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.eligibility.privacy import ASKED_AT, BUYER, Privacy, asked, order_of_buyer
from tests.eligibility.workbench import KEY, SELLER, Bench
from tests.schemas.orders import order_item, raw_order

#: The API is served on loopback, over the repository's twin.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PATH = "/v1/privacy-requests"


@dataclass
class Asked:
    """A client that asks with any of several keys."""

    bench: Bench
    privacy: Privacy
    session: aiohttp.ClientSession
    keys: dict[str, str]

    async def __call__(self, method: str, path: str = "", *, key: str = "seller", expect: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        async with self.session.request(method, PATH + path, headers=headers) as response:
            answered = await response.json(content_type=None)
            assert response.status == expect, answered
            return answered


@pytest.fixture
async def ask(bench: Bench) -> AsyncIterator[Asked]:
    ring, privacy = MemoryKeyRing(), Privacy(bench)
    api = PrivacyApi(privacy.requests, bench.repository, bench.sealer, bench.clock)
    server = await serve(build_app(privacy_routes(api), keys=ring, metrics=Metrics(), health=Health()), "127.0.0.1", 0)
    keys = {
        "seller": ring.grant(SELLER),
        "other": ring.grant("seller-2"),
        "reader": ring.grant(SELLER, ["orders:read"]),
    }
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield Asked(bench, privacy, session, keys)
    await server.stop()


async def test_requests_tell_what_is_due_and_what_was_erased(ask: Asked) -> None:
    await ask.bench.arrive(order_of_buyer(payment="pending"))
    await ask.privacy.take(asked(order_keys=(KEY,)), asked(event_id="event-2", kind="data"))

    [data, erasure] = (await ask("GET", key="reader"))["items"]

    assert (data["id"], data["kind"], data["state"], data["orders_erased"]) == ("event-2", "data", "open", 0)
    assert data["asked_at"] == "2026-11-21T12:00:00Z"
    assert data["due_at"] == "2026-12-21T12:00:00Z"
    assert (erasure["kind"], erasure["state"], erasure["orders_named"], erasure["orders_erased"]) == (
        "erase_buyer",
        "erased",
        1,
        1,
    )


async def test_pages_follow_each_other(ask: Asked) -> None:
    await ask.privacy.keep(*(asked(event_id=str(n), kind="data") for n in range(5)))

    first = await ask("GET", "?limit=2")
    second = await ask("GET", f"?limit=2&cursor={first['next']}")
    last = await ask("GET", f"?limit=2&cursor={second['next']}")

    assert [item["id"] for page in (first, second, last) for item in page["items"]] == ["4", "3", "2", "1", "0"]
    assert last["next"] is None
    await ask("GET", "?cursor=x", expect=422)


async def test_requests_are_found_by_their_state(ask: Asked) -> None:
    await ask.privacy.take(asked(event_id="1", kind="data"), asked(event_id="2"))

    assert [item["id"] for item in (await ask("GET", "?state=open"))["items"]] == ["1"]
    assert [item["id"] for item in (await ask("GET", "?state=erased"))["items"]] == ["2"]


async def test_the_data_that_is_asked_for_is_all_that_is_held(ask: Asked) -> None:
    item = order_item(personalization=(NameValue(name="Text", value="For Ann"),))
    told: dict[str, Any] = {
        "gift_message": "Hi",
        "buyer_message": "Soon?",
        "attributes": (NameValue(name="Bell", value="left"),),
    }
    payload = Payload(form="graphql", body='{"customer":"canary"}')
    await ask.bench.arrive(
        order_of_buyer(items=(item,), payload=payload, payment="pending", **told), order_of_buyer("2")
    )
    await ask.bench.arrive(order_of_buyer("3", buyer_id="another"))
    address = raw_order().ship_to
    assert address is not None
    word = correct_address(address.model_copy(update={"line1": "2 Side Street"}))
    bench = ask.bench
    await say(
        word,
        [KEY],
        seller_id=SELLER,
        cause="address",
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )
    await ask.privacy.keep(asked(kind="data"))

    detail = await ask("GET", "/event-1")

    assert [order["order_key"] for order in detail["orders"]] == [KEY, "shopify:st-1:2"]
    held = detail["orders"][0]
    assert (held["buyer_id"], held["email"], held["phone"]) == (BUYER, "canary@example.com", "+15125550177")
    assert (held["ship_to"]["name"], held["corrected_address"]["line1"]) == ("Buyer 0042", "2 Side Street")
    assert (held["note"], held["buyer_message"], held["gift_message"]) == ("Ring", "Soon?", "Hi")
    assert held["attributes"] == [{"name": "Bell", "value": "left"}]
    assert held["personalization"] == [{"name": "Text", "value": "For Ann"}]
    assert held["payload"] == {"form": "graphql", "body": '{"customer":"canary"}'}


async def test_the_orders_of_a_request_come_in_pages(ask: Asked) -> None:
    await ask.bench.arrive(*(order_of_buyer(str(n)) for n in range(3)))
    await ask.privacy.keep(asked(kind="data"))

    first = await ask("GET", "/event-1?limit=2")
    last = await ask("GET", f"/event-1?limit=2&cursor={first['next']}")

    numbers = [order["display_name"] for page in (first, last) for order in page["orders"]]
    assert numbers == ["#0", "#1", "#2"]
    assert last["next"] is None


async def test_a_request_shows_no_order_of_another_seller(ask: Asked) -> None:
    await ask.bench.arrive(order_of_buyer(seller_id="seller-2"))
    await ask.privacy.keep(asked(kind="data", order_keys=(KEY,)))

    assert (await ask("GET", "/event-1"))["orders"] == []


async def test_an_erasure_shows_counts_and_nobody(ask: Asked) -> None:
    await ask.bench.arrive(order_of_buyer(placed_at=ASKED_AT + timedelta(days=1)))
    await ask.privacy.take(asked())

    detail = await ask("GET", "/event-1")

    assert (detail["orders"], detail["orders_erased"]) == ([], 0)


async def test_an_answered_request_says_so_and_stays_answered(ask: Asked) -> None:
    await ask.privacy.keep(asked(kind="data"))

    first = await ask("POST", "/event-1/answered")
    ask.bench.clock.advance(60)
    again = await ask("POST", "/event-1/answered")

    assert (first["state"], first["closed_at"]) == ("answered", "2026-11-21T00:00:00Z")
    assert again == first
    assert "orders" not in first


async def test_an_erasure_is_not_for_the_seller_to_answer(ask: Asked) -> None:
    await ask.privacy.keep(asked())

    problem = await ask("POST", "/event-1/answered", expect=409)

    assert problem["code"] == "nothing_to_answer"


@pytest.mark.parametrize(("method", "path"), [("GET", "/event-1"), ("POST", "/event-1/answered")])
async def test_another_sellers_request_does_not_exist(ask: Asked, method: str, path: str) -> None:
    await ask.privacy.keep(asked(kind="data"))

    await ask(method, path, key="other", expect=404)
    assert (await ask("GET", key="other"))["items"] == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/event-1"), ("POST", "/event-1/answered")])
async def test_only_who_may_change_addresses_may_see_them(ask: Asked, method: str, path: str) -> None:
    await ask.privacy.keep(asked(kind="data"))

    await ask(method, path, key="reader", expect=403)


def test_the_document_of_the_service_has_the_routes() -> None:
    paths = routes_document()["paths"]

    assert paths.keys() >= {PATH, f"{PATH}/{{id}}", f"{PATH}/{{id}}/answered"}
