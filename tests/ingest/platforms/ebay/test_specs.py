"""What we send and read agrees with eBay's own specifications, vectors and samples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from services.ingest.contract.reading import Window
from services.ingest.contract.webhooks import Delivery, Greeting, OrderHinted, SignatureRefused
from services.ingest.platforms.ebay import payloads
from services.ingest.platforms.ebay.client import ANALYTICS, NOTIFY, SELL
from services.ingest.platforms.ebay.connector import EbayConnector
from services.ingest.platforms.ebay.webhook import ORDER_CONFIRMATION
from tests.ingest.platforms.ebay.desk import Desk
from tests.ingest.platforms.ebay.notices import APP_URL
from tests.ingest.platforms.ebay.shop import ACCESS, HOUR_AGO, NOW, Shop, connector
from tests.ingest.platforms.golden import cases, payload, store_ref
from tests.ingest.platforms.specs import DIRECTORY, document, examples, needs_specs
from tests.ingest.platforms.twin_http import Asked, answer

pytestmark = needs_specs

#: Where each API's specification is, by the path that it is served under.
SPECS = {
    SELL: "sell_fulfillment_v1_oas3.json",
    NOTIFY: "commerce_notification_v1_oas3.yml",
    ANALYTICS: "developer_analytics_v1_beta_oas3.json",
}
#: eBay's name of each thing that we read.
MODELS: dict[str, dict[str, type[BaseModel]]] = {
    SELL: {
        "Order": payloads.EbayOrder,
        "LineItem": payloads.EbayLine,
        "LineItemFulfillmentInstructions": payloads.EbayPromise,
        "Amount": payloads.EbayAmount,
        "NameValuePair": payloads.EbayPair,
        "LineItemRefund": payloads.EbayRefund,
        "OrderRefund": payloads.EbayRefund,
        "Address": payloads.EbayPostalAddress,
        "PhoneNumber": payloads.EbayPhone,
        "ExtendedContact": payloads.EbayContact,
        "ShippingStep": payloads.EbayShippingStep,
        "FulfillmentStartInstruction": payloads.EbayInstruction,
        "EbayVaultProgram": payloads.EbayVault,
        "EbayFulfillmentProgram": payloads.EbayFulfilment,
        "EbayShipping": payloads.EbayLabel,
        "Program": payloads.EbayProgram,
        "CancelRequest": payloads.EbayCancelRequest,
        "CancelStatus": payloads.EbayCancelStatus,
        "Buyer": payloads.EbayBuyer,
        "PricingSummary": payloads.EbayPrices,
        "PaymentSummary": payloads.EbayPayments,
        "ShippingFulfillment": payloads.EbayShipment,
        "LineItemReference": payloads.EbayShippedLine,
        "ShippingFulfillmentPagedCollection": payloads.EbayShipments,
    },
    NOTIFY: {"PublicKey": payloads.EbayPublicKey},
    ANALYTICS: {
        "Rate": payloads.EbayRate,
        "Resource": payloads.EbayResource,
        "RateLimit": payloads.EbayRateLimit,
        "RateLimitsResponse": payloads.EbayRateLimits,
    },
}
#: Told all the same: the state of a refund is described for whole orders only.
UNDOCUMENTED = {"legacyOrderId", "refundStatus"}


@cache
def spec(api: str) -> dict[str, Any]:
    text = (DIRECTORY / "ebay" / SPECS[api]).read_text()
    return cast("dict[str, Any]", yaml.safe_load(text) if SPECS[api].endswith("yml") else json.loads(text))


def validate(value: object, schema: dict[str, Any], api: str) -> None:
    whole = {"components": spec(api)["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(value)


def operation(asked: Asked) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The API, its path item and its operation that a request goes to."""
    path = urlsplit(asked.url).path
    api = next(prefix for prefix in SPECS if path.startswith(prefix))
    found = [
        item
        for template, item in spec(api)["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path.removeprefix(api))
    ]
    assert len(found) == 1, path
    assert asked.method.lower() in found[0], (asked.method, path)
    return api, found[0], found[0][asked.method.lower()]


def agrees(asked: Asked) -> None:
    """Hold a request against the specification: path, method, parameters, headers and body."""
    api, _, found = operation(asked)
    declared = {parameter["name"]: parameter for parameter in found.get("parameters", ())}
    query = dict(parse_qsl(urlsplit(asked.url).query))
    assert set(query) <= {name for name, parameter in declared.items() if parameter["in"] == "query"}
    for name, parameter in declared.items():
        if parameter.get("required") and parameter["in"] == "header":
            assert asked.headers.get(name), name
    body = found.get("requestBody")
    assert (asked.json is not None) == (body is not None)
    if body:
        validate(asked.json, body["content"]["application/json"]["schema"], api)
        schema = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(asked.json) <= set(spec(api)["components"]["schemas"][schema]["properties"])


async def requests_for_orders() -> list[Asked]:
    canceled = {"cancelStatus": {"cancelState": "CANCELED"}}
    partly = {"lineItems": [json.loads(payload("ebay", "several_shipments.json"))["lineItems"][0]]}
    shop = Shop(dict.fromkeys(range(1, 300), 7), fields={1: canceled, 2: partly}, rate={"limit": 100, "remaining": 90})
    found, _ = connector(shop.answer)
    page = await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")
    await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=page.after, way="poll")
    await found.count_orders(ACCESS, Window(HOUR_AGO, NOW))
    await found.list_orders(ACCESS, Window(HOUR_AGO, NOW), after=None)
    await found.read_orders(ACCESS, ["1", "3", "999"], way="poll")
    return shop.asked


