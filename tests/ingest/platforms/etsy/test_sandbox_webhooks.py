"""One endpoint of the app hears of every shop's receipts, in whichever form; against the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from schemas.order import RawOrder, order_revised
from services.ingest.contract.webhooks import AboutStore, Delivery, NotOurs, OrderHinted, SignatureRefused
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from tests.ingest.platforms.etsy.world import CLOCK, World, world
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration


class Inbox:
    """The app's endpoint: takes what comes and keeps it."""

    def __init__(self, connector: EtsyConnector) -> None:
        self.connector = connector
        self.received: list[Delivery] = []
        self._arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Delivery(headers, await request.read()))
        self._arrived.set()
        return web.Response()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def endpoint(shop: World) -> AsyncIterator[Inbox]:
    """Set up in the portal by hand: one address for all shops, with a secret of its own."""
    app = web.Application()
    runner = web.AppRunner(app)
    secret = "whsec_" + "a2V5" * 8
    settings = shop.boxes.settings(EtsySettings, etsy_webhook_secret=secret)
    found = Inbox(EtsyConnector(settings, toolbox(shop.boxes.http, CLOCK)))
    app.router.add_post("/webhooks/etsy", found.take)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/etsy"
        await shop.boxes.control("POST", "/etsy/webhook-endpoint", {"url": url, "secret": secret})
        yield found
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("signature", ["list", "bare", "several"])
@pytest.mark.parametrize("shop_id", ["text", "number"])
@pytest.mark.parametrize("host", ["api", "openapi"])
async def test_an_event_leads_to_the_receipt_in_whichever_form_it_comes(
    signature: str, shop_id: str, host: str
) -> None:
    async with world() as shop, endpoint(shop) as box:
        await shop.settings(signature=signature, shop_id=shop_id, host=host)
        await shop.make(1, state="paid")
        [number] = await shop.ids()
        await box.wait_for(1)
        [delivery] = box.received

        await box.connector.verify_webhook(None, delivery, now=CLOCK.now())
        about = box.connector.read_app_webhook(delivery, now=CLOCK.now())
        fact = box.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now())

        assert about == AboutStore(shop.access.store.external_id)
        assert fact == OrderHinted(number)


async def test_one_endpoint_hears_of_all_shops_and_tells_them_apart() -> None:
    async with world() as shop, endpoint(shop) as box:
        other = await shop.boxes.control("POST", "/etsy/stores", {})
        for store in (shop.shop["store"], other["store"]):
            await shop.boxes.control("POST", f"/etsy/stores/{store}/orders", {"count": 1, "state": "paid"})
        await box.wait_for(2)

        about = {box.connector.read_app_webhook(delivery, now=CLOCK.now()) for delivery in box.received}
        facts = [box.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now()) for delivery in box.received]

        assert about == {AboutStore(shop.shop["store"]), AboutStore(other["store"])}
        assert sorted(type(fact).__name__ for fact in facts) == ["NotOurs", "OrderHinted"]


async def test_a_cancel_by_the_seller_is_read_from_the_platform() -> None:
    async with world() as shop, endpoint(shop) as box:
        await shop.make(1, state="paid")
        [number] = await shop.ids()
        await shop.change(number, action="cancel")
        await box.wait_for(2)

        facts = {box.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now()) for delivery in box.received}
        order = await box.connector.read_order(shop.access, number, way="webhook")

        assert facts == {OrderHinted(number)}
        assert isinstance(order, RawOrder)
        assert order.cancelled_at is not None


async def test_one_changed_bit_another_secret_and_an_old_signature_are_refused() -> None:
    async with world() as shop, endpoint(shop) as box:
        await shop.make(1, state="paid")
        await box.wait_for(1)
        [delivery] = box.received

        for place in range(len(delivery.body) * 8):
            changed = bytearray(delivery.body)
            changed[place // 8] ^= 1 << place % 8
            with pytest.raises(SignatureRefused):
                await box.connector.verify_webhook(None, Delivery(delivery.headers, bytes(changed)), now=CLOCK.now())
        with pytest.raises(SignatureRefused):
            await shop.connector.verify_webhook(None, delivery, now=CLOCK.now())
        for minutes in (-6, 6):
            with pytest.raises(SignatureRefused, match="too old or from the future"):
                await box.connector.verify_webhook(None, delivery, now=CLOCK.now() + timedelta(minutes=minutes))


@pytest.mark.parametrize("kind", ["duplicate_webhooks", "disordered_webhooks"])
async def test_repeated_and_disordered_events_lead_to_the_one_newest_state(kind: str) -> None:
    async with world() as shop, endpoint(shop) as box:
        await shop.fault(kind, path="order.paid")
        await shop.make(1, state="paid")
        [number] = await shop.ids()
        await shop.change(number, action="cancel")
        await box.wait_for(3 if kind == "duplicate_webhooks" else 2)

        events = set()
        for delivery in box.received:
            await box.connector.verify_webhook(None, delivery, now=CLOCK.now())
            fact = box.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now())
            assert not isinstance(fact, NotOurs)
            order = await box.connector.read_order(shop.access, number, way="webhook")
            assert isinstance(order, RawOrder)
            assert order.cancelled_at is not None
            events.add(order_revised(order).event_id)

        assert len(events) == 1
