"""Every platform that takes tracking numbers takes each parcel once, tells its buyer once, and shows it afterwards.

A platform is found by its writer; what is peculiar to it is in its own folder, see `parcel_ways.py`. Whoever tells of a
parcel reads first and writes only what is not there: so does `told` here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.parcels import Parcel, ParcelWriter, PushRefused, Shipping
from services.ingest.contract.stores import Access
from services.ingest.tracking.carriers import BY_ID, CARRIERS, Carrier
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.parcel_ways import Refusal, Ways, find_ways, slug_of, writing_slugs
from tests.ingest.platforms.test_every_platform import Shop, linked

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

WAYS = find_ways()
SLUGS = sorted(WAYS)
NUMBER, SECOND = "9400111899223100000001", "1Z999AA10123456784"
#: How an answer may be lost, whether or not the platform had done its work by then.
LOSSES = ("timeout", "cut_connection", "status_500", "status_503", "html_200", "truncated_json")
#: More than anybody needs who reads before writing.
TRIES = 3

each_platform = pytest.mark.parametrize("slug", SLUGS)


@dataclass
class Desk:
    """A linked store, and the one who tells its platform of parcels."""

    shop: Shop
    ways: Ways
    access: Access
    writer: ParcelWriter

    async def order(self, state: str = "ready") -> dict[str, Any]:
        """A new order, as the platform itself knows it."""
        body = {"count": 1, "state": state, "created_ago": "PT20M", "webhooks": False}
        [number] = (await self.control("POST", "/orders", body))["ids"]
        return await self.truth(number)

    async def order_of_several(self) -> dict[str, Any]:
        """An order of more units than one."""
        body = {"count": 12, "state": "ready", "created_ago": "PT20M", "webhooks": False}
        made = (await self.control("POST", "/orders", body))["ids"]
        found = [await self.truth(number) for number in made]
        return next(order for order in found if sum(units(order).values()) > 1)

    async def change(self, order: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        await self.control("PATCH", f"/orders/{order['id']}", dict(change))

    async def control(self, method: str, path: str, body: object = None) -> Any:
        return await self.shop.control(method, f"/stores/{self.shop.opened['store']}{path}", body)

    async def fault(self, kind: str, *, when: str) -> None:
        rule = {"kind": kind, "when": when, "count": 1, "seconds": 0.02}
        met = {"path": self.ways.write_path, "method": self.ways.write_method}
        await self.shop.control("POST", "/faults", rule | met)

    async def truth(self, number: str) -> dict[str, Any]:
        return (await self.shop.truth())[number]

    async def shipments(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.truth(order["id"]))["shipments"]
        return found

    async def books(self, entry: str) -> int:
        return int((await self.shop.control("GET", "/books"))[entry])

    async def read(self, order: Mapping[str, Any]) -> Shipping:
        found = await self.writer.read(self.access, order["id"])
        assert found is not None
        return found

    async def told(self, parcel: Parcel) -> Shipping:
        """Tell of a parcel as often as it takes, which is not there each time before; its order's shipping then."""
        for _ in range(TRIES):
            shipping = await self.writer.read(self.access, parcel.order_external_id)
            assert shipping is not None
            if shipping.has(parcel.tracking_number):
                return shipping
            with suppress(TransientError):
                await self.writer.write(self.access, parcel, shipping)
        raise AssertionError("the parcel is not there")

    def parcel(self, order: Mapping[str, Any], **given: Any) -> Parcel:
        """All that is left to make of an order, sent a minute ago."""
        usual: dict[str, Any] = {
            "number": 1,
            "tracking_number": NUMBER,
            "carrier": "usps",
            "carrier_name": "USPS",
            "shipped_at": self.shop.clock.now() - timedelta(minutes=1),
            "lines": units(order),
            "notify_buyer": True,
        }
        return Parcel(order["id"], **(usual | given))


def units(order: Mapping[str, Any]) -> dict[str, int]:
    return {line["id"]: line["left"] for line in order["lines"] if line["to_make"] and line["left"]}


@asynccontextmanager
async def desk(slug: str, store: Mapping[str, Any] | None = None) -> AsyncIterator[Desk]:
    ways = WAYS[slug]
    async with linked(slug_of(slug), orders=0, **{**ways.store, **(store or {})}) as shop:
        if ways.settings:
            await shop.control("POST", "/settings", dict(ways.settings))
        connector = shop.ingest.connectors[shop.slug]
        assert connector.parcels is not None
        access = await shop.ingest.tokens.fresh(connector, shop.store)
        yield Desk(shop, ways, access, connector.parcels)


