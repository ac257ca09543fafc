"""What we send and read agrees with WooCommerce's own examples and with a delivery of a real store."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.order import RawOrder
from services.ingest.contract.webhooks import Delivery, OrderHinted
from services.ingest.parsing import parsed
from services.ingest.platforms.woocommerce.lines import refunded_units
from services.ingest.platforms.woocommerce.mapping import to_raw_order
from services.ingest.platforms.woocommerce.payloads import (
    WooAddress,
    WooLine,
    WooMeta,
    WooOrder,
    WooRefund,
    WooRefundLine,
    WooRefundTotal,
    WooShippingLine,
    WooWebhook,
)
from services.ingest.platforms.woocommerce.webhook import is_signed, read_webhook
from tests.ingest.platforms.golden import FETCHED_AT, cases, payload, store_ref
from tests.ingest.platforms.specs import document, examples, needs_specs
from tests.ingest.platforms.woocommerce.shop import ACCESS, connector
from tests.ingest.platforms.woocommerce.test_subscriptions import ADDRESS, APP, Hooks

pytestmark = needs_specs
CAPTURED = "webhook_delivery_11.0.1_captured.json"
#: What the examples of 2024 do not show: newer fields, and lines that they do not have.
NEWER = {
    WooOrder: {"needs_processing", "refund_details"},
    WooMeta: {"display_key", "display_value"},
}


def example(name: str) -> Any:
    return document(f"woocommerce/examples/{name}")


def orders() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in examples("woocommerce", "order__*.json"):
        told = example(name)
        for part in told if isinstance(told, list) else [told]:
            found += [part] if "id" in part else [order for group in part.values() for order in group]
    return found


def mapped(told: dict[str, Any]) -> RawOrder:
    return to_raw_order(
        parsed(WooOrder, told),
        store_ref("woocommerce", external_id="example.com", currency="USD"),
        body=json.dumps(told),
        way="poll",
        fetched_at=FETCHED_AT,
        statuses={},
    )


def test_every_example_order_is_mapped() -> None:
    found = [mapped(told) for told in orders()]

    assert len(found) >= 9
    assert {order.external_id for order in found} >= {"723", "727"}
    assert {order.payment for order in found} <= {"paid", "pending", "partially_refunded"}
    assert all(order.placed_at.utcoffset() is not None for order in found)


def test_the_example_order_is_read_as_it_is() -> None:
    found = mapped(example("order__retrieve_an_order.json"))

    assert (found.total.amount, found.payment, found.holds) == (2935, "paid", ())
    assert found.placed_at.isoformat() == "2017-03-22T19:28:02+00:00"
    assert [(item.sku, item.quantity, item.unit_price.amount) for item in found.items] == [
        (None, 2, 300),
        ("Bar3", 1, 1200),
    ]
    assert found.items[1].title == "Ship Your Idea – Color: Black, Size: M Test"  # noqa: RUF001 - the example's own
    assert [(option.name, option.value) for option in found.items[1].options] == [("pa_color", "black")]


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (WooOrder, lambda told: [told]),
        (WooAddress, lambda told: [told["billing"]]),
        (WooLine, lambda told: told["line_items"]),
        (WooMeta, lambda told: [meta for line in told["line_items"] for meta in line["meta_data"]]),
        (WooShippingLine, lambda told: told["shipping_lines"]),
        (WooRefundTotal, lambda told: told["refunds"]),
    ],
)
def test_every_field_we_read_exists(model: type[BaseModel], where: Any) -> None:
    shown = {name for told in orders() for part in where(told) for name in part}

    assert set(model.model_fields) - NEWER.get(model, set()) <= shown


def test_the_newer_fields_are_those_of_a_real_store() -> None:
    told = json.loads(example(CAPTURED)["body"])

    assert "needs_processing" in told
    assert set(WooMeta.model_fields) <= set(told["line_items"][0]["meta_data"][0])


def test_the_example_refunds_tell_their_lines() -> None:
    told = example("order_refund__list_all_refunds.json")

    assert refunded_units([parsed(WooRefund, refund) for refund in told]) == {"311": 1}
    assert set(WooRefundLine.model_fields) <= {
        name for refund in told for line in refund["line_items"] for name in line
    }


def test_the_example_webhooks_are_read() -> None:
    told = example("webhook__list_all_webhooks.json")

    found = [parsed(WooWebhook, webhook) for webhook in told]

    assert [(webhook.topic, webhook.status) for webhook in found][1] == ("order.updated", "active")
    assert all(set(WooWebhook.model_fields) <= set(webhook) for webhook in told)


async def test_what_we_write_into_a_webhook_is_what_one_has() -> None:
    hooks = Hooks()
    found, http = connector(hooks.answer)

    await found.subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)

    has = set(example("webhook__create_a_webhook.json")) | {"secret"}
    assert all(set(asked.json) <= has for asked in http.asked if asked.json)


@pytest.mark.parametrize("case", cases("woocommerce", ending=".json"))
def test_our_recorded_orders_have_woocommerces_form(case: str) -> None:
    told = json.loads(payload("woocommerce", f"{case}.json"))
    real = json.loads(example(CAPTURED)["body"])

    assert set(told) - {"refund_details"} <= set(real)
    assert set(real) - set(told) <= {"_links"}
    for line in told["line_items"]:
        assert set(line) <= set(real["line_items"][0])


def test_the_signature_vector_verifies() -> None:
    vector = example("webhook_signature_vector.json")
    headers = {"x-wc-webhook-signature": vector["X-WC-Webhook-Signature"]}

    assert is_signed(headers, vector["body"].encode(), secret=vector["secret"])
    assert not is_signed(headers, vector["body"].encode() + b" ", secret=vector["secret"])


def test_the_delivery_of_a_real_store_verifies_and_names_its_order() -> None:
    captured = example(CAPTURED)
    headers = {name.lower(): value for name, value in captured["headers"].items()}
    body = captured["body"].encode()

    assert is_signed(headers, body, secret=captured["secret"])
    # Bytes that say the same are not the bytes that were signed.
    assert not is_signed(headers, json.dumps(json.loads(body)).encode(), secret=captured["secret"])
    assert len(base64.b64decode(headers["x-wc-webhook-signature"])) == 32
    assert read_webhook(Delivery(headers, body)) == OrderHinted("37")


def test_the_order_of_a_real_store_is_read_as_it_is() -> None:
    found = mapped(json.loads(example(CAPTURED)["body"]))

    assert (found.total.amount, found.total.currency, found.payment) == (2975, "EUR", "paid")
    assert found.revised_at.isoformat() == "2026-11-23T08:30:03+00:00"
    assert [(item.sku, item.quantity_to_make, item.unit_price.amount) for item in found.items] == [("MUG-01", 2, 1250)]
    assert found.items[0].personalization == ()
