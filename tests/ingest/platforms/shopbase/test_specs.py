"""What we send and read agrees with ShopBase's own Swagger and the example payloads."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
from pydantic import BaseModel

from schemas.order import RawOrder
from services.ingest.contract.reading import Window
from services.ingest.contract.webhooks import Delivery, OrderTold
from services.ingest.platforms.shopbase import payloads
from services.ingest.platforms.shopbase.subscriptions import TOPICS
from services.ingest.platforms.shopbase.webhook import read_webhook
from tests.ingest.platforms.golden import FETCHED_AT, cases, payload, store_ref
from tests.ingest.platforms.shopbase.shop import ACCESS, HOUR_AGO, NOW, Shop, connector
from tests.ingest.platforms.shopbase.test_tracking import NUMBER, parcel
from tests.ingest.platforms.specs import document, examples, needs_specs
from tests.ingest.platforms.twin_http import Asked

SWAGGER = "shopbase/shopbase_admin_swagger_orders.json"
STORE = store_ref("shopbase", external_id="store.onshopbase.com", currency="USD")
#: The Swagger's own way of writing numbers of a template, and our ids beside it.
_TEMPLATE = re.compile(r"\{\w+:[^}]*\}")

#: Which definition each of our payloads reads a part of, and what of it is known from elsewhere than the Swagger.
READ = {
    payloads.ShopbaseListed: ("OrderDto", set()),
    payloads.ShopbaseOrder: ("OrderDto", {"customer"}),
    payloads.ShopbaseLine: ("OrderLineItemDto", {"id"}),
    payloads.ShopbaseAddress: ("CustomerAddressDetail", set()),
    payloads.ShopbaseShippingLine: ("ShippingLinesDto", set()),
    payloads.ShopbaseFulfillment: ("OrderFulfillmentDto", set()),
    payloads.ShopbaseParcelLine: ("OrderLineItemDto", {"id"}),
    payloads.ShopbaseRefund: ("RefundDto", set()),
    payloads.ShopbaseRefundLine: ("RefundLineItemDto", set()),
    payloads.ShopbaseShipping: ("OrderDto", set()),
    payloads.ShopbaseLeft: ("OrderLineItemDto", {"id"}),
    payloads.ShopbaseParcel: ("OrderFulfillmentDto", set()),
    payloads.ShopbaseParcelList: ("FulfillmentsSwaggerResponse", set()),
    payloads.ShopbaseShop: ("ShopDto", set()),
    payloads.ShopbaseWebhook: ("Webhook", set()),
}


async def every_request() -> list[Asked]:
    """Do everything that calls a shop's API, so that each kind of request is made at least once."""
    shop = Shop(dict.fromkeys(range(1, 301), 60.0) | {number: float(number) for number in range(301, 900)})
    found, http, _ = connector(shop.answer)
    after: str | None = None
    while True:
        page = await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=after, way="poll")
        if (after := page.after) is None:
            break
    await found.count_orders(ACCESS, Window(HOUR_AGO, NOW))
    await found.list_orders(ACCESS, Window(HOUR_AGO, NOW), after=None)
    await found.read_orders(ACCESS, ["1", "2"], way="poll")
    await found.read_order(ACCESS, "1", way="poll")
    shop.fields[1] = {"line_items": [{"id": 7, "quantity": 2}]}
    for given in (parcel(), parcel(tracking_number="2", replaces=NUMBER)):
        shipping = await found.parcels.read(ACCESS, "1")
        assert shipping is not None
        await found.parcels.write(ACCESS, given, shipping)
        shop.fields[1]["fulfillments"] = list(shop.fulfillments.values())
    await found.subscribe(ACCESS, callback_url="https://sync.example.com/webhooks/shopbase/store-1", app_url="")
    await found.unsubscribe(ACCESS)
    await found.refresh(ACCESS, now=NOW)
    return http.asked