def test_every_platform_with_a_writer_is_held_to_this() -> None:
    assert sorted(writing_slugs()) == sorted({slug_of(slug) for slug in SLUGS})


@each_platform
async def test_a_parcel_is_written_once_and_read_back(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        parcel = found.parcel(order)
        mails, before = await found.books("emails"), await found.read(order)

        parcel_id = await found.writer.write(found.access, parcel, before)

        after = await found.read(order)
        [shipment] = await found.shipments(order)
        assert (before.standing, before.parcels) == ("open", ())
        assert after.standing == "shipped"
        assert after.has(NUMBER)
        assert parcel_id in {None, after.parcels[0].parcel_id}
        assert shipment["tracking_number"] == NUMBER
        assert shipment["lines"] == parcel.lines
        assert await found.books("emails") - mails == found.ways.mails

        await found.told(found.parcel(await found.order(), notify_buyer=False))

        # Of a parcel that they are not to be told of buyers hear what cannot be helped.
        assert await found.books("emails") - mails == found.ways.mails + found.ways.mails_unasked


@pytest.mark.parametrize("when", ["before", "after"])
@each_platform
async def test_an_answer_that_is_lost_costs_no_second_parcel_and_no_second_mail(slug: str, when: str) -> None:
    async with desk(slug) as found:
        for kind in LOSSES:
            order = await found.order()
            mails = await found.books("emails")
            await found.fault(kind, when=when)

            shipping = await found.told(found.parcel(order))

            assert shipping.standing == "shipped", kind
            assert len(await found.shipments(order)) == 1, kind
            assert await found.books("emails") - mails == found.ways.mails, kind


@each_platform
async def test_a_lost_answer_is_no_refusal(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        shipping = await found.read(order)
        await found.fault("cut_connection", when="after")

        with suppress(TransientError) if found.ways.goes_on else pytest.raises(TransientError):
            await found.writer.write(found.access, found.parcel(order), shipping)

        after = await (found.told(found.parcel(order)) if found.ways.goes_on else found.read(order))
        assert after.has(NUMBER)


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if WAYS[slug].several])
async def test_an_order_in_two_parcels_is_open_until_the_second(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order_of_several()
        line = next(iter(units(order)))
        rest = {other: count - (other == line) for other, count in units(order).items() if count - (other == line)}

        first = await found.told(found.parcel(order, lines={line: 1}))
        both = await found.told(found.parcel(order, number=2, tracking_number=SECOND, carrier="ups", lines=rest))

        assert (first.standing, first.has(SECOND)) == ("open", False)
        assert both.standing == "shipped"
        assert both.has(NUMBER)
        assert [shipment["lines"] for shipment in await found.shipments(order)] == [{line: 1}, rest]


@each_platform
async def test_more_units_than_are_left_are_told_as_those_that_are(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        made = {line: count + 1 for line, count in units(order).items()}

        await found.told(found.parcel(order, lines=made))

        assert [shipment["lines"] for shipment in await found.shipments(order)] == [units(order)]


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if WAYS[slug].holds])
async def test_an_order_on_hold_is_shipped_when_it_is_released(slug: str) -> None:
    async with desk(slug) as found:
        for hold in found.ways.holds:
            order = await found.order(hold.state)
            if hold.hold is not None:
                await found.change(order, hold.hold)

            held = await found.read(order)
            await found.change(order, hold.release)
            shipping = await found.told(found.parcel(order))

            assert held.standing == "on_hold", hold
            assert shipping.standing == "shipped", hold


@each_platform
async def test_an_order_that_is_not_to_be_told_of_says_why(slug: str) -> None:
    async with desk(slug) as found:
        wanted = [(state, "cancelled") for state in found.ways.cancelled]
        wanted += [(state, "exempt") for state in found.ways.exempt]

        told = [(state, (await found.read(await found.order(state))).standing) for state, _ in wanted]

        assert told == wanted


