"""The connector against a server that was written from eBay's documents, not from the connector."""

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
from deploy.sandbox.ebay import SANDBOX
from schemas.order import RawOrder
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.contract.webhooks import (
    AboutStore,
    BuyerForgotten,
    Delivery,
    OrderHinted,
    SignatureRefused,
    StoreClosed,
)
from services.ingest.platforms.ebay.connector import EbayConnector
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpClient
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/ebay/callback"
#: Cases that only eBay has, and whether there is something to make.
OWN_CASES = {
    "global_shipping": True,
    "international_shipping": True,
    "authenticity": True,
    "fulfilled_by_ebay": False,
    "ebay_label": False,
    "pickup": False,
    "policy_hold": True,
    "linked_lines": True,
    "gift_card_and_goods": True,
    "partly_shipped": True,
    "shipped_elsewhere": False,
    "partly_refunded_line": True,
    "payment_hold": True,
    "payment_failed": False,
    "cancel_requested": False,
}


@dataclass(frozen=True, slots=True)
class World:
    """An account on the sandbox, linked."""

    boxes: Sandboxes
    seller: dict[str, Any]
    connector: EbayConnector
    access: Access

    @property
    def path(self) -> str:
        return f"/ebay/stores/{self.seller['store']}"

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H", ago: str = "PT0S") -> list[str]:
        body = {"count": count, "state": state, "seed": 7, "created_over": over, "created_ago": ago}
        made: list[str] = (await self.boxes.control("POST", f"{self.path}/orders", body))["ids"]
        return made

    async def change(self, order: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"{self.path}/orders/{order}", change)

    async def read(self, *, back: timedelta = timedelta(hours=2)) -> dict[str, RawOrder]:
        await asyncio.sleep(0.005)
        now = CLOCK.now()
        return readable(await read_window(self.connector, self.access, Window(now - back, now)))

    async def one(self, order: str) -> RawOrder:
        found = await self.connector.read_order(self.access, order, way="poll")
        assert isinstance(found, RawOrder)
        return found


@asynccontextmanager
async def sandbox() -> AsyncIterator[Sandboxes]:
    http = HttpClient(allow_private_addresses=True)
    try:
        async with running_sandbox({"ebay": SANDBOX()}) as running:
            yield Sandboxes(running, http)
    finally:
        await http.close()


async def linked(boxes: Sandboxes, **seller: Any) -> World:
    opened = await boxes.control("POST", "/ebay/stores", {"redirect_uris": [CALLBACK]} | seller)
    connector = EbayConnector(boxes.settings(EbaySettings), toolbox(boxes.http, CLOCK))
    grant = await boxes.authorize(connector, {}, callback_url=CALLBACK)
    assert grant.access_ends_at is not None
    return World(boxes, opened, connector, access_of(grant, "ebay"))


@asynccontextmanager
async def world(*, settings: dict[str, Any] | None = None, **seller: Any) -> AsyncIterator[World]:
    async with sandbox() as boxes:
        await boxes.control("POST", "/ebay/settings", {"limits": False} | (settings or {}))
        yield await linked(boxes, **seller)


@dataclass(frozen=True, slots=True)
class Post:
    """Our webhook address, which answers eBay's challenge as ingest does, and keeps what comes."""

    url: str
    came: list[Delivery]

    async def next(self, topic: str) -> Delivery:
        for _ in range(200):
            for delivery in self.came:
                if topic.encode() in delivery.body:
                    self.came.remove(delivery)
                    return delivery
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {topic} came")


