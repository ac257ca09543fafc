"""What we send and read agrees with Etsy's own specification and samples."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
from pydantic import AliasChoices, BaseModel

from services.ingest.contract.reading import Window
from services.ingest.contract.webhooks import OrderHinted
from services.ingest.platforms.etsy.linking import SCOPES
from services.ingest.platforms.etsy.payloads import (
    EtsyMoney,
    EtsyReceipt,
    EtsyRefund,
    EtsySelf,
    EtsyShop,
    EtsyTransaction,
    EtsyVariation,
)
from services.ingest.platforms.etsy.webhook import read_webhook, verify_webhook
from tests.ingest.platforms.etsy.shop import ACCESS, NOW, Shop, connector, reader
from tests.ingest.platforms.golden import cases, payload, store_ref
from tests.ingest.platforms.specs import document, examples, needs_specs
from tests.ingest.platforms.twin_http import answer

FILES = ("etsy_oas_3.0.0_2025-12_orders.json", "etsy_oas_3.0.0_2026_orders.json")
#: Etsy's name of each thing that we read.
MODELS: dict[str, type[BaseModel]] = {
    "ShopReceipt": EtsyReceipt,
    "ShopReceiptTransaction": EtsyTransaction,
    "TransactionVariations": EtsyVariation,
    "Money": EtsyMoney,
    "ShopRefund": EtsyRefund,
    "Shop": EtsyShop,
    "Self": EtsySelf,
}
pytestmark = needs_specs


def spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document(f"etsy/{name}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_field_we_read_exists(name: str) -> None:
    schemas = spec(name)["components"]["schemas"]

    for kind, model in MODELS.items():
        for field, info in model.model_fields.items():
            alias = info.validation_alias
            names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [field]
            assert set(names) <= set(schemas[kind]["properties"]), (kind, names)


@pytest.mark.parametrize("name", FILES)
async def test_every_parameter_we_send_exists_and_is_of_its_type(name: str) -> None:
    shop = Shop(dict.fromkeys(range(1, 300), 7))
    hour = Window(NOW - timedelta(hours=1), NOW)
    await reader(shop).read_page(ACCESS, hour, after=None, way="poll")
    await reader(shop).list_orders(ACCESS, hour, after=None)
    assert await reader(shop).count_orders(ACCESS, hour) == len(shop.seconds)

    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in spec(name)["paths"]["/v3/application/shops/{shop_id}/receipts"]["get"]["parameters"]
    }

    assert [sent["limit"] for sent in shop.queries] == ["100", "100", "1"]
    for key, text in [asked for sent in shop.queries for asked in sent.items()]:
        value = int(text) if parameters[key]["type"] == "integer" else text
        jsonschema.validate(value, parameters[key])


@pytest.mark.parametrize("name", FILES)
async def test_every_path_we_call_exists(name: str) -> None:
    paths = spec(name)["paths"]
    found, http = connector(answer({"user_id": 1, "shop_id": 2, "shop_name": "A", "count": 0, "results": []}))
    tokens = answer({"access_token": "1.a", "refresh_token": "1.r"})
    http.replies.insert(0, tokens)

    await found.complete_authorization({"code": "c"}, memory={"verifier": "v"}, callback_url="https://x", now=NOW)
    await found.read_page(ACCESS, Window(NOW - timedelta(hours=1), NOW), after=None, way="poll")

    called = [asked.url.partition("?")[0].removeprefix("https://api.etsy.com") for asked in http.asked[1:]]
    shaped = [path.replace("/2", "/{shop_id}").replace("/40000001", "/{shop_id}") for path in called]
    assert shaped == [
        "/v3/application/users/me",
        "/v3/application/shops/{shop_id}",
        "/v3/application/shops/{shop_id}/receipts",
    ]
    assert set(shaped) <= set(paths)


@pytest.mark.parametrize("name", FILES)
def test_the_scopes_we_ask_for_exist(name: str) -> None:
    flows = spec(name)["components"]["securitySchemes"]["oauth2"]["flows"]

    assert set(SCOPES) <= set(flows["authorizationCode"]["scopes"])


@pytest.mark.parametrize("case", cases("etsy", ending=".json"))
def test_our_recorded_receipts_have_etsys_form(case: str) -> None:
    schemas = spec(FILES[1])["components"]["schemas"]
    receipt = json.loads(payload("etsy", f"{case}.json"))
    known = schemas["ShopReceipt"]["properties"]

    assert set(receipt) <= set(known)
    assert receipt["status"].lower() in known["status"]["enum"]
    for transaction in receipt["transactions"]:
        assert set(transaction) <= set(schemas["ShopReceiptTransaction"]["properties"])


def test_the_sample_webhooks_are_understood() -> None:
    names = examples("etsy", "webhook_order_*.json")

    assert len(names) == 4
    for name in names:
        body = (json.dumps(document(f"etsy/examples/{name}"))).encode()
        assert read_webhook(store_ref("etsy", external_id="123456"), body) == OrderHinted("234567890")


def test_the_sample_signatures_verify() -> None:
    vectors = document("etsy/examples/webhook_signature_vectors.json")["cases"]

    assert len(vectors) == 2
    for vector in vectors:
        headers = {name: vector[name] for name in ("webhook-id", "webhook-timestamp")}
        now = datetime.fromtimestamp(int(vector["webhook-timestamp"]), tz=UTC)
        verify_webhook(
            headers | {"webhook-signature": vector["signature"]},
            vector["body"].encode(),
            secret=vector["secret"],
            now=now,
        )


def operation(described: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    for shape, operations in described["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[0-9]+", shape), path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is not described")


def check_query(parameters: list[dict[str, Any]], query: dict[str, str]) -> None:
    known = {parameter["name"]: parameter["schema"] for parameter in parameters if parameter["in"] == "query"}
    for name, text in query.items():
        value: object = text
        match known[name]["type"]:
            case "integer":
                value = int(text)
            case "boolean":
                value = {"true": True, "false": False}[text]
        jsonschema.validate(value, known[name])


@pytest.mark.parametrize("name", FILES)
async def test_every_request_of_a_shops_whole_journey_is_as_described(name: str) -> None:
    described = spec(name)
    body = {"user_id": 1, "shop_id": 2, "shop_name": "A", "count": 0, "results": [], "scopes": []}
    found, http = connector(answer({"access_token": "1.a", "refresh_token": "1.r"}), answer(body))
    grant = await found.complete_authorization(
        {"code": "c"}, memory={"verifier": "v"}, callback_url="https://x", now=NOW
    )
    access = replace(ACCESS, secrets=grant.secrets)
    await found.probe(access)
    await found.read_page(access, Window(NOW - timedelta(hours=1), NOW), after=None, way="poll")
    await found.read_order(access, "7", way="poll")

    for asked in http.asked[1:]:
        address = urlsplit(asked.url)
        assert address.netloc == "api.etsy.com"
        about = operation(described, asked.method, address.path)
        check_query(about["parameters"], dict(parse_qsl(address.query)))
        assert ("Authorization" in asked.headers) is (
            any("oauth2" in each for each in about.get("security", ())) or address.path == "/v3/application/shops/2"
        )
        assert set(asked.form) == set(
            about.get("requestBody", {})
            .get("content", {})
            .get("application/x-www-form-urlencoded", {})
            .get("schema", {})
            .get("required", ())
        )
    assert len(http.asked) == 7
