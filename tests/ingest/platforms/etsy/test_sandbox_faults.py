"""Whatever goes wrong at Etsy, no receipt is lost and none is told twice; against the stand-in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import AuthorizationError
from tests.ingest.platforms.etsy.world import CLOCK, World, world
from tests.ingest.platforms.polls import Meddling
from tests.ingest.platforms.sandboxes import FAULTS
from tests.ingest.toolbox import toolbox

pytestmark = pytest.mark.integration
SOON = timedelta(minutes=10)


def through(shop: World, http: Meddling) -> EtsyConnector:
    return EtsyConnector(shop.boxes.settings(EtsySettings), toolbox(http, CLOCK))


async def test_a_failing_platform_costs_time_but_no_receipt() -> None:
    async with world() as shop:
        await shop.make(250)
        for kind in FAULTS:
            fault = {"kind": kind, "rate": 0.7, "count": 3, "path": "receipts", "retry_after": 0}
            await shop.boxes.control("POST", "/etsy/faults", fault)

            assert len(await shop.read()) == 250, kind
            await shop.boxes.control("DELETE", "/etsy/faults")

        assert (await shop.boxes.books("etsy"))["faults"] >= len(FAULTS)


@pytest.mark.parametrize("kind", ["empty_page", "repeated_row", "moved_row"])
@pytest.mark.parametrize("over", ["PT1H", "PT0S"])
async def test_a_page_that_is_wrong_or_changes_while_it_is_read_costs_no_receipt(kind: str, over: str) -> None:
    async with world() as shop:
        await shop.make(450, over=over)
        await shop.fault(kind, rate=0.7, count=3, path="receipts")
        polls = shop.polls()

        await polls.poll(later=timedelta(seconds=4))
        found = await polls.poll(later=SOON)

        assert (await shop.boxes.books("etsy"))["faults"] > 0
        assert set(found) == await shop.ids()


async def test_what_changes_while_it_is_read_is_told_as_it_is_at_last() -> None:
    async with world() as shop:
        await shop.make(250, state="paid")
        first = min(await shop.ids())
        meddling = Meddling("receipts?", lambda: shop.change(first, action="cancel"), passing=1)
        polls = shop.polls()
        polls.connector = through(shop, meddling)

        await polls.poll()
        found = await polls.poll(later=SOON)
        await meddling.close()

        assert meddling.meddled
        assert set(found) == await shop.ids()
        assert found[first].cancelled_at is not None


@pytest.mark.parametrize("retry_after", [None, 0.2])
async def test_too_many_requests_are_waited_out_with_and_without_a_retry_after(retry_after: float | None) -> None:
    async with world() as shop:
        await shop.make(250)
        await shop.fault("status_429", count=1, path="receipts", retry_after=retry_after)

        found = await shop.polls().poll(later=SOON)

        assert set(found) == await shop.ids()


async def test_a_token_that_ends_in_the_middle_of_a_run_is_renewed_and_the_run_goes_on() -> None:
    async with world() as shop:
        await shop.make(350)
        polls = shop.polls()
        path = f"/etsy/stores/{shop.shop['store']}/expire-access"
        expiring = Meddling("receipts?", lambda: shop.boxes.control("POST", path), passing=2)
        polls.connector = through(shop, expiring)

        found = await polls.poll(later=SOON)
        await expiring.close()

        assert expiring.meddled
        assert set(found) == await shop.ids()
        assert polls.access.secrets["access_token"] != shop.access.secrets["access_token"]


@pytest.mark.parametrize("kind", ["status_401", "status_403"])
async def test_a_refusal_that_stays_asks_for_the_seller_with_a_sentence(kind: str) -> None:
    async with world() as shop:
        await shop.fault(kind, path="receipts")

        with pytest.raises(AuthorizationError, match="Link the store again"):
            await shop.connector.read_order(shop.access, "1", way="poll")


async def test_a_receipt_that_vanishes_while_the_list_is_read_takes_none_with_it() -> None:
    async with world() as shop:
        await shop.make(250, over="PT0S")
        gone = min(await shop.ids())
        vanishing = Meddling("offset=80", lambda: shop.change(gone, action="delete"))
        polls = shop.polls()
        polls.connector = through(shop, vanishing)

        found = await polls.poll(later=SOON)
        await vanishing.close()

        assert vanishing.meddled
        assert set(found) - {gone} == await shop.ids()


async def test_receipts_of_a_platform_whose_clock_is_minutes_ahead_are_told_when_ours_gets_there() -> None:
    async with world() as shop:
        await shop.boxes.control("POST", "/etsy/clock", {"advance": "PT4M"})
        await shop.make(5, over="PT0S")
        polls = shop.polls()

        early = await polls.poll()
        found = await polls.poll(later=SOON)

        assert early == {}
        assert set(found) == await shop.ids()


async def test_receipts_are_told_though_our_own_clock_is_minutes_ahead() -> None:
    async with world() as shop:
        polls = shop.polls(ahead=timedelta(minutes=9))
        await polls.poll()
        await shop.make(5, over="PT0S")

        found = await polls.poll(later=timedelta(seconds=30))

        assert set(found) == await shop.ids()
