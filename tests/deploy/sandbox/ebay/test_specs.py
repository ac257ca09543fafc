"""The stand-in's answers against eBay's own descriptions of its APIs, its examples and its signature vectors.

The descriptions require nothing and close nothing: they are read closed here, so that a field that eBay does not have
is found too.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest
import yaml
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft4Validator

from deploy.sandbox.ebay.scenarios import OWN_SCENARIOS
from deploy.sandbox.ebay.signing import challenge_answer
from deploy.sandbox.scenarios import SCENARIOS

SPECS = Path(os.environ.get("PLATFORM_SPECS", "")) / "ebay"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif("PLATFORM_SPECS" not in os.environ, reason="no specs"),
]

ORDERS = "/sell/fulfillment/v1/order"
NOTIFICATION = "/commerce/notification/v1"
#: In live answers, and not in the description. The other way round, refunds of a line are said to have a
#: `refundStatus`, which the description gives to refunds of an order only: the stand-in follows the description.
_UNDESCRIBED = {"legacyOrderId"}


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    store: dict[str, Any]
    token: str
    app: dict[str, str]
    sandbox: Any

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def orders(self, criteria: str = "", **query: Any) -> Any: ...
    async def get(self, order: str) -> Any: ...
    async def ship(self, order: str, **body: Any) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", **options: Any) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...
    async def as_app(self) -> Ebay: ...


class Endpoint(Protocol):
    """The fixture's endpoint; see conftest."""

    url: str
    token: str
    bodies: list[bytes]


def description(name: str) -> dict[str, Any]:
    path = SPECS / name
    loaded: dict[str, Any] = (
        orjson.loads(path.read_bytes()) if name.endswith("json") else yaml.safe_load(path.read_bytes())
    )
    for schema in loaded["components"]["schemas"].values():
        # A map, which is what is left without named properties, stays open.
        if "properties" in schema:
            schema["additionalProperties"] = False
    return loaded


def check(document: dict[str, Any], schema: str, value: Any) -> None:
    ref = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    errors = [f"{error.json_path}: {error.message}" for error in Draft4Validator(ref).iter_errors(value)]
    assert not errors, errors


def described(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name not in _UNDESCRIBED}


@pytest.fixture(scope="module")
def fulfillment() -> dict[str, Any]:
    return description("sell_fulfillment_v1_oas3.json")


@pytest.fixture(scope="module")
def notification() -> dict[str, Any]:
    return description("commerce_notification_v1_oas3.yml")


async def test_every_order_is_as_described_in_a_list_and_alone(ebay: Ebay, fulfillment: dict[str, Any]) -> None:
    orders = [await ebay.order(state) for state in (*SCENARIOS, *OWN_SCENARIOS) if state != "unpaid_checkout"]
    await ebay.change(orders[0], "cancel_request")

    page = (await ebay.orders(limit=20)).json
    singles = [(await ebay.get(order)).json for order in orders]
    broken_down = (await ebay.orders(limit=200, fieldGroups="TAX_BREAKDOWN")).json

    assert len(singles) == len(SCENARIOS) + len(OWN_SCENARIOS) - 1
    for each in (page, broken_down):
        check(fulfillment, "OrderSearchPagedCollection", each | {"orders": [described(one) for one in each["orders"]]})
    for single in singles:
        check(fulfillment, "Order", described(single))


async def test_shipments_are_as_described_and_the_example_is_taken(ebay: Ebay, fulfillment: dict[str, Any]) -> None:
    example = orjson.loads((SPECS / "examples/createShippingFulfillment_request.json").read_bytes())
    order = await ebay.order()
    bought = (await ebay.get(order)).json
    [line, *_] = bought["lineItems"]
    # The example's own day is in the past of every order that is made now.
    example["shippedDate"] = bought["creationDate"]
    example["lineItems"] = [{"lineItemId": line["lineItemId"], "quantity": line["quantity"]}]

    taken = await ebay.ship(order, **example)
    told = (await ebay.call("GET", f"{ORDERS}/{order}/shipping_fulfillment")).json

    expected = orjson.loads((SPECS / "examples/shipping_fulfillments_response.json").read_bytes())
    expected["fulfillments"][0] |= {"lineItems": example["lineItems"], "shippedDate": example["shippedDate"]}
    assert taken.status == 201
    assert told == expected
    check(fulfillment, "ShippingFulfillmentDetails", example)
    check(fulfillment, "ShippingFulfillmentPagedCollection", told)


async def test_refusals_are_as_described_with_the_described_numbers(ebay: Ebay, fulfillment: dict[str, Any]) -> None:
    example = orjson.loads((SPECS / "examples/error_400.json").read_bytes())
    order = await ebay.order()
    [line, *_] = (await ebay.get(order)).json["lineItems"]
    listed = fulfillment["paths"]["/order"]["get"]["responses"]["400"]["x-response-codes"]["errors"]

    tracking = await ebay.ship(order, lineItems=[{"lineItemId": line["lineItemId"]}], trackingNumber="1")
    limit = await ebay.orders(limit=201)

    for answer in (tracking, limit):
        check(fulfillment, "Error", answer.json["errors"][0])
    assert example["errors"][0].items() <= tracking.json["errors"][0].items()
    assert limit.json["errors"][0]["message"] == listed["31100"]["description"].replace("{limitvalue}", "201")


