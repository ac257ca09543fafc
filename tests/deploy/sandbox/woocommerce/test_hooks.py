"""Webhooks: pings, signatures, order, failures, and what they do not tell."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.integration


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def topics(receiver: Any) -> list[str]:
    return [each.headers["X-WC-Webhook-Topic"] for each in receiver.deliveries]


async def status_of(store: Any, hook: Any) -> tuple[str, int]:
    found = await store.control("GET", f"/stores/{store.name}/webhooks")
    return next((each["status"], each["failures"]) for each in found["webhooks"] if each["id"] == hook["id"])


async def test_a_new_webhook_is_pinged_unsigned_by_a_form(woo: Any, receiver: Any) -> None:
    hook = await woo.hook(receiver, "created")

    [ping] = receiver.got

    assert ping.body == f"webhook_id={hook['id']}".encode()
    assert ping.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert not [name for name in ping.headers if name.startswith("X-WC-")]
    assert (hook["status"], "secret" in hook) == ("active", False)


@pytest.mark.parametrize("status", [202, 204, 301, 401])
async def test_a_ping_is_repeated_at_every_save_until_it_is_answered_200(woo: Any, receiver: Any, status: int) -> None:
    receiver.statuses = [status]
    hook = await woo.hook(receiver, "created")

    for _ in range(3):
        await woo.call("PUT", f"webhooks/{hook['id']}", json={"name": "again"})

    assert hook["status"] == "active"
    assert len(receiver.pings) == 2


async def test_a_dead_address_makes_an_active_webhook(woo: Any, receiver: Any) -> None:
    receiver.url = "http://127.0.0.1:1/none"

    assert (await woo.hook(receiver, "created"))["status"] == "active"


async def test_a_delivery_is_signed_over_its_escaped_bytes(woo: Any, receiver: Any) -> None:
    hook = await woo.hook(receiver, "created", secret="s3cret")
    order = await woo.order("personalized")
    await woo.settle()

    [got] = receiver.deliveries
    row = await woo.call("GET", f"orders/{order}")

    assert got.headers["X-WC-Webhook-Signature"] == signature("s3cret", got.body)
    assert got.headers["X-WC-Webhook-Source"] == f"{woo.url}/"
    assert (got.headers["X-WC-Webhook-Resource"], got.headers["X-WC-Webhook-Event"]) == ("order", "created")
    assert got.headers["X-WC-Webhook-ID"] == str(hook["id"])
    assert got.headers["User-Agent"] == "WooCommerce/11.0.1 Hookshot (WordPress/7.0.4)"
    assert got.body == row.raw
    assert got.body.isascii()
    assert b"http:\\/\\/" in got.body


async def test_entities_in_a_secret_are_undone_before_it_signs(woo: Any, receiver: Any) -> None:
    await woo.hook(receiver, "created", secret="a&amp;b &quot;c&quot;")
    await woo.order()
    await woo.settle()

    [got] = receiver.deliveries

    assert got.headers["X-WC-Webhook-Signature"] == signature('a&b "c"', got.body)


async def test_a_webhook_without_a_secret_gets_one_that_nobody_knows(woo: Any, receiver: Any) -> None:
    await woo.hook(receiver, "created", secret="")
    await woo.order()
    await woo.settle()

    [got] = receiver.deliveries

    assert got.headers["X-WC-Webhook-Signature"] != signature("", got.body)


async def test_delivery_ids_differ_each_time(woo: Any, receiver: Any) -> None:
    await woo.hook(receiver, "created")
    await woo.orders(count=3)
    await woo.settle()

    assert len({got.headers["X-WC-Webhook-Delivery-ID"] for got in receiver.deliveries}) == 3


@pytest.mark.parametrize(
    ("state", "told"),
    [("ready", ["order.updated", "order.created"]), ("by_rest", ["order.created", "order.updated"])],
)
async def test_a_checkout_tells_its_update_before_its_creation(
    woo: Any, receiver: Any, state: str, told: list[str]
) -> None:
    for event in ("created", "updated"):
        await woo.hook(receiver, event)

    await woo.order(state)
    await woo.settle()

    assert topics(receiver) == told


async def test_a_delivery_holds_the_state_when_it_is_sent(woo: Any, receiver: Any) -> None:
    await woo.control("POST", "/settings", cron_delay=0.1)
    store = await woo.open_store()
    for event in ("created", "updated"):
        await store.hook(receiver, event)

    order = await store.order("by_rest")
    await store.change(order, "cancel")
    await store.settle()

    bodies = [orjson.loads(got.body) for got in receiver.deliveries]
    assert topics(receiver) == ["order.created", "order.updated"]
    assert [body["status"] for body in bodies] == ["cancelled", "cancelled"]


async def test_a_quiet_store_tells_nothing_until_somebody_visits(woo: Any, receiver: Any) -> None:
    store = await woo.open_store(quiet=True)
    await store.hook(receiver, "created")
    await store.order()
    before = (await store.control("GET", "/deliveries"))["pending"]

    await store.control("POST", f"/stores/{store.name}/visit")
    await store.settle()

    assert before == 1
    assert topics(receiver) == ["order.created"]


async def test_deliveries_of_a_store_go_one_after_another(woo: Any, receiver: Any) -> None:
    receiver.seconds = 0.02
    for event in ("created", "updated"):
        await woo.hook(receiver, event)

    await woo.orders(count=3)
    await woo.settle()

    assert len(receiver.deliveries) == 6
    assert receiver.most_at_once == 1


@pytest.mark.parametrize("status", [400, 500, 307])
async def test_a_failed_delivery_is_not_repeated_and_the_seventh_in_a_row_disables(
    woo: Any, receiver: Any, status: int
) -> None:
    hook = await woo.hook(receiver, "created")
    receiver.statuses = [status] * 8

    await woo.orders(count=6)
    await woo.settle()
    six = await status_of(woo, hook)
    await woo.order()
    await woo.settle()
    seven = await status_of(woo, hook)
    await woo.order()
    await woo.settle()

    assert (six, seven) == (("active", 6), ("disabled", 6))
    assert len(receiver.deliveries) == 7
    assert (await woo.call("GET", f"webhooks/{hook['id']}")).json["status"] == "disabled"
    assert (await woo.books())["subscriptions_deleted"] == 1


@pytest.mark.parametrize("status", [201, 204, 301])
async def test_a_success_forgets_the_failures(woo: Any, receiver: Any, status: int) -> None:
    hook = await woo.hook(receiver, "created")
    receiver.statuses = [500, 500, status]

    await woo.orders(count=3)
    await woo.settle()

    assert await status_of(woo, hook) == ("active", 0)


@pytest.mark.parametrize(("resets", "after"), [(True, ("active", 1)), (False, ("disabled", 6))])
async def test_a_disabled_webhook_can_be_made_active_again(woo: Any, receiver: Any, resets: bool, after: Any) -> None:  # noqa: FBT001
    store = await woo.open_store(failures_reset=resets)
    hook = await store.hook(receiver, "created")
    receiver.statuses = [500] * 8
    await store.orders(count=7)
    await store.settle()

    await store.call("PUT", f"webhooks/{hook['id']}", json={"status": "active"})
    await store.order()
    await store.settle()

    assert await status_of(store, hook) == after


async def test_our_own_writes_come_back_even_when_they_change_nothing(woo: Any, receiver: Any) -> None:
    order = await woo.order(webhooks=False)
    await woo.hook(receiver, "updated")

    await woo.call("PUT", f"orders/{order}", json={})
    await woo.settle()
    await woo.call("POST", f"orders/{order}/notes", json={"note": "Printed"})
    await woo.settle()

    assert topics(receiver) == ["order.updated", "order.updated"]
    assert orjson.loads(receiver.deliveries[0].body)["id"] == order


async def test_trash_tells_the_id_alone_and_a_forced_delete_tells_nothing(woo: Any, receiver: Any) -> None:
    first, second = await woo.orders(count=2, webhooks=False)
    for event in ("deleted", "restored", "updated"):
        await woo.hook(receiver, event)

    await woo.call("DELETE", f"orders/{first}")
    await woo.settle()
    await woo.change(first, "restore")
    await woo.call("DELETE", f"orders/{second}", params={"force": "true"})
    await woo.settle()

    assert topics(receiver) == ["order.deleted", "order.restored"]
    assert receiver.deliveries[0].body == b'{"id":%d}' % first


async def test_an_open_checkout_is_news_on_old_versions_only(woo: Any, receiver: Any) -> None:
    old = await woo.open_store(wc_version="7.9.0")
    told = {}
    for store in (old, woo):
        for event in ("created", "updated"):
            await store.hook(receiver, event)
        order = await store.order("checkout_draft")
        await store.settle()
        await store.change(order, "place")
        await store.settle()
        told[store.name] = topics(receiver)
        receiver.got.clear()

    assert told[old.name] == ["order.created", "order.updated"]
    assert told[woo.name] == ["order.updated", "order.created"]


async def test_a_demoted_user_sends_an_error_instead_of_an_order(woo: Any, receiver: Any) -> None:
    await woo.hook(receiver, "created")
    await woo.control("POST", f"/stores/{woo.name}/demote")
    await woo.order()
    await woo.settle()

    [got] = receiver.deliveries

    assert orjson.loads(got.body)["code"] == "woocommerce_rest_cannot_view"
    assert got.headers["X-WC-Webhook-Signature"] == signature("s3cret", got.body)


async def test_webhooks_survive_the_key_that_made_them(woo: Any, receiver: Any) -> None:
    await woo.hook(receiver, "created")
    await woo.control("POST", f"/stores/{woo.name}/revoke")
    await woo.order()
    await woo.settle()

    assert topics(receiver) == ["order.created"]


async def test_paused_webhooks_and_dropped_ones_are_silent(woo: Any, receiver: Any) -> None:
    hook = await woo.hook(receiver, "created")
    await woo.call("PUT", f"webhooks/{hook['id']}", json={"status": "paused"})
    await woo.order()
    await woo.call("PUT", f"webhooks/{hook['id']}", json={"status": "active"})
    await woo.control("POST", "/faults", kind="drop_webhooks", count=1)
    await woo.control("POST", "/faults", kind="duplicate_webhooks", count=1)
    await woo.orders(count=2)
    await woo.settle()

    assert len(receiver.deliveries) == 2
    assert len({got.body for got in receiver.deliveries}) == 1
    assert (await woo.books())["webhooks_dropped"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"topic": "order.paid"}, "woocommerce_rest_shop_webhook_invalid_topic"),
        ({"topic": None}, "woocommerce_rest_shop_webhook_invalid_topic"),
        ({"delivery_url": "ftp://127.0.0.1"}, "woocommerce_rest_shop_webhook_invalid_delivery_url"),
        ({"status": "asleep"}, "woocommerce_rest_shop_webhook_invalid_status"),
        ({"id": 1}, "woocommerce_rest_shop_webhook_exists"),
    ],
)
async def test_a_malformed_webhook_is_refused(woo: Any, change: dict[str, Any], code: str) -> None:
    body = {"topic": "order.created", "delivery_url": "http://127.0.0.1:1/x"} | change

    answer = await woo.call("POST", "webhooks", json=body)

    assert (answer.status, answer.json["code"]) == (400, code)


async def test_webhooks_are_listed_by_status_and_deleted_by_force_only(woo: Any, receiver: Any) -> None:
    hooks = [await woo.hook(receiver, event) for event in ("created", "updated")]
    await woo.call("PUT", f"webhooks/{hooks[0]['id']}", json={"status": "paused"})

    active = (await woo.call("GET", "webhooks", params={"status": "active"})).json
    kept = await woo.call("DELETE", f"webhooks/{hooks[1]['id']}")
    gone = await woo.call("DELETE", f"webhooks/{hooks[1]['id']}", params={"force": "true"})
    missing = await woo.call("GET", f"webhooks/{hooks[1]['id']}")

    assert [hook["id"] for hook in active] == [hooks[1]["id"]]
    assert (kept.status, gone.status, missing.status) == (501, 200, 404)
