"""Only genuine webhooks are read, and what they say is where to look, not what to fetch."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.webhooks import (
    AboutStore,
    Delivery,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    WebhookFact,
)
from services.ingest.platforms.etsy.webhook import read_webhook, verify_webhook
from tests.ingest.platforms.etsy.shop import ACCESS, NOW, connector

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
BODY = b'{"event_type":"order.paid"}'


def signature(body: bytes = BODY, at: datetime = NOW, ident: str = "msg_1") -> str:
    signed = f"{ident}.{int(at.timestamp())}.".encode() + body
    return base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()


def headers(signed: str, at: datetime = NOW) -> dict[str, str]:
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signed}


def told(**changes: Any) -> WebhookFact:
    body = {
        "event_type": "order.paid",
        "resource_url": "https://api.etsy.com/v3/application/shops/40000001/receipts/3200000001",
        "shop_id": "40000001",
    }
    return read_webhook(ACCESS.store, json.dumps(body | changes).encode())


def test_the_public_vector_of_the_scheme_verifies() -> None:
    vector = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    verify_webhook(
        vector,
        b'{"test": 2432232314}',
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=datetime.fromtimestamp(1614265330, tz=UTC),
    )


@pytest.mark.parametrize("form", ["{}", "v1,{}", "v1,AAAA v1,{}", "v2,AAAA {}"])
def test_a_bare_signature_and_a_list_are_both_taken(form: str) -> None:
    verify_webhook(headers(form.format(signature())), BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("given", ["", " ", "garbage", "v1", "v1,", "é", "v1,é", signature(b"{}"), signature()[:-4]])
def test_a_missing_malformed_or_wrong_signature_is_refused(given: str) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers(given), BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_older_or_newer_than_five_minutes_is_refused(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)

    with pytest.raises(SignatureRefused):
        verify_webhook(headers(signature(at=at), at), BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("timestamp", ["", "now", "9" * 400, "-1", "²"])
def test_a_senseless_time_is_refused(timestamp: str) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers(signature()) | {"webhook-timestamp": timestamp}, BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_not base64!"])
def test_without_a_usable_secret_nothing_is_genuine(secret: str) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers(signature()), BODY, secret=secret, now=NOW)


@pytest.mark.parametrize("event", ["order.paid", "order.canceled", "order.shipped", "order.delivered"])
@pytest.mark.parametrize("shop_id", ["40000001", 40000001, None])
@pytest.mark.parametrize("host", ["api.etsy.com", "openapi.etsy.com"])
def test_an_event_says_which_receipt_to_read(event: str, shop_id: object, host: str) -> None:
    url = f"https://{host}/v3/application/shops/40000001/receipts/3200000001"

    assert told(event_type=event, shop_id=shop_id, resource_url=url) == OrderHinted("3200000001")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v3/application/shops/40000001/receipts/1",
        "https://api.etsy.com.evil.example/v3/application/shops/40000001/receipts/1",
        "https://api.etsy.com@evil.example/v3/application/shops/40000001/receipts/1",
        "https://api.etsy.com/v3/application/shops/40000001/receipts/1/../2",
        "https://api.etsy.com/v3/application/users/me",
        "",
    ],
)
def test_an_address_that_is_no_receipt_of_etsys_is_not_followed(url: str) -> None:
    fact = told(resource_url=url)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)
    assert fact.order.path == "resource_url"


def test_another_shops_event_is_not_ours() -> None:
    other = told(resource_url="https://api.etsy.com/v3/application/shops/5/receipts/1", shop_id="5")

    assert isinstance(other, NotOurs)


def test_an_event_that_contradicts_itself_is_unreadable() -> None:
    fact = told(shop_id="5")

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)
    assert fact.order.path == "shop_id"


def test_another_event_is_not_ours() -> None:
    assert isinstance(told(event_type="listing.updated"), NotOurs)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read_becomes_a_dead_letter_not_an_error(body: bytes) -> None:
    fact = read_webhook(ACCESS.store, body)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)


def notice(**changes: Any) -> Delivery:
    body = {
        "event_type": "order.paid",
        "resource_url": "https://api.etsy.com/v3/application/shops/40000001/receipts/3200000001",
        "shop_id": "40000001",
    }
    return Delivery({}, json.dumps(body | changes).encode())


@pytest.mark.parametrize("shop_id", ["40000001", 40000001, None])
def test_an_event_to_the_app_is_about_the_shop_in_its_address(shop_id: object) -> None:
    found, _ = connector()

    assert found.read_app_webhook(notice(shop_id=shop_id), now=NOW) == AboutStore("40000001")


def test_an_event_to_the_app_that_is_no_orders_is_not_ours() -> None:
    found, _ = connector()

    assert isinstance(found.read_app_webhook(notice(event_type="listing.updated"), now=NOW), NotOurs)


@pytest.mark.parametrize(
    "changes", [{"shop_id": "5"}, {"resource_url": "https://evil.example/1"}, {"event_type": None}]
)
def test_an_event_to_the_app_that_contradicts_itself_is_unreadable(changes: dict[str, object]) -> None:
    found, _ = connector()

    with pytest.raises(UnreadablePayload):
        found.read_app_webhook(notice(**changes), now=NOW)


async def test_an_event_to_the_app_is_verified_without_any_store() -> None:
    found, _ = connector(etsy_webhook_secret=SECRET)
    signed = headers(signature())

    await found.verify_webhook(None, Delivery(signed, BODY), now=NOW)

    with pytest.raises(SignatureRefused):
        await found.verify_webhook(None, Delivery(signed, BODY + b" "), now=NOW)


@pytest.mark.parametrize("host", ["127.0.0.1:9", "api.etsy.com"])
def test_the_host_of_another_base_url_is_trusted_beside_etsys_own(host: str) -> None:
    found, _ = connector(platform_url_etsy="http://127.0.0.1:9")
    url = f"http://{host}/v3/application/shops/40000001/receipts/7"

    assert found.read_app_webhook(notice(resource_url=url), now=NOW) == AboutStore("40000001")
