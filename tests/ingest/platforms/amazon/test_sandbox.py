"""The connector against a server that was written from Amazon's documents, not from the connector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from schemas.order import RawOrder, fingerprint, order_revised
from services.ingest.contract.parcels import Parcel
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Ailment, Hint, Mended
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.ingest.platforms.amazon.queue import AmazonQueue
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.clock import SystemClock
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.sandboxes import FAULTS, Sandboxes, access_of, read_window, readable, sandboxes
from tests.ingest.platforms.test_every_platform import linked, revisions
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration
CLOCK = SystemClock()
#: Amazon tells no payment: units given up before they were sent are just fewer, and a cancelled order is never charged.
TOLD_AS = {"pending": "pending", "authorized": "pending", "paid": "paid", "partially_refunded": "paid"}
CALLBACK = "http://127.0.0.1:8001/oauth/amazon/callback"


@dataclass(frozen=True, slots=True)
class World:
    """A seller on the sandbox, linked."""

    boxes: Sandboxes
    seller: dict[str, Any]
    connector: AmazonConnector
    access: Access

    async def make(self, count: int, *, state: str = "mixed", over: str = "PT1H") -> list[str]:
        body = {"count": count, "state": state, "seed": 7, "created_over": over, "created_ago": "PT3M"}
        made = await self.boxes.control("POST", f"/amazon/stores/{self.seller['store']}/orders", body)
        ids: list[str] = made["ids"]
        return ids

    async def change(self, order: str, **change: Any) -> None:
        await self.boxes.control("PATCH", f"/amazon/stores/{self.seller['store']}/orders/{order}", change)

    def window(self) -> Window:
        end = CLOCK.now() - self.connector.pace.settle
        return Window(end - timedelta(hours=3), end)

    async def read(self) -> dict[str, RawOrder]:
        return readable(await read_window(self.connector, self.access, self.window()))


@asynccontextmanager
async def world(*, limits: bool = False, settings: dict[str, Any] | None = None, **seller: Any) -> AsyncIterator[World]:
    async with sandboxes("amazon") as boxes:
        await boxes.control("POST", "/amazon/settings", {"limits": limits} | (settings or {}))
        opened = await boxes.control("POST", "/amazon/stores", {"redirect_uris": [CALLBACK]} | seller)
        connector = AmazonConnector(boxes.settings(AmazonSettings), toolbox(boxes.http, CLOCK))
        link = opened["link"]
        if "credentials" in link:
            grant = await connector.link_with_credentials(link["credentials"], now=CLOCK.now())
        else:
            grant = await boxes.authorize(connector, link["request"], callback_url=CALLBACK)
        yield World(boxes, opened, connector, access_of(grant, "amazon"))


@pytest.mark.parametrize("link_by", ["authorization", "credentials"])
async def test_either_way_of_linking_opens_the_sellers_orders(link_by: str) -> None:
    async with world(link_by=link_by, region="eu", marketplaces=["DE"]) as shop:
        [order] = await shop.make(1, state="ready")

        assert shop.access.store.external_id == shop.seller["store"]
        assert set(await shop.read()) == {order}


async def test_every_order_is_read_as_it_truly_is() -> None:
    async with world() as shop:
        await shop.make(300)

        orders = await shop.read()

        truth = await shop.boxes.truth("amazon")
        assert set(orders) == set(truth)
        for number, order in orders.items():
            true = truth[number]
            assert (order.cancelled_at is not None) == true["cancelled"]
            assert order.payment == ("voided" if true["cancelled"] else TOLD_AS[true["payment"].lower()]), true[
                "scenario"
            ]
            bought = {item.external_id for item in order.items if item.kind != "tip"}
            assert bought == {line["id"] for line in true["lines"]}
            to_make = sum(item.quantity_to_make for item in order.items)
            if true["makeable"]:
                assert to_make == true["units_to_make"], true["scenario"]


async def test_a_single_order_is_read_like_the_listed_one() -> None:
    async with world() as shop:
        [number] = await shop.make(1, state="personalized")
        listed = (await shop.read())[number]

        single = await shop.connector.read_order(shop.access, number, way="poll")

        assert isinstance(single, RawOrder)
        assert single.model_copy(update={"fetched_at": listed.fetched_at, "payload": listed.payload}) == listed
        assert listed.holds == ()
        assert listed.items[0].personalization


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("tree", ["Name for the back", "Font", "Color", "Your picture"]),
        ("surfaces", ["Name for the back", "Name for the back: font", "Picture"]),
        ("aspects", ["Name for the back", "Name for the back: font", "Name for the back: color", "Picture"]),
    ],
)
async def test_what_a_buyer_had_written_is_read_in_every_layout(form: str, names: list[str]) -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/amazon/settings", {"custom_form": form, "custom_images": "linked"})
        [number] = await shop.make(1, state="personalized")

        found = (await shop.read())[number]

        [design] = found.items[0].designs
        assert design.url.startswith("https://images.example.com/")
        assert found.holds == ()
        assert [word.name for word in found.items[0].personalization] == names


async def test_a_link_that_is_over_holds_the_order_until_it_is_read_again() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/amazon/settings", {"custom_seconds": -1.0})
        [number] = await shop.make(1, state="personalized")
        held = (await shop.read())[number]
        await shop.boxes.control("POST", "/amazon/settings", {"custom_seconds": 3600.0})

        again = await shop.connector.read_order(shop.access, number, way="poll")

        assert isinstance(again, RawOrder)
        assert (held.holds, again.holds) == (("CUSTOMIZATION_UNREAD",), ())
        assert held.revised_at == again.revised_at
        assert order_revised(held).event_id != order_revised(again).event_id


async def test_an_order_that_vanished_is_none() -> None:
    async with world() as shop:
        assert await shop.connector.read_order(shop.access, "902-0000000-0000000", way="poll") is None


async def test_a_failing_platform_costs_time_but_no_order() -> None:
    async with world() as shop:
        await shop.make(250)
        for kind in FAULTS:
            fault = {"kind": kind, "rate": 0.7, "count": 3, "path": "orders", "retry_after": 0}
            await shop.boxes.control("POST", "/amazon/faults", fault)

            assert len(await shop.read()) == 250, kind
            await shop.boxes.control("DELETE", "/amazon/faults")

        assert (await shop.boxes.books("amazon"))["faults"] >= len(FAULTS)


@pytest.mark.parametrize("kind", ["empty_page", "repeated_row", "moved_row"])
async def test_a_list_that_is_spoilt_or_moves_while_it_is_read_loses_nothing(kind: str) -> None:
    async with world() as shop:
        made = await shop.make(350)
        await shop.boxes.control("POST", "/amazon/faults", {"kind": kind, "count": 2, "path": "orders"})

        rows = await read_window(shop.connector, shop.access, shop.window())
        found = {row.external_id for row in rows}
        # What changed while it was read is in a later window.
        moved = set(made) - found
        for order in moved:
            assert isinstance(await shop.connector.read_order(shop.access, order, way="poll"), RawOrder)

        assert len(moved) <= (2 if kind == "moved_row" else 0)


async def test_a_thousand_orders_cost_less_than_the_burst_and_no_call_over_budget() -> None:
    async with world(limits=True) as shop:
        await shop.make(1_000)

        assert len(await shop.read()) == 1_000
        books = await shop.boxes.books("amazon")
        assert books["api_calls"] <= 20
        assert books.get("api_calls_over_budget", 0) == 0


async def test_when_the_budget_is_spent_no_call_is_sent() -> None:
    async with world(limits=True) as shop:
        for _ in range(19):
            await shop.connector.read_page(shop.access, shop.window(), after=None, way="poll")

        with pytest.raises(TransientError) as refused:
            await shop.connector.read_page(shop.access, shop.window(), after=None, way="poll")

        assert (refused.value.retry_after or 0) > 150
        assert (await shop.boxes.books("amazon")).get("api_calls_over_budget", 0) == 0


async def test_a_token_that_ran_out_is_renewed() -> None:
    async with world() as shop:
        await shop.make(3, state="ready")
        await shop.boxes.control("POST", f"/amazon/stores/{shop.seller['store']}/expire-access")
        with pytest.raises(AuthorizationError):
            await shop.read()

        secrets = await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert len(await replace(shop, access=replace(shop.access, secrets=secrets)).read()) == 3


async def test_a_poll_whose_token_ends_early_by_a_403_renews_it_once_and_reads_on() -> None:
    async with linked("amazon", orders=3) as shop:
        await shop.control("POST", f"/stores/{shop.opened['store']}/expire-access")

        await shop.poll_to_the_end()

        assert set(revisions(shop)) == set(await shop.truth())
        rendered = shop.ingest.metrics.render().decode()
        assert 'syncorder_token_renewals_total{platform="amazon"} 1.0' in rendered


async def test_access_that_was_taken_back_asks_for_the_seller() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"/amazon/stores/{shop.seller['store']}/revoke")

        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(shop.access, "902-0000000-0000000", way="poll")
        with pytest.raises(AuthorizationError):
            await shop.connector.refresh(shop.access, now=CLOCK.now())


async def test_a_rotated_app_secret_is_no_sellers_fault() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/amazon/app", {"rotate_secret": True})

        with pytest.raises(TransientError, match="AMAZON_CLIENT_SECRET"):
            await shop.connector.refresh(shop.access, now=CLOCK.now())


async def test_without_the_role_orders_have_no_address_and_the_probe_says_so() -> None:
    async with world(role="none") as shop:
        await shop.make(10, state="ready")

        orders = await shop.read()
        found = {capability.name: capability.allowed for capability in await shop.connector.probe(shop.access)}

        assert {order.ship_to for order in orders.values()} == {None}
        assert found["addresses"] is False


async def test_with_the_role_the_probe_sees_addresses() -> None:
    async with world() as shop:
        await shop.make(10, state="ready")

        found = {capability.name: capability.allowed for capability in await shop.connector.probe(shop.access)}

        assert found["addresses"] is True


async def test_a_buyers_wish_to_cancel_holds_the_order() -> None:
    async with world() as shop:
        [number] = await shop.make(1, state="ready")
        await shop.change(number, action="request_cancel", reason="Ordered by mistake")

        order = await shop.connector.read_order(shop.access, number, way="poll")

        assert isinstance(order, RawOrder)
        assert order.holds == ("BUYER_CANCELLATION_REQUESTED",)


async def test_an_address_that_comes_late_is_seen_when_the_order_is_read_again() -> None:
    async with world(settings={"address_lag": 600}) as shop:
        [number] = await shop.make(1, state="ready")
        before = (await shop.read())[number]
        await shop.boxes.control("POST", "/amazon/clock", {"advance": "PT11M"})

        after = await shop.connector.read_order(shop.access, number, way="poll")

        assert isinstance(after, RawOrder)
        assert before.ship_to is None
        assert after.ship_to is not None
        assert fingerprint(after) != fingerprint(before)


@pytest.mark.parametrize(
    "behaviour",
    [
        {"shuffle_pages": True},
        {"rate_header": False},
        {"refresh_rotates": True},
        {"token_alone": True},
        {"pending_prices": True},
    ],
)
async def test_whatever_the_documents_leave_open_every_order_is_read(behaviour: dict[str, Any]) -> None:
    async with world(settings=behaviour) as shop:
        made = await shop.make(250)

        secrets = await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert set(await replace(shop, access=replace(shop.access, secrets=secrets)).read()) == set(made)


def parcel(order: RawOrder) -> Parcel:
    lines = {item.external_id: item.quantity_to_make for item in order.items if item.quantity_to_make}
    sent = CLOCK.now() - timedelta(minutes=1)
    return Parcel(order.external_id, 1, "9400111899223197428490", "usps", "USPS", sent, lines, notify_buyer=True)


async def ready(shop: World, count: int = 1) -> list[RawOrder]:
    made = await shop.make(count, state="ready")
    found = [await shop.connector.read_order(shop.access, number, way="poll") for number in made]
    return [order for order in found if isinstance(order, RawOrder)]


async def confirmed(shop: World, order: RawOrder) -> bool:
    """Tell of the order's parcel where it is not there; whether it is there then."""
    writer = shop.connector.parcels
    shipping = await writer.read(shop.access, order.external_id)
    assert shipping is not None
    if not shipping.has(parcel(order).tracking_number):
        await writer.write(shop.access, parcel(order), shipping)
    after = await writer.read(shop.access, order.external_id)
    return after is not None and after.has(parcel(order).tracking_number)


