"""Orders in every state, as each app may see them, and as their sellers and buyers change them."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.deploy.sandbox.amazon.linked import ORDERS, Client

pytestmark = pytest.mark.integration

STATES = {
    "ready": "UNSHIPPED",
    "unpaid_pending": "PENDING",
    "unpaid_authorized": "PENDING_AVAILABILITY",
    "partly_shipped": "PARTIALLY_SHIPPED",
    "shipped_elsewhere": "SHIPPED",
    "cancelled": "CANCELLED",
    "gift_card_only": "UNFULFILLABLE",
}


async def truth_of(amazon: Client, order: str) -> Any:
    told = await amazon.control("GET", f"/truth?store={amazon.store['store']}")
    return next(each for each in told["orders"] if each["id"] == order)


@pytest.mark.parametrize(("scenario", "status"), STATES.items())
async def test_every_status_exists(amazon: Client, scenario: str, status: str) -> None:
    order = await amazon.order(scenario)

    shown = await amazon.one(order)

    assert shown["fulfillment"]["fulfillmentStatus"] == status
    assert (await truth_of(amazon, order))["makeable"] is (scenario in ("ready", "partly_shipped"))


async def test_without_included_data_only_basic_information_is_told(amazon: Client) -> None:
    order = await amazon.order()

    shown = (await amazon.call("GET", f"{ORDERS}/{order}")).json["order"]

    assert set(shown) == {"orderId", "createdTime", "lastUpdatedTime", "programs", "salesChannel", "orderItems"} | (
        {"orderAliases"} & set(shown)
    )
    assert set(shown["orderItems"][0]) == {"orderItemId", "quantityOrdered", "product"}


@pytest.mark.parametrize("role", ["none", "buyer", "address", "full"])
async def test_personal_data_is_absent_without_the_role(amazon: Client, role: str) -> None:
    store = await amazon.open_store(role=role)
    order = await store.order("gift")

    shown = await store.one(order)

    address = shown["recipient"]["deliveryAddress"]
    personal = {"name", "addressLine1", "addressLine2", "postalCode", "phone"}
    assert (personal <= set(address)) is (role in ("address", "full"))
    assert (personal.isdisjoint(address)) is (role in ("none", "buyer"))
    assert {"city", "countryCode"} <= set(address)
    assert ("buyerName" in shown.get("buyer", {})) is (role in ("buyer", "full"))
    gift = shown["orderItems"][0]["fulfillment"]["packing"]["giftOption"]
    assert ("giftMessage" in gift) is (role in ("address", "full"))
    assert (await truth_of(store, order))["makeable"] is (role in ("address", "full"))


async def test_a_pending_order_tells_no_address_and_no_price(amazon: Client) -> None:
    order = await amazon.order("unpaid_pending")

    shown = await amazon.one(order)
    await amazon.control("POST", "/settings", pending_prices=True)
    priced = await amazon.one(order)
    await amazon.change(order, "pay")
    paid = await amazon.one(order)

    assert {"recipient", "proceeds", "payment", "buyer"}.isdisjoint(shown)
    assert "price" not in shown["orderItems"][0]["product"]
    assert priced["proceeds"]["grandTotal"]["amount"]
    assert paid["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert {"recipient", "proceeds", "payment", "buyer"} <= set(paid)


@pytest.mark.parametrize(
    ("scenario", "has_email"), [("ready", True), ("cancelled", False), ("fulfilled_by_amazon", False)]
)
async def test_the_email_is_told_of_merchants_open_and_shipped_orders(
    amazon: Client, *, scenario: str, has_email: bool
) -> None:
    shown = await amazon.one(await amazon.order(scenario))

    assert ("buyerEmail" in shown["buyer"]) is has_email


async def test_amounts_are_texts_that_add_up(amazon: Client) -> None:
    await amazon.orders("ready", count=100)

    for order in (await amazon.search()).json["orders"]:
        total = Decimal(order["proceeds"]["grandTotal"]["amount"])
        parts = [Decimal(part["subtotal"]["amount"]) for part in order["proceeds"]["breakdowns"]]
        kinds = {part["type"]: Decimal(part["subtotal"]["amount"]) for part in order["proceeds"]["breakdowns"]}
        items = [Decimal(item["proceeds"]["proceedsTotal"]["amount"]) for item in order["orderItems"]]
        prices = [
            Decimal(item["product"]["price"]["unitPrice"]["amount"]) * item["quantityOrdered"]
            for item in order["orderItems"]
        ]
        assert total == sum(parts) == sum(items) + kinds.get("DELIVERY_TIP", 0)
        assert kinds["ITEM"] == sum(prices)


async def test_yen_have_no_decimals(amazon: Client) -> None:
    tokyo = await amazon.open_store(region="fe", marketplaces=["JP"])

    shown = await tokyo.one(await tokyo.order())

    assert shown["proceeds"]["grandTotal"]["currencyCode"] == "JPY"
    assert "." not in shown["proceeds"]["grandTotal"]["amount"]
    assert shown["recipient"]["deliveryAddress"]["countryCode"] == "JP"


async def test_another_currency_is_another_marketplace_of_the_seller(amazon: Client) -> None:
    shown = await amazon.one(await amazon.order("other_currency"))

    assert shown["salesChannel"]["marketplaceId"] == "A2EUQ1WTGCTBG2"
    assert shown["proceeds"]["grandTotal"]["currencyCode"] == "CAD"


async def test_brazilian_addresses_have_extended_fields(amazon: Client) -> None:
    brazil = await amazon.open_store(marketplaces=["BR"])

    shown = await brazil.one(await brazil.order())

    assert shown["recipient"]["deliveryAddress"]["extendedFields"]["streetName"] == "Avenida Paulista"


async def test_many_items_are_all_inline(amazon: Client) -> None:
    assert len((await amazon.one(await amazon.order("many_lines")))["orderItems"]) == 60


async def test_a_customization_is_a_zip_behind_a_link_that_runs_out(amazon: Client) -> None:
    order = await amazon.order("personalized")
    [custom] = [
        item["product"]["customization"]["customizedUrl"]
        for item in (await amazon.one(order))["orderItems"]
        if "customization" in item["product"]
    ]
    path = custom.removeprefix(amazon.base)

    packed = await amazon.send("GET", path)
    bent = await amazon.send("GET", path[:-1] + ("0" if path[-1] != "0" else "1"))
    await amazon.control("POST", "/clock", advance="PT1H1M")
    late = await amazon.send("GET", path)
    await amazon.renew()
    renewed = (await amazon.one(order))["orderItems"][0]["product"]["customization"]["customizedUrl"]

    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        content = json.loads(archive.read(archive.namelist()[0]))
    [surface] = content["customizationInfo"]["version3.0"]["surfaces"]
    assert content["orderId"] == order
    assert all(area["text"] for area in surface["areas"])
    assert (bent.status, late.status) == (403, 403)
    assert (await amazon.send("GET", renewed.removeprefix(amazon.base))).status == 200


async def test_a_mixed_thousand_has_its_shares_and_its_makeable_orders(amazon: Client) -> None:
    await amazon.orders("mixed", count=1000)

    told = (await amazon.control("GET", "/truth"))["orders"]

    counts = Counter(order["scenario"] for order in told)
    assert (counts["ready"], counts["cancelled"], counts["fulfilled_by_amazon"]) == (780, 18, 6)
    assert sum(order["makeable"] for order in told) == 910
    assert all(order["units_to_make"] > 0 for order in told if order["makeable"])


async def test_what_was_given_up_before_shipping_is_not_open_any_more(amazon: Client) -> None:
    for seed in (1, 2, 3, 4):
        order = await amazon.order("partly_refunded", seed=seed)
        shown, true = await amazon.one(order), await truth_of(amazon, order)

        open_units = [item["fulfillment"]["quantityUnfulfilled"] for item in shown["orderItems"]]
        assert open_units == [line["left"] for line in true["lines"]]
        assert sum(open_units) == true["units_to_make"] < sum(item["quantityOrdered"] for item in shown["orderItems"])


async def test_changes_move_the_change_time(amazon: Client) -> None:
    for action in ("cancel", "refund", "request_cancel", "address", "ship"):
        order = await amazon.order()
        before = (await amazon.one(order))["lastUpdatedTime"]

        await amazon.change(order, action, address={"city": "Elsewhere"})

        assert (await amazon.one(order))["lastUpdatedTime"] > before


async def test_a_buyer_asks_to_cancel_and_the_seller_does_it(amazon: Client) -> None:
    order = await amazon.order()

    asked = await amazon.change(order, "request_cancel", reason="Too late")
    shown = await amazon.one(order)
    done = await amazon.change(order, "cancel", by="MERCHANT", reason="BuyerRequested")
    cancelled = await amazon.one(order)

    request = {"requester": "BUYER", "cancelReason": "Too late"}
    assert shown["orderItems"][0]["cancellation"] == {"cancellationRequest": request}
    assert shown["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert asked["cancelled"] is False
    assert cancelled["orderItems"][0]["cancellation"]["cancellationExecution"]["cancelledBy"] == "MERCHANT"
    assert (done["cancelled"], done["makeable"]) == (True, False)


async def test_a_refund_after_shipping_shows_nowhere(amazon: Client) -> None:
    order = await amazon.order()
    await amazon.change(order, "ship")
    before = await amazon.one(order)

    truth = await amazon.change(order, "refund")

    after = await amazon.one(order)
    assert before | {"lastUpdatedTime": ""} == after | {"lastUpdatedTime": ""}
    assert truth["payment"] == "refunded"


async def test_quantities_shrink_and_nothing_is_added(amazon: Client) -> None:
    order = await amazon.order("partly_refunded", seed=1)
    line = next(line for line in (await truth_of(amazon, order))["lines"] if line["left"] > 1)

    truth = await amazon.change(order, "edit", quantities={line["id"]: 1})
    refused = await amazon.session.patch(
        f"{amazon.control_url}/amazon/stores/{amazon.store['store']}/orders/{order}",
        json={"action": "edit", "add": [{"sku": "MUG-11OZ", "quantity": 1}]},
    )

    assert next(each["left"] for each in truth["lines"] if each["id"] == line["id"]) == 1
    assert refused.status == 400


async def test_an_address_is_changed_and_judged(amazon: Client) -> None:
    order = await amazon.order("invalid_address")
    good = {"line1": "1 Main Street", "city": "Chicago", "region": "IL", "zip": "60601", "country": "US"}

    mended = await amazon.change(order, "address", address=good)
    broken = await amazon.change(order, "address", address={"city": ""})

    assert (mended["address_valid"], mended["makeable"]) == (True, True)
    assert (broken["address_valid"], broken["makeable"]) == (False, False)
    assert "city" not in (await amazon.one(order))["recipient"]["deliveryAddress"]


async def test_a_deleted_order_vanishes_and_stays_in_the_truth(amazon: Client) -> None:
    order = await amazon.order()
    await amazon.change(order, "delete")

    answer = await amazon.call("GET", f"{ORDERS}/{order}")

    assert answer.status == 404
    assert (await amazon.search()).json["orders"] == []
    assert (await truth_of(amazon, order))["deleted"] is True


async def test_an_order_that_nobody_ships_is_cancelled_by_amazon_if_set_so(amazon: Client) -> None:
    await amazon.control("POST", "/settings", auto_cancel=True)
    order = await amazon.order()
    await amazon.control("POST", "/clock", advance="P11D")
    await amazon.renew()

    shown = await amazon.one(order)

    assert shown["fulfillment"]["fulfillmentStatus"] == "CANCELLED"
    assert shown["orderItems"][0]["cancellation"]["cancellationExecution"]["cancelledBy"] == "AMAZON"


@pytest.mark.parametrize(
    ("scenario", "where", "value"),
    [
        ("business", "programs", ["AMAZON_BUSINESS"]),
        ("ship_plus", "programs", ["FBM_SHIP_PLUS"]),
        ("unfulfillable", "salesChannel", {"channelName": "NON_AMAZON"}),
    ],
)
async def test_programs_and_channels_are_told(amazon: Client, scenario: str, where: str, value: object) -> None:
    assert (await amazon.one(await amazon.order(scenario)))[where] == value


async def test_a_replacement_names_its_original_and_costs_nothing(amazon: Client) -> None:
    shown = await amazon.one(await amazon.order("replacement"))

    assert shown["associatedOrders"][0]["associationType"] == "REPLACEMENT_ORIGINAL_ID"
    assert shown["proceeds"]["grandTotal"]["amount"] == "0.00"


async def test_an_ioss_number_is_told_with_the_shipping(amazon: Client) -> None:
    shown = await amazon.one(await amazon.order("ioss"))

    assert shown["orderItems"][0]["fulfillment"]["shipping"]["internationalShipping"]["iossNumber"]


async def test_a_deleted_product_has_no_sku(amazon: Client) -> None:
    shown = await amazon.one(await amazon.order("deleted_product"))

    assert "sellerSku" not in shown["orderItems"][0]["product"]