async def requests_for_notifications() -> list[Asked]:
    desk = Desk()
    for number in range(3):
        token = "v" * (40 + number)
        found, _ = connector(desk.answer, ebay_alert_email="ops@example.com", ebay_verification_token=token)
        await found.subscribe(ACCESS, callback_url=APP_URL, app_url=APP_URL)
        for subscription in desk.subscriptions["Bearer user-token"].values():
            subscription["status"] = "DISABLED"
    await found.unsubscribe(ACCESS)
    return desk.asked


async def test_every_request_for_orders_is_one_that_ebay_describes() -> None:
    asked = [request for request in await requests_for_orders() if "oauth2" not in request.url]

    assert {urlsplit(request.url).path.rpartition("/")[2] for request in asked} >= {"order", "shipping_fulfillment"}
    for request in asked:
        agrees(request)


async def test_every_request_for_notifications_is_one_that_ebay_describes() -> None:
    asked = await requests_for_notifications()

    assert {request.method for request in asked} == {"GET", "POST", "PUT", "DELETE"}
    for request in asked:
        agrees(request)


async def test_the_probe_asks_only_what_ebay_describes() -> None:
    shop, asked = Shop(), list[Asked]()

    def answered(request: Asked) -> Any:
        asked.append(request)
        own = answer({"total": 0, "orders": [], "subscriptions": []})
        return shop.answer(request) if "oauth2" in request.url or "rate_limit" in request.url else own

    found, _ = connector(answered)
    await found.probe(ACCESS)

    for request in asked:
        if "oauth2" not in request.url:
            agrees(request)


@pytest.mark.parametrize(("api", "kind"), [(api, kind) for api, kinds in MODELS.items() for kind in kinds])
def test_every_field_we_read_exists(api: str, kind: str) -> None:
    known = spec(api)["components"]["schemas"][kind]["properties"]

    for name, info in MODELS[api][kind].model_fields.items():
        assert (info.alias or name) in known or (kind == "LineItemRefund" and info.alias in UNDOCUMENTED), (kind, name)


@pytest.mark.parametrize("case", cases("ebay", ending=".json"))
def test_our_recorded_orders_have_ebays_form(case: str) -> None:
    order = json.loads(payload("ebay", f"{case}.json"))

    validate(order, {"$ref": "#/components/schemas/Order"}, SELL)
    assert set(strangers(order, "Order")) <= UNDOCUMENTED


def strangers(value: Any, kind: str) -> Iterable[str]:
    """The names of fields that eBay's description of this thing does not have."""
    schemas = spec(SELL)["components"]["schemas"]
    for name, part in value.items():
        described = schemas[kind]["properties"].get(name)
        if described is None:
            yield name
            continue
        inner = described.get("items", described).get("$ref", "").rpartition("/")[2]
        for each in part if isinstance(part, list) else [part]:
            if inner and isinstance(each, dict):
                yield from strangers(each, inner)


@pytest.mark.parametrize("name", ["marketplace_account_deletion", "authorization_revocation"])
def test_every_field_of_a_notification_that_we_read_exists(name: str) -> None:
    text = (DIRECTORY / "ebay" / "asyncapi" / f"{name}.yml").read_text()
    schemas = yaml.safe_load(text)["components"]["schemas"]
    [kind] = {kind for kind in schemas if kind.endswith("Data")} - {"MetaData"}
    data = schemas[kind]["properties"]

    assert {"username", "userId"} <= set(data)
    assert name != "authorization_revocation" or {"revokeReason", "revocationDate"} <= set(data)
    assert {"topic"} <= set(schemas["MetaData"]["properties"])
    assert {"notificationId", "eventDate", "data"} <= set(schemas["Notification"]["properties"])


