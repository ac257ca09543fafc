"""The connector against a server that was written from Etsy's documents, not from the connector."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.sandbox.etsy import query
from schemas.order import RawOrder, order_revised
from services.ingest.contract.parcels import Parcel, PushRefused
from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.etsy.world import CALLBACK, CLOCK, world
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration


async def test_linking_tells_which_shop_it_is() -> None:
    async with world(currency="EUR") as shop:
        assert shop.access.store.external_id == str(shop.shop["shop_id"])
        assert shop.access.store.currency == "EUR"


async def test_a_number_that_etsy_loses_mails_its_buyer_once() -> None:
    async with world() as shop:
        await shop.make(1, state="ready")
        [number] = await shop.ids()
        told = Parcel(number, 1, "9400111899223100000001", "usps", "USPS", CLOCK.now(), {}, notify_buyer=True)
        await shop.settings(loses_numbers=True)

        codes = []
        for _ in range(3):
            shipping = await shop.connector.parcels.read(shop.access, number)
            assert shipping is not None
            with pytest.raises(PushRefused) as refused:
                await shop.connector.parcels.write(shop.access, told, shipping)
            codes.append((refused.value.remedy, refused.value.code))

        assert codes == [("seller", "NUMBER_DROPPED")] * 3
        assert (await shop.boxes.control("GET", "/etsy/books"))["emails"] == 1


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

        assert len(await shop.read()) == 700


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


async def test_more_receipts_than_etsys_largest_offset_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "MAX_OFFSET", 300)
    async with world() as shop:
        await shop.make(1_000)

        assert len(await shop.read()) == 1_000


async def test_what_a_shop_may_do_is_as_the_shop_is() -> None:
    async with world() as shop:
        before = {known.name: known.allowed for known in await shop.connector.probe(shop.access)}
        await shop.make(20, state="digital_only")
        downloads = {known.name: known.allowed for known in await shop.connector.probe(shop.access)}
        await shop.boxes.control("POST", "/etsy/clock", {"advance": "PT2S"})
        await shop.make(1, state="paid", over="PT0S")
        after = {known.name: known.allowed for known in await shop.connector.probe(shop.access)}

        assert before == downloads == {"addresses": None, "tracking": None, "webhooks": False}
        assert after == {"addresses": True, "tracking": True, "webhooks": False}


async def test_a_restricted_shop_is_told_what_it_may_not_do_and_what_to_do_instead() -> None:
    async with world(restricted=True) as shop:
        await shop.make(3, state="paid")

        found = {known.name: known for known in await shop.connector.probe(shop.access)}

        assert (found["addresses"].allowed, found["tracking"].allowed) == (False, False)
        assert "Shop Manager" in found["tracking"].detail


async def test_a_cancel_that_moves_no_time_is_seen_when_the_receipt_is_read_again() -> None:
    async with world() as shop:
        await shop.settings(quiet_changes=True)
        await shop.make(1, state="paid")
        [before] = (await shop.read()).values()
        await shop.change(before.external_id, action="cancel")

        after = await shop.connector.read_order(shop.access, before.external_id, way="webhook")

        assert isinstance(after, RawOrder)
        assert after.revised_at == before.revised_at
        assert after.cancelled_at is not None
        assert order_revised(after).event_id != order_revised(before).event_id


@pytest.mark.parametrize("survives", [False, True])
async def test_tokens_rotate_whether_or_not_the_used_one_dies(*, survives: bool) -> None:
    async with world() as shop:
        await shop.settings(refresh_survives=survives)

        first = await shop.connector.refresh(shop.access, now=CLOCK.now())
        second = await shop.connector.refresh(replace(shop.access, secrets=first), now=CLOCK.now())

        assert len({shop.access.secrets["refresh_token"], first["refresh_token"], second["refresh_token"]}) == 3
        assert await shop.connector.read_order(replace(shop.access, secrets=second), "1", way="poll") is None


@pytest.mark.parametrize("kind", ["status_500", "status_503", "status_429", "html_200", "truncated_json"])
async def test_a_failing_token_endpoint_is_no_revoked_grant(kind: str) -> None:
    async with world() as shop:
        await shop.settings(refresh_survives=True)
        await shop.fault(kind, path="oauth/token", count=1)

        with pytest.raises(TransientError):
            await shop.connector.refresh(shop.access, now=CLOCK.now())

        assert (await shop.connector.refresh(shop.access, now=CLOCK.now()))["access_token"]
