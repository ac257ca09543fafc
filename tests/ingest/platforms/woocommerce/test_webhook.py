"""A store's webhook is believed for its signature, and only for which order to read again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from services.ingest.contract.reading import Unreadable
from services.ingest.contract.webhooks import Delivery, Greeting, NotOurs, OrderHinted, OrderTold, SignatureRefused
from services.ingest.platforms.woocommerce.webhook import greet, is_signed, read_webhook
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, NOW, Shop, access, connector

BODY = payload("woocommerce", "processing.json")


def signature(body: bytes, secret: str = "a-secret") -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(body: bytes = BODY, *, topic: str = "order.updated", **headers: str) -> Delivery:
    given = {
        "x-wc-webhook-source": "https://store.example.com/",
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-resource": topic.partition(".")[0],
        "x-wc-webhook-signature": signature(body),
        "x-wc-webhook-delivery-id": "same",
    }
    return Delivery(given | {name.replace("_", "-"): value for name, value in headers.items()}, body)


async def verify(told: Delivery, **named: Any) -> None:
    await connector()[0].verify_webhook(named.get("access", ACCESS), told, now=NOW)


async def test_the_stores_signature_over_the_raw_bytes_is_taken() -> None:
    await verify(delivery(rb'{"id":1,"name":"M\u00fcller","url":"https:\/\/example.com"}'))


@pytest.mark.parametrize("place", [0, 100, len(BODY) - 2])
async def test_one_changed_bit_is_refused(place: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= 1

    with pytest.raises(SignatureRefused):
        await verify(delivery(bytes(changed), x_wc_webhook_signature=signature(BODY)))


@pytest.mark.parametrize("given", ["", "no base64!", signature(BODY, "another store's"), signature(BODY)[:-4]])
async def test_a_missing_wrong_or_another_stores_signature_is_refused(given: str) -> None:
    with pytest.raises(SignatureRefused):
        await verify(delivery(x_wc_webhook_signature=given))


async def test_without_a_store_or_its_secret_nothing_is_believed() -> None:
    for opened in (None, access(webhook_secret="")):
        with pytest.raises(SignatureRefused):
            await verify(delivery(x_wc_webhook_signature=signature(BODY, "")), access=opened)


def test_escapes_in_a_secret_are_undone_before_it_signs() -> None:
    headers = {"x-wc-webhook-signature": signature(BODY, "a&b")}

    assert is_signed(headers, BODY, secret="a&amp;b")


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "order.restored"])
def test_an_order_told_is_read_again(topic: str) -> None:
    assert read_webhook(delivery(topic=topic)) == OrderHinted("4711")


def test_an_order_in_the_trash_is_told_by_its_id_only_and_read_again() -> None:
    assert read_webhook(delivery(b'{"id":4711}', topic="order.deleted")) == OrderHinted("4711")


def test_two_deliveries_of_one_second_are_two_though_their_id_is_one() -> None:
    first, second = delivery(b'{"id":1}'), delivery(b'{"id":2}')

    assert first.headers["x-wc-webhook-delivery-id"] == second.headers["x-wc-webhook-delivery-id"]
    assert [read_webhook(told) for told in (first, second)] == [OrderHinted("1"), OrderHinted("2")]


async def test_a_replayed_or_late_delivery_gives_what_the_order_is_now() -> None:
    shop = Shop({4711: 60}, fields={4711: {"status": "cancelled"}})
    old = read_webhook(delivery())
    assert isinstance(old, OrderHinted)

    found = await connector(shop.answer)[0].read_order(ACCESS, old.external_id, way="webhook")

    assert getattr(found, "cancelled_at", None) is not None


async def test_a_webhook_never_makes_us_write_so_that_no_echo_can_loop() -> None:
    found, http = connector(Shop({4711: 60}).answer)
    fact = found.read_webhook(ACCESS.store, delivery(), now=NOW)
    assert isinstance(fact, OrderHinted)

    await found.read_order(ACCESS, fact.external_id, way="webhook")

    assert [asked.method for asked in http.asked] == ["GET"]


def test_other_resources_are_not_ours() -> None:
    assert isinstance(read_webhook(delivery(topic="product.updated")), NotOurs)


def test_an_error_in_place_of_an_order_says_that_the_webhooks_user_lost_rights() -> None:
    body = b'{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":401}}'

    fact = read_webhook(delivery(body))

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)
    assert "may no longer see orders" in fact.order.problem


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"id":"../users"}', b'{"id":1.5}', b'{"id":-1}', b'{"id":null}', b"{}"]
)
def test_what_names_no_order_is_kept_as_unreadable(body: bytes) -> None:
    fact = read_webhook(delivery(body))

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)


@pytest.mark.parametrize("body", [b"webhook_id=12", b"webhook_id=12\n"])
def test_a_ping_is_answered_with_200(body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert greet(Delivery(headers, body)) == Greeting()


@pytest.mark.parametrize("body", [b"", b"webhook_id=", b"webhook_id=12&x=1", b"webhook_id=abc", BODY, b"{}"])
def test_nothing_else_is_a_ping(body: bytes) -> None:
    assert greet(Delivery({}, body)) is None


def test_what_is_signed_is_no_ping() -> None:
    assert greet(delivery(b"webhook_id=12")) is None


def test_no_webhook_is_for_the_whole_app() -> None:
    found, _ = connector(answer())

    assert isinstance(found.read_app_webhook(delivery(), now=NOW), NotOurs)
