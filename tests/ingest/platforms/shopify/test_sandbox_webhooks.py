"""What Shopify pushes is taken for what it is: told, hinted, repeated, disordered, another's; against the stand-in."""

from __future__ import annotations

import pytest

from deploy.sandbox.shopify.sandbox import ShopifySandbox
from schemas.order import RawOrder, fingerprint, order_revised
from services.ingest.contract.webhooks import (
    AboutStore,
    BuyerForgotten,
    DataRequested,
    Delivery,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    StoreForgotten,
    WebhookFact,
)
from tests.ingest.platforms.shopify.world import APP_URL, CLOCK, Inbox, World, inbox, world

pytestmark = pytest.mark.integration


async def verified(shop: World, box: Inbox) -> list[tuple[str, WebhookFact]]:
    """Every webhook that came, verified and read, with its topic."""
    found = []
    for headers, body in list(box.received):
        await shop.connector.verify_webhook(shop.access, Delivery(headers, body), now=CLOCK.now())
        fact = shop.connector.read_webhook(shop.access.store, Delivery(headers, body), now=CLOCK.now())
        found.append((headers["x-shopify-topic"], fact))
    return found


async def hinted(shop: World, box: Inbox, topic: str) -> RawOrder:
    """The order that a hint of this topic leads to."""
    [fact] = [fact for found, fact in await verified(shop, box) if found == topic]
    assert isinstance(fact, OrderHinted)
    order = await shop.connector.read_order(shop.access, fact.external_id, way="webhook")
    assert isinstance(order, RawOrder)
    return order


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


async def test_a_hold_is_read_from_the_platform_though_its_webhook_names_no_order() -> None:
    async with world() as shop, inbox() as box:
        await shop.make(1, state="paid")
        [number] = await shop.ids()
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.change(number, action="hold", reason="INCORRECT_ADDRESS")
        await box.wait_for(2)

        held = await hinted(shop, box, "fulfillment_orders/placed_on_hold")
        await shop.change(number, action="release_hold")
        await box.wait_for(4)
        released = await hinted(shop, box, "fulfillment_orders/hold_released")

        assert (held.external_id, held.holds) == (number, ("incorrect_address",))
        assert (released.external_id, released.holds) == (number, ())


async def test_a_refund_and_an_edit_are_read_from_the_platform() -> None:
    async with world() as shop, inbox() as box:
        await shop.make(2, state="paid")
        edited, refunded = sorted(await shop.ids())
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.change(edited, action="edit", add=[{"sku": "MUG-11OZ", "quantity": 2}])
        await shop.change(refunded, action="refund")
        await box.wait_for(4)

        after_edit = await hinted(shop, box, "orders/edited")
        after_refund = await hinted(shop, box, "refunds/create")

        assert [item.quantity_to_make for item in after_edit.items if item.sku == "MUG-11OZ"][-1:] == [2]
        assert (after_refund.external_id, after_refund.payment) == (refunded, "refunded")
        assert sum(item.quantity_to_make for item in after_refund.items) == 0


async def test_an_app_without_the_scope_for_holds_hears_of_all_else() -> None:
    async with world(scopes=["read_orders"]) as shop, inbox() as box:
        topics = (await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)).topics

        assert "ORDERS_UPDATED" in topics
        assert not [topic for topic in topics if topic.startswith("FULFILLMENT_ORDERS")]


@pytest.mark.parametrize("kind", ["duplicate_webhooks", "disordered_webhooks"])
async def test_repeated_and_disordered_webhooks_end_in_the_newest_state(kind: str) -> None:
    async with world() as shop, inbox() as box:
        await shop.make(1, state="paid")
        [number] = await shop.ids()
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.fault(kind, rate=0.5, path="orders/updated")
        for note in ("one", "two"):
            await shop.change(number, action="note", note=note)
            await shop.boxes.control("POST", "/shopify/clock", {"advance": "PT2S"})
        await shop.change(number, action="cancel")
        await box.wait_for(4 if kind == "disordered_webhooks" else 5)

        facts = [fact for _, fact in await verified(shop, box)]

        told = [fact.order for fact in facts if isinstance(fact, OrderTold) and isinstance(fact.order, RawOrder)]
        assert len({order_revised(order).event_id for order in told}) == 3
        newest = max(told, key=lambda order: order.revised_at)
        assert newest.cancelled_at is not None


