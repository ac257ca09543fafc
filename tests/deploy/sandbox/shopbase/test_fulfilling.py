"""Parcels through the API: what is refused, what is doubled, and who is written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TRACKING = {
    "tracking_number": "LO55960699CN",
    "tracking_company": "17track.net",
    "tracking_url": "https://t.example.com/#nums=LO55960699CN",
    "shipment_status": "confirmed",
}


async def _lines(client: Client, order: str) -> list[Any]:
    found: list[Any] = (await client.one(order))["line_items"]
    return found


async def test_a_parcel_without_lines_ships_all_that_is_left(client: Client) -> None:
    order = await client.order("many_lines")

    sent = await client.ship(order, **TRACKING)

    assert sent.status == 200
    assert sent.json["status"] == "success"
    assert sent.json["name"].endswith(".1")
    assert len(sent.json["line_items"]) == 60
    shown = await client.one(order)
    assert shown["fulfillment_status"] == "fulfilled"
    assert shown["fulfillments"][0]["tracking_number"] == "LO55960699CN"
    [shipment] = (await client.truth())[order]["shipments"]
    assert shipment["carrier"] == "17track.net"
    assert len(shipment["lines"]) == 60


async def test_lines_are_named_by_the_orders_own_line_ids(client: Client) -> None:
    order = await client.order("many_lines")
    first, second = (await _lines(client, order))[:2]

    sent = await client.ship(order, line_items=[{"id": first["id"], "quantity": 1}, {"id": second["id"]}])
    by_variant = await client.ship(order, line_items=[{"id": first["variant_id"], "quantity": 1}])

    assert [line["id"] for line in sent.json["line_items"]] == [first["id"], second["id"]]
    assert by_variant.status == 422
    assert (await client.one(order))["fulfillment_status"] == "partial"


async def test_more_units_than_are_left_are_refused(client: Client) -> None:
    order = await client.order("many_lines")
    line = (await _lines(client, order))[0]

    await client.ship(order, line_items=[{"id": line["id"], "quantity": 1}])
    again = await client.ship(order, line_items=[{"id": line["id"], "quantity": 1}])

    assert again.status == 422
    assert (await _lines(client, order))[0]["fulfillable_quantity"] == 0


async def test_a_repeat_of_a_part_ships_twice(client: Client) -> None:
    order = await client.order()
    await client.change(order, "edit", quantities={str((await _lines(client, order))[0]["id"]): 4})
    part = [{"id": (await _lines(client, order))[0]["id"], "quantity": 2}]

    answers = [await client.ship(order, line_items=part, **TRACKING) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert len((await client.truth())[order]["shipments"]) == 2


async def test_a_repeat_of_the_whole_is_refused(client: Client) -> None:
    order = await client.order()

    answers = [await client.ship(order, **TRACKING) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 422]


@pytest.mark.parametrize("state", ["partly_refunded", "refunded", "cancelled"])
async def test_an_order_with_a_refunded_line_cannot_be_shipped(client: Client, state: str) -> None:
    answer = await client.ship(await client.order(state), **TRACKING)

    assert answer.status == 422
    assert set(answer.json) == {"error"}


async def test_money_given_back_for_no_line_does_not_stop_a_parcel(client: Client) -> None:
    order = await client.order()
    await client.change(order, "refund", amount=100)

    assert (await client.ship(order)).status == 200


async def test_one_address_or_several_but_not_both(client: Client) -> None:
    order = await client.order("many_lines")

    both = await client.ship(order, **TRACKING, tracking_urls=["https://a.example.com"])
    several = await client.ship(order, tracking_urls=["https://a.example.com", "https://b.example.com"])

    assert both.status == 422
    assert several.json["tracking_urls"] == ["https://a.example.com", "https://b.example.com"]


async def test_an_unknown_shipment_status_is_refused_by_its_name(client: Client) -> None:
    answer = await client.ship(await client.order(), shipment_status="teleported")

    assert (answer.status, set(answer.json["errors"])) == (422, {"shipment_status"})


async def test_the_buyer_is_written_to_unless_the_order_came_by_api(client: Client) -> None:
    order = await client.order()
    await client.ship(order, notify_customer=False)
    first = (await client.control("GET", "/books"))["emails"]
    client.stand_in.shops["sandbox-1"].api_made = True

    silent = await client.ship(await client.order(), **TRACKING)

    assert first == 1
    assert (await client.truth())[order]["shipments"][0]["notified"]
    assert silent.json["notify_customer"] is False
    assert (await client.control("GET", "/books"))["emails"] == 1


@pytest.mark.parametrize(("reading", "status", "emails"), [("honoured", 200, 0), ("refused", 422, 0)])
async def test_other_readings_of_notify_customer(client: Client, reading: str, status: int, emails: int) -> None:
    await client.control("POST", "/settings", notify_on_create=reading)

    answer = await client.ship(await client.order(), notify_customer=False)

    assert answer.status == status
    assert (await client.control("GET", "/books"))["emails"] == emails


async def test_a_created_parcel_comes_bare_or_wrapped(client: Client) -> None:
    bare = await client.ship(await client.order())
    await client.control("POST", "/settings", wrap_created=True)
    wrapped = await client.ship(await client.order())

    assert "tracking_number" in bare.json
    assert set(wrapped.json) == {"fulfillment"}


async def test_parcels_are_listed_by_since_id(client: Client) -> None:
    order = await client.order("many_lines")
    lines = await _lines(client, order)
    made = [(await client.ship(order, line_items=[{"id": line["id"]}])).json["id"] for line in lines[:3]]
    path = f"/admin/orders/{order}/fulfillments"

    after = await client.call("GET", f"{path}.json", params={"since_id": made[0], "limit": 1})
    one = await client.call("GET", f"{path}/{made[2]}.json")
    count = await client.call("GET", f"{path}/count.json")

    assert [sent["id"] for sent in after.json["fulfillments"]] == [made[1]]
    assert one.json["fulfillment"]["id"] == made[2]
    assert count.json == {"count": 3}


async def test_a_correction_writes_to_the_buyer_again_unless_told_not_to(client: Client) -> None:
    order = await client.order()
    sent = (await client.ship(order, **TRACKING)).json["id"]
    path = f"/admin/orders/{order}/fulfillments/{sent}.json"

    loud = await client.call("PUT", path, json={"fulfillment": {"tracking_number": "TN2"}})
    silent = await client.call("PUT", path, json={"fulfillment": {"tracking_number": "TN3", "notify_customer": False}})

    assert loud.json["fulfillment"]["tracking_numbers"] == ["TN2"]
    assert silent.json["fulfillment"]["tracking_company"] == "17track.net"
    assert (await client.control("GET", "/books"))["emails"] == 2
    assert (await client.truth())[order]["shipments"][0]["tracking_number"] == "TN3"


async def test_an_external_service_begins_pending(client: Client) -> None:
    client.stand_in.shops["sandbox-1"].services = frozenset({"printer"})
    order = await client.order()

    sent = await client.ship(order, service="printer")
    path = f"/admin/orders/{order}/fulfillments/{sent.json['id']}"
    waiting = await client.one(order)
    opened = await client.call("POST", f"{path}/open.json")
    done = await client.call("POST", f"{path}/complete.json")
    reopened = await client.call("POST", f"{path}/open.json")

    assert sent.json["status"] == "pending"
    assert waiting["fulfillment_status"] == "processing"
    assert waiting["line_items"][0]["fulfillable_quantity"] == 0
    assert opened.json["fulfillment"]["status"] == "open"
    assert done.json["fulfillment"]["status"] == "success"
    assert reopened.status == 422
    assert (await client.one(order))["fulfillment_status"] == "fulfilled"


async def test_a_cancelled_parcel_gives_its_units_back(client: Client) -> None:
    order = await client.order()
    sent = (await client.ship(order)).json["id"]
    path = f"/admin/orders/{order}/fulfillments/{sent}"

    cancelled = await client.call("POST", f"{path}/cancel.json")
    corrected = await client.call("PUT", f"{path}.json", json={"fulfillment": {"tracking_number": "X"}})
    again = await client.ship(order)

    assert cancelled.json["fulfillment"]["status"] == "cancelled"
    assert corrected.status == 422
    assert again.status == 200
    assert [shipment["id"] for shipment in (await client.truth())[order]["shipments"]] == [str(again.json["id"])]


async def test_gift_cards_are_not_eligible(client: Client) -> None:
    order = await client.order("gift_card_only")

    answer = await client.ship(order)

    assert (await _lines(client, order))[0]["fulfillment_status"] == "not_eligible"
    assert answer.status == 422


async def test_what_others_ship_is_no_shipment_of_ours_and_not_left(client: Client) -> None:
    order = await client.order("shipped_elsewhere")

    truth = (await client.truth())[order]

    assert truth["shipments"] == []
    assert truth["units_to_make"] == 0
    assert (await client.one(order))["fulfillments"][0]["tracking_company"] == "USPS"


@pytest.mark.parametrize("body", ["{", "[]", '{"fulfillments": {}}'])
async def test_a_body_that_says_nothing_is_400(client: Client, body: str) -> None:
    order = await client.order()

    answer = await client.call("POST", f"/admin/orders/{order}/fulfillments.json", data=body)

    assert answer.status == 400
    assert (await client.truth())[order]["shipments"] == []


async def test_a_parcel_of_another_order_is_404(client: Client) -> None:
    order, other = await client.order(), await client.order()
    sent = (await client.ship(order)).json["id"]

    assert (await client.call("GET", f"/admin/orders/{other}/fulfillments/{sent}.json")).status == 404
