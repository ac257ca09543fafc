"""A webhook is believed by its raw bytes, and read by the address that it came to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from schemas.order import RawOrder
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Delivery, NotOurs, OrderHinted, OrderTold, SignatureRefused, StoreClosed
from services.ingest.platforms.shopbase.subscriptions import TOPICS, address_of
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.shopbase.shop import ACCESS, DOMAIN, NOW, PRIVATE_ACCESS, STORE, TOKEN, connector

BODY = payload("shopbase", "paid.json")
ORDER_ID = "1000000000000001"
OURS = Access(STORE, TOKEN | {"shop_id": "10000001"})


def signature(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(
    body: bytes = BODY, *, topic: str | None = "orders-create", secret: str = "secret", **headers: str
) -> Delivery:
    given = {"x-shopbase-hmac-sha256": signature(body, secret), "x-shopbase-shop-domain": DOMAIN}
    return Delivery(given | {name.replace("_", "-"): value for name, value in headers.items()}, body, topic=topic)


def read(body: object, topic: str | None) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return connector()[0].read_webhook(STORE, Delivery({}, raw, topic=topic), now=NOW)


async def verify(access: Access | None, told: Delivery) -> None:
    await connector()[0].verify_webhook(access, told, now=NOW)


async def test_a_public_apps_webhook_is_signed_with_the_client_secret() -> None:
    await verify(OURS, delivery())

    with pytest.raises(SignatureRefused):
        await verify(OURS, delivery(secret="hush"))


async def test_a_private_apps_webhook_is_signed_with_its_shared_secret() -> None:
    await verify(PRIVATE_ACCESS, delivery(secret="hush"))

    with pytest.raises(SignatureRefused):
        await verify(PRIVATE_ACCESS, delivery())


async def test_a_private_app_without_a_shared_secret_verifies_nothing() -> None:
    bare = Access(STORE, {name: value for name, value in PRIVATE_ACCESS.secrets.items() if name != "shared_secret"})

    for secret in ("", "secret", "hush"):
        with pytest.raises(SignatureRefused):
            await verify(bare, delivery(secret=secret))


@pytest.mark.parametrize(
    "told",
    [
        Delivery(delivery().headers, BODY + b" "),
        Delivery(delivery().headers, bytes([BODY[0] ^ 1]) + BODY[1:]),
        delivery(x_shopbase_hmac_sha256=""),
        delivery(x_shopbase_hmac_sha256="not base64!"),
        delivery(x_shopbase_hmac_sha256=hmac.new(b"secret", BODY, hashlib.sha256).hexdigest()),
        Delivery({}, BODY),
    ],
)
async def test_one_bit_or_another_encoding_is_refused(told: Delivery) -> None:
    with pytest.raises(SignatureRefused):
        await verify(OURS, told)


async def test_a_genuine_webhook_of_another_store_is_refused() -> None:
    for told in (
        delivery(x_shopbase_shop_domain="other.onshopbase.com"),
        Delivery({"x-shopbase-hmac-sha256": signature(BODY, "secret")}, BODY),
    ):
        with pytest.raises(SignatureRefused, match="another store"):
            await verify(ACCESS, told)


async def test_a_private_apps_webhook_that_names_another_store_is_refused() -> None:
    with pytest.raises(SignatureRefused, match="another store"):
        await verify(PRIVATE_ACCESS, delivery(secret="hush", x_shopbase_shop_domain="other.onshopbase.com"))


async def test_the_shop_header_may_be_missing_and_is_compared_without_case() -> None:
    await verify(OURS, Delivery({"x-shopbase-hmac-sha256": signature(BODY, "secret")}, BODY))
    await verify(OURS, delivery(x_shopbase_shop_domain=DOMAIN.upper()))
    await verify(OURS, delivery(b'{"id":1}'))


@pytest.mark.parametrize(
    "topic",
    [
        "orders-create",
        "orders-updated",
        "orders-paid",
        "orders-cancelled",
        "orders-fulfilled",
        "orders-partially_fulfilled",
        None,
    ],
)
def test_an_orders_topic_carries_the_order(topic: str | None) -> None:
    fact = read(BODY, topic)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder), fact.order
    assert (fact.order.external_id, fact.order.way, fact.order.fetched_at) == (ORDER_ID, "webhook", NOW)


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-shopbase-topic": "orders/delete"}, {"x-shopbase-entity-type": "products"}],
)
def test_no_header_says_what_is_told(headers: dict[str, str]) -> None:
    fact = connector()[0].read_webhook(STORE, Delivery(headers, BODY, topic="orders-paid"), now=NOW)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)
    assert not fact.order.deleted


def test_an_order_in_a_wrapper_is_an_order() -> None:
    fact = read({"order": json.loads(BODY)}, "orders-create")

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)


def test_a_deleted_order_is_told_by_its_id_alone() -> None:
    fact = read({"id": 77}, "orders-delete")

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)
    assert (fact.order.external_id, fact.order.deleted, fact.order.key) == ("77", True, "shopbase:store-1:77")


def test_an_order_that_is_sent_to_the_address_of_deleted_ones_is_read_again() -> None:
    assert read(BODY, "orders-delete") == OrderHinted(ORDER_ID)


def test_an_id_alone_at_an_orders_address_is_read_again() -> None:
    assert read({"id": 77}, "orders-updated") == OrderHinted("77")


@pytest.mark.parametrize(
    "topic", ["refunds-create", "fulfillments-create", "fulfillments-update", "order_transactions-create", None]
)
def test_what_belongs_to_an_order_says_which_to_read_again(topic: str | None) -> None:
    assert read({"id": 5, "order_id": 77, "line_items": []}, topic) == OrderHinted("77")


def test_an_uninstalled_app_closes_the_store() -> None:
    fact = read({"id": 10000001, "domain": DOMAIN}, "app-uninstalled")

    assert isinstance(fact, StoreClosed)
    assert "linking the store again" in fact.problem


@pytest.mark.parametrize("body", [BODY, b'{"id":5,"order_id":77}'])
def test_an_order_that_is_sent_to_the_address_of_farewells_closes_nothing(body: bytes) -> None:
    assert isinstance(read(body, "app-uninstalled"), NotOurs)


@pytest.mark.parametrize("topic", ["products-create", "shop-update", "carts-update", None])
def test_other_topics_ask_nothing_of_us(topic: str | None) -> None:
    assert isinstance(read({"id": 5}, topic), NotOurs)


@pytest.mark.parametrize(
    ("body", "external_id", "path"),
    [
        (b"<html>", None, "body"),
        (b'{"id":1,"line_items":[', None, "body"),
        (b"[]", None, "body"),
        (json.dumps(json.loads(BODY) | {"financial_status": "bartered"}).encode(), ORDER_ID, "financial_status"),
        (b'{"line_items":[]}', None, "id"),
    ],
)
def test_what_cannot_be_read_keeps_its_body_for_the_dead_letter(
    body: bytes, external_id: str | None, path: str
) -> None:
    fact = read(body, "orders-create")

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)
    assert (fact.order.external_id, fact.order.path, fact.order.body) == (external_id, path, body.decode())


def test_the_whole_app_is_told_nothing_and_asked_nothing() -> None:
    found = connector()[0]

    assert found.greet(delivery()) is None
    assert isinstance(found.read_app_webhook(delivery(), now=NOW), NotOurs)


def test_every_subscribed_topic_is_understood_at_its_address() -> None:
    bodies = {"refunds/create": {"id": 1, "order_id": 2}, "app/uninstalled": {"id": 3}, "orders/delete": {"id": 4}}

    for topic in TOPICS:
        end = address_of(topic, callback_url="https://sync.example.com/w").rpartition("/")[2]
        assert not isinstance(read(bodies.get(topic, json.loads(BODY)), end), NotOurs), topic