async def test_a_genuine_webhook_of_another_store_is_refused() -> None:
    async with world() as shop, inbox() as box:
        other = await shop.boxes.control("POST", "/shopify/stores", {})
        linked = await shop.authorized()
        await linked.connector.subscribe(linked.access, callback_url=box.url, app_url=APP_URL)
        await shop.make(1, state="paid", webhooks=True)
        await box.wait_for(1)
        headers, body = box.received[0]
        elsewhere = headers | {"x-shopify-shop-domain": other["domain"]}

        await linked.connector.verify_webhook(linked.access, Delivery(headers, body), now=CLOCK.now())

        with pytest.raises(SignatureRefused, match="another store"):
            await linked.connector.verify_webhook(linked.access, Delivery(elsewhere, body), now=CLOCK.now())


async def test_subscriptions_that_shopify_deleted_are_made_again() -> None:
    async with world() as shop, inbox() as box:
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        await shop.boxes.control("POST", "/shopify/settings", {"time_scale": 1_000_000})
        box.status = 500
        await shop.make(1, state="paid", webhooks=True)
        path = f"/shopify/stores/{shop.store['store']}/subscriptions"
        stand_in = shop.boxes.running.platforms["shopify"]
        assert isinstance(stand_in, ShopifySandbox)
        await stand_in.settle()
        left = (await shop.boxes.control("GET", path))["subscriptions"]

        topics = (await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)).topics

        made = (await shop.boxes.control("GET", path))["subscriptions"]
        assert len(left) < 12
        assert len(made) == len(topics) == 12


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("customers/data_request", DataRequested),
        ("customers/redact", BuyerForgotten),
        ("shop/redact", StoreForgotten),
    ],
)
async def test_a_privacy_request_reaches_the_apps_one_address(topic: str, kind: type[WebhookFact]) -> None:
    async with world() as shop, inbox() as box:
        await shop.make(1, state="paid")
        [order] = (await shop.read()).values()
        compliance = box.url.removesuffix("/store-1")
        await shop.boxes.control("POST", "/shopify/settings", {"compliance_url": compliance})
        asked = {"topic": topic, "order_ids": [order.external_id]}
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/privacy", asked)
        await box.wait_for(1)
        delivery = Delivery(*box.received[0])

        await shop.connector.verify_webhook(None, delivery, now=CLOCK.now())
        about = shop.connector.read_app_webhook(delivery, now=CLOCK.now())
        fact = shop.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now())

        assert about == AboutStore(shop.access.store.external_id)
        assert isinstance(fact, kind)
        if isinstance(fact, DataRequested):
            assert (fact.order_ids, fact.buyer_id) == ((order.external_id,), order.buyer_id)
        if isinstance(fact, BuyerForgotten):
            assert (fact.order_ids, fact.buyer_ids) == ((order.external_id,), (order.buyer_id,))


async def test_a_shop_that_left_is_closed_and_two_days_later_forgotten() -> None:
    async with world() as shop, inbox() as box:
        await shop.connector.subscribe(shop.access, callback_url=box.url, app_url=APP_URL)
        settings = {"compliance_url": box.url.removesuffix("/store-1"), "time_scale": 1_000_000}
        await shop.boxes.control("POST", "/shopify/settings", settings)

        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/revoke")
        await box.wait_for(2)

        facts = [
            shop.connector.read_webhook(shop.access.store, Delivery(headers, body), now=CLOCK.now())
            for headers, body in box.received
        ]
        assert [type(fact) for fact in facts] == [StoreClosed, StoreForgotten]


async def test_another_shops_end_is_not_this_ones() -> None:
    async with world() as shop, inbox() as box:
        other = await shop.boxes.control("POST", "/shopify/stores", {})
        await shop.boxes.control("POST", "/shopify/settings", {"compliance_url": box.url.removesuffix("/store-1")})
        await shop.boxes.control("POST", f"/shopify/stores/{other['store']}/privacy", {"topic": "shop/redact"})
        await box.wait_for(1)
        headers, body = box.received[0]
        delivery = Delivery(headers | {"x-shopify-shop-domain": shop.store["domain"]}, body)

        about = shop.connector.read_app_webhook(delivery, now=CLOCK.now())
        fact = shop.connector.read_webhook(shop.access.store, delivery, now=CLOCK.now())

        assert about == AboutStore(other["domain"])
        assert isinstance(fact, NotOurs)
