"""What we send and read agrees with Shopify's own schemas and sample payloads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, NoDeprecatedCustomRule, build_client_schema, parse, validate

from schemas.order import RawOrder, Risk
from services.ingest.contract.webhooks import NotOurs, OrderHinted, OrderTold, StoreClosed
from services.ingest.parsing import parsed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.mapping import to_raw_order
from services.ingest.platforms.shopify.payloads import GraphqlOrder
from services.ingest.platforms.shopify.subscriptions import TOPICS
from services.ingest.platforms.shopify.webhook import read_webhook
from tests.ingest.platforms.golden import FETCHED_AT, payload, store_ref
from tests.ingest.platforms.specs import document, examples, needs_specs

VERSIONS = ("2026-07", "2026-10")
DOCUMENTS = {name: text for name, text in vars(queries).items() if name.isupper() and not name.startswith("_")}
STORE = store_ref("shopify", currency="USD")


def schema(version: str) -> GraphQLSchema:
    found = document(f"shopify/admin_graphql_{version}_orders_excerpt.introspection.json")
    return build_client_schema(found["data"])


def example(name: str) -> dict[str, Any]:
    """A sample payload; its numeric ids were rounded when it was published, admin_graphql_api_id is the truth."""
    found: dict[str, Any] = document(f"shopify/examples/{name}")["payload"]
    return found


def read(name: str) -> object:
    topic = document(f"shopify/examples/{name}")["topic"]
    return read_webhook(STORE, {"x-shopify-topic": topic}, json.dumps(example(name)).encode(), now=FETCHED_AT)


def test_every_document_is_checked() -> None:
    assert len(DOCUMENTS) == 24


@needs_specs
@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_we_send_is_valid(version: str) -> None:
    official = schema(version)

    problems = {name: validate(official, parse(text)) for name, text in DOCUMENTS.items()}

    assert {name: found for name, found in problems.items() if found} == {}


@needs_specs
@pytest.mark.parametrize("version", VERSIONS)
def test_no_field_we_read_is_deprecated(version: str) -> None:
    official = schema(version)

    problems = {name: validate(official, parse(text), [NoDeprecatedCustomRule]) for name, text in DOCUMENTS.items()}

    assert {name: found for name, found in problems.items() if found} == {}


@needs_specs
@pytest.mark.parametrize("version", VERSIONS)
def test_every_topic_we_subscribe_to_exists(version: str) -> None:
    topics = schema(version).get_type("WebhookSubscriptionTopic")

    assert isinstance(topics, GraphQLEnumType)
    assert set(TOPICS) <= set(topics.values)


@needs_specs
@pytest.mark.parametrize(
    "name",
    [
        "orders__create.json",
        "orders__updated.json",
        "orders__paid.json",
        "orders__cancelled.json",
        "orders__fulfilled.json",
        "orders__partially_fulfilled.json",
    ],
)
def test_every_sample_order_is_read(name: str) -> None:
    fact = read(name)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder), fact.order
    assert fact.order.external_id == str(example(name)["id"])
    assert fact.order.total.amount == 40495
    assert 8999 in {item.unit_price.amount for item in fact.order.items}
    assert fact.order.revised_at.isoformat() == "2022-01-01T00:00:00+00:00"


@needs_specs
def test_samples_of_the_other_topics_are_read() -> None:
    assert isinstance(read("orders__edited.json"), OrderHinted)
    assert isinstance(read("app__uninstalled.json"), StoreClosed)
    # The sample's own ids were rounded when it was published.
    assert read("refunds__create.json") == OrderHinted(str(example("refunds__create.json")["order_id"]))
    for name in ("fulfillment_orders__placed_on_hold.json", "fulfillment_orders__hold_released.json"):
        assert read(name) == OrderHinted("fulfillment-order/1")
    assert isinstance(read("orders__risk_assessment_changed.json"), NotOurs)
    deleted = read("orders__delete.json")
    assert isinstance(deleted, OrderTold)
    assert isinstance(deleted.order, RawOrder)
    assert deleted.order.deleted


@needs_specs
def test_no_sample_is_an_error() -> None:
    names = examples("shopify", "*.json")

    assert len(names) >= 20
    for name in names:
        read(name)


@needs_specs
@pytest.mark.parametrize("version", VERSIONS)
def test_every_state_of_the_schema_is_one_that_we_know(version: str) -> None:
    official = schema(version)
    base: dict[str, Any] = json.loads(payload("shopify", "paid.graphql.json"))

    def read_as(**fields: Any) -> RawOrder:
        order = parsed(GraphqlOrder, base | fields)
        return to_raw_order(order, STORE, body="{}", way="poll", fetched_at=FETCHED_AT)

    for field, kind in (
        ("displayFinancialStatus", "OrderDisplayFinancialStatus"),
        ("displayFulfillmentStatus", "OrderDisplayFulfillmentStatus"),
        ("cancelReason", "OrderCancelReason"),
    ):
        states = official.get_type(kind)
        assert isinstance(states, GraphQLEnumType)
        for state in states.values:
            assert read_as(**{field: state}).external_id


@needs_specs
@pytest.mark.parametrize("version", VERSIONS)
def test_every_recommendation_of_a_risk_check_is_one_that_we_know(version: str) -> None:
    kind = schema(version).get_type("OrderRiskRecommendationResult")

    assert isinstance(kind, GraphQLEnumType)
    assert {value.lower() for value in kind.values} - {"none"} == set(Risk.__args__)  # type: ignore[attr-defined]
