"""What we send and read agrees with Shopify's own schemas and sample payloads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, NoDeprecatedCustomRule, build_client_schema, parse, validate

from schemas.order import RawOrder
from services.ingest.connector import OrderHinted, OrderTold, StoreClosed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.subscriptions import TOPICS
from services.ingest.platforms.shopify.webhook import read_webhook
from tests.ingest.platforms.golden import FETCHED_AT, store_ref
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
    assert len(DOCUMENTS) == 11


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
