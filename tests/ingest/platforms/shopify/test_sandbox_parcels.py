"""Parcels against a server that was written from Shopify's documents, where Shopify is peculiar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.ingest.contract.parcels import PushRefused
from services.kit.errors import TransientError
from tests.ingest.platforms.test_every_parcel import NUMBER, desk, units

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"])]


async def test_a_parcel_from_two_locations_is_one_number_and_one_mail() -> None:
    async with desk("shopify") as found:
        order = await found.order_of_several()
        line, left = next(iter(units(order).items()))
        await found.change(order, {"action": "move", "lines": {line: left - 1 or 1}})
        mails = await found.books("emails")

        shipping = await found.told(found.parcel(order))

        shipments = await found.shipments(order)
        shipped = {each: sum(one["lines"].get(each, 0) for one in shipments) for each in units(order)}
        assert shipping.standing == "shipped"
        assert [one["tracking_number"] for one in shipments] == [NUMBER] * 2
        assert shipped == units(order)
        assert await found.books("emails") == mails + 1


async def test_a_parcel_waits_for_ids_that_were_moved_and_is_then_told() -> None:
    async with desk("shopify") as found:
        order = await found.order()
        await found.read(order)
        await found.change(order, {"action": "move"})

        assert (await found.told(found.parcel(order))).standing == "shipped"


async def test_a_deadline_and_the_end_of_a_schedule_are_told() -> None:
    async with desk("shopify") as found:
        order, now = await found.order(), datetime.now(UTC)
        await found.change(order, {"action": "promise", "seconds": 7200})
        await found.change(order, {"action": "schedule", "seconds": 3600})

        shipping = await found.read(order)

        assert shipping.until is not None
        assert shipping.ship_by is not None
        assert abs((shipping.until - now).total_seconds() - 3600) < 30
        assert abs((shipping.ship_by - now).total_seconds() - 7200) < 30


async def test_what_a_service_ships_is_not_ours_to_tell() -> None:
    async with desk("shopify") as found:
        order = await found.order()
        await found.change(order, {"action": "move", "service": True})

        shipping = await found.read(order)

        assert shipping.standing == "open"
        with pytest.raises(PushRefused, match="may not ship for"):
            await found.writer.write(found.access, found.parcel(order), shipping)


async def test_a_change_of_number_that_is_lost_on_its_way_is_read_before_it_is_made_again() -> None:
    async with desk("shopify") as found:
        order = await found.order()
        parcel = found.parcel(order)
        before = await found.told(parcel)
        mails = await found.books("emails")
        await found.fault("cut_connection", when="after")
        again = found.parcel(order, number=2, tracking_number="A2", replaces=NUMBER)

        with pytest.raises(TransientError):
            await found.writer.write(found.access, again, before)

        assert (await found.told(again)).has("A2")
        assert [one["tracking_number"] for one in await found.shipments(order)] == ["A2"]
        assert await found.books("emails") == mails + 1
