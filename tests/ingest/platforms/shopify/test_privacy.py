"""Shopify's mandatory privacy topics come to one address for all shops, and say whose data it is about."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.webhooks import (
    AboutStore,
    BuyerForgotten,
    DataRequested,
    Delivery,
    NotOurs,
    OrderTold,
    SignatureRefused,
    StoreForgotten,
    WebhookFact,
)
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import ManualClock
from tests.ingest.platforms.shopify.shop import ACCESS, DOMAIN, NOW
from tests.ingest.platforms.twin_http import ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
BUYER = {"id": 191167, "email": "canary@example.com", "phone": "555-625-1199"}
BODIES: dict[str, dict[str, Any]] = {
    "customers/data_request": {
        "shop_id": 954889,
        "shop_domain": DOMAIN,
        "orders_requested": [9007199254740993, 280263],
        "customer": BUYER,
        "data_request": {"id": 9999},
    },
    "customers/redact": {
        "shop_id": 954889,
        "shop_domain": DOMAIN,
        "customer": BUYER,
        "orders_to_redact": [9007199254740993],
    },
    "shop/redact": {"shop_id": 954889, "shop_domain": DOMAIN},
}


def connector() -> ShopifyConnector:
    settings = ShopifySettings(_env_file=None, shopify_client_id="app", shopify_client_secret="app's")
    return ShopifyConnector(settings, toolbox(ScriptedHttp(answer({})), ManualClock(NOW)))


def delivery(topic: str, *, secret: str = "app's", shop: str = DOMAIN, **changes: Any) -> Delivery:
    body = json.dumps(BODIES[topic] | changes).encode()
    signed = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {
        "x-shopify-hmac-sha256": signed,
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": shop,
        "x-shopify-webhook-id": "delivery-1",
    }
    return Delivery(headers, body)


def fact(topic: str, **changes: Any) -> WebhookFact:
    return connector().read_webhook(ACCESS.store, delivery(topic, **changes), now=NOW)


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_genuine_request_to_the_app_is_about_the_shop_that_it_names(topic: str) -> None:
    found = connector()

    await found.verify_webhook(None, delivery(topic), now=NOW)

    assert found.read_app_webhook(delivery(topic), now=NOW) == AboutStore(DOMAIN)


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_request_that_shopify_did_not_sign_is_refused(topic: str) -> None:
    forged, genuine = delivery(topic, secret="another"), delivery(topic)
    flipped = Delivery(genuine.headers, bytes([genuine.body[0] ^ 1]) + genuine.body[1:])
    bare = Delivery({"x-shopify-topic": topic, "x-shopify-shop-domain": DOMAIN}, genuine.body)

    for given in (forged, flipped, bare):
        with pytest.raises(SignatureRefused):
            await connector().verify_webhook(None, given, now=NOW)


def test_a_buyer_who_asks_for_their_data_is_named_with_their_orders() -> None:
    assert fact("customers/data_request") == DataRequested("shopify 9999", ("9007199254740993", "280263"), "191167")


def test_a_buyer_to_be_forgotten_is_named_with_their_orders() -> None:
    assert fact("customers/redact") == BuyerForgotten("shopify delivery-1", ("9007199254740993",), ("191167",))


def test_a_shop_to_be_forgotten_is_the_whole_shop() -> None:
    assert fact("shop/redact") == StoreForgotten("shopify delivery-1")


def test_requests_whose_deliveries_have_no_id_are_told_apart_by_what_they_say() -> None:
    def unnamed(**changes: Any) -> WebhookFact:
        given = delivery("customers/redact", **changes)
        headers = {name: value for name, value in given.headers.items() if name != "x-shopify-webhook-id"}
        return connector().read_webhook(ACCESS.store, Delivery(headers, given.body), now=NOW)

    first, again, other = unnamed(), unnamed(), unnamed(orders_to_redact=[1])

    assert isinstance(first, BuyerForgotten)
    assert isinstance(other, BuyerForgotten)
    assert first == again
    assert first.request_id != other.request_id


def test_a_request_without_orders_or_buyer_is_taken() -> None:
    changes: dict[str, Any] = {"orders_to_redact": None, "customer": None}

    assert fact("customers/redact", **changes) == BuyerForgotten("shopify delivery-1", (), ())


@pytest.mark.parametrize("topic", TOPICS)
def test_no_email_or_phone_is_in_what_a_request_says_of_itself(topic: str) -> None:
    told = fact(topic)

    for secret in ("canary@example.com", "555-625-1199", "191167"):
        assert secret not in repr(told)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_shop_is_the_one_in_the_signed_body_whatever_the_header_says(topic: str) -> None:
    other = delivery(topic, shop=DOMAIN, shop_domain="other.myshopify.com")

    assert connector().read_app_webhook(other, now=NOW) == AboutStore("other.myshopify.com")
    assert isinstance(connector().read_webhook(ACCESS.store, other, now=NOW), NotOurs)


async def test_an_order_that_somebody_sends_as_a_request_erases_nothing() -> None:
    order = Delivery(delivery("shop/redact").headers, b'{"id": 1, "line_items": []}')

    told = connector().read_webhook(ACCESS.store, order, now=NOW)

    assert isinstance(told, OrderTold)
    assert isinstance(told.order, Unreadable)
    with pytest.raises(UnreadablePayload, match="shop_domain"):
        connector().read_app_webhook(order, now=NOW)


def test_another_webhook_to_the_app_is_about_the_shop_in_its_header() -> None:
    order = Delivery({"x-shopify-topic": "orders/create", "x-shopify-shop-domain": DOMAIN.upper()}, b"{}")

    assert connector().read_app_webhook(order, now=NOW) == AboutStore(DOMAIN)
    assert isinstance(connector().read_app_webhook(Delivery({}, b"{}"), now=NOW), NotOurs)