def operation(swagger: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Return the operation that a request is; none is a failure."""
    path = urlsplit(asked.url).path
    for template, methods in swagger["paths"].items():
        pattern = _TEMPLATE.sub("[0-9]+", template).replace(".json", r"\.json")
        if re.fullmatch(pattern, path) and asked.method.lower() in methods:
            found: dict[str, Any] = methods[asked.method.lower()]
            return found
    raise AssertionError(f"the Swagger has no {asked.method} {path}")


def allowed_query(swagger: dict[str, Any], found: dict[str, Any]) -> dict[str, str]:
    """Return the parameters by their types: those of a GET's body are sent in the query."""
    named = {one["name"]: one.get("type", "") for one in found.get("parameters", ()) if one["in"] == "query"}
    for one in found.get("parameters", ()):
        if one["in"] == "body":
            definition = swagger["definitions"][one["schema"]["$ref"].rpartition("/")[2]]
            named |= {name: field.get("type", "") for name, field in definition["properties"].items()}
    return named


def test_every_kind_of_payload_is_checked() -> None:
    ours = {
        found
        for found in vars(payloads).values()
        if isinstance(found, type) and issubclass(found, BaseModel) and found.__name__.startswith("Shopbase")
    }
    unspecified = {
        payloads.ShopbaseAttribute,  # its item's type is a slip of the generator
        payloads.ShopbaseCustomer,  # seen in orders only
        payloads.ShopbaseNamed,  # what webhooks tell is not in the Swagger
        payloads.ShopbasePart,
    }

    assert ours == set(READ) | unspecified


@needs_specs
async def test_every_request_is_one_of_the_swaggers() -> None:
    swagger, made = document(SWAGGER), set()

    for asked in await every_request():
        found = operation(swagger, asked)
        made.add(found["operationId"])
        allowed = allowed_query(swagger, found)
        for name, value in parse_qsl(urlsplit(asked.url).query):
            assert name in allowed, (asked.url, name)
            assert allowed[name] not in {"integer", "number"} or value.isdecimal(), (name, value)

    assert made == {
        "retrieves-a-list-of-orders",
        "retrieves-an-order-count",
        "retrieves-fulfillments-associated-with-an-order",
        "create-fulfillment",
        "update-fulfillment",
        "retrieves-a-specific-order",
        "retrieves-the-shop's-configuration",
        "retrieves-a-list-of-webhooks",
        "create-webhook",
        "delete-webhook-by-id",
    }


@needs_specs
async def test_every_body_that_we_send_fits_its_schema() -> None:
    swagger = document(SWAGGER)
    bodies = [asked for asked in await every_request() if asked.json is not None]

    assert len(bodies) == len(TOPICS) + 2
    for asked in bodies:
        [body] = [one for one in operation(swagger, asked)["parameters"] if one["in"] == "body"]
        reference = body["schema"]["$ref"]
        # The document as a whole is no valid schema: a type in it is a slip of its generator.
        schema = {"$ref": reference, "definitions": swagger["definitions"]}
        jsonschema.Draft4Validator(schema).validate(asked.json)
        [(name, value)] = asked.json.items()
        definition = swagger["definitions"][reference.rpartition("/")[2]]["properties"][name]["$ref"]
        known = set(swagger["definitions"][definition.rpartition("/")[2]]["properties"])
        # Whether a new fulfillment says who is told is not settled: the object has the field, the request has not.
        assert set(value) - known <= ({"notify_customer"} if asked.method == "POST" else set())


@needs_specs
def test_every_topic_we_subscribe_to_exists() -> None:
    description = document(SWAGGER)["definitions"]["Webhook"]["properties"]["topic"]["description"]

    topics = {word.strip(" .") for word in description.partition("are:")[2].split(",")}

    assert set(TOPICS) <= topics


@needs_specs
@pytest.mark.parametrize("model", READ, ids=lambda model: model.__name__)
def test_every_field_we_read_exists(model: type[BaseModel]) -> None:
    definition, known_elsewhere = READ[model]

    properties = set(document(SWAGGER)["definitions"][definition]["properties"])

    assert set(model.model_fields) - known_elsewhere <= properties


@needs_specs
def test_our_recorded_orders_name_no_field_that_does_not_exist() -> None:
    definitions = document(SWAGGER)["definitions"]

    for name in cases("shopbase", ending=".json"):
        order = json.loads(payload("shopbase", f"{name}.json"))
        assert set(order) - {"customer"} <= set(definitions["OrderDto"]["properties"]), name
        for line in order["line_items"]:
            assert set(line) - {"id"} <= set(definitions["OrderLineItemDto"]["properties"]), name


@needs_specs
def test_every_example_order_is_read() -> None:
    names = examples("shopbase", "*.json")

    assert names
    for name in names:
        body = json.dumps(document(f"shopbase/examples/{name}")["order"]).encode()
        found = read_webhook(STORE, Delivery({}, body, topic="orders-create"), now=FETCHED_AT)
        assert isinstance(found, OrderTold)
        assert isinstance(found.order, RawOrder), found.order
        assert (found.order.total.amount, found.order.payment) == (4590, "paid")
        assert [(item.quantity_to_make, item.unit_price.amount) for item in found.order.items] == [(2, 1995)]
