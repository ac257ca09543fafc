"""Shopify's two forms of an order become one raw order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from schemas.address import Address
from schemas.order import RawOrder, fingerprint, order_revised
from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.webhooks import OrderHinted, OrderTold
from services.ingest.parsing import parsed
from services.ingest.platforms.shopify.mapping import to_raw_order
from services.ingest.platforms.shopify.payloads import GraphqlOrder
from services.ingest.platforms.shopify.webhook import read_webhook
from tests.ingest.platforms.golden import FETCHED_AT, cases, content, expected, payload, store_ref

CASES = cases("shopify", ending=".graphql.json")
STORE = store_ref("shopify", external_id="store.myshopify.com", currency="USD")


def from_graphql(body: bytes) -> RawOrder:
    order = parsed(GraphqlOrder, json.loads(body))
    return to_raw_order(order, STORE, body=body.decode(), way="poll", fetched_at=FETCHED_AT)


def from_webhook(body: bytes, topic: str = "orders/updated") -> RawOrder:
    fact = read_webhook(STORE, {"x-shopify-topic": topic}, body, now=FETCHED_AT)
    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder), fact.order
    return fact.order


def changed(case: str, form: str, **fields: Any) -> bytes:
    return json.dumps(json.loads(payload("shopify", f"{case}.{form}.json")) | fields).encode()


def changed_line(case: str, form: str, **fields: Any) -> bytes:
    order = json.loads(payload("shopify", f"{case}.{form}.json"))
    lines = order["line_items"] if form == "webhook" else order["lineItems"]["nodes"]
    lines[0] |= fields
    return json.dumps(order).encode()


def test_the_golden_cases_are_there() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_graphql_is_read_as_recorded(case: str) -> None:
    order = from_graphql(payload("shopify", f"{case}.graphql.json"))

    assert content(order) == expected("shopify", case)


@pytest.mark.parametrize("case", CASES)
def test_a_webhook_is_read_as_recorded_but_for_what_it_does_not_tell(case: str) -> None:
    order = from_webhook(payload("shopify", f"{case}.webhook.json"))

    untold = frozenset({"risk", "holds"})
    assert content(order, leaving_out=untold) == {
        name: value for name, value in expected("shopify", case).items() if name not in untold
    }
    assert (order.risk, order.holds) == (None, None)


@pytest.mark.parametrize("case", [case for case in CASES if case != "on_hold"])
def test_one_revision_seen_in_both_forms_is_one_event(case: str) -> None:
    polled = from_graphql(payload("shopify", f"{case}.graphql.json"))
    told = from_webhook(payload("shopify", f"{case}.webhook.json"))

    assert fingerprint(polled) == fingerprint(told)
    assert order_revised(polled).event_id == order_revised(told).event_id


def test_a_hold_makes_another_event_than_the_webhook_that_does_not_tell_it() -> None:
    polled = from_graphql(payload("shopify", "on_hold.graphql.json"))
    told = from_webhook(payload("shopify", "on_hold.webhook.json"))

    assert fingerprint(polled) != fingerprint(told)


def test_the_payload_is_kept_verbatim() -> None:
    body = payload("shopify", "paid.webhook.json")

    order = from_webhook(body)

    assert order.payload.body == body.decode()
    assert order.payload.form == "rest"


def test_ids_beyond_what_a_float_holds_stay_exact() -> None:
    order = from_webhook(payload("shopify", "paid.webhook.json"))

    assert order.external_id == "9007199254741994"
    assert order.items[0].external_id == "90071992547409931"


def test_a_number_that_a_float_cannot_hold_stays_as_it_was_written() -> None:
    precise = payload("shopify", "personalized.webhook.json").replace(b"1.10", b"0.1000000000000000055511151231257827")

    order = from_webhook(precise)

    words = {word.name: word.value for word in order.items[0].personalization}
    assert words["Height in cm"] == "0.1000000000000000055511151231257827"


def test_an_amount_given_as_a_json_number_stays_exact() -> None:
    body = changed("paid", "webhook", total_price_set=None).replace(b'"total_price": "65.50"', b'"total_price": 65.50')

    assert from_webhook(body).total.amount == 6550


@pytest.mark.parametrize("form", ["graphql", "webhook"])
def test_hidden_names_are_no_personalization(form: str) -> None:
    body = payload("shopify", f"personalized.{form}.json")

    order = from_graphql(body) if form == "graphql" else from_webhook(body)

    names = [word.name for word in order.items[0].personalization]
    assert names == ["Name", "Letters", "Height in cm", "Gift wrap", "Empty"]


@pytest.mark.parametrize(
    ("status", "unfulfilled", "state"),
    [
        ("UNFULFILLED", 2, "unfulfilled"),
        ("OPEN", 2, "unfulfilled"),
        ("SCHEDULED", 2, "unfulfilled"),
        ("PENDING_FULFILLMENT", 2, "unfulfilled"),
        ("REQUEST_DECLINED", 2, "unfulfilled"),
        ("FULFILLMENT_NOT_REQUIRED", 2, "unfulfilled"),
        ("RESTOCKED", 2, "unfulfilled"),
        ("A_STATUS_OF_NEXT_YEAR", 2, "unfulfilled"),
        ("IN_PROGRESS", 1, "partial"),
        ("ON_HOLD", 1, "partial"),
        ("PARTIALLY_FULFILLED", 1, "partial"),
        ("FULFILLED", 0, "fulfilled"),
    ],
)
def test_every_fulfilment_status_is_understood(status: str, unfulfilled: int, state: str) -> None:
    order = json.loads(changed_line("paid", "graphql", unfulfilledQuantity=unfulfilled))
    order["lineItems"]["nodes"] = order["lineItems"]["nodes"][:1]
    order["displayFulfillmentStatus"] = status

    assert from_graphql(json.dumps(order).encode()).fulfilment == state


def test_removed_and_shipped_units_are_not_made_again() -> None:
    refunded = from_graphql(payload("shopify", "partially_refunded.graphql.json"))
    shipped = from_graphql(payload("shopify", "partly_fulfilled.graphql.json"))

    assert [(item.quantity, item.quantity_to_make) for item in refunded.items] == [(3, 1)]
    assert [(item.quantity, item.quantity_to_make) for item in shipped.items] == [(3, 1), (1, 0)]


@pytest.mark.parametrize(
    ("recommendation", "risk"), [("INVESTIGATE", "investigate"), ("CANCEL", "cancel"), ("NONE", None)]
)
def test_the_risk_check_is_read(recommendation: str, risk: str | None) -> None:
    body = changed("paid", "graphql", risk={"recommendation": recommendation})

    assert from_graphql(body).risk == risk


def test_a_bundle_in_graphql_brings_its_words_to_each_line() -> None:
    body = changed_line(
        "paid",
        "graphql",
        lineItemGroup={"customAttributes": [{"key": "Names", "value": "A & B"}, {"key": "_x", "value": "1"}]},
    )

    [names] = from_graphql(body).items[0].personalization

    assert (names.name, names.value) == ("Names", "A & B")


@pytest.mark.parametrize(("groups", "second_look"), [([{"id": 77, "title": "Set"}], True), ([], False), (None, True)])
def test_a_bundle_in_a_webhook_asks_for_a_second_look(groups: object, second_look: bool) -> None:  # noqa: FBT001
    order = json.loads(changed_line("paid", "webhook", sales_line_item_group_id=77))
    body = json.dumps(order | {"line_item_groups": groups}).encode()

    fact = read_webhook(STORE, {"x-shopify-topic": "orders/create"}, body, now=FETCHED_AT)

    assert (fact == OrderHinted("9007199254741994")) is second_look


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"displayFinancialStatus": "SOMETHING_NEW"}, "displayFinancialStatus"),
        ({"name": None}, "name"),
        ({"updatedAt": "yesterday"}, "updatedAt"),
        ({"updatedAt": "2026-11-20T15:04:05"}, "updatedAt"),
        ({"legacyResourceId": "12x"}, "legacyResourceId"),
        ({"totalPriceSet": {"shopMoney": {"amount": "1.005", "currencyCode": "USD"}}}, "totalPriceSet"),
        ({"totalPriceSet": {"shopMoney": {"amount": "1", "currencyCode": "XXX"}}}, "totalPriceSet"),
    ],
)
def test_an_unreadable_field_is_named_without_its_value(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        from_graphql(changed("paid", "graphql", **fields))

    assert refused.value.path == path
    for value in fields.values():
        assert str(value) not in str(refused.value) or value is None


def test_an_unreadable_line_is_named_by_its_place() -> None:
    with pytest.raises(UnreadablePayload) as refused:
        from_graphql(changed_line("paid", "graphql", id="gid://shopify/LineItem/x"))

    assert refused.value.path == "lineItems.nodes.0.id"


def test_an_unreadable_webhook_keeps_its_body_and_id_for_the_dead_letter() -> None:
    body = changed("paid", "webhook", financial_status="something_new")

    fact = read_webhook(STORE, {"x-shopify-topic": "orders/paid"}, body, now=FETCHED_AT)

    assert fact == OrderTold(
        Unreadable(
            external_id="9007199254741994",
            path="financial_status",
            problem="not a payment status that we know",
            body=body.decode(),
        )
    )


@pytest.mark.parametrize("form", ["graphql", "webhook"])
def test_the_buyer_is_known_by_shopifys_number_for_the_day_they_ask_to_be_forgotten(form: str) -> None:
    number = "9007199254740995"
    customer = {"id": f"gid://shopify/Customer/{number}"} if form == "graphql" else {"id": int(number), "email": None}
    body = changed("paid", form, customer=customer)

    order = from_graphql(body) if form == "graphql" else from_webhook(body)

    assert order.buyer_id == number


@pytest.mark.parametrize(("form", "customer"), [("graphql", None), ("webhook", None), ("webhook", {})])
def test_an_order_without_a_customer_is_an_order(form: str, customer: dict[str, str] | None) -> None:
    body = changed("paid", form, customer=customer)

    order = from_graphql(body) if form == "graphql" else from_webhook(body)

    assert order.buyer_id is None


@pytest.mark.parametrize("form", ["graphql", "webhook"])
@pytest.mark.parametrize(
    ("told", "name", "region"),
    [
        ({}, "A Buyer", "Bayern"),
        ({"name": " "}, "A Buyer", "Bayern"),
        ({"name": "As Written", "province_code": "BY"}, "As Written", "BY"),
    ],
)
def test_every_field_of_an_address_is_read(form: str, told: dict[str, str], name: str, region: str) -> None:
    address = {
        "first_name": "A",
        "last_name": "Buyer",
        "company": "Shop & Sons",
        "address1": "Hauptstr. 1",
        "address2": "Hinterhaus",
        "city": "Nürnberg",
        "province": "Bayern",
        "zip": " ",
        "country_code": "DE",
        "phone": "+49 911 1",
    } | told

    if form == "webhook":
        order = from_webhook(changed("paid", form, shipping_address=address, phone="+49 911 2"))
    else:
        names = {"country_code": "countryCodeV2"}
        fields = {names.get(key, to_camel(key)): value for key, value in address.items()}
        order = from_graphql(changed("paid", form, shippingAddress=fields, phone="+49 911 2"))

    assert order.phone == "+49 911 2"
    assert order.ship_to == Address(
        name=name,
        company="Shop & Sons",
        line1="Hauptstr. 1",
        line2="Hinterhaus",
        city="Nürnberg",
        region=region,
        postal_code=None,
        country="DE",
        phone="+49 911 1",
    )


@pytest.mark.parametrize("form", ["graphql", "webhook"])
def test_a_sku_of_blanks_and_things_that_are_gone_are_none(form: str) -> None:
    gone = {"variant": None, "product": None} if form == "graphql" else {"variant_id": None, "product_id": None}
    body = changed_line("paid", form, sku="  ", **gone)

    order = from_graphql(body) if form == "graphql" else from_webhook(body)

    assert (None, None, None) in [(item.sku, item.product_id, item.variant_id) for item in order.items]


def test_the_way_of_shipping_is_the_one_that_was_not_taken_away() -> None:
    lines = [{"title": "Standard", "is_removed": True}, {"title": "Express", "is_removed": False}]

    assert from_webhook(changed("paid", "webhook", shipping_lines=lines)).shipping_service == "Express"


def test_an_amount_that_has_become_a_float_on_its_way_is_refused() -> None:
    price = {"shopMoney": {"amount": 0.1, "currencyCode": "USD"}}

    with pytest.raises(UnreadablePayload, match="amount"):
        from_graphql(changed("paid", "graphql", totalPriceSet=price))


@pytest.mark.parametrize("form", ["graphql", "webhook"])
def test_what_is_not_made_is_shown(form: str) -> None:
    body = payload("shopify", f"digital_and_tip.{form}.json")

    order = from_graphql(body) if form == "graphql" else from_webhook(body)

    kinds = {item.kind: item.quantity_to_make for item in order.items}
    assert kinds["digital"] == kinds["tip"] == 0


@pytest.mark.parametrize("status", ["restocked", None, "partial"])
def test_every_fulfilment_status_of_a_webhook_is_understood(status: str | None) -> None:
    assert from_webhook(changed("paid", "webhook", fulfillment_status=status)).fulfilment == "unfulfilled"


def test_an_edited_order_in_a_webhook_is_made_as_it_is_now() -> None:
    body = changed_line("paid", "webhook", quantity=5, current_quantity=2, fulfillable_quantity=2)

    assert from_webhook(body).items[0].quantity_to_make == 2
