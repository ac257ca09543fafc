"""The stand-in's webhooks against Shopify's own sample payloads, topic by topic."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

if TYPE_CHECKING:
    from .conftest import Client

EXAMPLES = Path(os.environ.get("PLATFORM_SPECS", "")) / "shopify" / "examples"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif("PLATFORM_SPECS" not in os.environ, reason="no specs"),
]
#: What each topic is made to happen by.
ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "orders/cancelled": ("cancel", {}),
    "orders/updated": ("note", {"note": "A note"}),
    "orders/edited": ("edit", {"add": [{"sku": "MUG-11OZ", "quantity": 1}]}),
    "orders/delete": ("delete", {}),
    "refunds/create": ("refund", {}),
    "fulfillment_orders/placed_on_hold": ("hold", {"reason": "OTHER"}),
    "fulfillment_orders/hold_released": ("release_hold", {}),
}


def sample(topic: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{topic.replace('/', '__')}.json").read_text())["payload"]
    return found


def enum_of(topic: str) -> str:
    return topic.replace("/", "_").upper()


def kinds(value: Any, path: str = "") -> dict[str, str]:
    """Every field's path with the kind of its value; what is null or empty tells no kind."""
    if isinstance(value, dict):
        return {key: kind for name, each in value.items() for key, kind in kinds(each, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {key: kind for each in value for key, kind in kinds(each, f"{path}[]").items()}
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    return {} if value is None else {path: kind}


async def told(client: Client, topic: str) -> dict[str, Any]:
    action, asked = ACTIONS[topic]
    order = await client.order("paid")
    if action == "release_hold":
        await client.change(order, "hold")
    await client.subscribe(enum_of(topic))
    await client.change(order, action, **asked)
    await client.stand_in.settle()
    [body] = client.receiver.bodies
    found: dict[str, Any] = orjson.loads(body)
    return found


@pytest.mark.parametrize("topic", ACTIONS)
async def test_a_webhook_names_what_shopifys_sample_names_and_nothing_else(client: Client, topic: str) -> None:
    body, documented = await told(client, topic), sample(topic)

    if topic.startswith("orders/") and topic not in {"orders/edited", "orders/delete"}:
        assert set(documented) <= set(body)
    elif topic == "refunds/create":
        assert set(body) <= set(documented)
        assert {"id", "order_id", "created_at", "refund_line_items"} <= set(body)
    else:
        assert set(body) == set(documented)
        for name, value in documented.items():
            if isinstance(value, dict) and isinstance(body[name], dict):
                assert set(body[name]) == set(value), name


@pytest.mark.parametrize("topic", ACTIONS)
async def test_a_webhooks_values_are_of_the_kinds_of_shopifys_sample(client: Client, topic: str) -> None:
    body, documented = kinds(await told(client, topic)), kinds(sample(topic))

    different = {path: (kind, documented[path]) for path, kind in body.items() if documented.get(path, kind) != kind}
    # Amounts of a refund's lines are numbers in the sample and texts in the orders that repeat them.
    assert {path for path in different if not path.startswith(".refund")} == set()


async def test_an_uninstallation_names_what_shopifys_sample_names(client: Client) -> None:
    await client.subscribe("APP_UNINSTALLED")
    await client.control("POST", f"/stores/{client.store['store']}/revoke")
    await client.stand_in.settle()

    body = orjson.loads(client.receiver.bodies[0])

    assert set(body) <= set(sample("app/uninstalled"))
    assert body["myshopify_domain"] == client.store["domain"]


async def test_a_hold_does_not_say_of_which_order_it_is(client: Client) -> None:
    body = await told(client, "fulfillment_orders/placed_on_hold")

    assert "gid://shopify/Order/" not in json.dumps(body)
    assert body["fulfillment_order"]["status"] == "on_hold"
