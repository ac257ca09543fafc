"""The connector against a server that was written from Shopify's documents, not from the connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from schemas.order import RawOrder, fingerprint
from services.ingest.connector import (
    Access,
    Delivery,
    LinkingRefused,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    Window,
)
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.toolbox import toolbox

APP_URL = "https://sync.example/webhooks/shopify"
pytestmark = pytest.mark.integration
CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/shopify/callback"


@dataclass(frozen=True, slots=True)
class World:
    """A store on the sandbox, linked by a custom app's token."""

    boxes: Sandboxes
    store: dict[str, Any]
    connector: ShopifyConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", webhooks: bool = False) -> None:
        body = {"count": count, "state": state, "seed": 7, "created_over": "PT1H", "webhooks": webhooks}
        await self.boxes.control("POST", f"/shopify/stores/{self.store['store']}/orders", body)

    async def change(self, order: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/shopify/stores/{self.store['store']}/orders/{order}", change)

    async def read(self) -> dict[str, RawOrder]:
        now = CLOCK.now()
        window = Window(now - timedelta(hours=2), now + timedelta(seconds=1))
        return readable(await read_window(self.connector, self.access, window))


@asynccontextmanager
async def world(*, limits: bool = False, **store: Any) -> AsyncIterator[World]:
    async with sandboxes() as boxes:
        await boxes.control("POST", "/shopify/settings", {"limits": limits})
        opened = await boxes.control("POST", "/shopify/stores", store)
        app = {f"shopify_{name}": opened["app"][name] for name in ("client_id", "client_secret")}
        connector = ShopifyConnector(boxes.settings(ShopifySettings, **app), toolbox(boxes.http, CLOCK))
        own = opened["custom_app"]
        credentials = {
            "shop": opened["domain"],
            "access_token": own["access_token"],
            "webhook_secret": own["client_secret"],
        }
        grant = await connector.link_with_credentials(credentials, now=CLOCK.now())
        yield World(boxes, opened, connector, access_of(grant, "shopify"))


async def test_every_order_is_read_as_it_truly_is() -> None:
    async with world() as shop:
        await shop.make(300)

        orders = await shop.read()

        truth = await shop.boxes.truth("shopify")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert sum(item.quantity_to_make for item in order.items) == true["units_to_make"], true["scenario"]
            assert order.payment == true["payment"].lower()
            assert (order.cancelled_at is not None, order.test) == (true["cancelled"], true["test"])
            assert {item.external_id for item in order.items} == {line["id"] for line in true["lines"]}
            assert order.display_name == true["name"]


async def test_the_stores_points_are_never_overdrawn() -> None:
    async with world(limits=True, plan="enterprise") as shop:
        await shop.make(150)

        orders = await shop.read()

        assert len(orders) == 150
        assert (await shop.boxes.books("shopify"))["api_calls_over_budget"] == 0


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_failing_platform_costs_time_but_no_order(kind: str) -> None:
    async with world() as shop:
        await shop.make(100)
        fault = {"kind": kind, "rate": 0.5, "path": "graphql", "retry_after": 0}
        await shop.boxes.control("POST", "/shopify/faults", fault)

        orders = await shop.read()

        assert len(orders) == 100
        assert (await shop.boxes.books("shopify"))["faults"] > 0


async def test_an_authorized_store_is_read_with_tokens_that_rotate() -> None:
    async with world() as shop:
        await shop.make(5, state="paid")
        grant = await shop.boxes.authorize(shop.connector, {"shop": shop.store["domain"]}, callback_url=CALLBACK)
        access = access_of(grant, "shopify")

        secrets = await shop.connector.refresh(access, now=CLOCK.now())

        linked = replace(shop, access=replace(access, secrets=secrets))
        assert secrets["access_token"] != grant.secrets["access_token"]
        assert secrets["refresh_token"] != grant.secrets["refresh_token"]
        assert len(await linked.read()) == 5


async def test_client_credentials_open_the_store() -> None:
    async with world() as shop:
        own = shop.store["custom_app"]
        credentials = {"shop": shop.store["domain"]} | {name: own[name] for name in ("client_id", "client_secret")}

        grant = await shop.connector.link_with_credentials(credentials, now=CLOCK.now())

        assert grant.external_id == shop.store["domain"]
        assert await replace(shop, access=access_of(grant, "shopify")).read() == {}


async def test_a_wrong_token_is_refused_when_linking() -> None:
    async with world() as shop:
        with pytest.raises(LinkingRefused):
            await shop.connector.link_with_credentials(
                {"shop": shop.store["domain"], "access_token": "shpat_wrong"}, now=CLOCK.now()
            )


async def test_an_uninstalled_app_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/revoke")

        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(shop.access, "1", way="poll")
        await shop.connector.unsubscribe(shop.access)


async def test_an_app_that_may_not_see_buyers_reads_orders_without_them() -> None:
    async with world() as shop:
        await shop.make(20, state="paid")
        app = {"client_id": "blind", "client_secret": "blind-secret", "sees_buyers": False}
        await shop.boxes.control("POST", "/shopify/apps", app)
        settings = shop.boxes.settings(ShopifySettings, shopify_client_id="blind", shopify_client_secret="blind-secret")
        connector = ShopifyConnector(settings, toolbox(shop.boxes.http, CLOCK))
        grant = await shop.boxes.authorize(connector, {"shop": shop.store["domain"]}, callback_url=CALLBACK)

        orders = await replace(shop, connector=connector, access=access_of(grant, "shopify")).read()

        assert len(orders) == 20
        assert {(order.ship_to, order.email, order.phone) for order in orders.values()} == {(None, None, None)}


async def test_a_hold_and_its_reason_are_read() -> None:
    async with world() as shop:
        await shop.make(2, state="paid")
        held, free = await shop.read()
        await shop.change(held, action="hold")

        orders = await shop.read()

        assert orders[held].holds
        assert orders[free].holds == ()


class Inbox:
    """Takes the webhooks of the store and keeps them."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.read()))
        self._arrived.set()
        return web.Response()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def inbox() -> AsyncIterator[Inbox]:
    found = Inbox()
    app = web.Application()
    app.router.add_post("/webhooks/shopify/store-1", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/shopify/store-1"
        yield found
    finally:
        await runner.cleanup()


async def test_one_revision_told_by_webhook_and_read_by_poll_is_one_event() -> None:
    async with world() as shop, inbox() as box:
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.make(200, webhooks=True)
        await box.wait_for(200)

        orders = await shop.read()

        told = 0
        for headers, body in list(box.received):
            await shop.connector.verify_webhook(shop.access, Delivery(headers, body), now=CLOCK.now())
            fact = shop.connector.read_webhook(shop.access.store, Delivery(headers, body), now=CLOCK.now())
            assert isinstance(fact, OrderTold)
            assert isinstance(fact.order, RawOrder), fact.order
            assert fingerprint(fact.order) == fingerprint(orders[fact.order.external_id])
            told += 1
        assert told >= 200


async def test_changes_are_told_as_what_they_are() -> None:
    async with world() as shop, inbox() as box:
        await shop.make(3, state="paid")
        first, second, third = await shop.read()
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)

        await shop.change(first, action="edit", add=[{"sku": "MUG-11OZ", "quantity": 2}])
        await shop.change(second, action="cancel", reason="customer")
        await shop.change(third, action="delete")
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/revoke")
        await box.wait_for(6)

        facts = {
            headers["x-shopify-topic"]: shop.connector.read_webhook(
                shop.access.store, Delivery(headers, body), now=CLOCK.now()
            )
            for headers, body in box.received
        }
        assert facts["orders/edited"] == OrderHinted(first)
        assert isinstance(facts["app/uninstalled"], StoreClosed)
        cancelled, deleted = facts["orders/cancelled"], facts["orders/delete"]
        assert isinstance(cancelled, OrderTold)
        assert isinstance(deleted, OrderTold)
        assert isinstance(cancelled.order, RawOrder)
        assert isinstance(deleted.order, RawOrder)
        assert (cancelled.order.external_id, cancelled.order.cancel_reason) == (second, "customer")
        assert (deleted.order.external_id, deleted.order.deleted) == (third, True)


async def test_a_changed_body_is_refused() -> None:
    async with world() as shop, inbox() as box:
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.make(1, state="paid", webhooks=True)
        await box.wait_for(1)
        headers, body = box.received[0]

        with pytest.raises(SignatureRefused):
            await shop.connector.verify_webhook(shop.access, Delivery(headers, body[:-1] + b" "), now=CLOCK.now())
