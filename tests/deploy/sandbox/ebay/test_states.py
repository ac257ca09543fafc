"""Every scenario in eBay's form, and what the truth says of it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from deploy.sandbox.ebay import SANDBOX
from deploy.sandbox.ebay.amounts import amount_text, minor_units
from deploy.sandbox.ebay.ledger import Order
from deploy.sandbox.ebay.scenarios import OWN_SCENARIOS
from deploy.sandbox.scenarios import SCENARIOS
from deploy.sandbox.standin import OrdersAsked, OrderTruth


class Eye:
    """One seller's orders of one scenario."""

    def __init__(self, state: str, *, count: int = 1, **store: Any) -> None:
        self.sandbox = SANDBOX()
        self.store = self.sandbox.create_store(store)["store"]
        self.ids = self.sandbox.create_orders(self.store, OrdersAsked(count=count, state=state, webhooks=False))
        self.id = self.ids[0]

    @property
    def order(self) -> Order:
        found = self.sandbox._world.sellers[self.store].ledger.get(self.id)
        assert found is not None
        return found

    @property
    def payload(self) -> dict[str, Any]:
        return self.order.payload

    @property
    def instruction(self) -> dict[str, Any]:
        found: dict[str, Any] = self.payload["fulfillmentStartInstructions"][0]
        return found

    @property
    def truth(self) -> OrderTruth:
        return next(each for each in self.sandbox.truth(self.store) if each["id"] == self.id)

    def change(self, action: str, **change: Any) -> OrderTruth:
        return self.sandbox.change_order(self.store, self.id, {"action": action, **change})


MAKEABLE = {
    "ready",
    "personalized",
    "other_currency",
    "presentment_currency",
    "adjusted",
    "many_lines",
    "payment_hold",
    "global_shipping",
    "international_shipping",
    "authenticity",
    "ebay_label",
    "policy_hold",
    "linked_lines",
    "gift_card_and_goods",
    "partly_shipped",
    "partly_refunded_line",
}


@pytest.mark.parametrize("state", [*SCENARIOS, *OWN_SCENARIOS])
def test_what_can_be_made_is_said_of_every_scenario(state: str) -> None:
    eye = Eye(state)

    truths = eye.sandbox.truth(eye.store)

    if state == "unpaid_checkout":
        assert truths == []
    else:
        assert {each["makeable"] for each in truths} == {truths[0]["scenario"] in MAKEABLE}


