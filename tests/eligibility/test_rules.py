from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.address import Address
from schemas.reasons import ReasonCode
from services.eligibility.facts import Approval, Correction, Facts, Match, MatchRef, SellerSettings
from services.eligibility.rules import FINAL, RESOLVABLE, address_digest, objections
from tests.eligibility.workbench import SELLER, SKU, STORE, dollars, facts, variant
from tests.schemas.orders import NOON, order_item, raw_order


def codes(order: dict[str, Any], by: Facts | None = None) -> list[str]:
    return [reason.code.value for reason in objections(FINAL + RESOLVABLE, raw_order(**order), by or facts())]


def test_a_paid_complete_matched_order_has_no_objections() -> None:
    assert codes({}) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"cancelled_at": NOON}, "CANCELLED"),
        ({"deleted": True}, "DELETED_ON_PLATFORM"),
        ({"payment": "refunded"}, "REFUNDED"),
        ({"payment": "voided"}, "REFUNDED"),
        ({"payment": "expired"}, "REFUNDED"),
        ({"test": True}, "TEST_ORDER"),
        ({"fulfilment": "fulfilled"}, "ALREADY_FULFILLED"),
        ({"items": (order_item(kind="digital"),)}, "NOTHING_TO_MAKE"),
        ({"items": (order_item(quantity_to_make=0),)}, "NOTHING_TO_MAKE"),
        ({"items": ()}, "NOTHING_TO_MAKE"),
        ({"payment": "pending"}, "PAYMENT_PENDING"),
        ({"payment": "authorized"}, "PAYMENT_PENDING"),
        ({"payment": "partially_paid"}, "PAYMENT_PENDING"),
        ({"payment": "partially_refunded"}, "PARTIAL_REFUND_UNCLEAR"),
        (
            {
                "payment": "partially_refunded",
                "items": (order_item(), order_item(external_id="2", kind="tip", quantity_to_make=0)),
            },
            "PARTIAL_REFUND_UNCLEAR",
        ),
        ({"placed_at": NOON - timedelta(days=2)}, "PLACED_BEFORE_LINKING"),
        ({"holds": ("INVENTORY",)}, "PLATFORM_HOLD"),
        ({"risk": "cancel"}, "FRAUD_REVIEW"),
        ({"risk": "investigate"}, "FRAUD_REVIEW"),
        ({"ship_to": None}, "ADDRESS_NOT_VISIBLE"),
        ({"ship_to": Address(country="US")}, "ADDRESS_NOT_VISIBLE"),
        ({"ship_to": Address(name="B", line1="1 St", city="X", region="CA", country="US")}, "ADDRESS_INCOMPLETE"),
        ({"items": (order_item(sku="OTHER"),)}, "ITEM_NOT_MATCHED"),
    ],
)
def test_each_rule_alone_objects(order: dict[str, Any], expected: str) -> None:
    assert codes(order) == [expected]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (facts(catalog={SKU: variant(available=False)}), "VARIANT_UNAVAILABLE"),
        (facts(catalog={SKU: variant(designs=())}), "ARTWORK_MISSING"),
        (facts(catalog={}), "ITEM_NOT_MATCHED"),
        (facts(held_by_seller=True), "HELD_BY_SELLER"),
        (facts(settings={SELLER: SellerSettings(auto_approve=False)}), "NOT_APPROVED"),
        (facts(settings={SELLER: SellerSettings(auto_match=False)}), "ITEM_NOT_MATCHED"),
        (facts(import_since={}), "PLACED_BEFORE_LINKING"),
    ],
)
def test_each_fact_alone_objects(by: Facts, expected: str) -> None:
    assert codes({}, by) == [expected]


def test_all_reasons_are_given_at_once_in_the_order_of_the_rules() -> None:
    order = {"payment": "pending", "risk": "cancel", "holds": ("A", "B"), "ship_to": None}
    by = facts(catalog={}, held_by_seller=True, settings={SELLER: SellerSettings(auto_approve=False)}, import_since={})

    assert codes(order, by) == [
        "PAYMENT_PENDING",
        "PLACED_BEFORE_LINKING",
        "PLATFORM_HOLD",
        "PLATFORM_HOLD",
        "FRAUD_REVIEW",
        "ADDRESS_NOT_VISIBLE",
        "ITEM_NOT_MATCHED",
        "HELD_BY_SELLER",
        "NOT_APPROVED",
    ]


def test_a_refund_that_names_its_line_is_clear() -> None:
    items = (order_item(quantity=2, quantity_to_make=1),)

    assert codes({"payment": "partially_refunded", "items": items}) == []


@pytest.mark.parametrize(
    "order", [{"payment": "partially_refunded"}, {"risk": "cancel"}, {"placed_at": NOON - timedelta(days=2)}]
)
def test_approval_overrides_what_the_seller_saw(order: dict[str, Any]) -> None:
    seen = raw_order(**order)
    approval = Approval(given=True, payment=seen.payment, risk=seen.risk)

    assert codes(order, facts(approval=approval)) == []


def test_approval_does_not_override_a_worse_risk_that_came_later() -> None:
    approval = Approval(given=True, payment="paid", risk="accept")

    assert codes({"risk": "cancel"}, facts(approval=approval)) == ["FRAUD_REVIEW"]


def test_a_correction_replaces_the_address_it_was_said_of() -> None:
    wrong = Address(name="B", line1="1 St", city="X", region="CA", country="US")
    right = wrong.model_copy(update={"postal_code": "94105"})

    corrected = facts(correction=Correction(of=address_digest(wrong), address=right))
    outdated = facts(correction=Correction(of=address_digest(None), address=right))

    assert codes({"ship_to": wrong}, corrected) == []
    assert codes({"ship_to": wrong}, outdated) == ["ADDRESS_INCOMPLETE"]


def test_a_confirmed_address_is_taken_as_it_is() -> None:
    wrong = Address(name="B", line1="1 St", city="X", region="CA", country="US")

    assert codes({"ship_to": wrong}, facts(correction=Correction(of=address_digest(wrong), confirmed=True))) == []


@pytest.mark.parametrize(
    "ref",
    [
        MatchRef(SELLER, STORE, "variant", "v-1"),
        MatchRef(SELLER, STORE, "product", "p-1"),
        MatchRef(SELLER, STORE, "sku", "X"),
        MatchRef(SELLER, "", "sku", "X"),
    ],
)
def test_an_item_is_matched_by_variant_product_or_sku(ref: MatchRef) -> None:
    items = (order_item(sku="X"),)

    assert codes({"items": items}, facts(matches={ref.key(): Match(SKU)})) == []
    assert codes({"items": items}, facts(matches={MatchRef("other", STORE, "sku", "X").key(): Match(SKU)})) == [
        "ITEM_NOT_MATCHED"
    ]


def test_evidence_names_fields_and_never_their_values() -> None:
    wrong = Address(name="Ann Lee", line1="1 Secret St", city="X", region="CA", postal_code="1", country="US")

    [reason] = objections(RESOLVABLE, raw_order(ship_to=wrong), facts())

    assert reason.code is ReasonCode.ADDRESS_INCOMPLETE
    assert reason.evidence == {"fields": "postal_code"}


def test_costs_in_two_currencies_cannot_be_one_order() -> None:
    euros = variant(sku="MUG", cost=dollars("5").model_copy(update={"currency": "EUR"}))
    items = (order_item(), order_item(external_id="line-2", sku="MUG"))

    assert codes({"items": items}, facts(catalog={SKU: variant(), "MUG": euros})) == ["VARIANT_UNAVAILABLE"]
