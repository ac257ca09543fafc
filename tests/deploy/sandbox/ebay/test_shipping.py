"""Shipments over HTTP: what eBay takes, what it refuses, and that it never forgets one."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.integration

ORDERS = "/sell/fulfillment/v1/order"
NUMBER = "9400111899223100000001"
PARCEL = {"shippingCarrierCode": "USPS", "trackingNumber": NUMBER}


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    base: str
    store: dict[str, Any]

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def get(self, order: str) -> Any: ...
    async def ship(self, order: str, **body: Any) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", **options: Any) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...
    async def truth(self, order: str) -> Any: ...
    async def open_seller(self, **body: Any) -> Ebay: ...


async def lines_of(ebay: Ebay, order: str) -> list[dict[str, Any]]:
    lines = (await ebay.get(order)).json["lineItems"]
    return [{"lineItemId": line["lineItemId"], "quantity": line["quantity"]} for line in lines]


async def test_a_shipment_answers_its_address_whose_end_is_the_tracking_number(ebay: Ebay) -> None:
    order = await ebay.order("adjusted")
    lines = await lines_of(ebay, order)

    answer = await ebay.ship(order, lineItems=lines, shippedDate="2099-01-01T00:00:00.000Z", **PARCEL)
    taken = await ebay.ship(order, lineItems=lines, **PARCEL)
    listed = await ebay.call("GET", f"{ORDERS}/{order}/shipping_fulfillment")
    one = await ebay.call("GET", taken.headers["location"])
    shown = (await ebay.get(order)).json

    assert answer.error_id == 32500
    assert (taken.status, taken.json) == (201, "")
    assert taken.headers["location"].endswith(f"{ORDERS}/{order}/shipping_fulfillment/{NUMBER}")
    assert listed.json["total"] == 1
    assert one.json == listed.json["fulfillments"][0]
    assert one.json["lineItems"] == lines
    assert shown["orderFulfillmentStatus"] == "FULFILLED"
    assert {line["lineItemFulfillmentStatus"] for line in shown["lineItems"]} == {"FULFILLED"}
    assert shown["fulfillmentHrefs"][0].endswith(NUMBER)


async def test_a_parcel_with_some_units_leaves_the_order_in_progress(ebay: Ebay) -> None:
    order = await ebay.order("partly_refunded_line")
    first, second = await lines_of(ebay, order)

    await ebay.ship(order, lineItems=[{"lineItemId": first["lineItemId"]}], **PARCEL)
    begun = (await ebay.get(order)).json["orderFulfillmentStatus"]
    shipments = (await ebay.truth(order))["shipments"]

    assert begun == "IN_PROGRESS"
    # The quantity is one where none is said.
    assert [shipment["lines"] for shipment in shipments] == [{first["lineItemId"]: 1}]
    assert second["lineItemId"] not in shipments[0]["lines"]


async def test_the_same_call_twice_ships_twice_and_mails_twice(ebay: Ebay) -> None:
    order = await ebay.order()
    lines = await lines_of(ebay, order)

    for _ in range(2):
        assert (await ebay.ship(order, lineItems=lines, **PARCEL)).status == 201

    books = await ebay.control("GET", "/books")
    assert len((await ebay.truth(order))["shipments"]) == 2
    assert (books["fulfillments"], books["emails"]) == (2, 2)


async def test_a_repeated_number_may_be_refused_instead(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", refuse_repeated_tracking=True)
    order = await ebay.order()
    lines = await lines_of(ebay, order)
    await ebay.ship(order, lineItems=lines, **PARCEL)

    again = await ebay.ship(order, lineItems=lines, **PARCEL)

    assert again.error_id == 34500
    assert len((await ebay.truth(order))["shipments"]) == 1


async def test_numbers_per_order_are_limited(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", max_tracking_numbers=1)
    order = await ebay.order()
    lines = await lines_of(ebay, order)
    await ebay.ship(order, lineItems=lines, **PARCEL)

    answer = await ebay.ship(order, lineItems=lines, **(PARCEL | {"trackingNumber": "2"}))

    assert answer.error_id == 34100


async def test_a_shipment_without_tracking_has_an_arbitrary_id(ebay: Ebay) -> None:
    order = await ebay.order()

    answer = await ebay.ship(order, lineItems=await lines_of(ebay, order))

    assert answer.headers["location"].endswith("/999")


@pytest.mark.parametrize(
    ("changed", "error_id"),
    [
        ({"trackingNumber": "9400 1118"}, 32300),
        ({"trackingNumber": "9400-1118"}, 32300),
        ({"trackingNumber": "Ä1"}, 32300),
        ({"trackingNumber": None}, 32300),
        ({"shippingCarrierCode": None}, 32300),
        ({"shippingCarrierCode": "usps"}, 32300),
        ({"shippedDate": "yesterday"}, 32500),
        ({"shippedDate": "2001-01-01T00:00:00.000Z"}, 32500),
        ({"lineItems": []}, 32600),
        ({"lineItems": [{"lineItemId": "1"}]}, 32200),
        ({"lineItems": "twice"}, 32210),
        ({"lineItems": "half"}, 32600),
        ({"lineItems": "too many"}, 32600),
    ],
)
async def test_each_rule_of_a_shipment_has_its_own_refusal(ebay: Ebay, changed: dict[str, Any], error_id: int) -> None:
    order = await ebay.order("adjusted")
    [line, *_] = await lines_of(ebay, order)
    given = {
        "twice": [line, line],
        "half": [line | {"quantity": 0.5}],
        "too many": [line | {"quantity": line["quantity"] + 1}],
    }
    body: dict[str, Any] = {"lineItems": [line], **PARCEL, **changed}
    if isinstance(body["lineItems"], str):
        body["lineItems"] = given[body["lineItems"]]

    answer = await ebay.ship(order, **body)

    assert (answer.status, answer.error_id) == (400, error_id)
    assert (await ebay.truth(order))["shipments"] == []


async def test_an_unlisted_carrier_goes_as_other(ebay: Ebay) -> None:
    order = await ebay.order()
    lines = await lines_of(ebay, order)

    unlisted = await ebay.ship(order, lineItems=lines, **(PARCEL | {"shippingCarrierCode": "MyCourier"}))
    other = await ebay.ship(order, lineItems=lines, **(PARCEL | {"shippingCarrierCode": "Other"}))

    assert unlisted.error_id == 32300
    assert other.status == 201


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("unpaid_pending", 400),
        ("payment_failed", 400),
        ("cancelled", 409),
        ("refunded", 409),
        ("fulfilled_by_ebay", 409),
        ("payment_hold", 201),
        ("cancel_requested", 201),
        ("international_shipping", 201),
    ],
)
async def test_what_may_be_shipped(ebay: Ebay, state: str, status: int) -> None:
    order = await ebay.order(state)

    answer = await ebay.ship(order, lineItems=await lines_of(ebay, order), **PARCEL)

    assert answer.status == status


async def test_lines_of_global_shipping_need_a_shipment_each(ebay: Ebay) -> None:
    order = await ebay.order("global_shipping")
    lines = await lines_of(ebay, order)

    together = await ebay.ship(order, lineItems=lines, **PARCEL)
    alone = [
        await ebay.ship(order, lineItems=[line], **(PARCEL | {"trackingNumber": f"T{place}"}))
        for place, line in enumerate(lines)
    ]

    assert together.error_id == 34300
    assert [each.status for each in alone] == [201, 201]


async def test_a_suspended_seller_ships_nothing(ebay: Ebay) -> None:
    suspended = await ebay.open_seller(suspended=True)
    order = await suspended.order()

    answer = await suspended.ship(order, lineItems=await lines_of(suspended, order), **PARCEL)

    assert answer.error_id == 32400


async def test_the_body_must_say_that_it_is_json(ebay: Ebay) -> None:
    order = await ebay.order()

    answer = await ebay.call("POST", f"{ORDERS}/{order}/shipping_fulfillment", data=b"{}")

    assert (answer.status, answer.error_id) == (400, 32600)
