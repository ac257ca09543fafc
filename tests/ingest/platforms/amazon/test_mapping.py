"""An Amazon order becomes a raw order."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.mapping import to_raw_order
from services.ingest.platforms.amazon.payloads import AmazonOrder
from tests.ingest.platforms.golden import FETCHED_AT, cases, content, expected, payload, store_ref

CASES = cases("amazon", ending=".json")
STORE = store_ref("amazon", external_id="A1B2C3D4E5F6G7", currency="USD")


def mapped(body: bytes) -> RawOrder:
    order = parsed(AmazonOrder, json.loads(body))
    return to_raw_order(order, STORE, body=body.decode(), way="poll", fetched_at=FETCHED_AT)


def order(case: str, **fields: Any) -> RawOrder:
    return mapped(json.dumps(json.loads(payload("amazon", f"{case}.json")) | fields).encode())


def status(name: str, **fields: Any) -> dict[str, Any]:
    return {"fulfillment": {"fulfillmentStatus": name, "fulfilledBy": "MERCHANT"} | fields}


def money(amount: object, currency: str = "USD") -> dict[str, Any]:
    return {"grandTotal": {"amount": amount, "currencyCode": currency}}


def test_the_golden_cases_are_there() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES)
def test_an_order_is_read_as_recorded(case: str) -> None:
    assert content(mapped(payload("amazon", f"{case}.json"))) == expected("amazon", case)


@pytest.mark.parametrize(
    ("case", "payment", "fulfilment", "units"),
    [
        ("pending_availability", "pending", "unfulfilled", 1),
        ("pending", "pending", "unfulfilled", 1),
        ("pending_without_prices", "pending", "unfulfilled", 2),
        ("unshipped", "paid", "unfulfilled", 1),
        ("partially_shipped", "paid", "partial", 2),
        ("shipped", "paid", "fulfilled", 0),
        ("invoice_unconfirmed", "paid", "fulfilled", 0),
        ("cancelled", "voided", "unfulfilled", 0),
        ("cancelled_without_details", "voided", "unfulfilled", 0),
        ("unfulfillable", "paid", "unfulfilled", 0),
        ("fewer_units_left", "paid", "unfulfilled", 3),
        ("one_line_cancelled", "paid", "unfulfilled", 2),
        ("replacement", "paid", "unfulfilled", 1),
        ("delivery_tip", "paid", "unfulfilled", 1),
    ],
)
def test_each_status_means_what_the_document_says(case: str, payment: str, fulfilment: str, units: int) -> None:
    found = order(case)

    assert (found.payment, found.fulfilment) == (payment, fulfilment)
    assert sum(item.quantity_to_make for item in found.items) == units


@pytest.mark.parametrize("name", ["Unshipped", "Canceled", "CANCELED", "ON_FIRE", ""])
def test_an_unknown_status_is_never_taken_for_a_known_one(name: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("unshipped", **status(name))

    assert refused.value.path == "fulfillment.fulfillmentStatus"
    assert not name or name not in str(refused.value)


def test_an_order_without_its_status_is_unreadable() -> None:
    body = json.loads(payload("amazon", "unshipped.json"))
    del body["fulfillment"]

    with pytest.raises(UnreadablePayload, match="fulfillment"):
        mapped(json.dumps(body).encode())


def test_a_cancelled_order_says_when_and_why() -> None:
    found = order("cancelled")

    assert (found.cancelled_at, found.cancel_reason) == (found.revised_at, "Buyer requested cancellation")


def test_a_cancelled_order_without_a_reason_says_who_cancelled_it() -> None:
    lines = json.loads(payload("amazon", "cancelled.json"))["orderItems"]
    lines[0]["cancellation"] = {"cancellationExecution": {"cancelledBy": "SYSTEM"}}

    assert order("cancelled", orderItems=lines[:1]).cancel_reason == "SYSTEM"


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ({}, 3),
        ({"quantityFulfilled": 1}, 2),
        ({"quantityUnfulfilled": 1}, 1),
        ({"quantityFulfilled": 2, "quantityUnfulfilled": 3}, 1),
        ({"quantityFulfilled": 5}, 0),
    ],
)
def test_what_is_left_to_make_is_the_least_that_the_counts_of_a_line_allow(counts: dict[str, int], left: int) -> None:
    line = {"orderItemId": "1", "quantityOrdered": 3, "product": {}, "fulfillment": counts}

    [item] = order("partially_shipped", orderItems=[line]).items

    assert item.quantity_to_make == left


@pytest.mark.parametrize("name", ["PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED"])
def test_a_buyers_wish_to_cancel_holds_what_is_not_sent_yet(name: str) -> None:
    assert order("cancellation_requested", **status(name)).holds == ("BUYER_CANCELLATION_REQUESTED",)


@pytest.mark.parametrize("name", ["SHIPPED", "CANCELLED"])
def test_a_wish_to_cancel_that_came_too_late_holds_nothing(name: str) -> None:
    assert order("cancellation_requested", **status(name)).holds == ()


def test_a_wish_that_was_granted_is_no_hold_any_more() -> None:
    found = order("cancelled", **status("UNSHIPPED"))

    assert found.holds == ()
    assert [item.quantity_to_make for item in found.items] == [0]


@pytest.mark.parametrize("case", ["fulfilled_by_amazon", "fulfilled_by_amazon_shipped", "unfulfillable"])
def test_what_amazon_fulfils_itself_is_shown_and_never_made(case: str) -> None:
    found = order(case)

    assert [item.quantity_to_make for item in found.items] == [0] * len(found.items)
    assert sum(item.quantity for item in found.items) > 0
    assert ("fulfilled_by", "AMAZON") in [(fact.name, fact.value) for fact in found.attributes]


@pytest.mark.parametrize("who", [None, "SOMEBODY"])
def test_an_order_that_nobody_known_sends_is_held(who: str | None) -> None:
    fulfillment = {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": who}

    assert order("unshipped", fulfillment=fulfillment).holds == ("FULFILLER_UNKNOWN",)


@pytest.mark.parametrize("case", ["without_the_role", "without_a_recipient", "fulfilled_by_amazon", "shipped"])
def test_without_the_role_there_is_no_address_though_the_city_is_told(case: str) -> None:
    assert order(case).ship_to is None


def test_without_the_role_no_field_of_the_buyer_is_needed() -> None:
    found = order("without_the_role")

    assert (found.email, found.gift_message, found.payment) == (None, None, "paid")


@pytest.mark.parametrize(
    ("case", "line2", "city"),
    [
        ("unshipped", "Apt 4", "Springfield"),
        ("turkey", "Kat 3, Daire 5, Beyoğlu", "Istanbul"),
        ("brazil", "Apto 45, Vila Exemplo", "São Paulo"),
        ("brazil_parts_only", "Apto 45, Vila Exemplo", "São Paulo"),
        ("city_in_the_municipality", None, "Musterstadt"),
    ],
)
def test_every_part_of_an_address_that_a_letter_needs_is_kept(case: str, line2: str | None, city: str) -> None:
    address = order(case).ship_to

    assert address is not None
    assert (address.line2, address.city) == (line2, city)


def test_a_unit_price_is_the_price_of_one() -> None:
    [shirts, mug] = order("partially_shipped").items

    assert (shirts.quantity, shirts.unit_price.amount, mug.unit_price.amount) == (3, 2499, 1800)


@pytest.mark.parametrize(
    ("case", "amount", "currency"),
    [("japan", 5800, "JPY"), ("kuwaiti_dinar", 7125, "KWD"), ("total_from_lines", 8548, "USD")],
)
def test_money_is_exact_in_every_currency(case: str, amount: int, currency: str) -> None:
    total = order(case).total

    assert (total.amount, total.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("proceeds", "path"),
    [
        (money("19.999"), "proceeds.grandTotal"),
        (money("29.50", "JPY"), "proceeds.grandTotal"),
        (money("abc"), "proceeds.grandTotal"),
        (money("1", "XXX"), "proceeds.grandTotal"),
        (money(19.99), "proceeds.grandTotal.amount"),
    ],
)
def test_money_that_is_not_exact_text_is_unreadable(proceeds: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("unshipped", proceeds=proceeds)

    assert refused.value.path == path


def test_an_order_without_any_price_takes_the_currency_of_its_marketplace() -> None:
    channel = {"channelName": "AMAZON", "marketplaceId": "A1VC38T7YXB528"}

    found = order("pending_without_prices", salesChannel=channel)

    assert (found.total.amount, found.total.currency) == (0, "JPY")


UNPRICED: dict[str, Any] = {"orderItemId": "1", "quantityOrdered": 1, "product": {}}


def test_a_line_without_a_price_is_in_the_currency_of_what_is_told_before_that_of_the_marketplace() -> None:
    found = order("unshipped", proceeds=money("9.00", "EUR"), orderItems=[UNPRICED])

    assert found.items[0].unit_price.currency == "EUR"


def test_without_any_price_or_marketplace_the_stores_currency_counts_and_without_that_the_order_is_unreadable() -> None:
    body = json.loads(payload("amazon", "unshipped.json")) | {"proceeds": None, "orderItems": [UNPRICED]}
    del body["salesChannel"]
    bare = parsed(AmazonOrder, body)

    assert to_raw_order(bare, STORE, body="", way="poll", fetched_at=FETCHED_AT).total.currency == "USD"
    with pytest.raises(UnreadablePayload, match="marketplace"):
        to_raw_order(bare, replace(STORE, currency=None), body="", way="poll", fetched_at=FETCHED_AT)


def test_lines_in_several_currencies_make_no_total() -> None:
    lines = [
        UNPRICED | {"product": {"price": {"unitPrice": {"amount": "1.00", "currencyCode": currency}}}}
        for currency in ("USD", "EUR")
    ]

    with pytest.raises(UnreadablePayload, match="several currencies"):
        order("unshipped", proceeds=None, orderItems=lines)


def test_an_association_that_is_new_or_names_no_order_says_nothing() -> None:
    found = order(
        "unshipped",
        associatedOrders=[
            {"orderId": "902-1111111-2222222", "associationType": "A_NEW_ONE"},
            {"associationType": "REPLACEMENT_ORIGINAL_ID"},
        ],
    )

    assert not {"replacement_of", "exchange_of"} & {fact.name for fact in found.attributes}


def test_a_gift_message_is_kept_as_the_buyer_wrote_it() -> None:
    found = order("personalized")

    assert (found.is_gift, found.gift_message) == (True, "Für Zoë <3 &amp; Max\nsecond line")


def test_a_tip_for_the_delivery_is_shown_and_never_made() -> None:
    [_, tip] = order("delivery_tip").items

    assert (tip.kind, tip.quantity_to_make, tip.unit_price.amount) == ("tip", 0, 500)


def test_a_replacement_names_what_it_replaces() -> None:
    facts = {fact.name: fact.value for fact in order("replacement").attributes}

    assert facts["replacement_of"] == "902-1111111-2222222"


def test_the_sellers_own_number_and_the_promised_days_are_kept() -> None:
    facts = {fact.name: fact.value for fact in order("unshipped").attributes}

    assert facts["seller_order_id"] == "WEB-1001"
    assert facts["ship_by"] == "2026-11-24T07:59:59+00:00"


def test_both_ends_of_each_promised_period_are_kept() -> None:
    ends = {"earliestDateTime": "2026-11-23T08:00:00Z", "latestDateTime": "2026-11-24T08:00:00Z"}
    windows = dict.fromkeys(("shipByWindow", "deliverByWindow", "labelPrintingWindow"), ends)

    fulfillment = status("UNSHIPPED")["fulfillment"] | windows

    found = order("unshipped", fulfillment=fulfillment)

    facts = {fact.name: fact.value for fact in found.attributes}
    for period in ("ship", "deliver", "print_label"):
        assert facts[f"{period}_from"] == "2026-11-23T08:00:00+00:00"
        assert facts[f"{period}_by"] == "2026-11-24T08:00:00+00:00"


def test_programs_are_tags_even_those_that_are_not_known_yet() -> None:
    assert order("programs").tags == ("PRIME", "FBM_SHIP_PLUS", "A_NEW_PROGRAM", "TRANSPARENCY", "SUBSCRIBE_AND_SAVE")


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("2026-11-20T10:45:12Z", 0), ("2026-11-20T10:45:12.123Z", 123_000), ("2026-11-20T11:45:12+01:00", 0)],
)
def test_times_are_read_with_milliseconds_or_without(text: str, microsecond: int) -> None:
    revised = order("unshipped", lastUpdatedTime=text).revised_at

    assert revised.isoformat(timespec="seconds") == "2026-11-20T10:45:12+00:00"
    assert revised.microsecond == microsecond


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"orderId": None}, "orderId"),
        ({"lastUpdatedTime": "yesterday"}, "lastUpdatedTime"),
        ({"createdTime": "2026-11-20T10:45:12"}, "createdTime"),
        ({"orderItems": None}, "orderItems"),
        ({"orderItems": [{"orderItemId": "1", "quantityOrdered": -1, "product": {}}]}, "orderItems.0.quantityOrdered"),
    ],
)
def test_an_unreadable_field_is_named_without_its_value(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("unshipped", **fields)

    assert refused.value.path == path
    assert "yesterday" not in str(refused.value)


@pytest.mark.bench
def test_five_thousand_orders_a_second_are_mapped() -> None:
    body = payload("amazon", "partially_shipped.json")
    value, text = json.loads(body), body.decode()
    started = time.perf_counter()

    for _ in range(5_000):
        to_raw_order(parsed(AmazonOrder, value), STORE, body=text, way="poll", fetched_at=FETCHED_AT)

    assert time.perf_counter() - started < 1.0
