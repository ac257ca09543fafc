"""The connector against a server that was written from Etsy's documents, not from the connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.connector import Access, LinkingRefused, Window
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
CALLBACK = "http://127.0.0.1:8001/oauth/etsy/callback"


@dataclass(frozen=True, slots=True)
class World:
    """A shop on the sandbox, linked."""

    boxes: Sandboxes
    shop: dict[str, Any]
    connector: EtsyConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H") -> None:
        body = {"count": count, "state": state, "seed": 7, "created_over": over}
        await self.boxes.control("POST", f"/etsy/stores/{self.shop['store']}/orders", body)

    async def change(self, receipt: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/etsy/stores/{self.shop['store']}/orders/{receipt}", change)

    async def read(self) -> dict[str, RawOrder]:
        now = CLOCK.now()
        window = Window(now - timedelta(hours=2), now + timedelta(seconds=1))
        return readable(await read_window(self.connector, self.access, window))


@asynccontextmanager
async def world(*, limits: bool = False, **shop: Any) -> AsyncIterator[World]:
    async with sandboxes() as boxes:
        await boxes.control("POST", "/etsy/settings", {"limits": limits})
        opened = await boxes.control("POST", "/etsy/stores", {"redirect_uris": [CALLBACK]} | shop)
        connector = EtsyConnector(boxes.settings(EtsySettings), toolbox(boxes.http, CLOCK))
        grant = await boxes.authorize(connector, {}, callback_url=CALLBACK)
        yield World(boxes, opened, connector, access_of(grant, "etsy"))


async def test_linking_tells_which_shop_it_is() -> None:
    async with world(currency="EUR") as shop:
        assert shop.access.store.external_id == str(shop.shop["shop_id"])
        assert shop.access.store.currency == "EUR"


async def test_every_receipt_is_read_as_it_truly_is() -> None:
    async with world() as shop:
        await shop.make(300)

        orders = await shop.read()

        truth = await shop.boxes.truth("etsy")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert order.payment == true["payment"].lower(), true["scenario"]
            assert (order.cancelled_at is not None) == true["cancelled"]
            assert {item.external_id for item in order.items} == {line["id"] for line in true["lines"]}
            if true["makeable"]:
                assert sum(item.quantity_to_make for item in order.items) == true["units_to_make"]


async def test_more_receipts_in_one_second_than_a_page_holds_are_read() -> None:
    async with world() as shop:
        await shop.make(700, over="PT0S")
        await asyncio.sleep(1.1)

        assert len(await shop.read()) == 700


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_failing_platform_costs_time_but_no_receipt(kind: str) -> None:
    async with world() as shop:
        await shop.make(400)
        fault = {"kind": kind, "rate": 0.3, "count": 4, "path": "receipts", "retry_after": 0}
        await shop.boxes.control("POST", "/etsy/faults", fault)

        assert len(await shop.read()) == 400
        assert (await shop.boxes.books("etsy"))["faults"] > 0


async def test_the_apps_budget_is_never_overdrawn() -> None:
    async with world(limits=True) as shop:
        await shop.boxes.control("POST", "/etsy/settings", {"per_second": 4})
        await shop.make(900)

        assert len(await shop.read()) == 900
        assert (await shop.boxes.books("etsy")).get("api_calls_over_budget", 0) == 0


async def test_a_token_that_ran_out_is_refreshed_and_the_used_one_is_dead() -> None:
    async with world() as shop:
        await shop.make(3, state="paid")
        await shop.boxes.control("POST", f"/etsy/stores/{shop.shop['store']}/expire-access")
        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(shop.access, "1", way="poll")

        secrets = await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert len(await replace(shop, access=replace(shop.access, secrets=secrets)).read()) == 3
        with pytest.raises(AuthorizationError):
            await shop.connector.refresh(shop.access, now=CLOCK.now())


async def test_access_that_was_taken_back_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"/etsy/stores/{shop.shop['store']}/revoke")

        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(shop.access, "1", way="poll")
        with pytest.raises(AuthorizationError):
            await shop.connector.refresh(shop.access, now=CLOCK.now())


async def test_a_wrong_app_secret_is_no_sellers_fault() -> None:
    async with world() as shop:
        settings = shop.boxes.settings(EtsySettings, etsy_shared_secret="wrong")
        connector = EtsyConnector(settings, toolbox(shop.boxes.http, CLOCK))

        with pytest.raises(TransientError, match="ETSY_SHARED_SECRET"):
            await connector.read_order(shop.access, "1", way="poll")


async def test_a_code_is_good_for_one_verifier_only() -> None:
    async with world() as shop:
        start = shop.connector.start_authorization({}, state="s", callback_url=CALLBACK, now=CLOCK.now())
        page = await shop.boxes.http.request("GET", start.url)
        code = page.headers["location"].partition("code=")[2].partition("&")[0]

        with pytest.raises(LinkingRefused):
            await shop.connector.complete_authorization(
                {"code": code}, memory={"verifier": "x" * 64}, callback_url=CALLBACK, now=CLOCK.now()
            )


async def test_a_restricted_shops_orders_have_no_address() -> None:
    async with world(restricted=True) as shop:
        await shop.make(10, state="paid")

        orders = await shop.read()

        assert {order.ship_to for order in orders.values()} == {None}


async def test_a_receipt_that_is_gone_is_none() -> None:
    async with world() as shop:
        await shop.make(1, state="paid")
        [number] = await shop.read()
        await shop.change(number, action="delete")

        assert await shop.connector.read_order(shop.access, number, way="poll") is None
