"""Whatever goes wrong at Shopify, no order is lost and none is told twice; against the stand-in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.order import RawOrder
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.errors import AuthorizationError
from tests.ingest.platforms.polls import Meddling
from tests.ingest.platforms.sandboxes import FAULTS
from tests.ingest.platforms.shopify.world import CLOCK, world
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration
SOON = timedelta(minutes=5)


async def test_a_failing_platform_costs_time_but_no_order() -> None:
    async with world() as shop:
        await shop.make(60)
        for kind in FAULTS:
            fault = {"kind": kind, "rate": 0.7, "count": 2, "path": "graphql", "retry_after": 0}
            await shop.boxes.control("POST", "/shopify/faults", fault)

            assert len(await shop.read()) == 60, kind
            await shop.boxes.control("DELETE", "/shopify/faults")

        assert (await shop.boxes.books("shopify"))["faults"] >= len(FAULTS)


@pytest.mark.parametrize("kind", ["empty_page", "repeated_row", "moved_row"])
async def test_a_page_that_is_wrong_or_changes_while_it_is_read_costs_no_order(kind: str) -> None:
    async with world() as shop:
        await shop.make(120)
        await shop.fault(kind, rate=0.5, count=4)
        polls = shop.polls()

        await polls.poll()
        found = await polls.poll(later=SOON)

        assert (await shop.boxes.books("shopify"))["faults"] > 0
        assert set(found) == await shop.ids()


async def test_what_changes_while_it_is_read_is_told_as_it_is_at_last() -> None:
    async with world() as shop:
        await shop.make(60, state="paid")
        first, *_ = sorted(await shop.ids())
        meddling = Meddling("query NextPage", lambda: shop.change(first, action="cancel", reason="customer"))
        polls = shop.polls()
        polls.connector = ShopifyConnector(shop.boxes.settings(ShopifySettings), toolbox(meddling, CLOCK))

        await polls.poll()
        found = await polls.poll(later=SOON)
        await meddling.close()

        assert meddling.meddled
        assert set(found) == await shop.ids()
        assert found[first].cancelled_at is not None


@pytest.mark.parametrize("retry_after", [None, 0.2])
async def test_too_many_requests_are_waited_out_with_and_without_a_retry_after(retry_after: float | None) -> None:
    async with world() as shop:
        await shop.make(60)
        await shop.fault("status_429", count=1, path="graphql", retry_after=retry_after)

        found = await shop.polls().poll(later=SOON)

        assert set(found) == await shop.ids()


async def test_a_refused_token_in_the_middle_of_a_run_is_renewed_and_the_run_goes_on() -> None:
    async with world() as shop:
        await shop.make(60)
        linked = await shop.authorized()
        polls = linked.polls()
        meddling = Meddling("query NextPage", lambda: shop.fault("status_401", count=1, path="graphql"))
        polls.connector = ShopifyConnector(shop.boxes.settings(ShopifySettings), toolbox(meddling, CLOCK))

        found = await polls.poll(later=SOON)
        await meddling.close()

        assert set(found) == await shop.ids()
        assert polls.access.secrets["access_token"] != linked.access.secrets["access_token"]


async def test_a_token_that_ended_in_the_middle_of_a_run_is_renewed_and_the_run_goes_on() -> None:
    async with world() as shop:
        await shop.make(60)
        linked = await shop.authorized()
        polls = linked.polls()
        hour = {"advance": "PT1H"}
        meddling = Meddling("query NextPage", lambda: shop.boxes.control("POST", "/shopify/clock", hour))
        polls.connector = ShopifyConnector(shop.boxes.settings(ShopifySettings), toolbox(meddling, CLOCK))

        found = await polls.poll(later=SOON)
        await meddling.close()

        assert set(found) == await shop.ids()


@pytest.mark.parametrize("kind", ["status_401", "status_403"])
async def test_a_refusal_that_stays_asks_for_the_seller_with_a_sentence(kind: str) -> None:
    async with world() as shop:
        await shop.fault(kind, path="graphql")

        with pytest.raises(AuthorizationError, match="Link the store again"):
            await shop.connector.read_order(shop.access, "1", way="poll")


async def test_an_order_that_vanishes_before_its_lines_are_read_takes_none_with_it() -> None:
    async with world() as shop:
        await shop.make(3, state="many_lines")
        await shop.make(3, state="paid")
        gone = min(await shop.ids(), key=int)
        meddling = Meddling("query MoreLines", lambda: shop.change(gone, action="delete"))
        connector = ShopifyConnector(shop.boxes.settings(ShopifySettings), toolbox(meddling, CLOCK))

        orders = await replace(shop, connector=connector).read()
        await meddling.close()

        assert meddling.meddled
        assert gone not in orders
        assert set(orders) == await shop.ids()
        assert {len(order.items) for order in orders.values() if len(order.items) > 10} == {60}


async def test_orders_of_a_platform_whose_clock_is_minutes_ahead_are_told_when_ours_gets_there() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/shopify/clock", {"advance": "PT4M"})
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/orders", {"count": 5})
        polls = shop.polls()

        early = await polls.poll()
        found = await polls.poll(later=SOON)

        assert early == {}
        assert set(found) == await shop.ids()


async def test_orders_are_told_though_our_own_clock_is_minutes_ahead() -> None:
    async with world() as shop:
        polls = shop.polls(ahead=timedelta(minutes=4))
        await polls.poll()
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/orders", {"count": 5})

        found = await polls.poll(later=timedelta(seconds=30))

        assert set(found) == await shop.ids()


async def test_orders_that_the_search_shows_late_are_told_by_the_next_poll() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/shopify/settings", {"search_lag": 120})
        await shop.boxes.control("POST", f"/shopify/stores/{shop.store['store']}/orders", {"count": 5})
        polls = shop.polls()

        early = await polls.poll(later=timedelta(seconds=5))
        await shop.boxes.control("POST", "/shopify/settings", {"search_lag": 0})
        found = await polls.poll(later=SOON)

        assert early == {}
        assert set(found) == await shop.ids()


async def test_a_note_that_moves_the_time_alone_is_a_revision_that_says_so() -> None:
    async with world() as shop:
        await shop.make(1, state="paid")
        [before] = (await shop.read()).values()
        await shop.change(before.external_id, action="note", note="by another app")

        [after] = (await shop.read()).values()

        assert isinstance(after, RawOrder)
        assert after.revised_at >= before.revised_at
        assert (after.note, after.items) == ("by another app", before.items)
