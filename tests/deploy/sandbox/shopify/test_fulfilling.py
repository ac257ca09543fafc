"""Fulfilment orders, fulfilments, tracking, and the e-mails that buyers get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PLAN = """query($id: ID!) { order(id: $id) {
  displayFulfillmentStatus
  fulfillmentOrders(first: 5) { nodes {
    id status requestStatus assignedLocation { name location { id } } supportedActions { action }
    fulfillmentHolds { reason reasonNotes }
    lineItems(first: 10) { nodes { id remainingQuantity lineItem { id sku } } } } }
  fulfillments(first: 5) { id status trackingInfo { company number url } }
} }"""
SHIP = """mutation($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {
  fulfillment { id status trackingInfo { company number url } } userErrors { field message } } }"""
TRACKING = {"company": "USPS", "number": "9400100000000000000000"}


async def _plan(client: Client, order: str) -> Any:
    return (await client.ask(PLAN, id=f"gid://shopify/Order/{order}"))["order"]


async def _ship(client: Client, part: Any, **asked: Any) -> Any:
    entry = {"fulfillmentOrderId": part["id"]} | asked.pop("entry", {})
    asked = {"lineItemsByFulfillmentOrder": [entry], "trackingInfo": TRACKING} | asked
    return (await client.ask(SHIP, fulfillment=asked))["fulfillmentCreate"]


async def test_shipping_all_that_remains_fulfils_the_order(client: Client) -> None:
    order = await client.order()
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]

    done = await _ship(client, part)

    assert done["userErrors"] == []
    [tracking] = done["fulfillment"]["trackingInfo"]
    assert tracking["number"] == TRACKING["number"]
    assert tracking["url"].startswith("https://tools.usps.com/")
    after = await _plan(client, order)
    assert after["displayFulfillmentStatus"] == "FULFILLED"
    assert after["fulfillmentOrders"]["nodes"][0]["status"] == "CLOSED"
    [shipment] = (await client.truth())[order]["shipments"]
    assert (shipment["carrier"], shipment["tracking_number"]) == ("USPS", TRACKING["number"])


async def test_a_repeat_is_refused_and_ships_nothing_twice(client: Client) -> None:
    order = await client.order()
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    await _ship(client, part)

    again = await _ship(client, part)

    assert again["fulfillment"] is None
    assert "unfulfillable status= closed" in again["userErrors"][0]["message"]
    assert len((await client.truth())[order]["shipments"]) == 1


async def test_part_of_a_line_leaves_the_rest_to_ship(client: Client) -> None:
    order = await client.order("many_lines")
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    lines = [{"id": line["id"], "quantity": 1} for line in part["lineItems"]["nodes"][:2]]

    await _ship(client, part, entry={"fulfillmentOrderLineItems": lines})

    after = await _plan(client, order)
    assert after["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert after["fulfillmentOrders"]["nodes"][0]["status"] == "IN_PROGRESS"
    assert [line["remainingQuantity"] for line in after["fulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"]] == [
        0,
        0,
        *[1] * 8,
    ]


async def test_more_than_remains_is_refused(client: Client) -> None:
    order = await client.order()
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    lines = [{"id": part["lineItems"]["nodes"][0]["id"], "quantity": 99}]

    refused = await _ship(client, part, entry={"fulfillmentOrderLineItems": lines})

    assert "Invalid fulfillment order line item quantity" in refused["userErrors"][0]["message"]


async def test_line_item_ids_are_not_fulfilment_order_line_ids(client: Client) -> None:
    order = await client.order()
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    lines = [{"id": part["lineItems"]["nodes"][0]["lineItem"]["id"], "quantity": 1}]

    refused = await _ship(client, part, entry={"fulfillmentOrderLineItems": lines})

    assert refused["fulfillment"] is None


async def test_orders_are_not_shipped_together(client: Client) -> None:
    parts = [(await _plan(client, await client.order()))["fulfillmentOrders"]["nodes"][0]["id"] for _ in range(2)]
    asked = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": part} for part in parts]}

    refused = (await client.ask(SHIP, fulfillment=asked))["fulfillmentCreate"]

    assert "same order" in refused["userErrors"][0]["message"]


async def test_a_held_order_waits_until_the_hold_is_released(client: Client) -> None:
    order = await client.order()
    await client.change(order, "hold", reason="INCORRECT_ADDRESS", notes="no such street")
    held = await _plan(client, order)
    [part] = held["fulfillmentOrders"]["nodes"]

    refused = await _ship(client, part)
    await client.change(order, "release_hold")
    done = await _ship(client, part)

    assert held["displayFulfillmentStatus"] == part["status"] == "ON_HOLD"
    assert part["fulfillmentHolds"] == [{"reason": "INCORRECT_ADDRESS", "reasonNotes": "no such street"}]
    assert {"action": "CREATE_FULFILLMENT"} not in part["supportedActions"]
    assert refused["fulfillment"] is None
    assert done["fulfillment"]["status"] == "SUCCESS"


async def test_buyers_are_written_to_only_if_asked(client: Client) -> None:
    for notify in (False, True):
        order = await client.order()
        [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
        await _ship(client, part, notifyCustomer=notify)

    books = await client.control("GET", "/books")
    assert (books["fulfillments"], books["emails"]) == (2, 1)


async def test_an_unknown_carrier_has_no_address_unless_given(client: Client) -> None:
    urls = []
    for tracking in (
        {"company": "Slow Boat", "number": "1"},
        {"company": "Slow Boat", "number": "1", "url": "https://boat.example.com/1"},
    ):
        [part] = (await _plan(client, await client.order()))["fulfillmentOrders"]["nodes"]
        done = await _ship(client, part, trackingInfo=tracking)
        urls.append(done["fulfillment"]["trackingInfo"][0]["url"])

    assert urls == [None, "https://boat.example.com/1"]


async def test_singular_and_plural_tracking_are_not_mixed(client: Client) -> None:
    [part] = (await _plan(client, await client.order()))["fulfillmentOrders"]["nodes"]

    refused = await _ship(client, part, trackingInfo={"number": "1", "numbers": ["2"]})

    assert refused["userErrors"][0]["field"] == ["fulfillment", "trackingInfo"]


async def test_tracking_can_be_corrected_and_a_fulfilment_cancelled(client: Client) -> None:
    order = await client.order()
    [part] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    sent = (await _ship(client, part))["fulfillment"]["id"]

    await client.ask(
        """mutation($id: ID!) { fulfillmentTrackingInfoUpdate(fulfillmentId: $id,
        trackingInfoInput: {company: "UPS", number: "1Z"}) { userErrors { message } } }""",
        id=sent,
    )
    corrected = (await client.truth())[order]["shipments"]
    await client.ask("mutation($id: ID!) { fulfillmentCancel(id: $id) { userErrors { message } } }", id=sent)
    after = await _plan(client, order)

    assert [shipment["tracking_number"] for shipment in corrected] == ["1Z"]
    assert (await client.truth())[order]["shipments"] == []
    assert after["fulfillmentOrders"]["nodes"][0]["status"] == "OPEN"
    assert (await _ship(client, part))["fulfillment"]["status"] == "SUCCESS"


async def test_a_fulfilment_is_announced(client: Client) -> None:
    await client.subscribe("FULFILLMENTS_CREATE", "ORDERS_FULFILLED", "ORDERS_UPDATED")
    [part] = (await _plan(client, await client.order()))["fulfillmentOrders"]["nodes"]

    await _ship(client, part)
    await client.stand_in.settle()

    assert set(client.receiver.topics) == {"fulfillments/create", "orders/fulfilled", "orders/updated"}


async def test_a_gift_card_has_nothing_to_fulfil(client: Client) -> None:
    plan = await _plan(client, await client.order("gift_card_only"))

    assert plan["fulfillmentOrders"]["nodes"] == []
    assert plan["displayFulfillmentStatus"] == "FULFILLED"


async def test_one_fulfilment_has_one_location(client: Client) -> None:
    order = await client.order("many_lines")
    line = (await client.truth())[order]["lines"][0]["id"]
    [before] = (await _plan(client, order))["fulfillmentOrders"]["nodes"]

    await client.change(order, "move", lines={line: 1})

    closed, stays, moved = (await _plan(client, order))["fulfillmentOrders"]["nodes"]
    assert (closed["id"], closed["status"]) == (before["id"], "CLOSED")
    assert stays["assignedLocation"] != moved["assignedLocation"]
    entries = [{"fulfillmentOrderId": part["id"]} for part in (stays, moved)]
    asked = {"lineItemsByFulfillmentOrder": entries, "trackingInfo": TRACKING}
    refused = (await client.ask(SHIP, fulfillment=asked))["fulfillmentCreate"]
    assert "same order and location" in refused["userErrors"][0]["message"]
    assert [(await _ship(client, part))["userErrors"] for part in (stays, moved)] == [[], []]
    assert (await _plan(client, order))["displayFulfillmentStatus"] == "FULFILLED"


async def test_what_a_service_or_a_schedule_keeps_cannot_be_fulfilled(client: Client) -> None:
    for action, asked in (("move", {"service": True}), ("schedule", {})):
        order = await client.order()
        await client.change(order, action, **asked)
        part = (await _plan(client, order))["fulfillmentOrders"]["nodes"][-1]

        assert "CREATE_FULFILLMENT" not in {each["action"] for each in part["supportedActions"]}
        assert (await _ship(client, part))["userErrors"]


async def test_what_the_seller_shipped_by_hand_is_shown_and_is_no_softwares(client: Client) -> None:
    order = await client.order()

    await client.change(order, "ship", number="BY-HAND")

    after = await _plan(client, order)
    assert after["displayFulfillmentStatus"] == "FULFILLED"
    assert after["fulfillments"][0]["trackingInfo"][0]["number"] == "BY-HAND"
    assert (await client.truth())[order]["shipments"] == []
    assert (await client.control("GET", "/books"))["fulfillments"] == 0
