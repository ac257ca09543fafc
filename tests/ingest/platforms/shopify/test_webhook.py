"""Only genuine webhooks of the store are read, and each topic is understood."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from schemas.order import RawOrder, order_revised
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import (
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    WebhookFact,
)
from services.ingest.platforms.shopify.webhook import read_webhook, verify_webhook
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.shopify.shop import ACCESS, DOMAIN, NOW

BODY = payload("shopify", "paid.webhook.json")
#: HMAC-SHA256 of {"id":1} under "hush", computed once with openssl.
VECTOR = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="
APP = Access(ACCESS.store, {"kind": "offline", "shop": DOMAIN, "access_token": "t"})


def signature(secret: str, body: bytes = BODY) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(signed: str, *, shop: str = DOMAIN, topic: str = "orders/create") -> dict[str, str]:
    return {"x-shopify-hmac-sha256": signed, "x-shopify-shop-domain": shop, "x-shopify-topic": topic}


def told(topic: str, body: object, **more: str) -> WebhookFact:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_webhook(ACCESS.store, {"x-shopify-topic": topic} | more, data, now=NOW)


def test_the_signature_is_base64_of_hmac_sha256_over_the_raw_bytes() -> None:
    verify_webhook(ACCESS, headers(VECTOR), b'{"id":1}', app_secrets=())


def test_the_apps_secret_and_the_one_before_it_are_accepted() -> None:
    for secret in ("new", "old"):
        verify_webhook(APP, headers(signature(secret)), BODY, app_secrets=("new", "old"))


def test_a_custom_apps_own_secret_is_the_only_one_for_its_store() -> None:
    verify_webhook(ACCESS, headers(signature("hush")), BODY, app_secrets=("new",))

    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, headers(signature("new")), BODY, app_secrets=("new",))


@pytest.mark.parametrize(
    "given",
    [
        "",
        "   ",
        "garbage!",
        "a",
        "AAAA",
        "é",
        signature("another"),
        signature("hush")[:-4],
        hashlib.sha256(b"").hexdigest(),
    ],
)
def test_a_missing_malformed_or_wrong_signature_is_refused(given: str) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, headers(given), BODY, app_secrets=())


def test_one_changed_byte_is_refused() -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, headers(signature("hush")), BODY + b" ", app_secrets=())


def test_without_any_secret_nothing_is_genuine() -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(APP, headers(signature("")), BODY, app_secrets=())


@pytest.mark.parametrize("shop", ["", "other.myshopify.com"])
def test_a_genuine_webhook_of_another_store_of_the_app_is_refused(shop: str) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, headers(signature("hush"), shop=shop), BODY, app_secrets=())


@pytest.mark.parametrize("missing", ["x-shopify-hmac-sha256", "x-shopify-shop-domain"])
def test_a_missing_header_is_refused(missing: str) -> None:
    found = headers(signature("hush"))
    del found[missing]

    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, found, BODY, app_secrets=())


@pytest.mark.parametrize(
    "topic",
    [
        "orders/create",
        "orders/updated",
        "orders/paid",
        "orders/cancelled",
        "orders/fulfilled",
        "orders/partially_fulfilled",
    ],
)
def test_a_topic_that_carries_the_order_tells_it(topic: str) -> None:
    fact = told(topic, BODY)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)
    assert (fact.order.display_name, fact.order.way, fact.order.fetched_at) == ("#1001", "webhook", NOW)


def test_an_edit_tells_only_which_order_to_read() -> None:
    assert told("orders/edited", {"order_edit": {"id": 1, "order_id": 9007199254740993}}) == OrderHinted(
        "9007199254740993"
    )


def test_a_deletion_is_a_revision_of_its_own_and_the_same_on_every_retry() -> None:
    at = "2026-11-23T08:59:58.123456Z"

    facts = [
        read_webhook(
            ACCESS.store, {"x-shopify-topic": "orders/delete", "x-shopify-triggered-at": at}, b'{"id": 9}', now=now
        )
        for now in (NOW, datetime(2026, 11, 23, 11, 0, tzinfo=UTC))
    ]

    orders = [fact.order for fact in facts if isinstance(fact, OrderTold) and isinstance(fact.order, RawOrder)]
    assert [(order.external_id, order.deleted, order.items) for order in orders] == [("9", True, ())] * 2
    assert orders[0].revised_at == datetime(2026, 11, 23, 8, 59, 58, 123456, tzinfo=UTC)
    assert len({order_revised(order).event_id for order in orders}) == 1


@pytest.mark.parametrize("at", ["", "lately", "2026-11-23T08:59:58"])
def test_a_deletion_that_does_not_say_when_was_now(at: str) -> None:
    headers = {"x-shopify-topic": "orders/delete", "x-shopify-triggered-at": at}

    fact = read_webhook(ACCESS.store, headers, b'{"id": 9}', now=NOW)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)
    assert fact.order.revised_at == NOW


def test_an_uninstalled_app_closes_the_store() -> None:
    assert isinstance(told("app/uninstalled", {"id": 1}), StoreClosed)


@pytest.mark.parametrize("topic", ["products/update", "", "x" * 500, "a b\n"])
def test_another_topic_is_not_ours(topic: str) -> None:
    fact = told(topic, {"id": 1})

    assert isinstance(fact, NotOurs)
    assert len(fact.why) < 80
    assert "\n" not in fact.why


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("orders/create", b""),
        ("orders/create", b"[]"),
        ("orders/create", b"\xff\xfe"),
        ("orders/create", b"[" * 100_000),
        ("orders/create", b'{"id": NaN}'),
        ("orders/create", BODY.replace(b'"id": 9007199254741994', b'"id": ' + b"9" * 5_000)),
        ("orders/create", BODY.replace(b"90071992547409931", b"9" * 5_000)),
        ("orders/edited", b"{}"),
        ("orders/delete", b'{"id": "x"}'),
        ("orders/delete", b'{"id": ' + b"9" * 10_000 + b"1.5}"),
    ],
)
def test_a_body_that_cannot_be_read_becomes_a_dead_letter_not_an_error(topic: str, body: bytes) -> None:
    fact = told(topic, body)

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, Unreadable)


def test_half_an_emoji_is_replaced_for_no_text_with_it_can_be_sent_on() -> None:
    fact = told("orders/create", BODY.replace(b"Classic Tee", b"Tee \\ud83d"))

    assert isinstance(fact, OrderTold)
    assert isinstance(fact.order, RawOrder)
    assert fact.order.items[0].title == "Tee \ufffd"
    assert fact.order.model_dump_json()


def test_a_refund_tells_only_which_order_to_read() -> None:
    assert told("refunds/create", {"id": 1, "order_id": 9007199254740993}) == OrderHinted("9007199254740993")


@pytest.mark.parametrize("topic", ["fulfillment_orders/placed_on_hold", "fulfillment_orders/hold_released"])
@pytest.mark.parametrize("ending", ["", "?x=1"])
def test_a_hold_names_a_fulfilment_order_and_no_order(topic: str, ending: str) -> None:
    body = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/77{ending}", "status": "on_hold"}}

    assert told(topic, body) == OrderHinted("fulfillment-order/77")


def test_a_risk_assessment_says_which_order_to_read_where_it_names_one() -> None:
    assert told("orders/risk_assessment_changed", {"order_id": 7, "risk_level": "high"}) == OrderHinted("7")
    assert isinstance(told("orders/risk_assessment_changed", {"order_id": None}), NotOurs)


@pytest.mark.parametrize("domain", [DOMAIN, DOMAIN.upper(), None])
def test_the_uninstallation_of_this_shop_closes_it(domain: str | None) -> None:
    assert isinstance(told("app/uninstalled", {"id": 1, "myshopify_domain": domain}), StoreClosed)


def test_the_uninstallation_of_another_shop_closes_nothing_whatever_the_header_says() -> None:
    assert isinstance(told("app/uninstalled", {"myshopify_domain": "other.myshopify.com"}), NotOurs)


def test_a_newer_event_delivery_is_not_taken_for_a_webhook() -> None:
    newer = {"shopify-topic": "orders/create", "shopify-hmac-sha256": signature("hush"), "shopify-shop-domain": DOMAIN}

    assert isinstance(read_webhook(ACCESS.store, newer, BODY, now=NOW), NotOurs)
    with pytest.raises(SignatureRefused):
        verify_webhook(ACCESS, newer, BODY, app_secrets=())


@pytest.mark.parametrize("name", ["x-shopify-webhook-id", "x-shopify-event-id"])
def test_no_header_decides_whether_it_is_the_same_revision(name: str) -> None:
    events = set()
    for ident in ("one", "another"):
        fact = told("orders/updated", BODY, **{name: ident})
        assert isinstance(fact, OrderTold)
        assert isinstance(fact.order, RawOrder)
        events.add(order_revised(fact.order).event_id)

    assert len(events) == 1


def test_every_single_bit_is_signed() -> None:
    body = BODY[:200]
    signed = headers(signature("hush", body))

    for place in range(len(body) * 8):
        changed = bytearray(body)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(SignatureRefused):
            verify_webhook(ACCESS, signed, bytes(changed), app_secrets=())


def test_a_repeat_is_the_same_event_and_an_older_revision_shows_that_it_is_older() -> None:
    def order(body: bytes, now: datetime) -> RawOrder:
        fact = read_webhook(ACCESS.store, {"x-shopify-topic": "orders/updated"}, body, now=now)
        assert isinstance(fact, OrderTold)
        assert isinstance(fact.order, RawOrder)
        return fact.order

    later = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    former = json.dumps(json.loads(BODY) | {"updated_at": "2020-01-01T00:00:00-05:00"}).encode()

    first, again, older = order(BODY, NOW), order(BODY, later), order(former, later)

    assert order_revised(first).event_id == order_revised(again).event_id
    assert older.revised_at < first.revised_at
