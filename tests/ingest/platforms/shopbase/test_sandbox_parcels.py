"""Parcels against a server that was written from ShopBase's documents, in each reading of what they leave open."""

from __future__ import annotations

import pytest

from tests.ingest.platforms.test_every_parcel import NUMBER, desk

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("zeros", ["mixed", "null", "empty", "zero"])
async def test_a_parcel_is_told_however_absent_values_and_answers_are_written(zeros: str, wrapped: bool) -> None:  # noqa: FBT001 - a parameter
    async with desk("shopbase") as found:
        await found.shop.control("POST", "/settings", {"zero_values": zeros, "wrap_created": wrapped})
        order = await found.order()
        before = await found.read(order)

        made = await found.writer.write(found.access, found.parcel(order), before)

        after = await found.read(order)
        assert (before.standing, before.parcels, after.standing) == ("open", (), "shipped")
        assert [(known.tracking_number, known.parcel_id) for known in after.parcels] == [(NUMBER, made)]


@pytest.mark.parametrize("api_made", [False, True])
@pytest.mark.parametrize("notify", [False, True])
@pytest.mark.parametrize("reading", ["ignored", "honoured", "refused"])
async def test_a_buyer_hears_what_the_seller_chose_as_far_as_it_can_be_said(
    reading: str,
    notify: bool,  # noqa: FBT001 - a parameter
    api_made: bool,  # noqa: FBT001 - a parameter
) -> None:
    async with desk("shopbase", {"api_made": api_made}) as found:
        await found.shop.control("POST", "/settings", {"notify_on_create": reading})
        order = await found.order()
        mails = await found.books("emails")

        await found.told(found.parcel(order, notify_buyer=notify))

        heard = notify if reading == "honoured" else not api_made
        assert await found.books("emails") - mails == heard
        assert len(await found.shipments(order)) == 1