@each_platform
async def test_an_order_that_the_seller_shipped_by_hand_or_that_vanished_says_so(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        await found.change(order, found.ways.by_hand)
        by_hand = await found.read(order)
        await found.change(order, found.ways.delete)

        gone = [await found.writer.read(found.access, number) for number in (order["id"], "../secrets")]

        assert (by_hand.standing, by_hand.has(NUMBER)) == ("shipped", False)
        assert gone == [None, None]


@each_platform
async def test_access_that_was_taken_back_is_the_sellers_to_mend(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        await found.control("POST", "/revoke")

        with pytest.raises(AuthorizationError):
            await found.writer.read(found.access, order["id"])


@pytest.mark.parametrize(
    ("slug", "refusal"),
    [pytest.param(slug, refusal, id=f"{slug}-{refusal.name}") for slug in SLUGS for refusal in WAYS[slug].refusals],
)
async def test_what_the_platform_refuses_is_sorted_by_who_can_help(slug: str, refusal: Refusal) -> None:
    async with desk(slug, refusal.store) as found:
        if refusal.settings:
            await found.shop.control("POST", "/settings", dict(refusal.settings))
        order = await found.order(refusal.state)
        parcel, shipping = found.parcel(order, **refusal.parcel), await found.read(order)
        mails = await found.books("emails")
        for change in refusal.changes:
            await found.change(order, change)

        with pytest.raises(PushRefused) as refused:
            await found.writer.write(found.access, parcel, shipping)

        value = refused.value
        assert (value.remedy, value.code, value.store_wide) == (refusal.remedy, refusal.code, refusal.store_wide)
        assert value.sentence.endswith(".")
        assert NUMBER not in value.sentence
        assert await found.books("emails") == mails
        assert not (await found.read(order)).has(NUMBER)


@each_platform
async def test_every_carrier_is_taken_in_the_platforms_own_spelling(slug: str) -> None:
    shown = dict[str, str]()
    # A few to a store: a store's calls are few, and where most are used up orders are read minutes later.
    for start in range(0, len(CARRIERS), 6):
        shown |= await _shown_by(slug, CARRIERS[start : start + 6])

    ways = WAYS[slug]
    assert len(shown) == len(CARRIERS)
    if ways.spellings is not None:
        pigeons = ways.other_carrier == "Pigeon Post"
        others = {each: BY_ID[each].name if pigeons else ways.other_carrier for each in shown}
        assert shown == others | dict(ways.spellings)


async def _shown_by(slug: str, carriers: Sequence[Carrier]) -> dict[str, str]:
    """Tell of a parcel of each carrier; how the platform names them."""
    async with desk(slug) as found:
        body = {"count": len(carriers), "state": "ready", "created_ago": "PT20M", "webhooks": False}
        made = (await found.control("POST", "/orders", body))["ids"]
        truth = await found.shop.truth()
        for number, carrier in zip(made, carriers, strict=True):
            given = {"carrier": carrier.id, "carrier_name": carrier.name}
            assert (await found.told(found.parcel(truth[number], **given))).has(NUMBER), carrier.id
        truth = await found.shop.truth()
        return {
            carrier.id: truth[number]["shipments"][0]["carrier"] for number, carrier in zip(made, carriers, strict=True)
        }


@each_platform
async def test_a_carrier_that_nobody_knows_still_shows_its_number(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()

        await found.told(found.parcel(order, carrier=None, carrier_name="Pigeon Post", tracking_number="PP7"))

        [shipment] = await found.shipments(order)
        assert shipment["tracking_number"] == "PP7"
        if found.ways.other_carrier is not None:
            assert shipment["carrier"] == found.ways.other_carrier


@each_platform
async def test_a_number_with_blanks_and_a_date_that_cannot_be_lose_no_number(slug: str) -> None:
    async with desk(slug) as found:
        written, now = "9400 1118-9922 3100 000 001", found.shop.clock.now()
        to_come, before_the_order = now + timedelta(hours=1), now - timedelta(days=400)

        shown = [
            await found.told(found.parcel(await found.order(), **given))
            for given in ({"tracking_number": written}, {"shipped_at": to_come}, {"shipped_at": before_the_order})
        ]

        assert all(shipping.has(written) and shipping.has(NUMBER) for shipping in shown)


@each_platform
async def test_a_number_takes_anothers_place_or_stands_beside_it(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        parcel = found.parcel(order)
        await found.told(parcel)

        again = replace(parcel, number=2, tracking_number=SECOND, carrier="ups", carrier_name="UPS")
        # Where nothing can be replaced it is told as one more parcel.
        shipping = await found.told(replace(again, replaces=NUMBER) if found.writer.replaces else again)

        assert shipping.standing == "shipped"
        numbers = {shipment["tracking_number"] for shipment in await found.shipments(order)}
        assert numbers == ({SECOND} if found.writer.replaces else {NUMBER, SECOND})


@each_platform
async def test_the_deadline_is_the_one_that_the_order_tells(slug: str) -> None:
    async with desk(slug) as found:
        order = await found.order()
        connector = found.shop.ingest.connectors[found.shop.slug]

        read = await connector.read_order(found.access, order["id"], way="poll")

        assert isinstance(read, RawOrder)
        shipping = await found.read(order)
        assert shipping.ship_by == read.ship_by
        assert (read.ship_by is not None) is found.ways.tells_ship_by