async def test_a_confirmation_that_amazon_dropped_is_not_there_and_is_told_again() -> None:
    async with world(settings={"confirmation_dropped": 1}) as shop:
        [order] = await ready(shop)

        assert [await confirmed(shop, order) for _ in range(3)] == [False, True, True]

        books = await shop.boxes.books("amazon")
        assert (books["fulfillments"], books["emails"]) == (1, 1)


async def test_a_confirmation_that_shows_late_and_is_told_again_is_one_package_and_one_mail() -> None:
    async with world(settings={"confirmation_lag": 600}) as shop:
        [order] = await ready(shop)
        assert [await confirmed(shop, order) for _ in range(2)] == [False, False]

        await shop.boxes.control("POST", "/amazon/clock", {"advance": "PT11M"})

        assert await confirmed(shop, order)
        books = await shop.boxes.books("amazon")
        assert (books["fulfillments"], books["emails"]) == (1, 1)


async def test_a_package_that_vanished_is_told_again() -> None:
    async with world() as shop:
        [order] = await ready(shop)
        await confirmed(shop, order)
        await shop.change(order.external_id, action="lose")

        shipping = await shop.connector.parcels.read(shop.access, order.external_id)

        assert shipping is not None
        assert (shipping.standing, shipping.parcels) == ("open", ())
        assert await confirmed(shop, order)


