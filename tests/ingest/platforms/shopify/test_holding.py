"""What of an order Shopify keeps on hold holds all of it, and is named; it costs points only where it may be so."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.order import RawOrder
from tests.ingest.platforms.shopify.shop import ACCESS, Shop, connector, node

GID = "gid://shopify/Order/1"


def two_units(number: int = 1, **fields: Any) -> dict[str, Any]:
    order = node(number, lines=2)
    for line in order["lineItems"]:
        line |= {"quantity": 1, "currentQuantity": 1, "unfulfilledQuantity": 1}
    return order | fields


def one_unit(number: int = 1, **fields: Any) -> dict[str, Any]:
    order = node(number)
    order["lineItems"][0] |= {"quantity": 1, "currentQuantity": 1, "unfulfilledQuantity": 1}
    return order | fields


async def holds_of(shop: Shop) -> tuple[str, ...] | None:
    order = await connector(shop).read_order(ACCESS, "1", way="poll")
    assert isinstance(order, RawOrder)
    return order.holds


@pytest.mark.parametrize(
    ("states", "holds"),
    [
        (["OPEN", "ON_HOLD"], ("inventory_out_of_stock (Item 1)",)),
        (["ON_HOLD", "IN_PROGRESS"], ("inventory_out_of_stock (Item 0)",)),
        (["CLOSED", "ON_HOLD", "ON_HOLD"], ("inventory_out_of_stock (Item 0)", "inventory_out_of_stock (Item 1)")),
        # More fulfilment orders than are looked at with each order of a page.
        (["CLOSED", "CLOSED", "OPEN", "ON_HOLD"], ("inventory_out_of_stock (Item 1)",)),
        (["CLOSED", "CLOSED", "OPEN", "CLOSED", "OPEN"], ()),
        (["OPEN", "SCHEDULED", "CLOSED"], ()),
    ],
)
async def test_a_hold_of_a_part_holds_the_order_and_names_the_lines(states: list[str], holds: tuple[str, ...]) -> None:
    shop = Shop([two_units()], holds=["INVENTORY_OUT_OF_STOCK"], parts={GID: states})

    assert await holds_of(shop) == holds


@pytest.mark.parametrize(
    ("order", "asks"),
    [
        (two_units(), ["HeldParts"]),
        (two_units(displayFulfillmentStatus="PARTIALLY_FULFILLED"), ["HeldParts"]),
        (one_unit(), []),
        (two_units(displayFulfillmentStatus="ON_HOLD"), ["Holds"]),
        (two_units(displayFulfillmentStatus="FULFILLED"), []),
        (two_units(displayFulfillmentStatus="FULFILLMENT_NOT_REQUIRED"), []),
        (two_units(displayFulfillmentStatus="RESTOCKED"), []),
        (two_units(cancelledAt="2026-11-23T08:00:00Z"), []),
    ],
)
async def test_only_orders_that_may_be_held_in_part_are_asked_about(order: dict[str, Any], asks: list[str]) -> None:
    shop = Shop([order])

    await holds_of(shop)

    assert shop.asked_holds == asks


async def test_a_page_is_asked_about_at_once() -> None:
    shop = Shop(
        [two_units(1), one_unit(2), two_units(3)],
        holds=["OTHER"],
        parts={"gid://shopify/Order/3": ["OPEN", "ON_HOLD"]},
    )

    found = await connector(shop).read_orders(ACCESS, ["1", "2", "3"], way="poll")

    assert [order.holds for order in found.values() if isinstance(order, RawOrder)] == [(), (), ("other (Item 1)",)]
    assert shop.asked_holds == ["HeldParts", "Holds"]


async def test_an_app_without_the_scopes_reads_orders_all_the_same_and_asks_once() -> None:
    shop = Shop([two_units(1), two_units(2, displayFulfillmentStatus="ON_HOLD")], denies_parts=True)
    reader = connector(shop)

    found = [await reader.read_order(ACCESS, number, way="poll") for number in ("1", "1", "2")]

    assert [order.holds for order in found if isinstance(order, RawOrder)] == [(), (), ("other",)]
    assert shop.asked_holds == ["HeldParts", "Holds"]
