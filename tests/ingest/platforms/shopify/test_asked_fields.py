"""Every field that is read of Shopify's answers is asked for: GraphQL leaves out silently what nobody asks for."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode, parse
from pydantic import BaseModel

from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.payloads import GraphqlListed, GraphqlOrder
from services.ingest.platforms.shopify.shipping import GraphqlPart, GraphqlSent, GraphqlShipping

Asked = dict[str, "Asked"]
#: What the reader puts into an order, and what of a line's price nobody reads.
OURS = {"holds", "lineItems.nodes.originalUnitPriceSet.presentmentMoney"}


def asked_in(document: str) -> Asked:
    """The fields of a document, each with those in it; fragments stand where they are spread."""
    parsed = parse(document)
    fragments = {each.name.value: each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)}
    [operation] = (each for each in parsed.definitions if not isinstance(each, FragmentDefinitionNode))
    return _fields(operation.selection_set, fragments, parsed)  # type: ignore[attr-defined]


def _fields(
    chosen: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode], document: DocumentNode
) -> Asked:
    found: Asked = {}
    for each in chosen.selections if chosen else ():
        if isinstance(each, FieldNode):
            found[each.name.value] = _fields(each.selection_set, fragments, document)
        elif isinstance(each, FragmentSpreadNode):
            found |= _fields(fragments[each.name.value].selection_set, fragments, document)
        else:
            found |= _fields(each.selection_set, fragments, document)  # type: ignore[attr-defined]
    return found


def missing(model: type[BaseModel], asked: Asked, path: str = "") -> list[str]:
    """The fields of a model that nobody asks for."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if path + alias in OURS:
            continue
        if alias not in asked:
            found.append(path + alias)
            continue
        for nested in _models(field.annotation):
            found += missing(nested, asked[alias], f"{path}{alias}.")
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


@pytest.mark.parametrize(
    ("document", "path", "model"),
    [
        ("FIRST_PAGE", "orders.nodes", GraphqlOrder),
        ("NEXT_PAGE", "orders.nodes", GraphqlOrder),
        ("ONE_ORDER", "order", GraphqlOrder),
        ("SOME_ORDERS", "nodes", GraphqlOrder),
        ("FIRST_LIST", "orders.nodes", GraphqlListed),
        ("NEXT_LIST", "orders.nodes", GraphqlListed),
        ("MORE_PARTS", "order.fulfillmentOrders.nodes", GraphqlPart),
        ("SHIPPING", "order.fulfillmentOrders.nodes", GraphqlPart),
    ],
)
def test_every_field_that_is_read_is_asked_for(document: str, path: str, model: type[BaseModel]) -> None:
    asked = asked_in(getattr(queries, document))
    for name in path.split("."):
        asked = asked[name]

    assert missing(model, asked) == []


def test_the_lines_of_a_later_page_are_asked_for_as_those_of_the_first() -> None:
    first = asked_in(queries.ONE_ORDER)["order"]["lineItems"]

    assert asked_in(queries.MORE_LINES)["order"]["lineItems"] == first


@pytest.mark.parametrize("document", ["SHIPPING", "PARCELS"])
def test_what_was_sent_is_asked_for_and_what_is_in_it_apart(document: str) -> None:
    order = asked_in(getattr(queries, document))["order"]
    contents = asked_in(queries.PARCEL_LINES)["order"]["fulfillments"]

    absent = missing(GraphqlShipping, order)

    assert absent == ["fulfillments.fulfillmentLineItems"]
    lines = next(iter(_models(GraphqlSent.model_fields["fulfillment_line_items"].annotation)))
    assert missing(lines, contents["fulfillmentLineItems"]) == []


def test_webhooks_are_asked_for_as_json_under_the_present_name_of_their_address() -> None:
    assert "webhookSubscription: { uri: $uri, format: JSON }" in queries.SUBSCRIBE
