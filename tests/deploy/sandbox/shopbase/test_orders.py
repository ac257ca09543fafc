"""Orders over HTTP: filters, bounds, numbered pages, the budget, and the form of every state."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from deploy.sandbox.scenarios import MAKEABLE, SCENARIOS
from deploy.sandbox.shopbase.making import OWN_SCENARIOS

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


async def test_pages_are_numbered_and_show_the_newest_first(client: Client) -> None:
    await client.order(count=5)

    pages = [await client.numbers(limit=2, page=page) for page in (1, 2, 3)]

    assert list(map(len, pages)) == [2, 2, 1]
    found = [number for page in pages for number in page]
    assert found == sorted(found, reverse=True)


async def test_a_list_has_no_cursor(client: Client) -> None:
    await client.order(count=3)

    answer = await client.call("GET", "/admin/orders.json", params={"limit": "1"})

    assert "Link" not in answer.headers
    assert set(answer.json) == {"orders"}


async def test_a_page_holds_50_and_never_more_than_250(client: Client) -> None:
    await client.order(count=260)

    assert len(await client.orders()) == 50
    assert len(await client.orders(limit=1000)) == 250


async def test_since_id_lists_upwards_from_there(client: Client) -> None:
    await client.order(count=4)
    ids = sorted(await client.numbers())

    assert await client.numbers(since_id=ids[1]) == ids[2:]
    assert await client.numbers(since_id="0", limit="2") == ids[:2]


@pytest.mark.parametrize(
    ("limit", "page", "status"), [(250, 400, 200), (250, 401, 429), (50, 2000, 200), (50, 2001, 429)]
)
async def test_page_numbers_end_at_100000_rows_with_429(client: Client, limit: int, page: int, status: int) -> None:
    answer = await client.call("GET", "/admin/orders.json", params={"limit": limit, "page": page})

    assert answer.status == status


async def test_closed_and_cancelled_orders_hide_unless_asked_for(client: Client) -> None:
    open_, closed, cancelled = [await client.order() for _ in range(3)]
    await client.change(closed, "close")
    await client.change(cancelled, "cancel")

    default = await client.call("GET", "/admin/orders.json")
    shopify = await client.call("GET", "/admin/orders.json", params={"status": "any"})

    assert [str(order["id"]) for order in default.json["orders"]] == [open_]
    assert shopify.json == default.json
    assert set(await client.numbers()) == {open_, closed, cancelled}
    assert await client.numbers(order_status="closed,cancelled") == [cancelled, closed]


async def test_the_other_reading_of_the_default_status_lists_all(client: Client) -> None:
    await client.change(await client.order(), "cancel")
    await client.control("POST", "/settings", default_order_status="any")

    answer = await client.call("GET", "/admin/orders.json")

    assert len(answer.json["orders"]) == 1


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
async def test_bounds_include_their_ends(client: Client, name: str) -> None:
    order = await client.order(created_ago="PT1H")
    at = datetime.fromisoformat((await client.one(order))[name])
    second = timedelta(seconds=1)

    async def found(**bounds: datetime) -> int:
        return len(await client.orders(**{key: value.isoformat() for key, value in bounds.items()}))

    assert await found(**{f"{name}_min": at, f"{name}_max": at}) == 1
    assert await found(**{f"{name}_min": at + second}) == 0
    assert await found(**{f"{name}_max": at - second}) == 0


async def test_bounds_count_in_any_offset(client: Client) -> None:
    order = await client.order(created_ago="PT1H")
    at = datetime.fromisoformat((await client.one(order))["created_at"])
    elsewhere = at.astimezone(tz=None).isoformat()

    assert await client.numbers(created_at_min=elsewhere, created_at_max=elsewhere) == [order]


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T10:00:00", "2026-11-23T10:00:00 00:00"])
async def test_a_time_without_a_readable_offset_is_400(client: Client, text: str) -> None:
    answer = await client.call("GET", "/admin/orders.json", params={"updated_at_min": text})

    assert answer.status == 400
    assert set(answer.json["errors"]) == {"updated_at_min"}


@pytest.mark.parametrize("query", [{"page": "0"}, {"limit": "x"}, {"since_id": "-1"}, {"ids": "a,b"}])
async def test_a_number_that_is_none_is_400(client: Client, query: dict[str, str]) -> None:
    assert (await client.call("GET", "/admin/orders.json", params=query)).status == 400


@pytest.mark.parametrize("name", ["order_status", "financial_status", "fulfillment_status", "chargeback_status"])
async def test_an_unknown_status_is_422(client: Client, name: str) -> None:
    answer = await client.call("GET", "/admin/orders.json", params={name: "sideways"})

    assert (answer.status, set(answer.json["errors"])) == (422, {name})


async def test_financial_states_filter_with_their_words(client: Client) -> None:
    states = ("unpaid_pending", "unpaid_authorized", "partially_paid", "ready", "partly_refunded", "refunded", "voided")
    made = {state: await client.order(state) for state in states}

    async def found(words: str) -> set[str]:
        return set(await client.numbers(financial_status=words))

    assert await found("pending") == {made["unpaid_pending"]}
    assert await found("unpaid") == {made["unpaid_authorized"], made["partially_paid"]}
    assert await found("paid,partially_refunded") == {made["ready"], made["partly_refunded"]}
    assert await found("refunded,voided") == {made["refunded"], made["voided"]}
    assert await found("any") == set(made.values())


async def test_fulfillment_states_filter_with_their_words(client: Client) -> None:
    made = {state: await client.order(state) for state in ("ready", "shipped_elsewhere", "processing", "cancelled")}
    partial = await client.order("many_lines")
    line = (await client.one(partial))["line_items"][0]["id"]
    await client.change(partial, "fulfil", lines={str(line): 1})

    async def found(words: str) -> set[str]:
        return set(await client.numbers(fulfillment_status=words))

    assert await found("fulfilled") == await found("shipped") == {made["shipped_elsewhere"]}
    assert await found("processing") == {made["processing"]}
    assert await found("restocked") == {made["cancelled"]}
    assert await found("partial") == {partial}
    assert await found("unshipped") == await found("unfulfilled") == {made["ready"], partial}


async def test_partial_processing_is_a_state_of_its_own(client: Client) -> None:
    order = await client.order("many_lines")
    line = (await client.one(order))["line_items"][0]["id"]

    await client.change(order, "fulfil", lines={str(line): 1}, pending=True)

    assert (await client.one(order))["fulfillment_status"] == "partial-processing"
    assert await client.numbers(fulfillment_status="partial-processing") == [order]


async def test_further_filters_narrow_the_list(client: Client) -> None:
    order, other = await client.order("personalized"), await client.order("risky")
    shown = await client.one(order)
    await client.change(other, "chargeback", status="won")
    await client.ship(other, tracking_number="TN1")

    assert await client.numbers(ids=f"{order},1") == [order]
    assert await client.numbers(tag="personalized") == [order]
    assert order in await client.numbers(customer_email=shown["email"])
    assert order in await client.numbers(product_sku=shown["line_items"][0]["sku"][:5].lower())
    assert await client.numbers(filter_order_risk="true") == [other]
    assert await client.numbers(chargeback_status="won,lost") == [other]
    assert await client.numbers(tracking_number="TN1") == [other]
    assert len(await client.numbers(fulfilled_at_min="2020-01-01T00:00:00+00:00")) == 1


async def test_fields_cut_the_order(client: Client) -> None:
    await client.order()

    [order] = await client.orders(fields="id,updated_at")

    assert set(order) == {"id", "updated_at"}


async def test_a_count_is_of_all_pages(client: Client) -> None:
    await client.order(count=60)

    answer = await client.call("GET", "/admin/orders/count.json", params={"order_status": "any", "limit": "10"})

    assert answer.json == {"count": 60}


@pytest.mark.parametrize(("reading", "by_query", "by_body"), [("query", 1, 3), ("both", 1, 1), ("body", 3, 1)])
async def test_parameters_are_heard_where_the_reading_says(
    client: Client, reading: str, by_query: int, by_body: int
) -> None:
    await client.order(count=3)
    await client.control("POST", "/settings", parameters=reading)

    asked = await client.call("GET", "/admin/orders.json", params={"limit": "1"})
    drawn = await client.call("GET", "/admin/orders.json", json={"limit": 1})

    assert (len(asked.json["orders"]), len(drawn.json["orders"])) == (by_query, by_body)


async def test_an_order_that_is_gone_is_404_and_unlisted(client: Client) -> None:
    order = await client.order()

    await client.change(order, "delete")

    assert (await client.call("GET", f"/admin/orders/{order}.json")).status == 404
    assert await client.numbers() == []
    assert (await client.truth())[order]["deleted"]


async def test_lists_may_lag_behind_the_single_order(client: Client) -> None:
    await client.control("POST", "/settings", list_lag=30)

    order = await client.order()
    hidden = await client.numbers()
    await client.control("POST", "/clock", advance=31)

    assert hidden == []
    assert (await client.one(order))["id"] == int(order)
    assert await client.numbers() == [order]


async def test_the_bucket_holds_30_and_leaks_2_a_second(client: Client) -> None:
    clock = [1000.0]
    client.stand_in.shops["sandbox-1"].bucket.now = lambda: clock[0]

    answers = [await client.call("GET", "/admin/shop.json") for _ in range(31)]
    clock[0] += 1.0
    later = [(await client.call("GET", "/admin/shop.json")).status for _ in range(3)]

    assert [answer.headers["X-Sb-Shop-Api-Call-Limit"] for answer in answers[:2]] == ["1/30", "2/30"]
    assert [answer.status for answer in answers] == [200] * 30 + [429]
    assert answers[-1].headers["X-Sb-Shop-Api-Call-Limit"] == "30/30"
    assert "Retry-After" not in answers[-1].headers
    assert later == [200, 200, 429]
    assert (await client.control("GET", "/books"))["api_calls_over_budget"] == 2


async def test_the_other_reading_says_how_long_to_wait(client: Client) -> None:
    await client.control("POST", "/settings", retry_after=True)
    client.stand_in.shops["sandbox-1"].bucket.now = lambda: 1000.0

    answers = [await client.call("GET", "/admin/shop.json") for _ in range(31)]

    assert answers[-1].headers["Retry-After"] == "1"


async def test_buckets_are_a_shops_own_and_can_be_taken_away(client: Client) -> None:
    for shop in ("sandbox-1", "sandbox-2"):
        client.stand_in.shops.get(shop) or client.stand_in.create_store({"id": shop})
        client.stand_in.shops[shop].bucket.now = lambda: 1000.0
    for _ in range(30):
        await client.call("GET", "/admin/shop.json")
    other = client.stand_in.shops["sandbox-2"].bucket

    assert other.header == "0/30"
    await client.control("POST", "/settings", limits=False)
    assert (await client.call("GET", "/admin/shop.json")).status == 200


async def test_an_empty_page_may_come_though_more_follow(client: Client) -> None:
    await client.order(count=3)
    await client.control("POST", "/faults", kind="empty_page", count=1, path="page=1")

    pages = [await client.numbers(limit=2, page=page) for page in (1, 2)]

    assert list(map(len, pages)) == [0, 1]


async def test_a_repeated_row_pushes_the_rest_of_the_list_down(client: Client) -> None:
    await client.order(count=5)
    whole = await client.numbers()
    await client.control("POST", "/faults", kind="repeated_row", count=1, path="page=2")

    pages = [await client.numbers(limit=2, page=page) for page in (1, 2, 3)]

    assert pages == [whole[0:2], whole[1:3], whole[3:5]]


async def test_a_moved_row_makes_the_next_page_skip_one(client: Client) -> None:
    await client.order(count=4, created_ago="PT1H")
    until = datetime.fromisoformat((await client.orders(limit=1))[0]["updated_at"]).isoformat()
    whole = await client.numbers()
    await client.control("POST", "/faults", kind="moved_row", count=1, path="page=1")

    pages = [await client.numbers(limit=2, page=page, updated_at_max=until) for page in (1, 2)]

    assert pages == [whole[0:2], whole[3:4]]
    assert await client.numbers(updated_at_max=until) == whole[1:]


async def test_money_is_a_json_number_of_the_currency(client: Client) -> None:
    await client.order("other_currency", count=30)
    by_currency: dict[str, Any] = {}
    answer = await client.session.get(
        client.base + "/admin/orders.json",
        params={"limit": 250},
        headers=client.basic | {"X-Forwarded-Host": client.store["shop"]},
    )
    for order in json.loads(await answer.text(), parse_float=str)["orders"]:
        by_currency[order["currency"]] = order["line_items"][0]["price"]

    assert set(by_currency) == {"EUR", "GBP", "JPY", "KWD", "VND"}
    assert isinstance(by_currency["JPY"], int)
    assert len(by_currency["KWD"].partition(".")[2]) == 3


async def test_absent_values_come_in_three_forms(client: Client) -> None:
    await client.order(count=3)

    orders = await client.orders()

    assert {repr(order["cancelled_at"]) for order in orders} == {"None", "''", "0"}
    assert {repr(order["fulfillment_status"]) for order in orders} == {"None", "''"}
    assert {repr(order["fulfillments"]) for order in orders} == {"None", "[]"}
    assert {order["created_at"][-6:] for order in orders} >= {"+00:00"}
    assert sum("customer" in order for order in orders) == 2


@pytest.mark.parametrize(("zero_values", "expected"), [("null", None), ("empty", ""), ("zero", 0)])
async def test_a_setting_picks_one_form(client: Client, zero_values: str, expected: object) -> None:
    await client.control("POST", "/settings", zero_values=zero_values)
    await client.order(count=3)

    assert [order["cancelled_at"] for order in await client.orders()] == [expected] * 3


async def test_times_of_parcels_may_be_seconds(client: Client) -> None:
    await client.control("POST", "/settings", zero_values="zero")
    seconds = (await client.one(await client.order("shipped_elsewhere")))["fulfillments"][0]["created_at"]
    await client.control("POST", "/settings", zero_values="null")
    text = (await client.orders())[0]["fulfillments"][0]["created_at"]

    assert isinstance(seconds, int)
    assert datetime.fromisoformat(text).timestamp() == seconds


@pytest.mark.parametrize("scenario", [*SCENARIOS, *OWN_SCENARIOS])
async def test_every_scenario_is_listed_and_truly_makeable_or_not(client: Client, scenario: str) -> None:
    order = await client.order(scenario)

    shown, truth = await client.one(order), (await client.truth())[order]

    assert truth["makeable"] is (scenario in MAKEABLE or scenario == "discounted")
    assert [str(line["id"]) for line in shown["line_items"]] == [line["id"] for line in truth["lines"]]
    assert shown["financial_status"] == truth["payment"]
    total = shown["subtotal_price"] + shown["total_shipping"] + shown["total_tax"] + shown["total_tip_received"]
    assert shown["total_price"] == pytest.approx(total)


async def test_a_mixed_thousand_is_dealt_by_the_shares(client: Client) -> None:
    await client.order("mixed", count=1000)

    truth = (await client.truth()).values()

    assert sum(order["makeable"] for order in truth) == 910
    assert {order["scenario"] for order in truth} >= {"shipped_elsewhere", "discounted", "many_lines"}


async def test_personalization_stands_in_properties_as_the_form_left_it(client: Client) -> None:
    await client.order("personalized", count=12)

    said = [entry for order in await client.orders() for entry in order["line_items"][0]["properties"]]

    assert all(set(entry) == {"name", "value"} for entry in said)
    assert {"name": "Engraving", "value": "Tom &amp; Jerry &lt;3"} in said
    assert any(entry["name"].startswith("_") for entry in said)
    assert any("\n" in entry["value"] for entry in said)


async def test_a_deleted_product_leaves_its_line(client: Client) -> None:
    [line] = (await client.one(await client.order("deleted_product")))["line_items"]

    assert line["product_is_deleted"]
    assert not line["product_id"]
    assert not line["variant_id"]
    assert not line["sku"]


async def test_a_discount_stands_under_a_singular_name(client: Client) -> None:
    order = await client.one(await client.order("discounted"))

    [code] = order["discount_code"]
    assert code["code"] == "WELCOME10"
    assert (
        code["amount"]
        == order["total_discounts"]
        == order["line_items"][0]["total_discount"] + sum(line["total_discount"] for line in order["line_items"][1:])
    )


async def test_digital_goods_and_gift_cards_have_no_address(client: Client) -> None:
    for state in ("digital_only", "gift_card_only"):
        order = await client.one(await client.order(state))

        assert order["shipping_address"] is None
        assert order["billing_address"] is None
        assert not order["line_items"][0]["requires_shipping"]


async def test_a_payment_in_parts_ends_paid(client: Client) -> None:
    order = await client.order("unpaid_pending")

    half = await client.change(order, "pay", part=True)
    whole = await client.change(order, "pay")
    moved = await client.call("GET", f"/admin/orders/{order}/transactions.json")

    assert (half["payment"], half["paid"], whole["payment"]) == ("partially_paid", False, "paid")
    total = (await client.one(order))["total_price"]
    assert sum(each["amount"] for each in moved.json["transactions"]) == pytest.approx(total)


async def test_a_refund_of_lines_says_which(client: Client) -> None:
    order = await client.order("many_lines")
    line = (await client.one(order))["line_items"][3]["id"]

    truth = await client.change(order, "refund", lines={str(line): 1})
    [refund] = (await client.one(order))["refunds"]

    assert truth["payment"] == "partially_refunded"
    assert truth["lines"][3]["left"] == 0
    assert [(entry["line_item_id"], entry["quantity"]) for entry in refund["refund_line_items"]] == [(line, 1)]
    assert (await client.call("GET", f"/admin/orders/{order}/refunds.json")).json["refunds"] == [refund]


async def test_a_refund_of_money_alone_takes_no_units(client: Client) -> None:
    order = await client.order()

    truth = await client.change(order, "refund", amount=300)
    [refund] = (await client.one(order))["refunds"]

    assert truth["payment"] == "partially_refunded"
    assert truth["makeable"]
    assert not refund["refund_line_items"]
    assert refund["order_adjustments"][0]["amount"] == -3


async def test_an_edit_adds_and_adjusts(client: Client) -> None:
    order = await client.order()
    before = await client.one(order)
    first = before["line_items"][0]

    await client.change(order, "edit", add=[{"sku": "MUG-15OZ", "quantity": 2}], quantities={str(first["id"]): 5})
    after = await client.one(order)
    await client.change(order, "edit", quantities={str(first["id"]): 0})

    assert after["line_items"][0]["quantity"] == 5
    assert after["line_items"][-1]["sku"] == "MUG-15OZ"
    assert after["original_total_price"] == before["total_price"] < after["total_price"]
    assert first["id"] not in [line["id"] for line in (await client.one(order))["line_items"]]


async def test_the_post_purchase_window_holds_an_order_until_it_ends(client: Client) -> None:
    order = await client.order()
    waiting = await client.change(order, "post_purchase", seconds=600)
    await client.change(order, "edit", add=[{"sku": "MUG-11OZ"}])

    during = await client.one(order)
    await client.control("POST", "/clock", advance=601)
    after = await client.one(order)

    assert not waiting["makeable"]
    assert during["is_in_post_purchase"]
    assert datetime.fromisoformat(during["post_purchase_timeout_at"])
    assert during["line_items"][-1]["is_post_purchase_item"]
    assert not after["is_in_post_purchase"]
    assert after["updated_at"] > during["updated_at"]
    assert (await client.truth())[order]["makeable"]


async def test_risk_and_chargeback_hold_an_order(client: Client) -> None:
    order = await client.order()

    risky = await client.change(order, "risk")
    cleared = await client.change(order, "risk", on=False)
    charged = await client.change(order, "chargeback", status="open")

    assert [truth["makeable"] for truth in (risky, cleared, charged)] == [False, True, False]
    assert (await client.one(order))["chargeback_status"] == "open"


async def test_a_cancelled_order_is_refunded_or_voided(client: Client) -> None:
    paid, reserved = await client.order(), await client.order("unpaid_authorized")

    truths = [await client.change(order, "cancel", reason="inventory") for order in (paid, reserved)]

    assert [truth["payment"] for truth in truths] == ["refunded", "voided"]
    shown = await client.one(paid)
    assert (shown["cancel_reason"], shown["fulfillment_status"]) == ("inventory", "restocked")


async def test_an_address_changes_and_is_judged_anew(client: Client) -> None:
    order = await client.order()

    truth = await client.change(order, "address", address={"city": ""})

    assert not truth["address_valid"]
    assert (await client.one(order))["shipping_address"]["city"] == ""


async def test_cancelling_through_the_api_really_cancels(client: Client) -> None:
    order = await client.order()

    answer = await client.call("POST", f"/admin/orders/{order}/cancel.json", json={})

    assert answer.json["order"]["financial_status"] == "refunded"
    assert (await client.truth())[order]["cancelled"]


async def test_orders_are_spread_over_the_past(client: Client) -> None:
    await client.order(count=4, created_over="PT4H", created_ago="PT1H")

    times = [datetime.fromisoformat(order["created_at_in_timezone"]) for order in await client.orders()]

    assert times == sorted(times, reverse=True)
    assert timedelta(hours=2, minutes=59) < max(times) - min(times) < timedelta(hours=3, minutes=1)


async def test_a_tip_is_a_line_that_nobody_makes(client: Client) -> None:
    await client.order("ready", count=200)

    [tipped, *_] = [order for order in await client.orders(limit=250) if order["total_tip_received"]]
    tip = tipped["line_items"][-1]

    assert tip["tip_payment_gateway"] == "shopbase_payments"
    assert (tip["fulfillment_status"], tip["fulfillable_quantity"]) == ("not_eligible", 0)
    assert tip["price"] == tipped["total_tip_received"]
    truth = (await client.truth())[str(tipped["id"])]
    assert not truth["lines"][-1]["to_make"]
    assert truth["makeable"]
