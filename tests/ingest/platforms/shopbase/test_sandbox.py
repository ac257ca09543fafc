"""The connector against a server that was written from ShopBase's documents, not from the connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.order import RawOrder, fingerprint
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.contract.webhooks import Delivery, OrderHinted, OrderTold, SignatureRefused, StoreClosed
from services.ingest.platforms.shopbase.connector import ShopbaseConnector
from services.ingest.platforms.shopbase.settings import ShopbaseSettings
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.limits import Limit
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/shopbase/callback"
#: The readings of what the documents leave open, beside those that are picked by default.
READINGS = [
    {"zero_values": "null", "sort": "oldest", "wrap_shop": True},
    {"zero_values": "empty", "sort": "updated", "default_order_status": "any"},
    {"zero_values": "zero", "sort": "newest", "parameters": "body"},
]


@dataclass(frozen=True, slots=True)
class World:
    """A shop on the sandbox, linked."""

    boxes: Sandboxes
    shop: dict[str, Any]
    connector: ShopbaseConnector
    access: Access

    @property
    def path(self) -> str:
        return f"/shopbase/stores/{self.shop['store']}"

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H", **more: Any) -> list[str]:
        body = {"count": count, "state": state, "seed": 7, "created_over": over, **more}
        made: list[str] = (await self.boxes.control("POST", f"{self.path}/orders", body))["ids"]
        return made

    async def change(self, order: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"{self.path}/orders/{order}", change)

    async def read(self, *, hours: int = 3) -> dict[str, RawOrder]:
        now = CLOCK.now()
        window = Window(now - timedelta(hours=hours), now + timedelta(seconds=1))
        return readable(await read_window(self.connector, self.access, window))

    async def order(self, number: str) -> RawOrder:
        found = await self.connector.read_order(self.access, number, way="poll")
        assert isinstance(found, RawOrder), found
        return found


@dataclass
class Receiver:
    """Our webhook addresses: keeps what arrives."""

    deliveries: list[Delivery] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        topic = request.match_info["topic"]
        delivery = Delivery(headers, await request.read(), str(request.url), topic)
        async with self.news:
            self.deliveries.append(delivery)
            self.news.notify_all()
        return web.Response()

    async def of(self, topic: str) -> Delivery:
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: any(delivery.topic == topic for delivery in self.deliveries))
        return next(delivery for delivery in self.deliveries if delivery.topic == topic)


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/webhooks/shopbase/store-1/{topic}", receiver.take)
    server = TestServer(app)
    await server.start_server()
    try:
        yield receiver, str(server.make_url("/webhooks/shopbase/store-1"))
    finally:
        await server.close()


class Unlimited:
    """Budgets without end, for a sandbox that keeps none."""

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = 5.0, leave: float = 0.0
    ) -> None:
        """Let everybody through."""

    async def available(self, name: str) -> None:
        """Know nothing."""

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        """Learn nothing."""

    async def close(self, name: str, *, seconds: float) -> None:
        """Stay open."""


@asynccontextmanager
async def world(
    *, limits: bool = False, settings: dict[str, Any] | None = None, private: bool = False, **shop: Any
) -> AsyncIterator[World]:
    async with sandboxes("shopbase") as boxes:
        await boxes.control("POST", "/shopbase/settings", {"limits": limits} | (settings or {}))
        body = {"redirect_uris": [CALLBACK], "link_by": "credentials" if private else "authorization"} | shop
        opened = await boxes.control("POST", "/shopbase/stores", body)
        tools = toolbox(boxes.http, CLOCK)
        tools = tools if limits else replace(tools, limits=Unlimited())
        connector = ShopbaseConnector(boxes.settings(ShopbaseSettings), tools)
        if private:
            grant = await connector.link_with_credentials(opened["link"]["credentials"], now=CLOCK.now())
        else:
            grant = await boxes.authorize(connector, opened["link"]["request"], callback_url=CALLBACK)
        yield World(boxes, opened, connector, access_of(grant, "shopbase"))


@pytest.mark.parametrize("private", [False, True])
async def test_linking_tells_which_store_it_is(private: bool) -> None:  # noqa: FBT001 - the two ways
    async with world(currency="EUR", private=private) as shop:
        assert shop.access.store.external_id == shop.shop["shop"]
        assert shop.access.store.currency == "EUR"
        assert shop.access.secrets["shop_id"] == str(shop.shop["shop_id"])


async def test_a_seller_who_says_no_is_not_linked() -> None:
    async with sandboxes("shopbase") as boxes:
        opened = await boxes.control("POST", "/shopbase/stores", {"redirect_uris": [CALLBACK], "consent": "deny"})
        connector = ShopbaseConnector(boxes.settings(ShopbaseSettings), toolbox(boxes.http, CLOCK))

        with pytest.raises(LinkingRefused, match="not granted"):
            await boxes.authorize(connector, opened["link"]["request"], callback_url=CALLBACK)


async def test_a_code_is_good_for_one_exchange_only() -> None:
    async with world() as shop:
        start = shop.connector.start_authorization(
            shop.shop["link"]["request"], state="s", callback_url=CALLBACK, now=CLOCK.now()
        )
        page = await shop.boxes.http.request("GET", start.url)
        callback = dict(parse_qsl(urlsplit(page.headers["location"]).query))

        async def complete() -> None:
            await shop.connector.complete_authorization(
                callback, memory=start.memory, callback_url=CALLBACK, now=CLOCK.now()
            )

        await complete()

        with pytest.raises(LinkingRefused):
            await complete()


async def test_a_visit_that_began_in_shopbase_is_believed_by_its_signature() -> None:
    async with world() as shop:
        address = await shop.boxes.control("POST", f"{shop.path}/install", {"app_url": "https://sync.example.com/in"})
        query = dict(parse_qsl(urlsplit(address["url"]).query))

        assert shop.connector.read_installation(query, now=CLOCK.now()) == {"shop": shop.shop["shop"]}
        with pytest.raises(LinkingRefused):
            shop.connector.read_installation(query | {"shop": "other.onshopbase.com"}, now=CLOCK.now())


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"api_key": "wrong"}])
async def test_wrong_keys_are_refused_with_what_to_do(change: dict[str, str]) -> None:
    async with world(private=True) as shop:
        with pytest.raises(LinkingRefused, match="Manage private apps"):
            await shop.connector.link_with_credentials(shop.shop["link"]["credentials"] | change, now=CLOCK.now())


async def test_a_private_app_that_may_not_read_orders_is_refused() -> None:
    async with world() as shop:
        body = {"link_by": "credentials", "scopes": ["read_products"]}
        opened = await shop.boxes.control("POST", "/shopbase/stores", body)

        with pytest.raises(LinkingRefused, match="read_orders"):
            await shop.connector.link_with_credentials(opened["link"]["credentials"], now=CLOCK.now())


@pytest.mark.parametrize("readings", [{}, *READINGS])
async def test_every_order_is_read_as_it_truly_is(readings: dict[str, Any]) -> None:
    async with world(settings=readings) as shop:
        await shop.make(300)

        orders = await shop.read()

        truth = await shop.boxes.truth("shopbase")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert order.payment == true["payment"].lower(), true["scenario"]
            assert (order.cancelled_at is not None) == true["cancelled"], true["scenario"]
            assert {item.external_id for item in order.items} >= {line["id"] for line in true["lines"]}
            to_make = {item.external_id: item.quantity_to_make for item in order.items if item.quantity_to_make}
            if true["makeable"]:
                assert sum(to_make.values()) == true["units_to_make"], true
                assert to_make == {line["id"]: line["left"] for line in true["lines"] if line["to_make"]}
                assert (order.holds, order.risk) == ((), "accept"), true["scenario"]


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("post_purchase", lambda order: order.holds == ("POST_PURCHASE",)),
        ("charged_back", lambda order: order.holds == ("CHARGEBACK",)),
        ("risky", lambda order: order.risk == "investigate"),
        ("processing", lambda order: order.fulfilment == "unfulfilled" and not _to_make(order)),
        ("voided", lambda order: order.payment == "voided"),
        ("partially_paid", lambda order: order.payment == "partially_paid"),
        ("shipped_elsewhere", lambda order: order.fulfilment == "fulfilled" and not _to_make(order)),
    ],
)
async def test_shopbases_own_states_are_understood(scenario: str, says: Any) -> None:
    async with world() as shop:
        [number] = await shop.make(1, state=scenario, over="PT0S")

        order = await shop.order(number)

        assert says(order), order


def _to_make(order: RawOrder) -> int:
    return sum(item.quantity_to_make for item in order.items)


@pytest.mark.parametrize("sort", ["newest", "updated"])
async def test_more_orders_in_one_second_than_a_page_holds_are_read(sort: str) -> None:
    async with world(settings={"sort": sort}) as shop:
        await shop.make(300, over="PT0S")

        assert len(await shop.read()) == 300


async def test_a_failing_platform_costs_time_but_no_order() -> None:
    async with world() as shop:
        await shop.make(150)
        for kind in FAULTS:
            fault = {"kind": kind, "rate": 0.7, "count": 3, "path": "orders", "retry_after": 0}
            await shop.boxes.control("POST", "/shopbase/faults", fault)

            assert len(await shop.read()) == 150, kind
            await shop.boxes.control("DELETE", "/shopbase/faults")

        assert (await shop.boxes.books("shopbase"))["faults"] >= len(FAULTS)


@pytest.mark.parametrize(
    ("kind", "over"), [("empty_page", "PT1H"), ("empty_page", "PT0S"), ("repeated_row", "PT0S"), ("moved_row", "PT1H")]
)
async def test_a_page_that_is_not_what_it_should_be_hides_no_order(kind: str, over: str) -> None:
    async with world() as shop:
        await shop.make(300, over=over)
        fault = {"kind": kind, "rate": 0.5, "count": 4, "path": "orders.json"}
        await shop.boxes.control("POST", "/shopbase/faults", fault)
        start, now = CLOCK.now() - timedelta(hours=3), CLOCK.now() + timedelta(seconds=1)

        found = await read_window(shop.connector, shop.access, Window(start, now))
        await shop.boxes.control("DELETE", "/shopbase/faults")
        # What really changed meanwhile is the next window's.
        found += await read_window(shop.connector, shop.access, Window(now, now + timedelta(seconds=60)))

        assert len({order.external_id for order in found}) == 300


async def test_orders_that_leave_a_crowded_second_while_it_is_read_hide_none() -> None:
    async with world(settings={"sort": "oldest"}) as shop:
        made = await shop.make(300, over="PT0S", state="paid")
        await asyncio.sleep(1.1)
        window = Window(CLOCK.now() - timedelta(hours=1), CLOCK.now())
        found: set[str | None] = set()
        after: str | None = None
        gone: set[str] = set()

        while True:
            page = await shop.connector.read_page(shop.access, window, after=after, way="poll")
            found |= {order.external_id for order in page.orders}
            if (after := page.after) is None:
                break
            left = next(number for number in made if number not in gone)
            gone.add(left)
            await shop.change(left, action="note", note="changed")

        assert set(made) - gone <= found


async def test_the_shops_budget_is_never_overdrawn() -> None:
    async with world(limits=True) as shop:
        made = await shop.make(400)

        assert len(await shop.read()) == 400
        await asyncio.gather(*(shop.order(number) for number in made[:25]))

        books = await shop.boxes.books("shopbase")
        assert books["api_calls"] > 30, books
        assert books.get("api_calls_over_budget", 0) == 0, books


async def test_access_that_was_taken_back_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"{shop.path}/revoke")

        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(shop.access, "1", way="poll")
        with pytest.raises(AuthorizationError):
            await shop.connector.refresh(shop.access, now=CLOCK.now())
        await shop.connector.unsubscribe(shop.access)


async def test_one_wrong_refusal_in_the_middle_of_a_run_ends_no_access() -> None:
    async with world() as shop:
        await shop.make(3)
        await shop.boxes.control("POST", "/shopbase/faults", {"kind": "status_401", "count": 1, "path": "orders"})
        with pytest.raises(AuthorizationError):
            await shop.read()

        secrets = await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert len(await replace(shop, access=Access(shop.access.store, secrets)).read()) == 3


@pytest.mark.parametrize(("status", "word"), [("frozen", "plan"), ("locked", "locked")])
async def test_a_store_that_is_shut_tells_its_seller_why(status: str, word: str) -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"{shop.path}/status", {"status": status})

        with pytest.raises(AuthorizationError, match=word):
            await shop.connector.read_order(shop.access, "1", way="poll")


async def test_an_order_that_is_gone_is_none() -> None:
    async with world() as shop:
        [number] = await shop.make(1, state="paid")
        await shop.change(number, action="delete")

        assert await shop.connector.read_order(shop.access, number, way="poll") is None


@pytest.mark.parametrize(("private", "header"), [(False, "entity"), (True, "topic"), (True, "none")])
async def test_each_topic_comes_to_its_own_address(private: bool, header: str) -> None:  # noqa: FBT001
    async with world(private=private, settings={"topic_header": header}) as shop, receiving() as (receiver, url):
        topics = (await shop.connector.subscribe(shop.access, callback_url=url, app_url="")).topics
        await shop.connector.subscribe(shop.access, callback_url=url, app_url="")
        listed = (await shop.boxes.control("GET", f"{shop.path}/subscriptions"))["subscriptions"]
        assert sorted(known["topic"] for known in listed) == sorted(topics)

        [number] = await shop.make(1, state="paid")
        created = await receiver.of("orders-create")
        await shop.connector.verify_webhook(shop.access, created, now=CLOCK.now())
        fact = shop.connector.read_webhook(shop.access.store, created, now=CLOCK.now())
        assert isinstance(fact, OrderTold)
        assert isinstance(fact.order, RawOrder), fact.order
        assert fact.order.external_id == number
        polled = await shop.order(number)
        assert (fact.order.revised_at != polled.revised_at) or fingerprint(fact.order) == fingerprint(polled)

        with pytest.raises(SignatureRefused):
            await shop.connector.verify_webhook(
                shop.access, replace(created, body=created.body[:-1] + b" "), now=CLOCK.now()
            )


async def test_what_follows_an_order_is_told_too() -> None:
    async with world() as shop, receiving() as (receiver, url):
        await shop.connector.subscribe(shop.access, callback_url=url, app_url="")
        first, second, third = await shop.make(3, state="paid")

        async def told(topic: str) -> Any:
            delivery = await receiver.of(topic)
            await shop.connector.verify_webhook(shop.access, delivery, now=CLOCK.now())
            return shop.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now())

        await shop.change(second, action="refund")
        assert await told("refunds-create") == OrderHinted(second)
        await shop.change(first, action="cancel", reason="customer")
        cancelled = (await told("orders-cancelled")).order
        assert (cancelled.external_id, cancelled.cancel_reason) == (first, "customer")
        await shop.change(third, action="delete")
        deleted = (await told("orders-delete")).order
        assert (deleted.external_id, deleted.deleted) == (third, True)
        await shop.boxes.control("POST", f"{shop.path}/revoke")
        assert isinstance(await told("app-uninstalled"), StoreClosed)


async def test_a_webhook_of_another_store_is_refused() -> None:
    async with world() as shop, receiving() as (receiver, url):
        await shop.connector.subscribe(shop.access, callback_url=url, app_url="")
        await shop.make(1, state="paid")
        created = await receiver.of("orders-create")
        headers = {name: value for name, value in created.headers.items() if "shop-domain" not in name}
        other = Access(shop.access.store, {**shop.access.secrets, "shop_id": "1"})

        with pytest.raises(SignatureRefused):
            await shop.connector.verify_webhook(other, replace(created, headers=headers), now=CLOCK.now())


async def test_unsubscribing_leaves_nothing_of_this_store() -> None:
    async with world() as shop, receiving() as (_, url):
        await shop.connector.subscribe(shop.access, callback_url=url, app_url="")

        await shop.connector.unsubscribe(shop.access)

        assert (await shop.boxes.control("GET", f"{shop.path}/subscriptions"))["subscriptions"] == []


async def test_an_address_that_shopbase_does_not_take_is_told_with_its_rules() -> None:
    async with world(settings={"require_https": True}) as shop:
        callback_url = "http://127.0.0.1:1/webhooks/shopbase/store-1"

        with pytest.raises(TransientError, match="HTTPS"):
            await shop.connector.subscribe(shop.access, callback_url=callback_url, app_url="")


async def test_the_probe_tells_what_the_store_may_do() -> None:
    async with world() as shop:
        nothing_yet = {found.name: found.allowed for found in await shop.connector.probe(shop.access)}
        await shop.make(30)

        found = {capability.name: capability.allowed for capability in await shop.connector.probe(shop.access)}

        assert nothing_yet == {"addresses": None, "tracking": True, "webhooks": True, "history": True}
        assert found == {"addresses": True, "tracking": True, "webhooks": True, "history": True}
