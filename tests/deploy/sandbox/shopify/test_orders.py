"""What made-up orders look like, and what changes make of them."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.scenarios import MAKEABLE, SCENARIOS, Scenario
from deploy.sandbox.shopify.bodies import order_body
from deploy.sandbox.shopify.money import Price, convert, graph_amount, rest_amount
from deploy.sandbox.shopify.sandbox import ShopifySandbox
from deploy.sandbox.shopify.serving import SCHEMA
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth

SPECS = os.environ.get("PLATFORM_SPECS")


@pytest.fixture
def platform() -> ShopifySandbox:
    made = ShopifySandbox()
    made.create_store({"id": "shop"})
    return made


def _make(platform: ShopifySandbox, state: str, *, count: int = 1, **asked: Any) -> list[OrderTruth]:
    made = set(platform.create_orders("shop", OrdersAsked(count=count, state=state, **asked)))
    return [truth for truth in platform.truth("shop") if truth["id"] in made]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_truth_of_each_scenario_is_what_its_name_says(platform: ShopifySandbox, scenario: Scenario) -> None:
    for truth in _make(platform, scenario, count=25):
        assert truth["scenario"] == scenario
        assert truth["makeable"] is (scenario in MAKEABLE)


def test_facts_of_single_scenarios(platform: ShopifySandbox) -> None:
    facts = {scenario: _make(platform, scenario)[0] for scenario in SCENARIOS}

    assert facts["unpaid_authorized"]["payment"] == "AUTHORIZED"
    assert facts["cancelled"]["cancelled"]
    assert facts["test"]["test"]
    assert facts["many_lines"]["units_to_make"] == 60
    assert facts["gift_card_only"]["units_to_make"] == 0
    assert facts["digital_only"]["units_to_make"] == 0
    assert facts["refunded"]["units_to_make"] == 0
    assert facts["deleted_product"]["lines"][0]["sku"] is None
    assert not facts["invalid_address"]["address_valid"]
    assert facts["other_currency"]["currency"] != "USD"
    [line] = facts["partly_refunded"]["lines"]
    assert line["left"] == line["quantity"] - 1


def test_the_same_seed_makes_the_same_orders() -> None:
    def made() -> list[dict[str, Any]]:
        platform = ShopifySandbox()
        platform.create_store({"id": "shop"})
        truths = _make(platform, "mixed", count=50, seed=3)
        return [{**truth, "created_at": "", "updated_at": ""} for truth in truths]

    assert made() == made()


def test_orders_end_some_while_ago_and_never_in_the_future(platform: ShopifySandbox) -> None:
    ago, over = timedelta(minutes=10), timedelta(hours=1)
    truths = _make(platform, "mixed", count=60, created_over=over, created_ago=ago)

    newest = max(datetime.fromisoformat(truth["updated_at"]) for truth in truths)

    assert newest <= datetime.now(UTC) - ago


def test_an_unknown_sku_in_an_edit_is_an_item_that_cannot_be_matched(platform: ShopifySandbox) -> None:
    [truth] = _make(platform, "ready")

    changed = platform.change_order("shop", truth["id"], {"action": "edit", "add": [{"sku": "NEW-1"}]})

    assert not changed["makeable"]
    assert changed["lines"][-1]["sku"] == "NEW-1"


def test_a_refund_of_some_units_leaves_the_others(platform: ShopifySandbox) -> None:
    [truth] = _make(platform, "many_lines")
    line = truth["lines"][0]["id"]

    changed = platform.change_order("shop", truth["id"], {"action": "refund", "lines": {line: 1}})

    assert (changed["payment"], changed["units_to_make"]) == ("PARTIALLY_REFUNDED", 59)
    assert changed["makeable"]


def test_an_address_can_be_spoilt_and_mended(platform: ShopifySandbox) -> None:
    [truth] = _make(platform, "ready")

    spoilt = platform.change_order("shop", truth["id"], {"action": "address", "address": {"city": ""}})
    mended = platform.change_order("shop", truth["id"], {"action": "address", "address": {"city": "Hamburg"}})

    assert (spoilt["makeable"], mended["makeable"]) == (False, True)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "explode"},
        {"action": "pay"},
        {"action": "refund", "lines": {"1": 1}},
        {"action": "address", "address": {"planet": "Mars"}},
    ],
)
def test_a_change_that_cannot_be_made_is_refused(platform: ShopifySandbox, change: dict[str, Any]) -> None:
    [truth] = _make(platform, "ready")

    with pytest.raises(ControlError):
        platform.change_order("shop", truth["id"], change)


def test_a_deleted_order_is_still_in_the_truth(platform: ShopifySandbox) -> None:
    [truth] = _make(platform, "ready")

    platform.change_order("shop", truth["id"], {"action": "delete"})

    [found] = platform.truth("shop")
    assert (found["deleted"], found["makeable"]) == (True, False)


@pytest.mark.parametrize(
    ("price", "rest", "graph"),
    [
        (Price(1250, "USD"), "12.50", "12.5"),
        (Price(2000, "USD"), "20.00", "20.0"),
        (Price(1999, "EUR"), "19.99", "19.99"),
        (Price(5, "USD"), "0.05", "0.05"),
        (Price(0, "USD"), "0.00", "0.0"),
        (Price(1200, "JPY"), "1200", "1200.0"),
    ],
)
def test_amounts_are_written_as_each_api_writes_them(price: Price, rest: str, graph: str) -> None:
    assert (rest_amount(price), graph_amount(price)) == (rest, graph)


def test_currencies_without_decimals_convert_to_whole_units() -> None:
    assert convert(1999, source="USD", target="JPY") == 2998
    assert convert(2998, source="JPY", target="USD") == 1999


def test_every_good_has_its_own_variant(platform: ShopifySandbox) -> None:
    _make(platform, "many_lines")
    [order] = platform.orders_of("shop")

    assert len({line.variant_id for line in order.lines}) == len(GOODS)


@pytest.mark.skipif(SPECS is None, reason="the official schema is not redistributed; set PLATFORM_SPECS")
@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
def test_our_schema_is_a_part_of_the_official_one(version: str) -> None:
    from graphql import build_client_schema, is_enum_type, is_object_type, is_union_type  # noqa: PLC0415

    path = Path(SPECS or "") / "shopify" / f"admin_graphql_{version}_orders_excerpt.introspection.json"
    document = json.loads(path.read_text())
    official = build_client_schema(document.get("data", document))

    for name, kind in SCHEMA.type_map.items():
        theirs = official.type_map[name]
        if is_enum_type(kind) and is_enum_type(theirs):
            newer = {"FULFILLMENT_NOT_REQUIRED"} if version == "2026-07" else set()
            assert set(kind.values) - set(theirs.values) <= newer
        if is_object_type(kind) and is_object_type(theirs):
            assert {own.name for own in kind.interfaces} <= {own.name for own in theirs.interfaces}
        if is_union_type(kind) and is_union_type(theirs):
            assert {own.name for own in kind.types} <= {own.name for own in theirs.types}
        for field, definition in getattr(kind, "fields", {}).items():
            assert str(definition.type) == str(theirs.fields[field].type), f"{name}.{field}"  # type: ignore[attr-defined]
            for argument, asked in getattr(definition, "args", {}).items():
                assert str(asked.type) == str(theirs.fields[field].args[argument].type)  # type: ignore[attr-defined]


@pytest.mark.skipif(SPECS is None, reason="the official payloads are not redistributed; set PLATFORM_SPECS")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_webhook_bodies_have_the_documented_fields(platform: ShopifySandbox, scenario: Scenario) -> None:
    path = Path(SPECS or "") / "shopify" / "examples" / "orders__create.json"
    documented = json.loads(path.read_text())["payload"]
    _make(platform, scenario)
    [order] = platform.orders_of("shop")

    body = orjson.loads(orjson.dumps(order_body(order)))

    # The order no longer carries its checkout's id since early 2026; the example does not either.
    assert set(documented) - set(body) == set()
    for line in body["line_items"]:
        assert set(documented["line_items"][0]) - set(line) == set()
    if body["shipping_address"] is not None:
        assert set(documented["shipping_address"]) == set(body["shipping_address"])


def test_random_orders_do_not_touch_the_process_wide_generator(platform: ShopifySandbox) -> None:
    random.seed(1)
    expected = random.Random(1).random()

    _make(platform, "mixed", count=5)

    assert random.random() == expected
