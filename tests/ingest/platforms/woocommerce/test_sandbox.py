"""The connector against stores that were written from WooCommerce's documents, not from the connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from deploy.sandbox.app import running_sandbox
from deploy.sandbox.woocommerce import SANDBOX
from schemas.order import RawOrder
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.contract.webhooks import Delivery, OrderHinted
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpClient
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable

pytestmark = pytest.mark.integration
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class World:
    """A store on the sandbox, linked."""

    boxes: Sandboxes
    store: dict[str, Any]
    connector: WooCommerceConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H") -> list[str]:
        body = {"count": count, "state": state, "seed": 7, "created_over": over, "created_ago": "PT1M"}
        made = await self.boxes.control("POST", f"/woocommerce/stores/{self.store['store']}/orders", body)
        ids: list[str] = made["ids"]
        return ids

    async def settle(self) -> None:
        """Wait until the store has told everything."""
        platform = self.boxes.running.platforms["woocommerce"]
        assert isinstance(platform, SANDBOX)
        await platform.settle()

    async def change(self, number: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/woocommerce/stores/{self.store['store']}/orders/{number}", change)

    async def read(self) -> dict[str, RawOrder]:
        now = CLOCK.now()
        # As late as the latest of the stores' clocks.
        window = Window(now - timedelta(hours=2), now + timedelta(minutes=5))
        rows = await read_window(self.connector, self.access, window)
        # A store that is read whole tells some twice; the poll counts them once.
        return readable(list({getattr(row, "external_id", None): row for row in rows}.values()))


@asynccontextmanager
async def stores() -> AsyncIterator[Sandboxes]:
    """The stand-in for WooCommerce alone."""
    http = HttpClient(allow_private_addresses=True)
    try:
        async with running_sandbox({"woocommerce": SANDBOX()}) as running:
            yield Sandboxes(running, http)
    finally:
        await http.close()


def connector(boxes: Sandboxes) -> WooCommerceConnector:
    return WooCommerceConnector(Tools(boxes.http, CLOCK, MemoryLimits(CLOCK)))


@asynccontextmanager
async def world(**store: Any) -> AsyncIterator[World]:
    async with stores() as boxes:
        opened = await boxes.control("POST", "/woocommerce/stores", {"link_by": "credentials"} | store)
        found = connector(boxes)
        grant = await found.link_with_credentials(opened["link"]["credentials"], now=CLOCK.now())
        yield World(boxes, opened, found, access_of(grant, "woocommerce"))


@dataclass
class Receiver:
    """Our public address: keeps what stores bring, and answers pings."""

    url: str = ""
    posted: list[dict[str, str]] | None = None
    deliveries: list[Delivery] | None = None

    async def take(self, request: web.Request) -> web.Response:
        assert self.posted is not None
        assert self.deliveries is not None
        if request.path.startswith("/oauth"):
            told = await request.json()
            self.posted.append({name: str(value) for name, value in told.items()})
        else:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.deliveries.append(Delivery(headers, await request.read()))
        return web.Response()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver(posted=[], deliveries=[])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("options", "way", "permalinks"),
    [
        ({}, "header", "pretty"),
        ({"auth": "query"}, "query", "pretty"),
        ({"https": False}, "oauth", "pretty"),
        ({"permalinks": "plain"}, "header", "plain"),
        ({"permalinks": "plain", "https": False}, "oauth", "plain"),
    ],
)
async def test_a_store_is_linked_in_the_way_that_it_lets_through(
    options: dict[str, Any], way: str, permalinks: str
) -> None:
    async with world(**options) as shop:
        await shop.make(20)

        assert (shop.access.secrets["auth"], shop.access.secrets["permalinks"]) == (way, permalinks)
        assert len(await shop.read()) == 20


async def test_a_store_is_linked_by_its_own_page() -> None:
    async with stores() as boxes, receiver() as ours:
        opened = await boxes.control("POST", "/woocommerce/stores", {})
        found, callback = connector(boxes), f"{ours.url}/oauth/woocommerce/callback"
        start = found.start_authorization(
            opened["link"]["request"], state="s" * 40, callback_url=callback, now=CLOCK.now()
        )

        page = await boxes.http.request("GET", start.url)

        assert ours.posted is not None
        [posted] = ours.posted
        assert found.read_state(posted) == "s" * 40
        back = urlsplit(page.headers["location"])
        assert back.path == "/oauth/woocommerce/callback/return"
        assert dict(parse_qsl(back.query)) == {"success": "1", "user_id": "s" * 40}
        grant = await found.complete_authorization(posted, memory=start.memory, callback_url=callback, now=CLOCK.now())
        assert grant.external_id == opened["store_url"].removeprefix("http://")
        forged = posted | {"consumer_key": "ck_" + "0" * 40}
        with pytest.raises(LinkingRefused):
            await found.complete_authorization(forged, memory=start.memory, callback_url=callback, now=CLOCK.now())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"orders_storage": "posts", "wc_version": "7.9.0"},
        {"orders_storage": "posts", "wc_version": "5.7.0"},
        {"cached": True},
        {"price_decimals": 0, "time_zone": "Asia/Tokyo"},
        {"clock_skew": 240},
        {"clock_skew": -240},
    ],
)
async def test_every_order_is_read_as_it_truly_is(options: dict[str, Any]) -> None:
    async with world(**options) as shop:
        await shop.make(300)

        orders = await shop.read()

        truth = await shop.boxes.truth("woocommerce")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert order.payment == true["payment"].lower(), true["scenario"]
            assert (order.cancelled_at is not None) == true["cancelled"]
            assert {line["id"] for line in true["lines"]} <= {item.external_id for item in order.items}
            if true["makeable"]:
                assert sum(item.quantity_to_make for item in order.items) == true["units_to_make"]


async def test_more_orders_in_one_second_than_a_page_holds_are_read() -> None:
    async with world() as shop:
        await shop.make(700, over="PT0S")

        assert len(await shop.read()) == 700


async def test_a_failing_store_costs_time_but_no_order() -> None:
    async with world() as shop:
        await shop.make(250)
        for kind in FAULTS:
            fault = {"kind": kind, "rate": 0.7, "count": 3, "path": "orders", "retry_after": 0}
            await shop.boxes.control("POST", "/woocommerce/faults", fault)

            assert len(await shop.read()) == 250, kind
            await shop.boxes.control("DELETE", "/woocommerce/faults")

        assert (await shop.boxes.books("woocommerce"))["faults"] >= len(FAULTS)


@pytest.mark.parametrize("over", ["PT1H", "PT0S"])
@pytest.mark.parametrize("kind", ["empty_page", "repeated_row", "moved_row"])
async def test_pages_that_are_empty_told_twice_or_moving_lose_no_order(kind: str, over: str) -> None:
    async with world() as shop:
        made = await shop.make(400, over=over)
        await shop.boxes.control("POST", "/woocommerce/faults", {"kind": kind, "count": 3, "path": "orders"})

        found = await shop.read()

        # What moved away while it was read is there for the next poll.
        assert set(found) | set(await shop.read()) == set(made)


async def test_a_deleted_key_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.make(1, state="paid")
        await shop.boxes.control("POST", f"/woocommerce/stores/{shop.store['store']}/revoke")

        with pytest.raises(AuthorizationError):
            await shop.read()
        with pytest.raises(AuthorizationError, match="Connect the store again"):
            await shop.connector.refresh(shop.access, now=CLOCK.now())


async def test_a_host_that_begins_to_strip_headers_is_followed_without_the_seller() -> None:
    async with world() as shop:
        await shop.make(3)
        await shop.boxes.control("POST", f"/woocommerce/stores/{shop.store['store']}/options", {"auth": "query"})
        with pytest.raises(AuthorizationError):
            await shop.read()

        secrets = await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert len(await replace(shop, access=replace(shop.access, secrets=secrets)).read()) == 3


async def test_a_user_who_was_demoted_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"/woocommerce/stores/{shop.store['store']}/demote", {})

        with pytest.raises(AuthorizationError):
            await shop.read()


async def test_an_order_in_the_trash_is_cancelled_and_an_erased_one_is_gone() -> None:
    async with world() as shop:
        trashed, erased = await shop.make(2, state="paid")
        await shop.change(trashed, action="delete")
        await shop.change(erased, action="delete", force=True)

        found = (await shop.read())[trashed]
        again = await shop.connector.read_order(shop.access, trashed, way="webhook")

        assert found.cancelled_at is not None
        assert isinstance(again, RawOrder)
        assert again.cancelled_at is not None
        assert await shop.connector.read_order(shop.access, erased, way="poll") is None


async def test_a_part_that_was_given_back_is_not_made() -> None:
    async with world() as shop:
        [number] = await shop.make(1, state="many_lines")
        [line, *_] = (await shop.boxes.truth("woocommerce"))[number]["lines"]
        await shop.change(number, action="refund", lines={line["id"]: 1})

        order = (await shop.read())[number]

        true = (await shop.boxes.truth("woocommerce"))[number]
        assert order.payment == "partially_refunded"
        assert sum(item.quantity_to_make for item in order.items) == true["units_to_make"]


async def test_an_edit_that_moves_no_change_time_is_seen_by_reading_the_order_again() -> None:
    async with world(orders_storage="posts", wc_version="7.9.0") as shop:
        [number] = await shop.make(1, state="ready")
        before = (await shop.read())[number]
        await shop.change(number, action="address", address={"line1": "1 New Street"})

        after = await shop.connector.read_order(shop.access, number, way="webhook")

        assert isinstance(after, RawOrder)
        assert after.revised_at == before.revised_at
        assert after.ship_to is not None
        assert after.ship_to.line1 == "1 New Street"


async def test_webhooks_are_made_greeted_verified_and_say_what_to_read() -> None:
    async with world() as shop, receiver() as ours:
        address = f"{ours.url}/webhooks/woocommerce/store-1"
        for _ in range(2):
            await shop.connector.subscribe(shop.access, callback_url=address, app_url=ours.url)
        hooks = f"/woocommerce/stores/{shop.store['store']}/webhooks"
        assert len((await shop.boxes.control("GET", hooks))["webhooks"]) == 4

        [number] = await shop.make(1, state="ready")
        await shop.settle()

        told = ours.deliveries or []
        pings = [one for one in told if shop.connector.greet(one) is not None]
        orders = [one for one in told if shop.connector.greet(one) is None]
        assert pings
        assert len(orders) == 2
        for one in orders:
            await shop.connector.verify_webhook(shop.access, one, now=CLOCK.now())
            assert shop.connector.read_webhook(shop.access.store, one, now=CLOCK.now()) == OrderHinted(number)
        await shop.connector.unsubscribe(shop.access)
        assert (await shop.boxes.control("GET", hooks))["webhooks"] == []


async def test_a_webhook_that_the_store_disabled_is_woken() -> None:
    async with world() as shop:
        async with receiver() as ours:
            dead = f"{ours.url}/webhooks/woocommerce/store-1"
        await shop.connector.subscribe(shop.access, callback_url=dead, app_url=dead)
        await shop.make(8, state="ready")
        await shop.settle()
        hooks = f"/woocommerce/stores/{shop.store['store']}/webhooks"
        before = [hook["status"] for hook in (await shop.boxes.control("GET", hooks))["webhooks"]]

        await shop.connector.subscribe(shop.access, callback_url=dead, app_url=dead)

        after = [hook["status"] for hook in (await shop.boxes.control("GET", hooks))["webhooks"]]
        assert "disabled" in before
        assert after == ["active"] * 4


async def test_a_store_is_asked_politely_however_much_is_asked_at_once() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/woocommerce/settings", {"limits": True, "parallel": 2, "latency": 0.01})
        made = await shop.make(60)

        async def look(number: str) -> object:
            return await shop.connector.read_order(shop.access, number, way="poll")

        await asyncio.gather(*(look(number) for number in made[:40]), shop.read())

        assert (await shop.boxes.books("woocommerce")).get("api_calls_over_budget", 0) == 0


async def test_plugins_and_storage_are_found_by_probing() -> None:
    plugins = ["fulfillments", "shipment-tracking-wc-v2"]
    async with world(orders_storage="posts", wc_version="7.9.0", plugins=plugins) as shop:
        found = {one.name: one.allowed for one in await shop.connector.probe(shop.access)}

        assert found["plugin:shipment-tracking"] is True
        assert (found["tracking"], found["webhooks"], found["edits"]) == (True, True, False)


async def test_a_key_for_reading_only_is_found_by_probing() -> None:
    async with world(permissions="read") as shop:
        found = {one.name: one.allowed for one in await shop.connector.probe(shop.access)}

        assert (found["addresses"], found["tracking"]) == (True, False)
        with pytest.raises((AuthorizationError, TransientError)):
            await shop.connector.subscribe(shop.access, callback_url="http://127.0.0.1:1/x", app_url="")