@asynccontextmanager
async def post_office(connector: EbayConnector) -> AsyncIterator[Post]:
    came: list[Delivery] = []

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        address = str(request.url.with_query(None))
        delivery = Delivery(headers, await request.read(), address, query=dict(request.query))
        greeting = connector.greet(delivery)
        if greeting is None:
            came.append(delivery)
            return web.Response()
        return web.Response(body=greeting.body, content_type=greeting.content_type)

    app = web.Application()
    app.router.add_route("*", "/webhooks/ebay", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield Post(f"http://{host}:{port}/webhooks/ebay", came)
    finally:
        await runner.cleanup()


async def test_linking_tells_whose_account_it_is() -> None:
    async with world(marketplace="EBAY_GB") as ebay:
        assert ebay.access.store.external_id == ebay.seller["store"]
        assert ebay.access.store.currency == "GBP"


async def test_a_seller_who_declines_is_not_linked() -> None:
    async with world() as ebay:
        await ebay.boxes.control("POST", "/ebay/settings", {"deny_consent": True})

        with pytest.raises(LinkingRefused, match="not granted"):
            await ebay.boxes.authorize(ebay.connector, {}, callback_url=CALLBACK)


async def test_a_code_is_good_once() -> None:
    async with world() as ebay:
        start = ebay.connector.start_authorization({}, state="s", callback_url=CALLBACK, now=CLOCK.now())
        page = await ebay.boxes.http.request("GET", start.url)
        callback = dict(parse_qsl(urlsplit(page.headers["location"]).query))
        connector, now = ebay.connector, CLOCK.now()
        await connector.complete_authorization(callback, memory={}, callback_url=CALLBACK, now=now)

        with pytest.raises(LinkingRefused):
            await connector.complete_authorization(callback, memory={}, callback_url=CALLBACK, now=now)


async def test_every_order_is_read_as_it_truly_is() -> None:
    async with world() as ebay:
        await ebay.make(200)

        orders = await ebay.read()

        truth = await ebay.boxes.truth("ebay")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert order.payment == {"failed": "pending"}.get(true["payment"], true["payment"]), true["scenario"]
            assert (order.cancelled_at is not None) == true["cancelled"]
            assert {item.external_id for item in order.items} == {line["id"] for line in true["lines"]}
            if true["makeable"]:
                assert sum(item.quantity_to_make for item in order.items) == true["units_to_make"], true["scenario"]
                assert not order.holds


async def test_each_of_ebays_own_cases_is_made_or_not() -> None:
    async with world() as ebay:
        for state, makeable in OWN_CASES.items():
            [number] = await ebay.make(1, state=state)

            order = await ebay.one(number)

            units = sum(item.quantity_to_make for item in order.items)
            is_made = units > 0 and not order.holds and order.payment in {"paid", "partially_refunded"}
            assert is_made == makeable, state
            if makeable:
                assert units == (await ebay.boxes.truth("ebay"))[number]["units_to_make"], state


async def test_an_order_that_is_not_paid_yet_is_in_no_list() -> None:
    async with world() as ebay:
        await ebay.make(3, state="unpaid_checkout")

        assert await ebay.read() == {}


async def test_a_cancellation_is_told_with_its_reason() -> None:
    async with world() as ebay:
        [number] = await ebay.make(1, state="ready")
        await ebay.change(number, action="cancel_request")
        asked = (await ebay.read())[number]
        await ebay.change(number, action="cancel")

        cancelled = (await ebay.read())[number]

        assert asked.holds == ("CANCELLATION_IN_PROGRESS",)
        assert cancelled.cancelled_at is not None
        assert cancelled.cancel_reason


async def test_units_that_were_shipped_by_hand_are_not_made_again() -> None:
    async with world() as ebay:
        numbers = await ebay.make(30, state="ready")
        order = next(order for order in [await ebay.one(number) for number in numbers] if order.items[0].quantity > 1)
        line = order.items[0]
        await ebay.change(order.external_id, action="ship", lines={line.external_id: 1})

        found = (await ebay.read())[order.external_id]

        assert found.items[0].quantity_to_make == line.quantity - 1
        assert found.fulfilment == "partial"


async def test_a_failing_platform_costs_time_but_no_order() -> None:
    async with world() as ebay:
        await ebay.make(250)
        true = set(await ebay.boxes.truth("ebay"))
        for kind in FAULTS:
            before = (await ebay.boxes.books("ebay")).get("faults", 0)
            fault = {"kind": kind, "count": 2, "path": "/order", "retry_after": 0}
            await ebay.boxes.control("POST", "/ebay/faults", fault)

            assert set(await ebay.read()) == true, kind
            assert (await ebay.boxes.books("ebay"))["faults"] == before + 2


async def test_a_spoilt_page_hides_no_order() -> None:
    async with world() as ebay:
        numbers = set(await ebay.make(450, state="ready"))
        for kind in ("empty_page", "repeated_row", "moved_row"):
            before = (await ebay.boxes.books("ebay"))["api_calls"]
            await ebay.boxes.control("POST", "/ebay/faults", {"kind": kind, "count": 3})

            now = CLOCK.now()
            orders = await read_window(ebay.connector, ebay.access, Window(now - timedelta(hours=2), now))

            # What moved to another page may be read twice; what matters is that nothing is missed.
            assert {order.external_id for order in orders if isinstance(order, RawOrder)} == numbers, kind
            assert (await ebay.boxes.books("ebay"))["api_calls"] >= before + 3


async def test_orders_that_change_while_they_are_read_hide_no_other() -> None:
    async with world() as ebay:
        numbers = await ebay.make(450, state="ready")
        await asyncio.sleep(0.005)
        window = Window(CLOCK.now() - timedelta(hours=2), CLOCK.now())
        page = await ebay.connector.read_page(ebay.access, window, after=None, way="poll")
        found = {order.external_id for order in page.orders}
        for number in numbers[:40]:
            await ebay.change(number, action="touch")
        while page.after is not None:
            page = await ebay.connector.read_page(ebay.access, window, after=page.after, way="poll")
            found |= {order.external_id for order in page.orders}

        assert found | set(await ebay.read(back=timedelta(minutes=1))) >= set(numbers)
        assert set(numbers[40:]) <= found


@pytest.mark.parametrize("skew", [-420, 420])
async def test_a_clock_that_is_wrong_by_minutes_costs_no_order(skew: int) -> None:
    async with world() as ebay:
        numbers = await ebay.make(20, state="ready", ago="PT30M")
        await ebay.boxes.control("POST", "/ebay/settings", {"clock_skew": skew})

        assert set(await ebay.read(back=timedelta(hours=3))) == set(numbers)


async def test_the_apps_calls_a_day_are_never_overdrawn() -> None:
    async with world(settings={"limits": True, "per_day": {"fulfillment": 30}}) as ebay:
        [number, *_] = await ebay.make(3, state="ready")

        outcomes, waits = [], []
        for _ in range(40):
            try:
                outcomes.append(bool(await ebay.connector.read_order(ebay.access, number, way="poll")))
            except TransientError as error:
                waits.append(error.retry_after)
                outcomes.append(False)

        books = await ebay.boxes.books("ebay")
        assert outcomes[0]
        assert not outcomes[-1]
        assert sum(outcomes) >= 25
        assert None not in waits
        assert books.get("api_calls_over_budget", 0) == 0


async def test_access_that_ran_out_is_refreshed_by_two_processes_at_once() -> None:
    async with world() as ebay:
        await ebay.make(3, state="ready")
        await ebay.boxes.control("POST", f"{ebay.path}/expire-access")
        with pytest.raises(AuthorizationError):
            await ebay.read()

        both = await asyncio.gather(*(ebay.connector.refresh(ebay.access, now=CLOCK.now()) for _ in range(2)))

        for secrets in both:
            assert secrets["refresh_token"] == ebay.access.secrets["refresh_token"]
            assert len(await replace(ebay, access=replace(ebay.access, secrets=secrets)).read()) == 3


@pytest.mark.parametrize("reason", ["REVOKED_BY_USER", "PASSWORD_CHANGE"])
async def test_access_that_was_taken_back_asks_for_the_seller(reason: str) -> None:
    async with world() as ebay:
        await ebay.boxes.control("POST", f"{ebay.path}/revocation", {"reason": reason})

        with pytest.raises(AuthorizationError):
            await ebay.read()
        with pytest.raises(AuthorizationError, match="Link the store again"):
            await ebay.connector.refresh(ebay.access, now=CLOCK.now())


async def test_a_wrong_app_secret_is_no_sellers_fault() -> None:
    async with world() as ebay:
        settings = ebay.boxes.settings(EbaySettings, ebay_client_secret="wrong")
        connector = EbayConnector(settings, toolbox(ebay.boxes.http, CLOCK))

        with pytest.raises(TransientError, match="EBAY_CLIENT_SECRET"):
            await connector.refresh(ebay.access, now=CLOCK.now())


async def test_an_order_that_is_gone_is_none() -> None:
    async with world() as ebay:
        [number] = await ebay.make(1, state="ready")
        await ebay.change(number, action="delete")

        assert await ebay.connector.read_order(ebay.access, number, way="poll") is None


async def test_old_orders_tell_no_address_and_very_old_ones_are_not_told() -> None:
    async with world() as ebay:
        [old] = await ebay.make(1, state="ready", ago="P100D")
        await ebay.make(1, state="ready", ago="P740D")

        orders = await ebay.read(back=timedelta(days=1500))

        assert set(orders) == {old}
        assert orders[old].ship_to is None


async def test_a_probe_tells_what_the_account_may_do() -> None:
    async with world() as ebay:
        before = {found.name: found.allowed for found in await ebay.connector.probe(ebay.access)}
        await ebay.make(1, state="ready")

        after = {found.name: found.allowed for found in await ebay.connector.probe(ebay.access)}

        assert before == {"addresses": None, "tracking": True, "history": True, "webhooks": True}
        assert after == before | {"addresses": True}


@pytest.mark.parametrize("spaced", [False, True])
async def test_a_new_order_is_pushed_proved_and_read(spaced: bool) -> None:  # noqa: FBT001 - a column
    async with world(settings={"spaced_bodies": spaced}) as ebay, post_office(ebay.connector) as post:
        topics = (await ebay.connector.subscribe(ebay.access, callback_url=post.url, app_url=post.url)).topics
        [number] = await ebay.make(1, state="ready")

        delivery = await post.next("ORDER_CONFIRMATION")

        assert topics == ("ORDER_CONFIRMATION", "AUTHORIZATION_REVOCATION")
        await ebay.connector.verify_webhook(None, delivery, now=CLOCK.now())
        assert ebay.connector.read_app_webhook(delivery, now=CLOCK.now()) == AboutStore(ebay.seller["store"])
        fact = ebay.connector.read_webhook(ebay.access.store, delivery, now=CLOCK.now())
        assert fact == OrderHinted(number)
        assert (await ebay.one(number)).external_id == number
        with pytest.raises(SignatureRefused):
            await ebay.connector.verify_webhook(
                None, replace(delivery, body=delivery.body.replace(b"1.0", b"1.1")), now=CLOCK.now()
            )


async def test_an_app_that_hears_of_no_deletions_reads_nothing_until_a_seller_is_subscribed() -> None:
    async with world(settings={"require_account_deletion": True}) as ebay, post_office(ebay.connector) as post:
        [number] = await ebay.make(1, state="ready")
        with pytest.raises(AuthorizationError):
            await ebay.one(number)

        await ebay.connector.subscribe(ebay.access, callback_url=post.url, app_url=post.url)

        assert set(await ebay.read()) == {number}


async def test_accounts_that_end_are_told_as_what_they_were() -> None:
    async with world() as ebay, post_office(ebay.connector) as post:
        await ebay.connector.subscribe(ebay.access, callback_url=post.url, app_url=post.url)
        [number] = await ebay.make(1, state="ready")
        order = await ebay.one(number)
        body = {"store": ebay.seller["store"], "order": number}
        await ebay.boxes.control("POST", "/ebay/account-deletions", body)
        deletion = await post.next("MARKETPLACE_ACCOUNT_DELETION")
        await ebay.boxes.control("POST", f"{ebay.path}/revocation", {"reason": "REVOKED_BY_USER"})
        revocation = await post.next("AUTHORIZATION_REVOCATION")

        for delivery in (deletion, revocation):
            await ebay.connector.verify_webhook(None, delivery, now=CLOCK.now())
        forgotten = ebay.connector.read_app_webhook(deletion, now=CLOCK.now())
        closed = ebay.connector.read_webhook(ebay.access.store, revocation, now=CLOCK.now())
        assert isinstance(forgotten, BuyerForgotten)
        assert order.buyer_id in forgotten.buyer_ids
        assert isinstance(closed, StoreClosed)


async def test_unlinking_ends_the_pushes() -> None:
    async with world() as ebay, post_office(ebay.connector) as post:
        await ebay.connector.subscribe(ebay.access, callback_url=post.url, app_url=post.url)
        await ebay.connector.unsubscribe(ebay.access)
        await ebay.make(1, state="ready")
        await asyncio.sleep(0.2)

        assert post.came == []
