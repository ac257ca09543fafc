"""An Etsy receipt becomes a raw order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.etsy.mapping import to_raw_order
from services.ingest.platforms.etsy.payloads import EtsyReceipt
from tests.ingest.platforms.golden import FETCHED_AT, cases, content, expected, payload, store_ref

CASES = cases("etsy", ending=".json")
STORE = store_ref("etsy", external_id="40000001", currency="USD")


def mapped(body: bytes) -> RawOrder:
    receipt = parsed(EtsyReceipt, json.loads(body))
    return to_raw_order(receipt, STORE, body=body.decode(), way="poll", fetched_at=FETCHED_AT)


def order(case: str, **fields: Any) -> RawOrder:
    return mapped(json.dumps(json.loads(payload("etsy", f"{case}.json")) | fields).encode())


def money(amount: int, divisor: int, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "divisor": divisor, "currency_code": currency}


def test_the_golden_cases_are_there() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_a_receipt_is_read_as_recorded(case: str) -> None:
    assert content(mapped(payload("etsy", f"{case}.json"))) == expected("etsy", case)


@pytest.mark.parametrize(
    ("case", "payment", "fulfilment", "units"),
    [
        ("paid", "paid", "unfulfilled", 3),
        ("paid_lower_case", "paid", "unfulfilled", 1),
        ("payment_processing", "pending", "unfulfilled", 1),
        ("open", "pending", "unfulfilled", 1),
        ("completed", "paid", "fulfilled", 0),
        ("canceled", "paid", "unfulfilled", 0),
        ("canceled_unpaid", "voided", "unfulfilled", 0),
        ("fully_refunded", "refunded", "unfulfilled", 0),
        ("fully_refunded_after_shipping", "refunded", "fulfilled", 0),
        ("partially_refunded", "partially_refunded", "unfulfilled", 1),
        ("refund_before_its_status", "partially_refunded", "unfulfilled", 1),
        ("one_line_shipped", "paid", "partial", 1),
        ("physical_and_digital", "paid", "unfulfilled", 1),
        ("digital", "paid", "unfulfilled", 0),
    ],
)
def test_each_status_means_what_the_document_says(case: str, payment: str, fulfilment: str, units: int) -> None:
    found = order(case)

    assert (found.payment, found.fulfilment) == (payment, fulfilment)
    assert sum(item.quantity_to_make for item in found.items) == units


@pytest.mark.parametrize("status", ["open", "Payment Processing"])
def test_a_receipt_that_awaits_its_payment_is_not_paid_whatever_its_flag_says(status: str) -> None:
    assert order("paid", status=status, is_paid=True).payment == "pending"


def test_nothing_is_left_to_make_of_a_receipt_that_is_shipped_though_its_lines_do_not_say_so() -> None:
    lines = [line | {"shipped_timestamp": None} for line in json.loads(payload("etsy", "paid.json"))["transactions"]]

    found = order("paid", status="Completed", is_shipped=True, transactions=lines)

    assert (found.fulfilment, [item.quantity_to_make for item in found.items]) == ("fulfilled", [0] * len(lines))


def test_every_line_of_an_address_is_read_and_unescaped() -> None:
    escaped = {
        "first_line": "1 O&#39;Hara &amp; Sons",
        "second_line": "Apt &quot;B&quot;",
        "city": "St. John&#39;s",
        "state": "N&amp;L",
        "zip": "&#49;234",
    }

    ship_to = order("paid", **escaped).ship_to

    assert ship_to is not None
    assert (ship_to.line1, ship_to.line2, ship_to.city, ship_to.region, ship_to.postal_code) == (
        "1 O'Hara & Sons",
        'Apt "B"',
        "St. John's",
        "N&L",
        "1234",
    )


@pytest.mark.parametrize(
    ("upgrade", "method", "service"), [("Express", "Standard", "Express"), (None, "Standard", "Standard")]
)
def test_the_way_of_shipping_is_the_upgrade_that_was_paid_for_or_else_the_usual_one(
    upgrade: str | None, method: str, service: str
) -> None:
    [line, *_] = json.loads(payload("etsy", "paid.json"))["transactions"]

    found = order("paid", transactions=[line | {"shipping_upgrade": upgrade, "shipping_method": method}])

    assert found.shipping_service == service


@pytest.mark.parametrize("case", ["canceled", "canceled_unpaid"])
def test_a_canceled_receipt_was_cancelled_when_it_changed(case: str) -> None:
    found = order(case)

    assert found.cancelled_at == found.revised_at


@pytest.mark.parametrize("status", ["Paid", "PAID", "paid"])
def test_a_receipt_whose_money_is_not_there_is_never_paid(status: str) -> None:
    assert order("paid", status=status, is_paid=False).payment == "pending"


def test_several_questions_are_several_answers_under_their_own_names() -> None:
    [item] = order("personalized").items

    assert [(word.name, word.value) for word in item.personalization] == [
        ("What's the name?", "Zoë <3 &amp; Max\nsecond line"),
        ("Date for the back", "2026-12-24"),
        ("Your photo", "https://example.com/uploads/1?size=full&sig=abc"),
    ]
    assert [(option.name, option.value) for option in item.options] == [("Font & colour", "Serif, gold")]


def test_a_buyer_without_a_visible_address_has_none() -> None:
    assert order("hidden_address").ship_to is None


@pytest.mark.parametrize(
    ("value", "minor"),
    [
        (money(1641, 100), 1641),
        (money(16, 1), 1600),
        (money(16410, 1000), 1641),
        (money(33, 2), 1650),
        (money(2900, 1, "JPY"), 2900),
        (money(290000, 100, "JPY"), 2900),
        (money(-5, 1), -500),
    ],
)
def test_money_is_exact_whatever_the_divisor(value: dict[str, Any], minor: int) -> None:
    assert order("paid", grandtotal=value).total.amount == minor


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (money(16411, 1000), "grandtotal"),
        (money(1, 3), "grandtotal"),
        (money(29050, 100, "JPY"), "grandtotal"),
        (money(1, 1, "XXX"), "grandtotal.currency_code"),
        (money(1, 0), "grandtotal.divisor"),
        ({"amount": 1.5, "divisor": 1, "currency_code": "USD"}, "grandtotal.amount"),
    ],
)
def test_money_that_is_not_exact_is_unreadable(value: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("paid", grandtotal=value)

    assert refused.value.path == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"status": "on fire"}, "status"),
        ({"receipt_id": None}, "receipt_id"),
        ({"updated_timestamp": 10**15}, "updated_timestamp"),
        ({"transactions": None}, "transactions"),
    ],
)
def test_an_unreadable_field_is_named_without_its_value(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("paid", **fields)

    assert refused.value.path == path
    assert "on fire" not in str(refused.value)


def test_the_older_names_of_the_times_are_read_too() -> None:
    body = json.loads(payload("etsy", "paid.json"))
    del body["created_timestamp"], body["updated_timestamp"]

    found = mapped(json.dumps(body).encode())

    assert (found.placed_at.timestamp(), found.revised_at.timestamp()) == (1763650800, 1763651045)


def variation(property_id: int, name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"property_id": property_id, "value_id": None, "formatted_name": name, "formatted_value": value} | more


def with_variations(*variations: dict[str, Any]) -> RawOrder:
    body = json.loads(payload("etsy", "paid.json"))
    body["transactions"][0]["variations"] = list(variations)
    return mapped(json.dumps(body).encode())


def test_personalization_is_what_has_property_54_and_nothing_else() -> None:
    item = with_variations(
        variation(513, "Personalization", "a real option of that name"),
        variation(54, "Wie soll es hei&szlig;en?", "Z&#39;s", question_id=1),
        variation(100, "Size", "L"),
        variation(54, "Personalization", "second", question_id=2),
        variation(200, "Colour", "Red &amp; blue"),
    ).items[0]

    assert [(word.name, word.value) for word in item.personalization] == [
        ("Wie soll es heißen?", "Z's"),
        ("Personalization", "second"),
    ]
    assert [option.name for option in item.options] == ["Personalization", "Size", "Colour"]
    assert item.variant_title == "a real option of that name / L / Red & blue"


def test_coupons_that_are_plain_numbers_do_no_harm() -> None:
    body = json.loads(payload("etsy", "paid.json"))
    body["transactions"][0] |= {"buyer_coupon": 11.6, "shop_coupon": 0.5}

    assert mapped(json.dumps(body).encode()).items


def test_a_buyers_mail_address_is_there_only_where_etsy_granted_it() -> None:
    assert order("paid", buyer_email=None).email is None
    assert order("paid", buyer_email="buyer@example.com").email == "buyer@example.com"


def test_the_buyer_is_known_by_etsys_number_for_the_day_they_ask_to_be_forgotten() -> None:
    assert order("paid", buyer_user_id=9007199254740995).buyer_id == "9007199254740995"
    assert order("paid", buyer_user_id=None).buyer_id is None


def test_a_receipt_of_pattern_is_an_order_as_any_other() -> None:
    assert content(order("paid", receipt_type=1)) == content(order("paid"))