async def test_a_confirmed_order_is_another_revision_with_nothing_left_to_make() -> None:
    async with world() as shop:
        [order] = await ready(shop)

        await confirmed(shop, order)

        found = await shop.connector.read_order(shop.access, order.external_id, way="poll")
        assert isinstance(found, RawOrder)
        assert found.revised_at > order.revised_at
        assert found.fulfilment == "fulfilled"
        assert not any(item.quantity_to_make for item in found.items)


async def test_more_confirmations_than_go_at_once_wait_for_their_turn() -> None:
    async with world(settings={"rates": {"getOrder": [1000, 1000], "searchOrders": [1000, 1000]}}) as shop:
        orders = await ready(shop, 12)
        shipping = [await shop.connector.parcels.read(shop.access, order.external_id) for order in orders]
        await shop.boxes.control("POST", "/amazon/settings", {"limits": True})

        for order, read in zip(orders, shipping, strict=True):
            assert read is not None
            await shop.connector.parcels.write(shop.access, parcel(order), read)

        books = await shop.boxes.books("amazon")
        assert (books["fulfillments"], books.get("api_calls_over_budget", 0)) == (12, 0)


async def test_subscribing_twice_makes_one_subscription_and_unsubscribing_ends_it() -> None:
    async with world() as shop:
        settings = shop.boxes.settings(
            AmazonSettings, amazon_sqs_queue_url="https://sqs.us-east-1.amazonaws.com/444455556666/queue1"
        )
        connector = AmazonConnector(settings, toolbox(shop.boxes.http, CLOCK))
        for _ in range(2):
            assert (await connector.subscribe(shop.access, callback_url="", app_url="")).topics == ("ORDER_CHANGE",)
        [number] = await shop.make(1, state="ready")
        told = await shop.boxes.control("GET", "/amazon/notifications")

        await connector.unsubscribe(shop.access)
        await shop.change(number, action="cancel", reason="No inventory")

        assert number in str(told)
        assert await shop.boxes.control("GET", "/amazon/notifications") == told