async def test_quotas_are_as_described(ebay: Ebay) -> None:
    app = await ebay.as_app()

    answer = await app.call("GET", "/developer/analytics/v1_beta/rate_limit/")

    check(description("developer_analytics_v1_beta_oas3.json"), "RateLimitsResponse", answer.json)


async def test_notifications_are_set_up_as_described(
    ebay: Ebay, endpoint: Endpoint, notification: dict[str, Any]
) -> None:
    app = await ebay.as_app()
    config = {"endpoint": endpoint.url, "verificationToken": endpoint.token}
    target = {"name": "sync", "status": "ENABLED", "deliveryConfig": config}
    payload = {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}

    await app.call("PUT", f"{NOTIFICATION}/config", json={"alertEmail": "alerts@example.com"})
    made = await app.call("POST", f"{NOTIFICATION}/destination", json=target)
    wanted = {"topicId": "ORDER_CONFIRMATION", "status": "ENABLED", "payload": payload}
    wanted["destinationId"] = made.headers["location"].rsplit("/", 1)[1]
    subscribed = await ebay.call("POST", f"{NOTIFICATION}/subscription", json=wanted)
    kid = ebay.sandbox._publisher.keys[0].kid

    check(notification, "DestinationRequest", target)
    check(notification, "CreateSubscriptionRequest", wanted)
    for schema, caller, path in (
        ("Config", app, "/config"),
        ("DestinationSearchResponse", app, "/destination"),
        ("Destination", app, f"/destination/{wanted['destinationId']}"),
        ("SubscriptionSearchResponse", ebay, "/subscription"),
        ("Subscription", ebay, f"/subscription/{subscribed.headers['location'].rsplit('/', 1)[1]}"),
        ("TopicSearchResponse", app, "/topic"),
        ("Topic", app, "/topic/ORDER_CONFIRMATION"),
        ("PublicKey", app, f"/public_key/{kid}"),
    ):
        check(notification, schema, (await caller.call("GET", NOTIFICATION + path)).json)
    again = await app.call("POST", f"{NOTIFICATION}/destination", json=target)
    check(notification, "Error", again.json["errors"][0])


def shape(value: Any) -> Any:
    """Names and types, for comparing a message with an example."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


async def test_messages_are_as_described_and_as_seen(ebay: Ebay, endpoint: Endpoint) -> None:
    app = await ebay.as_app()
    config = {"endpoint": endpoint.url, "verificationToken": endpoint.token}
    await app.call("PUT", f"{NOTIFICATION}/config", json={"alertEmail": "alerts@example.com"})
    made = await app.call(
        "POST", f"{NOTIFICATION}/destination", json={"name": "s", "status": "ENABLED", "deliveryConfig": config}
    )
    for caller, topic in (
        (ebay, "ORDER_CONFIRMATION"),
        (ebay, "AUTHORIZATION_REVOCATION"),
        (app, "MARKETPLACE_ACCOUNT_DELETION"),
    ):
        payload = {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}
        body = {"topicId": topic, "status": "ENABLED", "payload": payload}
        body["destinationId"] = made.headers["location"].rsplit("/", 1)[1]
        assert (await caller.call("POST", f"{NOTIFICATION}/subscription", json=body)).status == 201

    order = await ebay.order()
    await ebay.control("POST", "/account-deletions", store=ebay.store["store"], order=order)
    await ebay.control("POST", f"/stores/{ebay.store['store']}/revoke")
    await ebay.sandbox._publisher.settle()

    heard = {each["metadata"]["topic"]: each for each in map(orjson.loads, endpoint.bodies)}
    for topic in ("AUTHORIZATION_REVOCATION", "MARKETPLACE_ACCOUNT_DELETION"):
        document = description(f"asyncapi/{topic.lower()}.yml")
        check(document, "MetaData", heard[topic]["metadata"])
        check(document, "Notification", heard[topic]["notification"])
    example = orjson.loads((SPECS / "examples/order_confirmation_notification.json").read_bytes())
    assert shape(heard["ORDER_CONFIRMATION"]) == shape(example)


def test_the_challenge_vector() -> None:
    vector = orjson.loads((SPECS / "examples/challenge_vector.json").read_bytes())

    answer = challenge_answer(vector["challenge_code"], token=vector["verificationToken"], endpoint=vector["endpoint"])

    assert answer == vector["challengeResponse"]


def test_the_signature_vectors_are_of_the_scheme_that_signs_here() -> None:
    cases = orjson.loads((SPECS / "examples/notification_signature_vectors.json").read_bytes())["cases"]

    verdicts = {}
    for case in cases:
        stamp = orjson.loads(base64.b64decode(case["x_ebay_signature"]))
        pem = case["public_key_response"]["key"].replace("KEY-----", "KEY-----\n", 1).replace("-----END", "\n-----END")
        key: Any = serialization.load_pem_public_key(pem.encode())
        try:
            key.verify(base64.b64decode(stamp["signature"]), orjson.dumps(case["message"]), ec.ECDSA(hashes.SHA1()))
        except InvalidSignature:
            verdicts[case["name"]] = False
        else:
            verdicts[case["name"]] = True

    assert verdicts == {case["name"]: case["expect"] for case in cases}
    assert verdicts["valid"]