def test_a_mixed_thousand_has_the_shares_that_all_platforms_have() -> None:
    truths = (eye := Eye("mixed", count=1000)).sandbox.truth(eye.store)

    shares = Counter(each["scenario"] for each in truths)

    assert len(truths) == 1000
    assert (shares["ready"], shares["cancelled"], shares["cancel_requested"]) == (780, 14, 6)
    assert not {"test", "edited"} & set(shares)
    assert len({each["id"] for each in truths}) == 1000
    assert all(re.fullmatch(r"\d{2}-\d{5}-\d{5}", each["id"]) for each in truths)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (408_500, "USD", "4085.0"),
        (280, "USD", "2.8"),
        (1999, "EUR", "19.99"),
        (-5, "GBP", "-0.05"),
        (1500, "JPY", "1500.0"),
        (12_345, "KWD", "12.345"),
        (12_340, "KWD", "12.34"),
        (0, "USD", "0.0"),
    ],
)
def test_amounts_have_as_few_decimals_as_needed(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize("currency", ["JPY", "KWD", "EUR"])
def test_a_seller_may_sell_in_any_currency(currency: str) -> None:
    eye = Eye("ready", currency=currency)

    line = eye.payload["lineItems"][0]

    assert {line["lineItemCost"]["currency"], eye.truth["currency"]} == {currency}
    assert minor_units(line["lineItemCost"]["value"], currency) % line["quantity"] == 0


def test_the_cost_of_a_line_is_of_all_its_units() -> None:
    eye = Eye("ready", count=60)
    orders = [eye.sandbox._world.sellers[eye.store].ledger.get(each) for each in eye.ids]
    lines = [line for order in orders if order for line in order.payload["lineItems"]]

    per_unit: dict[str, set[int]] = {}
    for line in lines:
        units = minor_units(line["lineItemCost"]["value"], "USD") / line["quantity"]
        per_unit.setdefault(line["sku"], set()).add(int(units))

    assert {line["quantity"] for line in lines} == {1, 2, 3}
    assert all(len(prices) == 1 for prices in per_unit.values())


def test_orders_of_other_marketplaces_are_in_their_currency() -> None:
    eye = Eye("other_currency", count=40)

    orders = [eye.sandbox._world.sellers[eye.store].ledger.get(each) for each in eye.ids]
    seen = {
        (order.payload["lineItems"][0]["purchaseMarketplaceId"], order.payload["pricingSummary"]["total"]["currency"])
        for order in orders
        if order
    }

    assert {("EBAY_GB", "GBP"), ("EBAY_DE", "EUR"), ("EBAY_JP", "JPY")} <= seen
    assert "USD" not in {currency for _, currency in seen}


def test_a_converted_amount_tells_both_sides() -> None:
    total = Eye("presentment_currency").payload["pricingSummary"]["total"]

    assert (total["currency"], total["convertedFromCurrency"]) == ("USD", "GBP")
    assert total["value"] != total["convertedFromValue"]


def test_personalization_is_a_note_of_the_order_or_an_aspect_of_the_variation() -> None:
    eye = Eye("personalized", count=40)
    payloads = [order.payload for each in eye.ids if (order := eye.sandbox._world.sellers[eye.store].ledger.get(each))]

    by_aspect = [
        payload
        for payload in payloads
        if any(aspect["name"] == "Personalization" for aspect in payload["lineItems"][0]["variationAspects"])
    ]

    assert 0 < len(by_aspect) < len(payloads)
    assert all("buyerCheckoutNotes" in payload for payload in payloads if payload not in by_aspect)


@pytest.mark.parametrize("state", ["digital_only", "gift_card_only"])
def test_digital_orders_have_no_shipping_step(state: str) -> None:
    eye = Eye(state)

    assert eye.instruction == {"fulfillmentInstructionsType": "DIGITAL"}
    assert eye.truth["units_to_make"] == 0
    assert ("giftDetails" in eye.payload["lineItems"][0]) == (state == "gift_card_only")


@pytest.mark.parametrize("state", ["global_shipping", "international_shipping", "authenticity"])
def test_a_hub_hides_the_buyers_address_behind_the_final_one(state: str) -> None:
    eye = Eye(state)
    ship_to = eye.instruction["shippingStep"]["shipTo"]

    assert eye.instruction["ebaySupportedFulfillment"] is True
    assert ship_to["contactAddress"]["addressLine1"] == "100 Hub Road"
    assert eye.instruction["finalDestinationAddress"]["addressLine1"] != "100 Hub Road"
    assert eye.instruction["shippingStep"]["shipToReferenceId"]


def test_where_the_buyer_lives_is_not_where_the_parcel_goes() -> None:
    eye = Eye("adjusted")

    home = eye.payload["buyer"]["buyerRegistrationAddress"]

    assert home["fullName"] != eye.instruction["shippingStep"]["shipTo"]["fullName"]


def test_what_ebay_fulfils_itself_has_no_address() -> None:
    eye = Eye("fulfilled_by_ebay")

    assert "shippingStep" not in eye.instruction
    assert eye.payload["program"] == {"fulfillmentProgram": {"fulfilledBy": "EBAY"}}


def test_a_held_payout_leaves_the_order_paid() -> None:
    eye = Eye("payment_hold")
    [payment] = eye.payload["paymentSummary"]["payments"]

    assert (eye.payload["orderPaymentStatus"], payment["paymentHolds"][0]["holdState"]) == ("PAID", "HELD")


@pytest.mark.parametrize("state", ["policy_hold", "deleted_product"])
def test_the_items_number_stands_where_the_title_is_withheld(state: str) -> None:
    line = Eye(state).payload["lineItems"][0]

    assert line["title"] == line["legacyItemId"]
    assert ("sku" in line) == (state == "policy_hold")


def test_linked_lines_are_no_lines_of_the_order() -> None:
    eye = Eye("linked_lines")

    linked = eye.payload["lineItems"][0]["linkedOrderLineItems"][0]

    assert linked["orderId"] != eye.id
    assert linked["lineItemId"] not in {line["id"] for line in eye.truth["lines"]}


def test_a_small_refund_says_nothing_of_units() -> None:
    eye = Eye("partly_refunded", count=2)
    orders = [eye.sandbox._world.sellers[eye.store].ledger.get(each) for each in eye.ids]

    of_line = [bool(order.payload["lineItems"][0]["refunds"]) for order in orders if order]
    truths = eye.sandbox.truth(eye.store)

    # One is of a line, one of the order; both leave it open what is still to be made.
    assert sorted(of_line) == [False, True]
    assert [each["payment"] for each in truths] == ["partially_refunded"] * 2
    assert all(line["left"] == line["quantity"] for each in truths for line in each["lines"])
    assert not any(each["makeable"] for each in truths)


def test_a_line_that_was_paid_back_wholly_is_not_made() -> None:
    eye = Eye("partly_refunded_line")

    first, second = eye.truth["lines"]

    assert (first["left"], second["left"]) == (0, second["quantity"])
    assert eye.truth["makeable"]


def test_cancelling_walks_through_its_states() -> None:
    eye = Eye("adjusted")

    asked = eye.change("cancel_request", reason="BUYER_ASKED_CANCEL")
    declined = eye.change("cancel_reject")
    after_rejection = dict(eye.payload["cancelStatus"])
    cancelled = eye.change("cancel", reason="OUT_OF_STOCK")

    assert [each["makeable"] for each in (asked, declined, cancelled)] == [False, True, False]
    assert after_rejection["cancelState"] == "NONE_REQUESTED"
    assert (cancelled["cancelled"], cancelled["payment"]) == (True, "refunded")
    assert [each["cancelRequestState"] for each in eye.order.cancel_requests] == ["REJECTED", "COMPLETED"]
    assert eye.payload["cancelStatus"]["cancelledDate"]


def test_a_refund_of_units_is_told_as_money_only() -> None:
    eye = Eye("many_lines")
    line = next(each for each in eye.payload["lineItems"] if each["quantity"] > 1)

    after = eye.change("refund", lines={line["lineItemId"]: 1})

    [refund] = line["refunds"]
    unit = minor_units(line["lineItemCost"]["value"], "USD") // line["quantity"]
    assert minor_units(refund["amount"]["value"], "USD") <= unit
    assert "quantity" not in refund
    assert (after["payment"], after["makeable"]) == ("partially_refunded", False)


def test_a_changed_address_is_the_one_that_is_shown() -> None:
    eye = Eye("adjusted")

    eye.change("address", address={"line1": "1 New Street", "name": "Other Person", "company": "Acme"})

    ship_to = eye.instruction["shippingStep"]["shipTo"]
    assert ship_to["contactAddress"]["addressLine1"] == "1 New Street"
    assert (ship_to["fullName"], ship_to["companyName"]) == ("Other Person", "Acme")


def test_what_was_shipped_by_hand_is_not_left_to_make() -> None:
    eye = Eye("adjusted")

    after = eye.change("ship")

    assert eye.payload["orderFulfillmentStatus"] == "FULFILLED"
    assert (after["units_to_make"], after["makeable"], after["shipments"]) == (0, False, [])


def test_opaque_buyers_hide_names_of_the_us_only() -> None:
    sandbox = SANDBOX()
    sandbox.apply_settings({"opaque_buyers": True})
    store = sandbox.create_store({})["store"]
    sandbox.create_orders(store, OrdersAsked(count=60, state="adjusted", webhooks=False))

    for order in sandbox._world.sellers[store].ledger:
        ship_to = order.payload["fulfillmentStartInstructions"][0]["shippingStep"]["shipTo"]
        opaque = order.payload["buyer"]["username"] == order.buyer_id
        assert opaque == (ship_to["contactAddress"]["countryCode"] == "US")


def test_creation_is_spread_over_the_past() -> None:
    eye = Eye("ready")
    asked = OrdersAsked(count=5, created_over=timedelta(hours=1), created_ago=timedelta(days=1), webhooks=False)

    ids = eye.sandbox.create_orders(eye.store, asked)

    created = [each["created_at"] for each in eye.sandbox.truth(eye.store) if each["id"] in ids]
    assert created == sorted(set(created))
    assert len(created) == 5