@pytest.mark.parametrize("ailment", ["missing", "wrong_address"])
async def test_a_subscription_that_broke_is_mended_and_tells_again(ailment: Ailment) -> None:
    async with world() as shop:
        settings = shop.boxes.settings(
            AmazonSettings, amazon_sqs_queue_url="https://sqs.us-east-1.amazonaws.com/444455556666/queue1"
        )
        connector = AmazonConnector(settings, toolbox(shop.boxes.http, CLOCK))
        await connector.subscribe(shop.access, callback_url="", app_url="")
        path = f"/amazon/stores/{shop.seller['store']}/webhooks"
        broken = await shop.boxes.control("POST", path, {"ailment": ailment})

        found = await connector.subscribe(shop.access, callback_url="", app_url="")
        [number] = await shop.make(1, state="ready")

        assert broken["topics"] == ["ORDER_CHANGE"]
        assert found.mended == (Mended("ORDER_CHANGE", ailment),)
        told = (await shop.boxes.control("GET", "/amazon/notifications"))["notifications"]
        assert [one for one in told if number in str(one) and "queue1" in str(one)]


async def test_a_change_reaches_us_by_way_of_a_queue() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    given = {
        "amazon_sqs_queue_url": f"{endpoint}/123456789012/orders",
        "amazon_sqs_endpoint": endpoint,
        "amazon_aws_access_key_id": "key",
        "amazon_aws_secret_access_key": "secret",
    }
    try:
        async with world(settings={"sqs_endpoint": endpoint, "queue_url": given["amazon_sqs_queue_url"]}) as shop:
            settings = shop.boxes.settings(AmazonSettings, **given)
            queue = AmazonQueue(settings, wait=5)
            await (await queue._opened()).create_queue(QueueName="orders")
            connector = AmazonConnector(settings, toolbox(shop.boxes.http, CLOCK))
            await connector.subscribe(shop.access, callback_url="", app_url="")
            [number] = await shop.make(1, state="ready")

            [hint] = await queue.receive()
            assert isinstance(hint, Hint)
            order = await connector.read_order(shop.access, hint.order_external_id, way="webhook")
            await queue.done((hint.receipt,))
            await queue.close()

            assert (hint.store_external_id, hint.order_external_id) == (shop.seller["store"], number)
            assert isinstance(order, RawOrder)
    finally:
        server.stop()
