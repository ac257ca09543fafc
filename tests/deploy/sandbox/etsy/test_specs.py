"""Every answer of the stand-in against Etsy's own description of its API, read closed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Protocol

import pytest
from jsonschema import Draft202012Validator

from deploy.sandbox.scenarios import SCENARIOS

DIRECTORY = Path(os.environ.get("PLATFORM_SPECS", "")) / "etsy"
FILES = ("etsy_oas_3.0.0_2025-12_orders.json", "etsy_oas_3.0.0_2026_orders.json")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif("PLATFORM_SPECS" not in os.environ, reason="no specs"),
]
TRACKING = {"tracking_code": "9400111899223197428490", "carrier_name": "usps"}


class Etsy(Protocol):
    """The fixture's client; see conftest."""

    base: str
    shop: dict[str, Any]
    headers: dict[str, str]
    receipts: str

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", *, count: int = 1) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...


class Description:
    """One file of Etsy's, with what OpenAPI 3.0 says otherwise than JSON Schema put right."""

    def __init__(self, name: str) -> None:
        self._document = json.loads((DIRECTORY / name).read_text())
        schemas = self._document["components"]["schemas"]
        self.newer = "question_id" in schemas["TransactionVariations"]["properties"]
        for schema in schemas.values():
            if schema.get("properties"):
                schema["additionalProperties"] = False
        # Live replies capitalise what the description lists in lower case.
        schemas["ShopReceipt"]["properties"]["status"]["enum"] += [
            status.title() for status in schemas["ShopReceipt"]["properties"]["status"]["enum"]
        ]
        # An error of the token's says more than the description knows.
        schemas["ErrorSchema"]["additionalProperties"] = True
        self._schemas = _as_json_schema(schemas)

    def check(self, method: str, path: str, answer: Any) -> None:
        described = self._operation(method, path.partition("?")[0])["responses"].get(str(answer.status))
        # 429 is in Etsy's text and in none of its descriptions.
        ref = described["content"]["application/json"]["schema"]["$ref"] if described else "#/ErrorSchema"
        assert described or answer.status == 429, (method, path, answer.status)
        body = self._known(answer.json)
        schema = {"$defs": self._schemas, "$ref": f"#/$defs/{ref.rpartition('/')[2]}"}
        problems = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
        assert problems == [], (method, path, answer.status)

    def _operation(self, method: str, path: str) -> Any:
        if method == "GET" and path in self._document["paths"]:
            return self._document["paths"][path]["get"]
        for shape, operations in self._document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", shape), path) and method.lower() in operations:
                return operations[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def _known(self, body: Any) -> Any:
        """The body without what the older description could not know."""
        if self.newer or not isinstance(body, dict | list):
            return body
        if isinstance(body, list):
            return [self._known(each) for each in body]
        return {name: self._known(value) for name, value in body.items() if name != "question_id"}


def _as_json_schema(node: Any) -> Any:
    if isinstance(node, list):
        return [_as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _as_json_schema(each) for name, each in node.items() if name != "nullable"}
    if isinstance(plain.get("$ref"), str):
        plain["$ref"] = plain["$ref"].replace("#/components/schemas/", "#/$defs/")
    if node.get("nullable") is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


@pytest.fixture(params=FILES)
def described(request: pytest.FixtureRequest) -> Description:
    return Description(request.param)


async def test_receipts_of_every_scenario_are_as_described(etsy: Etsy, described: Description) -> None:
    for scenario in SCENARIOS:
        await etsy.order(scenario)
    await etsy.order("shipped_elsewhere")

    found = await etsy.call("GET", f"{etsy.receipts}?limit=100")

    assert found.json["count"] == len(SCENARIOS) + 1
    described.check("GET", etsy.receipts, found)


async def test_one_receipt_and_all_that_belongs_to_it_are_as_described(etsy: Etsy, described: Description) -> None:
    path = f"{etsy.receipts}/{await etsy.order()}"

    for each in (path, f"{path}/transactions", f"{path}/payments"):
        described.check("GET", each, await etsy.call("GET", each))
    described.check("POST", f"{path}/tracking", await etsy.call("POST", f"{path}/tracking", json=TRACKING))
    described.check("PUT", path, await etsy.call("PUT", path, data={"was_shipped": "true"}))


async def test_what_changed_is_as_described(etsy: Etsy, described: Description) -> None:
    for action in ("cancel", "refund", "ship"):
        order = await etsy.order("paid")
        await etsy.change(order, action)
        path = f"{etsy.receipts}/{order}"
        described.check("GET", path, await etsy.call("GET", path))


async def test_what_is_not_about_receipts_is_as_described(etsy: Etsy, described: Description) -> None:
    base = "/v3/application"
    for path in ("/users/me", f"/shops/{etsy.shop['shop_id']}", "/openapi-ping"):
        described.check("GET", base + path, await etsy.call("GET", base + path))
    carriers = f"{base}/shipping-carriers"
    described.check("GET", carriers, await etsy.call("GET", f"{carriers}?origin_country_iso=US"))
    token = {"token": etsy.shop["tokens"]["access_token"]}
    described.check("POST", f"{base}/scopes", await etsy.call("POST", f"{base}/scopes", data=token))


async def test_every_refusal_is_as_described(etsy: Etsy, described: Description) -> None:
    order = await etsy.order("paid")
    path = f"{etsy.receipts}/{order}"
    await etsy.change(order, "cancel")
    other = await etsy.control("POST", "/stores")
    elsewhere = f"/v3/application/shops/{other['shop_id']}/receipts"
    asked: list[tuple[str, str, int, dict[str, Any]]] = [
        ("GET", f"{etsy.receipts}?limit=101", 400, {}),
        ("GET", f"{etsy.receipts}?offset=12001", 400, {}),
        ("GET", path, 401, {"headers": {}}),
        ("GET", path, 401, {"headers": etsy.headers | {"authorization": "Bearer 1.wrong"}}),
        ("GET", elsewhere, 403, {}),
        ("GET", f"{etsy.receipts}/1", 404, {}),
        ("POST", f"{path}/tracking", 409, {"json": TRACKING}),
    ]

    for method, address, status, sent in asked:
        answer = await etsy.call(method, address, **sent)
        assert answer.status == status, address
        described.check(method, address, answer)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_a_refusal_by_fault_is_as_described(etsy: Etsy, described: Description, status: int) -> None:
    await etsy.control("POST", "/faults", kind=f"status_{status}", count=1)

    answer = await etsy.call("GET", etsy.receipts)

    assert answer.status == status
    described.check("GET", etsy.receipts, answer)
