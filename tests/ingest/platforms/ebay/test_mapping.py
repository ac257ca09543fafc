"""An eBay order becomes a raw order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.order import RawOrder, fingerprint
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.ebay.mapping import to_raw_order
from services.ingest.platforms.ebay.payloads import EbayOrder
from tests.ingest.platforms.golden import FETCHED_AT, cases, content, expected, payload, store_ref

CASES = cases("ebay", ending=".json")
STORE = store_ref("ebay", external_id="AbCdEfGhIjK", currency="USD")
#: What the parcels of a case hold, which eBay tells elsewhere.
SHIPPED = {"several_shipments": {"10000000000001": 1, "10000000000002": 2}}


def mapped(body: bytes, shipped: dict[str, int] | None = None) -> RawOrder:
    found = parsed(EbayOrder, json.loads(body))
    return to_raw_order(found, STORE, body=body.decode(), way="poll", fetched_at=FETCHED_AT, shipped=shipped or {})


def order(case: str, **fields: Any) -> RawOrder:
    body = json.loads(payload("ebay", f"{case}.json")) | fields
    return mapped(json.dumps(body).encode(), SHIPPED.get(case))


def total(value: object, currency: str = "USD", **more: str) -> dict[str, Any]:
    return {"total": {"value": value, "currency": currency} | more}


def line(**fields: Any) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(payload("ebay", "paid.json"))["lineItems"][0]
    return [found | fields]


def test_the_golden_cases_are_there() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_an_order_is_read_as_recorded(case: str) -> None:
    assert content(order(case)) == expected("ebay", case)


@pytest.mark.parametrize(
    ("case", "payment", "fulfilment", "units"),
    [
        ("paid", "paid", "unfulfilled", 3),
        ("pending", "pending", "unfulfilled", 3),
        ("payment_failed", "pending", "unfulfilled", 3),
        ("fully_refunded", "refunded", "unfulfilled", 0),
        ("one_line_refunded", "partially_refunded", "unfulfilled", 3),
        ("part_of_a_line_refunded", "partially_refunded", "unfulfilled", 3),
        ("refund_before_its_status", "partially_refunded", "unfulfilled", 2),
        ("refund_failed", "paid", "unfulfilled", 3),
        ("discounted_and_refunded", "partially_refunded", "unfulfilled", 2),
        ("canceled", "refunded", "unfulfilled", 0),
        ("canceled_when_a_request_was_completed", "paid", "unfulfilled", 0),
        ("fulfilled", "paid", "fulfilled", 0),
        ("several_shipments", "paid", "partial", 2),
        ("fulfilled_by_ebay", "paid", "unfulfilled", 0),
        ("vault_to_buyer", "paid", "unfulfilled", 0),
        ("seller_to_vault", "paid", "unfulfilled", 3),
        ("digital", "paid", "unfulfilled", 0),
        ("gift_card_beside_goods", "paid", "unfulfilled", 3),
        ("payout_held", "paid", "unfulfilled", 3),
    ],
)
def test_each_state_means_what_the_document_says(case: str, payment: str, fulfilment: str, units: int) -> None:
    found = order(case)

    assert (found.payment, found.fulfilment) == (payment, fulfilment)
    assert sum(item.quantity_to_make for item in found.items) == units


@pytest.mark.parametrize(
    ("case", "holds"),
    [
        ("paid", ()),
        ("cancel_requested", ("CANCELLATION_IN_PROGRESS",)),
        ("cancel_requested_as_listed", ("CANCELLATION_IN_PROGRESS",)),
        ("cancel_rejected", ()),
        ("canceled", ()),
        ("label_by_ebay", ("LABEL_PROVIDED_BY_EBAY",)),
        ("pickup_in_store", ("PICKUP_IN_STORE",)),
        ("several_addresses", ("SEVERAL_ADDRESSES",)),
        ("unknown_cancel_state", ("UNKNOWN_CANCEL_STATE",)),
        ("unknown_way_of_delivery", ("UNKNOWN_WAY_OF_DELIVERY",)),
        ("payout_held", ()),
    ],
)
def test_what_must_not_be_made_now_is_held_and_a_held_payout_holds_nothing(case: str, holds: tuple[str, ...]) -> None:
    assert order(case).holds == holds


@pytest.mark.parametrize(
    ("case", "hour", "reason"),
    [
        ("canceled", "2026-11-22T16:00:00+00:00", "ORDER_MISTAKE"),
        ("canceled_when_a_request_was_completed", "2026-11-22T16:30:00+00:00", "ORDER_MISTAKE"),
        ("canceled_as_listed", "2026-11-22T14:16:02+00:00", None),
    ],
)
def test_a_cancelled_order_says_when_and_why_as_well_as_ebay_does(case: str, hour: str, reason: str | None) -> None:
    found = order(case)

    assert found.cancelled_at is not None
    assert (found.cancelled_at.isoformat(), found.cancel_reason) == (hour, reason)


def test_ebays_own_time_of_the_cancellation_counts_and_a_rejected_wish_gives_no_reason() -> None:
    done = {
        "cancelRequestState": "COMPLETED",
        "cancelReason": "BUYER_ASKED",
        "cancelCompletedDate": "2026-11-22T17:00:00Z",
    }
    refused = {"cancelRequestState": "REJECTED", "cancelReason": "ORDER_MISTAKE"}
    status = {"cancelState": "CANCELED", "cancelledDate": "2026-11-22T16:00:00Z", "cancelRequests": [done, refused]}

    found = order("paid", cancelStatus=status)

    assert found.cancelled_at is not None
    assert (found.cancelled_at.isoformat(), found.cancel_reason) == ("2026-11-22T16:00:00+00:00", "BUYER_ASKED")


@pytest.mark.parametrize(("status", "payment"), [("REFUNDED", "partially_refunded"), ("FAILED", "paid")])
def test_a_refund_of_the_whole_order_counts_before_its_status_says_so_unless_it_failed(
    status: str, payment: str
) -> None:
    refund = {"amount": {"value": "1.0", "currency": "USD"}, "refundStatus": status}

    assert order("paid", paymentSummary={"refunds": [refund]}).payment == payment


def test_a_tax_number_is_told_where_the_single_order_tells_it_and_makes_no_other_revision() -> None:
    buyer = {"username": "example_buyer", "taxIdentifier": {"taxpayerId": "IT00000000000"}}
    listed, single = order("paid", buyer={"username": "example_buyer"}), order("paid", buyer=buyer)

    assert (listed.tax_number, single.tax_number) == (None, "IT00000000000")
    assert fingerprint(listed) == fingerprint(single)


def test_an_order_of_which_ebay_tells_only_what_it_always_does_is_read() -> None:
    cost = {"value": "17.0", "currency": "USD"}
    bare = {
        "orderId": "13-14786-65872",
        "creationDate": "2026-11-22T14:15:23.000Z",
        "lastModifiedDate": "2026-11-22T14:16:02.000Z",
        "orderPaymentStatus": "PAID",
        "orderFulfillmentStatus": "NOT_STARTED",
        "pricingSummary": {"total": cost | {"convertedFromValue": "15.0"}},
        "lineItems": [{"lineItemId": "1", "quantity": 1, "lineItemCost": cost}],
    }

    found = mapped(json.dumps(bare).encode())

    assert (found.ship_to, found.total_for_buyer, found.holds, found.ship_by) == (None, None, (), None)
    assert [(item.title, item.sku, item.quantity_to_make) for item in found.items] == [("", None, 1)]


def test_a_way_of_delivery_that_names_nobody_is_no_second_address() -> None:
    told = json.loads(payload("ebay", "paid.json"))["fulfillmentStartInstructions"]
    ways = [*told, {"fulfillmentInstructionsType": "SHIP_TO"}, {"shippingStep": {}}]

    found = order("paid", fulfillmentStartInstructions=ways)

    assert found.holds == ()
    assert found.ship_to == order("paid").ship_to


def test_what_ebay_ships_by_a_programme_is_not_made_whatever_the_way_of_delivery_says() -> None:
    [item] = order("paid", program={"fulfillmentProgram": {"fulfilledBy": "EBAY"}}).items

    assert (item.quantity, item.quantity_to_make) == (3, 0)


def test_a_line_that_is_sent_is_not_made_again_while_the_others_are() -> None:
    lines = line(lineItemFulfillmentStatus="FULFILLED") + line(lineItemId="2")

    found = order("paid", lineItems=lines, orderFulfillmentStatus="IN_PROGRESS")

    assert [item.quantity_to_make for item in found.items] == [0, 3]


@pytest.mark.parametrize(("shipped", "left"), [(0, 3), (2, 1), (3, 0), (4, 0)])
def test_units_in_parcels_are_not_left_however_many_there_are(shipped: int, left: int) -> None:
    body = json.dumps(json.loads(payload("ebay", "paid.json")) | {"orderFulfillmentStatus": "IN_PROGRESS"}).encode()

    [item] = mapped(body, {"10000000000001": shipped}).items

    assert item.quantity_to_make == left


def test_a_parcel_goes_to_the_hub_and_never_to_the_home_behind_it() -> None:
    found = order("by_way_of_a_hub")

    assert found.ship_to is not None
    assert (found.ship_to.line1, found.ship_to.country) == ("1850 Example Parkway", "US")
    assert "Far Away" not in found.model_dump_json(exclude={"payload"})


def test_the_hubs_reference_reaches_the_label() -> None:
    found = order("by_way_of_a_hub")

    assert ("shipToReferenceId", "UZ8QY2A") in [(word.name, word.value) for word in found.attributes]
    assert found.note == "Put this reference on the label: UZ8QY2A"


def test_an_address_that_ebay_no_longer_tells_is_none() -> None:
    assert order("older_than_90_days").ship_to is None
    assert order("older_than_14_days").email is None


def test_the_registered_address_of_the_buyer_is_not_where_to_ship_to() -> None:
    found = order("paid", fulfillmentStartInstructions=[])

    assert (found.ship_to, found.email) == (None, None)


def test_a_buyers_wishes_are_theirs_word_for_word() -> None:
    found = order("buyer_wrote_wishes")

    assert found.buyer_message == 'Please print "Zoë" & a ♥ on the back'
    assert found.items[0].options[0].value == "Zoë & Max"


def test_a_line_that_belongs_to_another_order_is_not_shown() -> None:
    assert len(order("tyres_installed_elsewhere").items) == 1


def test_the_price_of_a_line_is_of_all_its_units() -> None:
    [item] = order("paid").items

    assert item.unit_price.times(item.quantity).amount == 5100


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("35.0", "USD", 3500),
        ("2.8", "USD", 280),
        ("4085.0", "JPY", 4085),
        ("4085", "JPY", 4085),
        ("12.345", "KWD", 12345),
        ("0.0", "EUR", 0),
    ],
)
def test_money_is_exact_however_few_decimals_are_told(value: str, currency: str, minor: int) -> None:
    assert order("paid", pricingSummary=total(value, currency)).total.amount == minor


@pytest.mark.parametrize(
    ("value", "currency", "path"),
    [
        ("35.005", "USD", "pricingSummary.total"),
        ("40.5", "JPY", "pricingSummary.total"),
        ("12", "XXX", "pricingSummary.total"),
        (35.0, "USD", "pricingSummary.total.value"),
        ("", "USD", "pricingSummary.total"),
    ],
)
def test_money_that_is_not_exact_is_unreadable(value: object, currency: str, path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("paid", pricingSummary=total(value, currency))

    assert refused.value.path == path


def test_what_the_buyer_saw_before_ebay_converted_it_is_kept() -> None:
    found = order("converted")

    assert found.total.text() == "28.17"
    assert found.total_for_buyer is not None
    assert (found.total_for_buyer.text(), found.total_for_buyer.currency) == ("32.50", "EUR")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"orderPaymentStatus": "on fire"}, "orderPaymentStatus"),
        ({"orderPaymentStatus": None}, "orderPaymentStatus"),
        ({"orderFulfillmentStatus": "on fire"}, "orderFulfillmentStatus"),
        ({"orderId": ""}, "orderId"),
        ({"orderId": 7}, "orderId"),
        ({"lastModifiedDate": "on fire"}, "lastModifiedDate"),
        ({"lastModifiedDate": "2026-11-22T14:15:23"}, "lastModifiedDate"),
        ({"lineItems": None}, "lineItems"),
        ({"lineItems": line(quantity=-1)}, "lineItems.0.quantity"),
        ({"lineItems": line(lineItemId=None)}, "lineItems.0.lineItemId"),
    ],
)
def test_an_unreadable_field_is_named_without_its_value(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order("paid", **fields)

    assert refused.value.path == path
    assert "on fire" not in str(refused.value)


def test_times_are_told_in_utc_to_the_millisecond() -> None:
    found = order("paid", lastModifiedDate="2026-11-22T14:16:02.511Z", creationDate="2026-11-22T15:15:23+01:00")

    assert found.revised_at.isoformat() == "2026-11-22T14:16:02.511000+00:00"
    assert found.placed_at.isoformat() == "2026-11-22T14:15:23+00:00"


def test_a_line_without_a_state_of_its_own_is_as_far_as_the_order() -> None:
    lines = line()
    del lines[0]["lineItemFulfillmentStatus"]

    assert order("paid", lineItems=lines).items[0].quantity_to_make == 3
    assert order("fulfilled", lineItems=lines).items[0].quantity_to_make == 0
