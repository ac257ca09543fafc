"""Orders in every state, and what moves when they change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.sandbox.standin import OrdersAsked
from deploy.sandbox.woocommerce import SANDBOX
from deploy.sandbox.woocommerce.wire import decimal

pytestmark = pytest.mark.integration

STATES = {
    "ready": "processing",
    "unpaid_pending": "pending",
    "unpaid_authorized": "on-hold",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "test": "failed",
    "failed": "failed",
    "checkout_draft": "checkout-draft",
    "completed": "completed",
    "digital_only": "completed",
    "custom_status": "awaiting-proof",
}


async def read(store: Any, order: int, **query: str) -> Any:
    return (await store.call("GET", f"orders/{order}", params=query)).json


async def old_order(store: Any, state: str = "ready") -> tuple[int, str]:
    """An order of an hour ago and when it was last changed."""
    order = await store.order(state, created_ago="PT1H")
    return order, (await read(store, order))["date_modified_gmt"]


@pytest.mark.parametrize(("state", "status"), STATES.items())
async def test_each_state_has_its_status(woo: Any, state: str, status: str) -> None:
    order = await woo.order(state)

    assert (await read(woo, order))["status"] == status


@pytest.mark.parametrize(
    "state", ["unpaid_pending", "unpaid_authorized", "failed", "checkout_draft", "cash_on_delivery"]
)
async def test_an_unpaid_order_has_no_time_of_payment(woo: Any, state: str) -> None:
    row = await read(woo, await woo.order(state))

    assert (row["date_paid"], row["date_paid_gmt"]) == (None, None)


async def test_cash_on_delivery_is_to_be_made_though_unpaid(woo: Any) -> None:
    order = await woo.order("cash_on_delivery")

    row, truth = await read(woo, order), await woo.truth(order)

    assert (row["status"], row["payment_method"]) == ("processing", "cod")
    assert (truth["makeable"], truth["paid"]) == (True, False)


async def test_times_are_local_without_offset_and_utc_without_z(woo: Any) -> None:
    store = await woo.open_store(time_zone="Asia/Tokyo")
    row = await read(store, await store.order())

    local, utc = (datetime.fromisoformat(row[name]) for name in ("date_created", "date_created_gmt"))

    assert local.tzinfo is utc.tzinfo is None
    assert local - utc == timedelta(hours=9)
    assert abs(datetime.now(UTC).replace(tzinfo=None) - utc) < timedelta(minutes=1)


async def test_a_wrong_clock_stamps_its_own_time(woo: Any) -> None:
    store = await woo.open_store(clock_skew=-600)
    row = await read(store, await store.order())

    behind = datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(row["date_modified_gmt"])

    assert timedelta(seconds=595) < behind < timedelta(seconds=610)


async def test_line_prices_are_unrounded_numbers_and_totals_rounded_strings(woo: Any) -> None:
    store = await woo.open_store(currency="EUR", tax_percent=19, prices_include_tax=True)
    row = await read(store, await store.order("partly_refunded"))

    [line] = row["line_items"]

    assert isinstance(line["price"], float)
    assert len(str(line["price"]).partition(".")[2]) > 2
    assert len(line["total"].partition(".")[2]) == 2
    assert abs(line["price"] * line["quantity"] - float(line["total"])) < 0.005
    assert row["tax_lines"][0]["tax_total"] == row["total_tax"] != "0.00"


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [
        (8_403_361, 2, "8.40"),
        (8_405_000, 2, "8.41"),
        (-10_000_000, 2, "-10.00"),
        (1_999_500_000, 0, "2000"),
        (-1, 2, "0.00"),
    ],
)
def test_decimals_round_half_away_from_zero(amount: int, places: int, text: str) -> None:
    assert decimal(amount, places) == text


async def test_the_total_is_the_sum_of_its_parts(woo: Any) -> None:
    for order in await woo.orders(count=40):
        row = await read(woo, order)
        lines = sum(float(line["total"]) for line in row["line_items"])
        fees = sum(float(fee["total"]) for fee in row["fee_lines"])
        assert abs(lines + fees + float(row["shipping_total"]) - float(row["total"])) < 0.01
        before = sum(float(line["subtotal"]) for line in row["line_items"])
        assert abs(before - lines - float(row["discount_total"])) < 0.02


async def test_other_currencies_keep_the_stores_decimals(woo: Any) -> None:
    rows = [await read(woo, order) for order in await woo.orders("other_currency", count=30)]
    codes = {row["currency"]: row["total"] for row in rows}

    assert {"JPY", "KWD", "EUR"} <= set(codes)
    assert codes["JPY"].endswith(".00")
    assert len(codes["KWD"].partition(".")[2]) == 2


async def test_a_store_of_dinars_shows_thousandths(woo: Any) -> None:
    store = await woo.open_store(currency="KWD", price_decimals=3)
    row = await read(store, await store.order())

    assert len(row["total"].partition(".")[2]) == 3


async def test_personalization_is_meta_data_of_the_line(woo: Any) -> None:
    row = await read(woo, await woo.order("personalized"))

    meta = {each["key"]: each for each in row["line_items"][0]["meta_data"]}

    assert "&ndash;" in meta["Extra glitter (multiple choice)"]["value"]
    assert meta["Name on the back (text)"]["value"]
    assert isinstance(meta["_pao_ids"]["value"], list)
    assert any(key.startswith("pa_") for key in meta)
    assert "&amp;" in row["customer_note"]


async def test_an_uploaded_file_shows_its_name_and_keeps_its_address(woo: Any) -> None:
    rows = [await read(woo, order) for order in await woo.orders("personalized", count=12)]
    uploads = [meta for row in rows for meta in row["line_items"][0]["meta_data"] if "file upload" in meta["key"]]

    assert {meta["display_value"] for meta in uploads} == {"photo.png"}
    assert all(meta["value"].startswith("http") for meta in uploads)


async def test_other_plugins_store_any_json(woo: Any) -> None:
    store = await woo.open_store(plugins=[])
    rows = [await read(store, order) for order in await store.orders("personalized", count=30)]
    values = [meta["value"] for row in rows for meta in row["line_items"][0]["meta_data"] if meta["key"] == "design"]

    assert {dict, list, int, str} <= {type(value) for value in values}


async def test_a_deleted_product_leaves_no_sku_and_a_missing_sku_is_empty(woo: Any) -> None:
    deleted = (await read(woo, await woo.order("deleted_product")))["line_items"][0]
    rows = [await read(woo, order) for order in await woo.orders("unmatched_sku", count=10)]

    assert (deleted["sku"], deleted["product_id"], deleted["variation_id"]) == (None, 0, 0)
    assert {row["line_items"][0]["sku"] for row in rows} == {"", "LEGACY-001"}


async def test_an_empty_shipping_address_means_billing_or_nothing_to_ship(woo: Any) -> None:
    shipped, download = await woo.order("billing_only"), await woo.order("digital_only")
    rows = [await read(woo, order) for order in (shipped, download)]

    assert [row["shipping"]["address_1"] for row in rows] == ["", ""]
    assert [len(row["shipping_lines"]) for row in rows] == [1, 0]
    assert [row["needs_processing"] for row in rows] == [True, False]
    assert [(await woo.truth(order))["makeable"] for order in (shipped, download)] == [True, False]


async def test_only_the_product_tells_that_a_line_is_virtual(woo: Any) -> None:
    row = await read(woo, await woo.order("physical_and_digital"))
    last = row["line_items"][-1]

    product = (await woo.call("GET", f"products/{last['product_id']}")).json

    assert "virtual" not in last
    assert (product["virtual"], product["sku"]) == (True, last["sku"])


async def test_a_plugin_sells_parts_of_a_unit(woo: Any) -> None:
    order = await woo.order("fractional")

    assert (await read(woo, order))["line_items"][0]["quantity"] == 1.5
    assert (await woo.truth(order))["makeable"] is False


async def test_ids_have_gaps_and_a_plugin_numbers_on_its_own(woo: Any) -> None:
    store = await woo.open_store(number_prefix="SO-")
    made = await store.orders(count=10)

    assert made != list(range(made[0], made[0] + 10))
    assert (await read(store, made[0]))["number"] == "SO-1001"


async def test_older_versions_show_fewer_fields(woo: Any) -> None:
    rows = []
    for version in ("5.7.0", "7.9.0", "11.0.1"):
        store = await woo.open_store(wc_version=version)
        rows.append(await read(store, await store.order()))

    assert ["needs_processing" in row for row in rows] == [False, True, True]
    assert ["image" in row["line_items"][0] for row in rows] == [False, True, True]
    assert ["global_unique_id" in row["line_items"][0] for row in rows] == [False, False, True]


@pytest.mark.parametrize(("storage", "moves"), [("hpos", True), ("posts", False)])
@pytest.mark.parametrize(
    "body", [{}, {"meta_data": [{"key": "x", "value": "1"}]}, {"billing": {"city": "Springfield"}}]
)
async def test_post_storage_does_not_move_the_date_of_an_edit(woo: Any, storage: str, moves: bool, body: Any) -> None:  # noqa: FBT001
    store = await woo.open_store(orders_storage=storage)
    order, before = await old_order(store)

    await store.call("PUT", f"orders/{order}", json=body)

    assert ((await read(store, order))["date_modified_gmt"] > before) is moves


@pytest.mark.parametrize(
    ("action", "change"),
    [
        ("address", {"address": {"line1": "2 New Street"}}),
        ("edit", {"add": [{"sku": "MUG-11OZ", "quantity": 2}]}),
        ("meta", {"key": "k", "value": "v"}),
    ],
)
async def test_post_storage_hides_what_buyers_and_plugins_change(woo: Any, action: str, change: Any) -> None:
    store = await woo.open_store(orders_storage="posts")
    order, before = await old_order(store)
    old = await read(store, order)

    await store.change(order, action, **change)
    new = await read(store, order)

    assert new != old
    assert new["date_modified_gmt"] == before


@pytest.mark.parametrize("storage", ["hpos", "posts"])
async def test_notes_and_deleted_refunds_never_move_the_date_and_refunds_do(woo: Any, storage: str) -> None:
    store = await woo.open_store(orders_storage=storage)
    order, before = await old_order(store)

    await store.change(order, "note", note="Call the buyer")
    noted = (await read(store, order))["date_modified_gmt"]
    await store.change(order, "refund", amount="1.00")
    refunded = (await read(store, order))["date_modified_gmt"]
    await store.control("POST", "/clock", advance="PT1M")
    await store.change(order, "drop_refund")
    dropped = await read(store, order)

    assert noted == before < refunded == dropped["date_modified_gmt"]
    assert dropped["refunds"] == []


@pytest.mark.parametrize("storage", ["hpos", "posts"])
async def test_a_status_moves_the_date(woo: Any, storage: str) -> None:
    store = await woo.open_store(orders_storage=storage)
    order, before = await old_order(store)

    await store.change(order, "status", status="on-hold")

    assert (await read(store, order))["date_modified_gmt"] > before


async def test_a_look_can_move_the_date_and_change_nothing(woo: Any) -> None:
    order, before = await old_order(woo)
    old = await read(woo, order)

    await woo.change(order, "view")
    new = await read(woo, order)

    assert new["date_modified_gmt"] > before
    assert {name for name in new if new[name] != old[name]} == {"date_modified", "date_modified_gmt"}


async def test_the_total_stays_gross_after_a_refund_of_a_line(woo: Any) -> None:
    order = await woo.order("partly_refunded")
    row = await read(woo, order)
    [refund] = (await woo.call("GET", f"orders/{order}/refunds")).json
    [line] = refund["line_items"]

    truth = await woo.truth(order)

    assert row["refunds"] == [{"id": refund["id"], "reason": refund["reason"], "total": f"-{refund['amount']}"}]
    assert line["quantity"] == -1
    assert line["meta_data"][0]["key"] == "_refunded_item_id"
    assert line["meta_data"][0]["value"] == str(row["line_items"][0]["id"])
    assert float(row["total"]) >= float(row["line_items"][0]["total"])
    assert truth["lines"][0]["left"] == row["line_items"][0]["quantity"] - 1


async def test_refunding_all_lines_refunds_the_order(woo: Any) -> None:
    order = await woo.order()

    truth = await woo.change(order, "refund")

    assert (await read(woo, order))["status"] == "refunded"
    assert (truth["payment"], truth["makeable"], truth["units_to_make"]) == ("refunded", False, 0)


async def test_a_status_refunded_set_by_hand_makes_a_refund_by_itself(woo: Any) -> None:
    order = await woo.order()

    answer = await woo.call("PUT", f"orders/{order}", json={"status": "refunded"})
    [refund] = (await woo.call("GET", f"orders/{order}/refunds")).json

    assert refund["amount"] == answer.json["total"]
    assert refund["line_items"] == []


async def test_refunds_by_the_api_are_bounded_by_the_total(woo: Any) -> None:
    order = await woo.order()
    line = (await read(woo, order))["line_items"][0]
    body = {"amount": line["price"], "line_items": [{"id": line["id"], "quantity": 1}]}

    made = await woo.call("POST", f"orders/{order}/refunds", json=body)
    too_much = await woo.call("POST", f"orders/{order}/refunds", json={"amount": "99999"})
    dropped = await woo.call("DELETE", f"orders/{order}/refunds/{made.json['id']}", params={"force": "true"})

    assert (made.status, too_much.status, dropped.status) == (201, 500, 200)
    assert (await woo.truth(order))["lines"][0]["left"] == line["quantity"]


async def test_paying_completes_downloads_and_starts_the_rest(woo: Any) -> None:
    order = await woo.order("unpaid_pending")

    truth = await woo.change(order, "pay")

    row = await read(woo, order)
    assert (truth["makeable"], truth["paid"], row["status"]) == (True, True, "processing")
    assert row["date_paid_gmt"] is not None


async def test_sending_lines_or_an_address_overwrites_them(woo: Any) -> None:
    order = await woo.order("many_lines")
    old = await read(woo, order)
    first, second, third = (line["id"] for line in old["line_items"][:3])
    lines = [{"id": first, "quantity": 3}, {"id": second, "product_id": None}, {"id": third, "quantity": 0}]
    body = {"line_items": [*lines, {"sku": "MUG-11OZ", "quantity": 2}], "shipping": {"address_1": "1 Other Street"}}

    new = (await woo.call("PUT", f"orders/{order}", json=body)).json

    left = {line["id"]: line["quantity"] for line in new["line_items"]}
    assert left[first] == 3
    assert second not in left
    assert third not in left
    assert (new["line_items"][-1]["sku"], new["line_items"][-1]["quantity"]) == ("MUG-11OZ", 2)
    assert new["shipping"]["address_1"] == "1 Other Street"
    assert new["total"] != old["total"]


async def test_meta_data_is_written_by_key_or_id_and_removed_by_null(woo: Any) -> None:
    order = await woo.order()

    async def write(**meta: Any) -> list[tuple[str, Any]]:
        answer = await woo.call("PUT", f"orders/{order}", json={"meta_data": [meta]})
        return [(each["key"], each["value"]) for each in answer.json["meta_data"]]

    assert await write(key="a", value="1") == [("a", "1")]
    assert await write(key="a", value={"b": 2}) == [("a", {"b": 2})]
    assert await write(key="a", value=None) == []


async def test_a_cancelled_order_can_be_completed_by_the_api(woo: Any) -> None:
    order = await woo.order("cancelled")

    assert (await woo.call("PUT", f"orders/{order}", json={"status": "completed"})).json["status"] == "completed"
    assert (await woo.call("PUT", f"orders/{order}", json={"status": "shipped"})).status == 400


async def test_deleting_answers_with_the_old_status_and_forcing_erases(woo: Any) -> None:
    order = await woo.order()

    thrown = await woo.call("DELETE", f"orders/{order}")
    kept = await read(woo, order)
    again = await woo.call("DELETE", f"orders/{order}")
    erased = await woo.call("DELETE", f"orders/{order}", params={"force": "true"})
    gone = await woo.call("GET", f"orders/{order}")

    assert (thrown.json["status"], kept["status"]) == ("processing", "trash")
    assert (again.status, erased.status) == (410, 200)
    assert (gone.status, gone.json["code"]) == (404, "woocommerce_rest_shop_order_invalid_id")
    assert (await woo.truth(order))["deleted"] is True


async def test_the_index_and_the_system_status_tell_what_a_store_is(woo: Any) -> None:
    store = await woo.open_store(time_zone="Europe/Berlin", wc_version="7.9.0", orders_storage="posts", currency="EUR")

    index = await store.fetch("GET", f"{store.url}/wp-json/")
    status = (await store.call("GET", "system_status")).json

    assert (index.json["timezone_string"], "wc/v3" in index.json["namespaces"]) == ("Europe/Berlin", True)
    assert index.json["home"] == status["environment"]["home_url"] == store.url
    assert (status["environment"]["version"], status["settings"]["HPOS_enabled"]) == ("7.9.0", False)
    assert (status["settings"]["currency"], status["settings"]["number_of_decimals"]) == ("EUR", 2)


async def test_json_must_be_json(woo: Any) -> None:
    order = await woo.order()
    headers = woo.basic | {"Content-Type": "application/json"}

    answer = await woo.call("PUT", f"orders/{order}", headers=headers, data=b'{"status":')

    assert (answer.status, answer.json["code"]) == (400, "rest_invalid_json")


async def test_a_store_that_no_store_is_like_is_refused(woo: Any) -> None:
    async def refused(**options: Any) -> bool:
        async with woo.session.post(f"{woo.control_url}/woocommerce/stores", json=options) as answer:
            return bool(answer.status in (400, 409))

    assert await refused(orders_storage="files")
    assert await refused(time_zone="Mars/Olympus")
    assert await refused(wc_version="new")
    assert await refused(id=woo.name)


def test_a_thousand_mixed_orders_are_makeable_as_their_scenarios_promise() -> None:
    stand_in = SANDBOX()
    store = stand_in.create_store({})["store"]

    stand_in.create_orders(store, OrdersAsked(count=1000))
    truths = stand_in.truth(store)

    assert sum(truth["makeable"] for truth in truths) == 910
    assert {truth["scenario"] for truth in truths} >= {"digital_only", "gift_card_only", "failed", "other_currency"}


def test_a_service_needs_no_settings_to_meet_stores() -> None:
    assert SANDBOX().settings() == {}
    assert SANDBOX.pushes
