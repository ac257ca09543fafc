"""confirmShipment: what it takes, what it refuses, and what a 204 does not prove."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.sandbox.amazon.linked import Answer, Client, instant

pytestmark = pytest.mark.integration


async def parcel(amazon: Client, order: str, **package: Any) -> dict[str, Any]:
    shown = await amazon.one(order)
    items = [
        {"orderItemId": item["orderItemId"], "quantity": item["fulfillment"]["quantityUnfulfilled"]}
        for item in shown["orderItems"]
    ]
    detail = {
        "packageReferenceId": "1",
        "carrierCode": "USPS",
        "trackingNumber": "9400111899223197428490",
        "shipDate": instant(0),
        "orderItems": items,
    }
    return {"marketplaceId": shown["salesChannel"].get("marketplaceId"), "packageDetail": detail | package}


async def confirm(amazon: Client, order: str, body: dict[str, Any]) -> Answer:
    return await amazon.call("POST", f"/orders/v0/orders/{order}/shipmentConfirmation", json=body)


def details(answer: Answer) -> str:
    [error] = answer.json["errors"]
    assert (answer.status, error["code"]) == (400, "InvalidInput")
    return str(error["details"])


async def test_a_confirmed_package_shows_in_the_order_and_the_truth(amazon: Client) -> None:
    order = await amazon.order()

    answer = await confirm(amazon, order, await parcel(amazon, order, shippingMethod="Priority"))

    shown = await amazon.one(order)
    [package] = shown["packages"]
    [truth] = (await amazon.control("GET", "/truth"))["orders"]
    books = await amazon.control("GET", "/books")
    assert (answer.status, answer.body) == (204, b"")
    assert shown["fulfillment"]["fulfillmentStatus"] == "SHIPPED"
    assert (package["packageReferenceId"], package["carrier"]) == ("1", "USPS")
    assert package["shippingService"] == "Priority"
    assert truth["shipments"][0]["tracking_number"] == "9400111899223197428490"
    assert truth["makeable"] is True
    assert (books["fulfillments"], books["emails"]) == (1, 1)


async def test_part_of_an_order_is_shipped_and_then_the_rest(amazon: Client) -> None:
    order = await amazon.order("many_lines")
    whole = (await parcel(amazon, order))["packageDetail"]["orderItems"]

    await confirm(amazon, order, await parcel(amazon, order, orderItems=whole[:10]))
    partly = await amazon.one(order)
    await confirm(amazon, order, await parcel(amazon, order, packageReferenceId="2", orderItems=whole[10:]))
    done = await amazon.one(order)

    assert partly["fulfillment"]["fulfillmentStatus"] == "PARTIALLY_SHIPPED"
    assert done["fulfillment"]["fulfillmentStatus"] == "SHIPPED"
    assert [package["packageReferenceId"] for package in done["packages"]] == ["1", "2"]


async def test_the_same_reference_again_edits_the_package(amazon: Client) -> None:
    order = await amazon.order()
    body = await parcel(amazon, order)
    await confirm(amazon, order, body)
    body["packageDetail"]["trackingNumber"] = "CORRECTED"

    again = await confirm(amazon, order, body)

    [package] = (await amazon.one(order))["packages"]
    assert again.status == 204
    assert package["trackingNumber"] == "CORRECTED"
    assert (await amazon.control("GET", "/books"))["emails"] == 1


async def test_another_reference_finds_nothing_left(amazon: Client) -> None:
    order = await amazon.order()
    body = await parcel(amazon, order)
    await confirm(amazon, order, body)
    body["packageDetail"]["packageReferenceId"] = "2"

    assert "Unable to find package to update" in details(await confirm(amazon, order, body))


async def test_a_number_as_reference_is_refused(amazon: Client) -> None:
    order = await amazon.order()

    answer = await confirm(amazon, order, await parcel(amazon, order, packageReferenceId=1))

    assert details(answer) == "fields with invalid type [packageDetail.packageReferenceId]"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("packageReferenceId", "0"),
        ("packageReferenceId", "-1"),
        ("packageReferenceId", "PKG-1"),
        ("packageReferenceId", ""),
        ("carrierCode", ""),
        ("carrierCode", "usps"),
        ("carrierCode", "Other"),
        ("trackingNumber", ""),
        ("shipDate", "02/21/2022"),
        ("shipDate", "2026-11-01T10:00:00"),
        ("shipDate", "2999-01-01T00:00:00Z"),
        ("shipDate", "2001-01-01T00:00:00Z"),
        ("orderItems", []),
        ("orderItems", [{"orderItemId": "1", "quantity": 1}]),
        ("orderItems", [{"orderItemId": 1, "quantity": 1}]),
        ("orderItems", [{"orderItemId": "1", "quantity": "1"}]),
    ],
)
async def test_a_package_that_is_not_as_documented_is_400(amazon: Client, field: str, value: object) -> None:
    order = await amazon.order()

    answer = await confirm(amazon, order, await parcel(amazon, order, **{field: value}))

    assert details(answer)
    assert "packages" not in await amazon.one(order)


async def test_an_unlisted_carrier_is_other_with_its_name(amazon: Client) -> None:
    order = await amazon.order()

    answer = await confirm(amazon, order, await parcel(amazon, order, carrierCode="Other", carrierName="Pigeon Post"))

    assert answer.status == 204
    assert (await amazon.one(order))["packages"][0]["carrier"] == "Pigeon Post"


async def test_more_units_than_are_left_are_refused(amazon: Client) -> None:
    order = await amazon.order()
    body = await parcel(amazon, order)
    body["packageDetail"]["orderItems"][0]["quantity"] += 1

    assert "more than what is left" in details(await confirm(amazon, order, body))


@pytest.mark.parametrize(
    "scenario", ["ship_plus", "fulfilled_by_amazon", "unpaid_pending", "cancelled", "shipped_elsewhere", "label_bought"]
)
async def test_orders_that_are_not_the_sellers_to_ship_are_refused(amazon: Client, scenario: str) -> None:
    order = await amazon.order(scenario)
    body = await parcel(amazon, order)
    for item in body["packageDetail"]["orderItems"]:
        item["quantity"] = 1

    assert details(await confirm(amazon, order, body))


async def test_an_app_without_the_role_confirms_nothing_and_reads_on(amazon: Client) -> None:
    seller = await amazon.open_store(confirms=False)
    order = await seller.order()

    answer = await confirm(seller, order, await parcel(seller, order))

    assert (answer.status, answer.json["errors"][0]["code"]) == (403, "Unauthorized")
    assert "token" not in answer.json["errors"][0]["details"]


async def test_a_package_that_vanished_leaves_its_units_open(amazon: Client) -> None:
    order = await amazon.order()
    await confirm(amazon, order, await parcel(amazon, order))

    await amazon.change(order, "lose")

    shown = await amazon.one(order)
    assert shown["packages"] == []
    assert shown["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert (await confirm(amazon, order, await parcel(amazon, order))).status == 204


async def test_transparency_items_need_a_code_for_each_unit(amazon: Client) -> None:
    order = await amazon.order("transparency")
    body = await parcel(amazon, order)

    without = await confirm(amazon, order, body)
    for item in body["packageDetail"]["orderItems"]:
        item["transparencyCodes"] = [f"T{unit}" for unit in range(item["quantity"])]
    with_codes = await confirm(amazon, order, body)

    assert "transparencyCodes" in details(without)
    assert with_codes.status == 204


@pytest.mark.parametrize(("market", "status"), [("JP", 204), ("AU", 400)])
async def test_cash_on_delivery_is_japans_alone(amazon: Client, market: str, status: int) -> None:
    seller = await amazon.open_store(region="fe", marketplaces=[market])
    order = await seller.order()
    body = await parcel(seller, order) | {"codCollectionMethod": "DirectPayment"}

    assert (await confirm(seller, order, body)).status == status


async def test_the_marketplace_is_the_orders(amazon: Client) -> None:
    order = await amazon.order()
    body = await parcel(amazon, order) | {"marketplaceId": "A2EUQ1WTGCTBG2"}

    assert "marketplaceId" in details(await confirm(amazon, order, body))


async def test_a_204_is_no_proof(amazon: Client) -> None:
    order = await amazon.order()
    body = await parcel(amazon, order)
    await amazon.control("POST", "/settings", confirmation_dropped=1)

    lost = await confirm(amazon, order, body)
    unshipped = await amazon.one(order)
    repeated = await confirm(amazon, order, body)

    assert (lost.status, repeated.status) == (204, 204)
    assert "packages" not in unshipped
    assert len((await amazon.one(order))["packages"]) == 1


async def test_a_confirmation_may_show_later(amazon: Client) -> None:
    order = await amazon.order()
    await amazon.control("POST", "/settings", confirmation_lag=60)

    await confirm(amazon, order, await parcel(amazon, order))
    early = await amazon.one(order)
    await amazon.control("POST", "/clock", advance="PT61S")
    late = await amazon.one(order)

    assert early["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert late["fulfillment"]["fulfillmentStatus"] == "SHIPPED"


async def test_a_body_that_is_not_json_is_415_or_400(amazon: Client) -> None:
    path = f"/orders/v0/orders/{await amazon.order()}/shipmentConfirmation"
    headers = {"x-amz-access-token": amazon.access, "x-amz-date": "20261123T120000Z"}

    form = await amazon.send("POST", path, headers=headers, data={"a": "b"})
    text = await amazon.send("POST", path, headers=headers | {"content-type": "application/json"}, data="{")
    bare = await amazon.send("POST", path, headers=headers | {"content-type": "application/json"}, data="{}")

    assert (form.status, text.status, bare.status) == (415, 400, 400)


async def test_the_path_of_the_migration_data_does_not_exist(amazon: Client) -> None:
    order = await amazon.order()

    answer = await amazon.call("POST", f"/orders/v0/orders/{order}/shipConfirmation", json={})

    assert answer.status == 404
