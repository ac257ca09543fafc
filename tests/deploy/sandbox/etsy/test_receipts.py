"""Made-up receipts look like Etsy's, state by state."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.etsy.receipts import OWN_SCENARIOS, ShopFacts, deal_scenarios, make_receipt
from deploy.sandbox.etsy.shop import Shop
from deploy.sandbox.etsy.truth import truth_of

NOW = 1_800_000_000
ETSY = ("ready", "personalized", "many_lines", "partly_refunded", "unpaid_pending", "unpaid_authorized", "cancelled")
EVERY = (*ETSY, "refunded", "digital_only", "deleted_product", "invalid_address", "unmatched_sku", *OWN_SCENARIOS)


def made(scenario: str, *, seed: int = 1, currency: str = "USD", receipt_id: int = 3_000_000_001) -> Receipt:
    return make_receipt(
        scenario,
        receipt_id=receipt_id,
        shop=ShopFacts(user_id=7, currency=currency),
        created=NOW - 60,
        now=NOW,
        rng=random.Random(seed),
    )


def first_line(receipt: Receipt) -> dict[str, Any]:
    [line, *_] = receipt.payload["transactions"]
    return dict(line)


def test_the_same_seed_makes_the_same_receipts() -> None:
    assert made("personalized", seed=5).payload == made("personalized", seed=5).payload
    assert made("personalized", seed=5).payload != made("personalized", seed=6).payload


@pytest.mark.parametrize("seed", range(20))
def test_totals_add_up_as_documented(seed: int) -> None:
    payload = made("ready", seed=seed).payload
    amount = {name: payload[name]["amount"] for name in payload if isinstance(payload[name], dict)}

    assert amount["total_price"] == sum(line["price"]["amount"] * line["quantity"] for line in payload["transactions"])
    assert amount["subtotal"] == amount["total_price"] - amount["discount_amt"]
    assert amount["grandtotal"] == (amount["subtotal"] + amount["total_tax_cost"] + amount["total_shipping_cost"])


@pytest.mark.parametrize(
    ("scenario", "status", "paid"),
    [
        ("ready", "Paid", True),
        ("unpaid_pending", "Payment Processing", False),
        ("unpaid_open", "Open", False),
        ("cancelled", "Canceled", True),
        ("refunded", "Fully Refunded", True),
        ("partly_refunded", "Partially Refunded", True),
        ("shipped_elsewhere", "Completed", True),
    ],
)
def test_statuses_are_capitalised_as_in_live_replies(scenario: str, status: str, paid: bool) -> None:  # noqa: FBT001
    payload = made(scenario).payload

    assert (payload["status"], payload["is_paid"]) == (status, paid)


def test_texts_are_html_escaped() -> None:
    line = first_line(made("ready"))

    assert "&quot;Made for you&quot; &amp; maker&#39;s choice" in line["title"]


def test_personalization_is_several_entries_of_property_54_beside_the_options() -> None:
    lines = [first_line(made("personalized", seed=seed)) for seed in range(30)]

    answers = [[entry for entry in line["variations"] if entry["property_id"] == 54] for line in lines]
    assert {len(entries) for entries in answers} >= {1, 2, 3}
    assert any(entry["formatted_value"].startswith("https://") for entries in answers for entry in entries)
    assert all(entry["question_id"] for entries in answers for entry in entries)
    assert all(any(entry["property_id"] != 54 for entry in line["variations"]) for line in lines)


def test_one_buyers_words_do_not_reach_another_receipt() -> None:
    made("personalized", seed=3)

    variations = [
        entry
        for seed in range(30)
        for line in made("ready", seed=seed).payload["transactions"]
        for entry in line["variations"]
    ]
    assert all(entry["property_id"] != 54 for entry in variations)


def test_a_gone_listing_leaves_nulls_and_an_empty_sku() -> None:
    line = first_line(made("deleted_product"))

    assert (line["listing_id"], line["product_id"], line["sku"]) == (None, None, "")


def test_yen_have_no_smaller_unit() -> None:
    assert made("ready", currency="JPY").payload["grandtotal"]["divisor"] == 1


def test_a_receipt_never_changed_in_the_future() -> None:
    receipt = make_receipt(
        "ready",
        receipt_id=1,
        shop=ShopFacts(user_id=7, currency="USD"),
        created=NOW,
        now=NOW,
        rng=random.Random(1),
    )

    assert receipt.updated == NOW


@pytest.mark.parametrize(
    ("scenario", "makeable"),
    [
        ("ready", True),
        ("gift", True),
        ("personalized", True),
        ("many_lines", True),
        ("physical_and_digital", True),
        ("partly_refunded", False),
        ("unpaid_pending", False),
        ("cancelled", False),
        ("refunded", False),
        ("digital_only", False),
        ("deleted_product", False),
        ("invalid_address", False),
        ("unmatched_sku", False),
        ("shipped_elsewhere", False),
    ],
)
def test_the_truth_says_what_can_be_made(scenario: str, makeable: bool) -> None:  # noqa: FBT001
    truths = [truth_of(Shop(1, 7, "Shop"), made(scenario, seed=seed)) for seed in range(10)]

    assert [truth["makeable"] for truth in truths] == [makeable] * 10


def test_nothing_can_be_made_for_a_shop_whose_addresses_are_hidden() -> None:
    shop = Shop(1, 7, "Shop", restricted=True)

    assert not truth_of(shop, made("ready"))["makeable"]


def test_a_mixed_thousand_has_only_what_etsy_has() -> None:
    scenarios = deal_scenarios(1000, state="mixed", seed=7)

    assert set(scenarios) <= set(EVERY)
    assert len({*ETSY, "gift", "shipped_elsewhere"} - set(scenarios)) == 0


def test_an_unknown_state_is_named() -> None:
    with pytest.raises(ValueError, match="state must be"):
        deal_scenarios(1, state="sideways", seed=7)


@pytest.mark.skipif("PLATFORM_SPECS" not in os.environ, reason="the vendor's specification is not ours to keep")
@pytest.mark.parametrize("scenario", EVERY)
def test_receipts_have_the_specifications_shape(scenario: str) -> None:
    document = json.loads((Path(os.environ["PLATFORM_SPECS"]) / "etsy" / "etsy_oas_3.0.0_2026_orders.json").read_text())
    schema = _as_json_schema(document["components"]["schemas"])
    payload = made(scenario).payload
    # The enum is lower case, live replies are not.
    payload["status"] = payload["status"].lower()

    jsonschema.Draft202012Validator(schema).validate(payload)

    assert set(payload) == set(document["components"]["schemas"]["ShopReceipt"]["properties"])
    assert set(first_line(made("ready"))) == set(
        document["components"]["schemas"]["ShopReceiptTransaction"]["properties"]
    )


def _as_json_schema(components: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 says `nullable` where JSON Schema says a union."""
    text = json.dumps({"$defs": components, "$ref": "#/$defs/ShopReceipt"})
    return dict(_nullable(json.loads(text.replace("#/components/schemas/", "#/$defs/"))))


def _nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _nullable(one) for name, one in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain
