"""Orders by API over twins: what is answered, what Kafka is told, and what the seller's report hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from schemas.sessions import SESSION_EVENT, SessionFinished, SessionProgressed, SessionStarted
from schemas.stores import StoreSettings
from services.ingest.adapters.memory.given import MemoryGivenOrders
from services.ingest.contract.stores import LinkingRefused
from services.ingest.direct.batches import Batches
from services.ingest.direct.giving import Giving
from services.ingest.direct.routes import DirectApi, direct_routes
from services.ingest.platforms.direct.connector import DirectConnector
from services.ingest.stores.access import AccessCache
from services.ingest.stores.linking import NewStore
from services.ingest.stores.tokens import seal_secrets
from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.ingest.platforms.direct.given import address, given, item
from tests.ingest.workbench import SELLER, START, Ingestion, linked_store

#: The API is served on loopback, over twins.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

BUYER = ("Buyer 0042", "100 Example Street", "Springfield", "62701", "buyer@example.com", "Happy birthday")


@dataclass
class Seller:
    """A seller's client with a direct store."""

    ingest: Ingestion
    clock: ManualClock
    session: aiohttp.ClientSession
    keys: MemoryKeyRing
    key: str
    store_id: str = ""

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        async with self.session.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def give(self, reference: str = "W-1", **changes: Any) -> tuple[int, Any]:
        return await self.call("POST", "/v1/orders", {"store_id": self.store_id, **given(reference, **changes)})

    async def give_all(self, *orders: Any) -> tuple[int, Any]:
        return await self.call("POST", "/v1/orders/batch", {"store_id": self.store_id, "orders": list(orders)})

    async def update(self, reference: str = "W-1", **changes: Any) -> tuple[int, Any]:
        return await self.call("PUT", f"/v1/orders/{self.store_id}/{reference}", given(reference, **changes))

    async def cancel(self, reference: str = "W-1", **body: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/v1/orders/{self.store_id}/{reference}/cancel", body)

    async def sessions(self) -> list[Any]:
        await self.ingest.books.flush()
        await self.ingest.relay.drain()
        messages = [each for each in self.ingest.publisher.published if each.topic == "sync.sessions"]
        return [SESSION_EVENT.validate_json(message.value) for message in messages]


@pytest.fixture
async def seller() -> AsyncIterator[Seller]:
    clock, keys = ManualClock(START), MemoryKeyRing()
    ingest = Ingestion({"direct": DirectConnector()}, clock)
    giving = Giving(MemoryGivenOrders(), ingest.seen, ingest.publisher, clock)
    accesses = AccessCache(ingest.stores, ingest.vault, clock)
    api = DirectApi(giving, Batches(giving, ingest.webhook_books, clock), accesses, ingest.books, clock)
    app = build_app(direct_routes(api), keys=keys, metrics=Metrics(), health=Health())
    server = await serve(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        one = Seller(ingest, clock, session, keys, keys.grant(SELLER))
        new = NewStore(SELLER, "direct", "By hand", None, StoreSettings())
        one.store_id = (await ingest.linking.link_with_credentials(new, {})).store_id
        yield one
    await server.stop()


async def test_an_order_becomes_a_raw_order_like_any_other(seller: Seller) -> None:
    status, taken = await seller.give("W/1 #2", paid=False, test=True)

    [event] = seller.ingest.told
    order = event.order
    assert status == 201
    assert taken == {
        "store_id": seller.store_id,
        "reference": "W/1 #2",
        "order_key": f"direct:{seller.store_id}:W/1 #2",
        "state": "given",
        "revision": 1,
        "test": True,
        "given_at": "2026-11-20T12:00:00Z",
        "revised_at": "2026-11-20T12:00:00Z",
        "result": "new",
    }
    assert (order.key, order.way, order.payment, order.test) == (taken["order_key"], "api", "pending", True)
    assert (order.placed_at, order.revised_at) == (START, START)
    shown = await seller.call("GET", f"/v1/orders/{seller.store_id}/W%2F1%20%232")
    assert shown == (200, {name: value for name, value in taken.items() if name != "result"})


async def test_the_same_order_again_is_no_news_and_another_under_its_reference_is_refused(seller: Seller) -> None:
    await seller.give("W-1")
    await seller.ingest.books.flush()
    seller.clock.advance(60)

    again, other = await seller.give("W-1"), await seller.give("W-1", note="Soon")

    assert (again[0], again[1]["result"], again[1]["revision"]) == (201, "existing", 1)
    assert (other[0], other[1]["code"]) == (409, "reference_taken")
    assert "update that one with PUT" in other[1]["detail"]
    assert len(seller.ingest.told) == 1


async def test_what_is_wrong_is_told_by_field_with_what_to_do_and_never_with_its_content(seller: Seller) -> None:
    wrong = address(country="Narnia", city=None)
    status, problem = await seller.give(ship_to=wrong, items=[item(quantity=-1)], colour="red", placed_at="2027-01-01")

    assert (status, problem["code"]) == (422, "invalid_request")
    assert [(each["path"], each["remedy"]) for each in problem["errors"]] == [
        ("ship_to.city", "Give it."),
        ("ship_to.country", "Give an ISO 3166-1 code of two letters, like US."),
        ("items.0.quantity", "Give 1 or more."),
        ("placed_at", "Add the time zone, like 2026-11-20T12:00:00Z."),
        ("colour", "Leave it out, or check how it is spelled."),
    ]
    assert "Narnia" not in str(problem)
    assert seller.ingest.told == []


async def test_an_order_of_the_future_is_refused(seller: Seller) -> None:
    status, problem = await seller.give(placed_at="2027-01-01T00:00:00Z")

    assert (status, problem["code"], problem["errors"][0]["path"]) == (422, "invalid_order", "placed_at")
    assert (await seller.give(placed_at=(START + timedelta(hours=20)).isoformat()))[0] == 201


async def test_an_order_larger_than_a_message_is_refused_before_its_reference_is_taken(seller: Seller) -> None:
    long = [{"name": "Text", "value": "x" * 5000}]
    status, problem = await seller.give(items=[item(personalization=long * 20, line_id=str(n)) for n in range(5)])

    assert (status, problem["code"]) == (413, "order_too_large")
    assert (await seller.give())[0] == 201


async def test_a_batch_takes_what_is_right_and_answers_line_by_line(seller: Seller) -> None:
    await seller.give("W-1")
    orders = [given("W-1"), given("W-2"), given("W-1", note="other"), given("W-3", items=[]), given("W-2"), "no order"]

    status, answer = await seller.give_all(*orders)

    assert (status, answer["new"], answer["existing"], answer["failed"]) == (200, 1, 2, 3)
    assert [(line["line"], line["reference"], line["result"], line["code"]) for line in answer["items"]] == [
        (1, "W-1", "existing", None),
        (2, "W-2", "new", None),
        (3, "W-1", "failed", "reference_repeated"),
        (4, "W-3", "failed", "invalid_order"),
        (5, "W-2", "existing", None),
        (6, None, "failed", "invalid_order"),
    ]
    assert answer["items"][2]["problem"].startswith("Order 1 of this batch has the same reference")
    assert answer["items"][3]["errors"][0]["path"] == "items"
    assert {event.order.external_id for event in seller.ingest.told} == {"W-1", "W-2"}


async def test_a_batch_is_one_session_with_every_outcome(seller: Seller) -> None:
    _, answer = await seller.give_all(given("W-1"), given("W-2", currency="XXQ"))

    started, progressed, finished = await seller.sessions()
    assert isinstance(started, SessionStarted)
    assert isinstance(progressed, SessionProgressed)
    assert isinstance(finished, SessionFinished)
    assert (started.session_id, started.way, started.automatic) == (answer["session_id"], "api", False)
    assert [(each.external_id, each.result) for each in progressed.outcomes] == [("W-1", "new"), ("W-2", "failed")]
    assert (finished.state, finished.problem) == ("partial", "1 of 2 orders were refused; each says why.")
    assert seller.ingest.told[0].session_id == answer["session_id"]


async def test_single_orders_of_an_hour_and_key_are_one_session(seller: Seller) -> None:
    await seller.give("W-1")
    await seller.give("W-2")
    await seller.call(
        "POST", "/v1/orders", {"store_id": seller.store_id, **given("W-3")}, key=seller.keys.grant(SELLER)
    )

    started = [event for event in await seller.sessions() if isinstance(event, SessionStarted)]

    assert [event.way for event in started] == ["api", "api"]
    assert len({event.started_by for event in started}) == 2
    assert {event.session_id for event in seller.ingest.told} == {event.session_id for event in started}


async def test_an_update_is_a_newer_revision_and_the_same_content_is_none(seller: Seller) -> None:
    await seller.give("W-1")

    status, updated = await seller.update(note="Soon")
    again = (await seller.update(note="Soon"))[1]

    first, second = (event.order for event in seller.ingest.told[:2])
    assert (status, updated["result"], updated["revision"]) == (200, "updated", 2)
    assert (again["result"], again["revision"], again["revised_at"]) == ("existing", 2, updated["revised_at"])
    # The clock stood still: what is said later must be newer all the same.
    assert (second.note, second.revised_at > first.revised_at) == ("Soon", True)
    assert second.placed_at == first.placed_at == START


@pytest.mark.parametrize(
    ("reference", "changes", "status", "code"),
    [
        ("W-9", {}, 404, "order_not_found"),
        ("W-1", {"reference": "W-2"}, 422, "reference_differs"),
        ("W-1", {"test": True}, 409, "test_fixed"),
        ("W-1", {"items": []}, 422, "invalid_request"),
    ],
)
async def test_an_update_that_cannot_be_is_refused(
    seller: Seller, reference: str, changes: dict[str, Any], status: int, code: str
) -> None:
    await seller.give("W-1")

    body = given(reference) | changes
    answered, problem = await seller.call("PUT", f"/v1/orders/{seller.store_id}/{reference}", body)

    assert (answered, problem["code"]) == (status, code)
    assert len(seller.ingest.told) == 1


async def test_a_cancelled_order_is_told_without_its_buyer_and_stays_cancelled(seller: Seller) -> None:
    await seller.give(email="buyer@example.com", gift_message="Happy birthday", placed_at="2026-11-19T09:00:00Z")

    status, cancelled = await seller.cancel(reason="a slip")
    again = (await seller.call("POST", f"/v1/orders/{seller.store_id}/W-1/cancel"))[1]
    update, create = await seller.update(note="x"), await seller.give(placed_at="2026-11-19T09:00:00Z")

    told = seller.ingest.told[1].order
    assert (status, cancelled["state"], cancelled["revision"]) == (200, "cancelled", 2)
    assert (told.cancelled_at, told.cancel_reason) == (told.revised_at, "a slip")
    assert (told.total.amount, told.placed_at.day, [each.sku for each in told.items]) == (3998, 19, ["TEE-BLK-M"])
    assert not [word for word in BUYER if word in told.model_dump_json()]
    assert (again["result"], again["revised_at"]) == ("existing", cancelled["revised_at"])
    assert (update[0], update[1]["code"]) == (409, "order_cancelled")
    assert create[1]["code"] == "reference_taken"
    assert (await seller.cancel("W-9"))[0] == 404


async def test_an_order_is_not_taken_while_kafka_is_away_and_is_when_sent_again(seller: Seller) -> None:
    seller.ingest.publisher.fail_with(TransientError("kafka is away"))
    away = await seller.give("W-1")
    seller.ingest.publisher.fail_with(None)
    seller.clock.advance(60)
    back = await seller.give("W-1")

    assert (away[0], back[0]) == (503, 201)
    [event] = seller.ingest.told
    # It is the order that was sent first.
    assert event.order.revised_at == START


async def test_only_the_sellers_own_direct_stores_take_orders(seller: Seller) -> None:
    await seller.ingest.stores.add(linked_store("st-read"))
    seller.ingest.memory.secrets["st-read"] = seal_secrets(seller.ingest.vault, "st-read", {})
    stranger = seller.keys.grant("seller-2")

    body = {"store_id": seller.store_id, **given()}
    assert (await seller.call("POST", "/v1/orders", body, key=stranger))[1]["code"] == "store_not_found"
    assert (await seller.call("POST", "/v1/orders", {**body, "store_id": "no"}))[1]["code"] == "store_not_found"
    assert (await seller.call("POST", "/v1/orders", {**body, "store_id": "st-read"}))[1]["code"] == "store_is_read"
    assert (await seller.call("POST", "/v1/orders", body, key="osk_live_no"))[0] == 401
    assert seller.ingest.told == []


async def test_a_batch_has_a_limit(seller: Seller) -> None:
    status, problem = await seller.give_all(*(given(f"W-{number}") for number in range(1001)))

    assert (status, problem["errors"][0]["remedy"]) == (422, "Give at most 1000 of them.")
    assert (await seller.give_all())[0] == 422


async def test_a_direct_store_is_linked_by_its_name_alone(seller: Seller) -> None:
    store = seller.ingest.memory.stores[seller.store_id]
    new = NewStore(SELLER, "direct", "Another", None, StoreSettings())
    another = await seller.ingest.linking.link_with_credentials(new, {})

    assert (store.state, store.name, store.push_problem) == ("linked", "By hand", None)
    assert another.store_id != store.store_id
    assert {each.name: each.allowed for each in store.capabilities} == {
        "addresses": True,
        "sync": False,
        "tracking": False,
    }
    with pytest.raises(LinkingRefused, match="has no credentials"):
        await seller.ingest.linking.link_with_credentials(new, {"token": "x"})
    with pytest.raises(LinkingRefused, match="needs no authorization"):
        await seller.ingest.linking.start(store, {})


async def test_an_order_that_a_person_typed_says_so_and_has_a_session_of_its_own(seller: Seller) -> None:
    body = {"store_id": seller.store_id, **given("W-1")}
    await seller.give("W-2")

    status, _ = await seller.call("POST", "/v1/orders?way=form", body)

    ways = {event.order.external_id: event.order.way for event in seller.ingest.told}
    assert (status, ways) == (201, {"W-1": "form", "W-2": "api"})
    sessions = {event.way for event in await seller.sessions() if isinstance(event, SessionStarted)}
    assert sessions == {"form", "api"}
