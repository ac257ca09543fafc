"""The sandbox's answers agree with ShopBase's own Swagger, but for the contradictions that are listed here."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from deploy.sandbox.scenarios import SCENARIOS
from deploy.sandbox.shopbase.announcing import TOPICS
from deploy.sandbox.shopbase.endpoints import endpoints
from deploy.sandbox.shopbase.making import OWN_SCENARIOS

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif("PLATFORM_SPECS" not in os.environ, reason="not run: no specs"),
]

#: Fields that live answers have though the Swagger's model does not.
_ADDED: dict[str, tuple[str, ...]] = {
    # Seen in integrations.
    "OrderDto": ("customer",),
    # The fulfillment request names lines by it.
    "OrderLineItemDto": ("id",),
    # The response of fulfillments has it; the model inside orders forgets it.
    "FulfillmentDto": ("line_items",),
}
#: Times that the Swagger types as whole numbers and describes as ISO 8601: both are right.
_TEXT_TOO = (
    "created_at",
    "updated_at",
    "processed_at",
    "date_done",
    "first_tracking_step_at",
    "last_crawled_at",
    "last_tracking_step_at",
)
#: Times that are text, but for the 0 that stands where there is none.
_ZERO_TOO = ("cancelled_at", "closed_at", "post_purchase_timeout_at", "chargeback_deadline_at")
_TYPES = ("string", "integer", "number", "boolean", "array", "object")


def _swagger() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (Path(os.environ["PLATFORM_SPECS"]) / "shopbase" / "shopbase_admin_swagger_orders.json").read_text()
    )
    return found


def _schema(definition: str) -> dict[str, Any]:
    """The definition as a JSON schema that forbids what it does not know, and lets anything be null."""
    definitions = {name: _strict(name, found) for name, found in _swagger()["definitions"].items()}
    return {"$ref": f"#/definitions/{definition}", "definitions": definitions}


def _strict(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _property(key, found) for key, found in definition.get("properties", {}).items()}
    properties |= {key: {} for key in _ADDED.get(name, ())}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _property(key: str, found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in found:
        return {"anyOf": [found, {"type": "null"}]}
    # Some types are the Go printer's own error texts, as those of properties and note_attributes are.
    kind = found.get("type")
    types = [kind] if kind in _TYPES else list(_TYPES)
    if key in _TEXT_TOO:
        types += ["string", "integer"]
    if key in _ZERO_TOO:
        types += ["integer"]
    schema: dict[str, Any] = {"type": [*types, "null"]}
    if "items" in found:
        entry = found["items"]
        schema["items"] = entry if "$ref" in entry or entry.get("type") in _TYPES else {"type": "object"}
    return schema


def _validate(answer: Any, definition: str) -> None:
    jsonschema.Draft4Validator(_schema(definition)).validate(answer)


def _served() -> set[tuple[str, str]]:
    return {(method, "/admin" + re.sub(r":\\d\+", "", path)) for method, path, _, _ in endpoints()}


def test_every_endpoint_is_in_the_swagger() -> None:
    known = {
        (method.upper(), re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path))
        for path, methods in _swagger()["paths"].items()
        for method in methods
    }

    assert _served() - known == set()


def test_every_topic_is_in_the_swagger() -> None:
    text = _swagger()["definitions"]["Webhook"]["properties"]["topic"]["description"]
    known = set(re.findall(r"[a-z_]+/[a-z_]+", text))

    assert TOPICS - known == set()


@pytest.mark.parametrize("zero_values", ["null", "empty", "zero"])
@pytest.mark.parametrize("scenario", [*SCENARIOS, *OWN_SCENARIOS])
async def test_every_order_has_the_models_form(client: Client, scenario: str, zero_values: str) -> None:
    await client.control("POST", "/settings", zero_values=zero_values)
    order = await client.order(scenario)

    listed = await client.call("GET", "/admin/orders.json", params={"order_status": "any"})
    single = await client.call("GET", f"/admin/orders/{order}.json")

    _validate(listed.json, "OrdersSwaggerResponse")
    _validate(single.json, "OrderSwaggerResponse")


async def test_orders_have_nearly_every_field_of_the_model(client: Client) -> None:
    order = await client.one(await client.order("discounted"))

    known = set(_swagger()["definitions"]["OrderDto"]["properties"])

    assert known - set(order) == set()


async def test_answers_around_orders_have_their_models_form(client: Client) -> None:
    order = await client.order("many_lines")
    line = (await client.one(order))["line_items"][0]["id"]
    created = await client.ship(order, line_items=[{"id": line}], tracking_number="TN1", shipment_status="confirmed")
    await client.change(order, "refund", amount=100)
    path = f"/admin/orders/{order}"
    parcel = f"{path}/fulfillments/{created.json['id']}"

    async def answer(method: str, path: str, **sent: Any) -> Any:
        return (await client.call(method, path, **sent)).json

    # The create operation's model is FulfillmentDto, without line_items; its siblings wrap OrderFulfillmentDto.
    _validate(created.json, "OrderFulfillmentDto")
    _validate(await answer("GET", f"{path}/fulfillments.json"), "FulfillmentsSwaggerResponse")
    # The Swagger gives one parcel the list's model, unlike every sibling: taken for a slip.
    _validate(await answer("GET", f"{parcel}.json"), "FulfillmentSwaggerResponse")
    update = {"fulfillment": {"tracking_number": "TN2"}}
    _validate(await answer("PUT", f"{parcel}.json", json=update), "FulfillmentSwaggerResponse")
    _validate(await answer("GET", f"{path}/fulfillments/count.json"), "CountFulfillmentsSwaggerResponse")
    _validate(await answer("GET", f"{path}/transactions.json"), "OrderTransactionsSwaggerResponse")
    _validate(await answer("GET", f"{path}/refunds.json"), "RetrievesListRefundsSwaggerResponse")
    _validate(await answer("GET", "/admin/orders/count.json"), "CountResponse")
    _validate(await answer("GET", "/admin/shop.json"), "ShopDto")


async def test_registrations_have_their_models_form(client: Client) -> None:
    webhook = {"topic": "orders/create", "address": client.receiver.url, "fields": ["id"]}
    made = await client.call("POST", "/admin/webhooks.json", json={"webhook": webhook})

    listed = await client.call("GET", "/admin/webhooks.json")
    removed = await client.call("DELETE", f"/admin/webhooks/{made.json['webhook']['id']}.json")

    _validate(made.json, "WebhookSwaggerResponse")
    _validate(listed.json, "WebhooksSwaggerResponse")
    _validate(removed.json, "SwaggerDeleteResponse")


async def test_the_example_has_no_field_that_our_orders_lack(client: Client) -> None:
    path = Path(os.environ["PLATFORM_SPECS"]) / "shopbase" / "examples" / "order_constructed.json"
    example = json.loads(path.read_text())["order"]
    await client.control("POST", "/settings", zero_values="null")
    order = await client.one(await client.order("personalized"))

    for theirs, ours in (
        (example, order),
        (example["line_items"][0], order["line_items"][0]),
        (example["shipping_address"], order["shipping_address"]),
        (example["shipping_lines"][0], order["shipping_lines"][0]),
    ):
        assert set(theirs) - set(ours) == set()
        assert {key for key in theirs if theirs[key] and ours[key] and _kind(theirs[key]) != _kind(ours[key])} == set()


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
