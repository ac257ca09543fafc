"""The connector against a server that was written from Shopify's documents, not from the connector."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from deploy.sandbox.shopify.sandbox import DEFAULT_CLIENT_ID, ShopifySandbox
from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.linking import SCOPES
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.sandboxes import access_of
from tests.ingest.platforms.shopify.world import CALLBACK, CLOCK, world
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration


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


async def test_a_hold_of_a_part_is_read_until_it_is_released() -> None:
    async with world() as shop:
        await shop.make(30, state="paid")
        orders = await shop.read()
        number, order = next((number, order) for number, order in orders.items() if order.items[0].quantity_to_make > 1)
        line = order.items[0]

        await shop.change(number, action="hold", reason="INVENTORY_OUT_OF_STOCK", lines={line.external_id: 1})
        held = (await shop.read())[number]
        await shop.change(number, action="release_hold")
        released = (await shop.read())[number]

        assert held.holds == (f"inventory_out_of_stock ({line.title})",)
        assert sum(item.quantity_to_make for item in held.items) == sum(item.quantity_to_make for item in order.items)
        assert released.holds == ()


async def test_a_visit_that_began_in_shopifys_app_store_links_the_store() -> None:
    async with world() as shop:
        path = f"/shopify/stores/{shop.store['store']}/install"
        query = (await shop.boxes.control("GET", path))["query"]

        request = shop.connector.read_installation(query, now=CLOCK.now())
        grant = await shop.boxes.authorize(shop.connector, dict(request), callback_url=CALLBACK)

        assert grant.external_id == shop.store["domain"]


async def test_what_the_store_may_do_is_as_the_store_is() -> None:
    async with world() as shop:
        own = shop.store["custom_app"]["scopes"]
        before = {known.name: known.allowed for known in await shop.connector.probe(shop.access)}
        await shop.make(5, state="paid")
        after = {known.name: known.allowed for known in await shop.connector.probe(shop.access)}

        assert "read_all_orders" not in own
        assert before == {"addresses": None, "tracking": True, "webhooks": True, "history": False}
        assert after == before | {"addresses": True}


async def test_orders_older_than_60_days_need_a_scope_of_their_own() -> None:
    async with world() as shop, world(scopes=["read_orders", "read_all_orders"]) as all_orders:
        for each in (shop, all_orders):
            body = {"count": 1, "state": "paid", "created_ago": "P61D"}
            await each.boxes.control("POST", f"/shopify/stores/{each.store['store']}/orders", body)
        [hidden], [shown] = await shop.ids(), await all_orders.ids()

        assert await shop.connector.read_order(shop.access, hidden, way="poll") is None
        assert await all_orders.connector.read_order(all_orders.access, shown, way="poll") is not None
        history = [known for known in await all_orders.connector.probe(all_orders.access) if known.name == "history"]
        assert history[0].allowed


async def test_an_app_that_shopify_granted_all_orders_gets_them_by_asking_for_the_scope() -> None:
    async with world() as shop:
        app = {"client_id": "granted", "client_secret": "granted-secret"}
        await shop.boxes.control("POST", "/shopify/apps", app | {"scopes": [*SCOPES, "read_all_orders"]})
        asking = {f"shopify_{name}": value for name, value in app.items()}
        settings = shop.boxes.settings(ShopifySettings, **asking, shopify_extra_scopes="read_all_orders")
        connector = ShopifyConnector(settings, toolbox(shop.boxes.http, CLOCK))

        grant = await shop.boxes.authorize(connector, {"shop": shop.store["domain"]}, callback_url=CALLBACK)
        found = {known.name: known.allowed for known in await connector.probe(access_of(grant, "shopify"))}

        assert found["history"]


async def test_a_token_that_never_ends_is_exchanged_and_the_store_read_on() -> None:
    async with world() as shop:
        await shop.make(3, state="paid")
        linked, domain = await shop.authorized(), shop.store["domain"]
        stand_in = shop.boxes.running.platforms["shopify"]
        assert isinstance(stand_in, ShopifySandbox)
        app = stand_in.tokens.apps[DEFAULT_CLIENT_ID]
        permanent = stand_in.tokens.grant(app, shop=domain, scopes=app.scopes)
        old = replace(linked.access, secrets={"kind": "offline", "shop": domain, "access_token": permanent})

        secrets = await linked.connector.refresh(old, now=CLOCK.now())

        assert len(await replace(linked, access=replace(old, secrets=secrets)).read()) == 3
        with pytest.raises(AuthorizationError):
            await linked.connector.refresh(old, now=CLOCK.now())


async def test_a_day_later_client_credentials_give_a_new_token() -> None:
    async with world() as shop:
        own = shop.store["custom_app"]
        credentials = {"shop": shop.store["domain"]} | {name: own[name] for name in ("client_id", "client_secret")}
        grant = await shop.connector.link_with_credentials(credentials, now=CLOCK.now())
        access = access_of(grant, "shopify")
        await shop.boxes.control("POST", "/shopify/clock", {"advance": "P1D"})
        with pytest.raises(AuthorizationError):
            await shop.connector.read_order(access, "1", way="poll")

        secrets = await shop.connector.refresh(access, now=CLOCK.now())

        assert await shop.connector.read_order(replace(access, secrets=secrets), "1", way="poll") is None
        assert "refresh_token" not in secrets


async def test_an_access_token_ends_after_an_hour_and_is_due_before() -> None:
    async with world() as shop:
        linked = await shop.authorized()
        await shop.boxes.control("POST", "/shopify/clock", {"advance": "PT1H"})

        with pytest.raises(AuthorizationError):
            await linked.connector.read_order(linked.access, "1", way="poll")
        assert not linked.connector.refresh_due(linked.access.secrets, now=CLOCK.now())
        assert linked.connector.refresh_due(linked.access.secrets, now=CLOCK.now() + timedelta(minutes=56))


async def test_a_refresh_whose_answer_is_lost_is_tried_again_with_the_same_token() -> None:
    async with world() as shop:
        linked = await shop.authorized()
        await shop.fault("cut_connection", path="access_token", count=1, when="after")

        with pytest.raises(TransientError):
            await linked.connector.refresh(linked.access, now=CLOCK.now())
        secrets = await linked.connector.refresh(linked.access, now=CLOCK.now())

        renewed = replace(linked.access, secrets=secrets)
        assert await linked.connector.read_order(renewed, "1", way="poll") is None
        assert (await shop.boxes.books("shopify"))["tokens_refreshed"] == 2


@pytest.mark.parametrize("kind", ["status_500", "status_503", "status_429", "html_200", "truncated_json"])
async def test_a_failing_token_endpoint_is_no_revoked_grant(kind: str) -> None:
    async with world() as shop:
        linked = await shop.authorized()
        await shop.fault(kind, path="access_token", count=1)

        with pytest.raises(TransientError):
            await linked.connector.refresh(linked.access, now=CLOCK.now())

        assert (await linked.connector.refresh(linked.access, now=CLOCK.now()))["access_token"]


async def test_an_expired_version_is_noticed_though_shopify_answers_as_if_nothing_were() -> None:
    async with world() as shop:
        settings = shop.boxes.settings(ShopifySettings, shopify_api_version="2026-01")
        connector = ShopifyConnector(settings, toolbox(shop.boxes.http, CLOCK))

        with capture_logs() as events:
            await connector.read_order(shop.access, "1", way="poll")

        assert [(event["event"], event["asked"], event["served"]) for event in events] == [
            ("shopify.version_differed", "2026-01", "2026-07")
        ]


@pytest.mark.parametrize(("status", "word"), [("frozen", "froze"), ("locked", "locked")])
async def test_a_closed_store_says_why(status: str, word: str) -> None:
    async with world() as shop:
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/status", {"status": status})

        with pytest.raises(AuthorizationError, match=word):
            await shop.connector.read_order(shop.access, "1", way="poll")


async def test_the_buyer_of_an_order_is_known_by_number() -> None:
    async with world() as shop:
        await shop.make(5, state="paid")

        orders = await shop.read()

        assert all((order.buyer_id or "").isdecimal() for order in orders.values())