def test_every_reason_of_a_revocation_has_a_sentence() -> None:
    text = (DIRECTORY / "ebay" / "asyncapi" / "authorization_revocation.yml").read_text()
    reasons = yaml.safe_load(text)["components"]["schemas"]["AuthorizationRevocationData"]["properties"]["revokeReason"]

    found, _ = connector()
    for reason in reasons["enum"]:
        body = {"metadata": {"topic": "AUTHORIZATION_REVOCATION"}, "notification": {"notificationId": "n"}}
        body["notification"]["data"] = {"userId": "AbCdEfGhIjK", "revokeReason": reason}  # type: ignore[assignment]
        fact = found.read_webhook(ACCESS.store, Delivery(headers={}, body=json.dumps(body).encode()), now=NOW)
        assert getattr(fact, "problem", "eBay ended our access. Link the store again.") != (
            "eBay ended our access. Link the store again."
        )


def test_the_sample_notification_is_understood() -> None:
    body = json.dumps(document("ebay/examples/order_confirmation_notification.json")).encode()
    found, _ = connector()

    fact = found.read_webhook(store_ref("ebay", external_id="AbCdEfGhIjK"), Delivery(headers={}, body=body), now=NOW)

    assert json.loads(body)["metadata"]["topic"] == ORDER_CONFIRMATION
    assert fact == OrderHinted("13-12345-67890")


def keeper_of(key: dict[str, str]) -> EbayConnector:
    return connector(lambda asked: answer(key) if "/public_key/" in asked.url else Shop().answer(asked))[0]


async def test_the_vectors_of_ebays_own_kit_are_judged_as_it_judges_them() -> None:
    vectors = document("ebay/examples/notification_signature_vectors.json")["cases"]

    assert [vector["expect"] for vector in vectors] == [True, False, False]
    for vector in vectors:
        found = keeper_of(vector["public_key_response"])
        body = json.dumps(vector["message"], ensure_ascii=False).encode()
        sent = Delivery(headers={"x-ebay-signature": vector["x_ebay_signature"]}, body=body)
        if vector["expect"]:
            await found.verify_webhook(None, sent, now=NOW)
        else:
            with pytest.raises(SignatureRefused):
                await found.verify_webhook(None, sent, now=NOW)


def test_the_vector_of_the_challenge_is_answered() -> None:
    vector = document("ebay/examples/challenge_vector.json")
    found, _ = connector(ebay_verification_token=vector["verificationToken"])
    query = {"challenge_code": vector["challenge_code"]}

    greeting = found.greet(Delivery(headers={}, body=b"", address=vector["endpoint"], query=query))

    assert isinstance(greeting, Greeting)
    assert json.loads(greeting.body) == {"challengeResponse": vector["challengeResponse"]}


def test_the_sample_parcels_are_read() -> None:
    found = payloads.EbayShipments.model_validate(document("ebay/examples/shipping_fulfillments_response.json"))

    assert [(line.id, line.quantity) for shipment in found.shipments for line in shipment.lines] == [
        ("10000000000001", 2)
    ]


async def test_the_sample_error_is_named_by_its_number() -> None:
    body = document("ebay/examples/error_400.json")
    shop = Shop({1: 1}, meanwhile=lambda _number: answer(body, status=400))
    found, _ = connector(shop.answer)

    with pytest.raises(Exception, match="32300"):
        await found.read_page(ACCESS, Window(NOW - timedelta(hours=1), NOW), after=None, way="poll")


def test_no_sample_is_left_out() -> None:
    assert set(examples("ebay", "*.json")) == {
        "challenge_vector.json",
        "createShippingFulfillment_request.json",  # see test_tracking
        "error_400.json",
        "notification_signature_vectors.json",
        "order_confirmation_notification.json",
        "shipping_fulfillments_response.json",
    }


@pytest.mark.parametrize(
    ("api", "number"),
    [(SELL, 30850), (SELL, 32100)] + [(NOTIFY, number) for number in (195003, 195011, 195012, 195015, 195020)],
)
def test_every_number_that_we_act_upon_is_ebays(api: str, number: int) -> None:
    assert f'"{number}"' in json.dumps(spec(api)["paths"])
