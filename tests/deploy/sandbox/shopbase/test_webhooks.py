"""Registrations and deliveries: which addresses are taken, what is sent, how it is signed, when it ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from deploy.sandbox.shopbase.announcing import POLICY, TOPICS, address_objection, sign

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


async def _received(client: Client) -> dict[str, Any]:
    """The last body by topic."""
    await client.stand_in.settle()
    return dict(zip(client.receiver.topics, map(orjson.loads, client.receiver.bodies), strict=True))


def test_a_signature_is_that_of_an_independent_computation() -> None:
    # printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
    assert sign("hush", b'{"id":1}') == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_retries_are_eight_over_four_hours() -> None:
    assert len(POLICY.retry_waits) == 8
    assert sum(POLICY.retry_waits) == pytest.approx(4 * 3600)


def test_the_documented_topics_exist() -> None:
    events = ("create", "updated", "paid", "cancelled", "fulfilled", "partially_fulfilled", "delete")

    assert {f"orders/{event}" for event in events} < TOPICS
    assert {"order_transactions/create", "refunds/create", "fulfillments/update", "app/uninstalled"} < TOPICS


@pytest.mark.parametrize(
    "address",
    [
        "http://app.example.com/hook",
        "https://www.example.com/hook",
        "https://hooks.internal/x",
        "https://shopbase.com/x",
        "https://a.onshopbase.com/x",
        "https://localhost/x",
        "ftp://app.example.com",
        "app.example.com",
        "https://[broken",
    ],
)
def test_addresses_that_the_platform_does_not_take(address: str) -> None:
    assert address_objection(address, require_https=True)
    assert address_objection("https://app.example.com/hook", require_https=True) is None


async def test_loopback_is_taken_unless_https_is_required(client: Client) -> None:
    webhook = {"topic": "orders/create", "address": client.receiver.url + "orders/create"}

    taken = await client.call("POST", "/admin/webhooks.json", json={"webhook": webhook})
    await client.control("POST", "/settings", require_https=True)
    refused = await client.call("POST", "/admin/webhooks.json", json={"webhook": webhook})

    assert taken.status == 200
    assert (refused.status, set(refused.json["errors"])) == (422, {"address"})


async def test_the_same_registration_twice_delivers_twice(client: Client) -> None:
    await client.subscribe("orders/create", "orders/create")

    await client.order()
    await client.stand_in.settle()

    assert client.receiver.topics == ["orders/create", "orders/create"]


async def test_registrations_are_listed_changed_and_removed(client: Client) -> None:
    await client.subscribe("orders/create", "orders/updated", "orders/paid")
    everything = (await client.call("GET", "/admin/webhooks.json")).json["webhooks"]
    first = everything[0]["id"]
    path = f"/admin/webhooks/{first}.json"

    async def topics(**query: str | int) -> list[str]:
        answer = await client.call("GET", "/admin/webhooks.json", params=query)
        return [known["topic"] for known in answer.json["webhooks"]]

    assert await topics(topic="orders/paid") == ["orders/paid"]
    assert await topics(address=client.receiver.url + "orders/updated") == ["orders/updated"]
    assert await topics(since_id=first, limit=1) == ["orders/updated"]
    changed = await client.call("PUT", path, json={"webhook": {"topic": "orders/delete"}})
    assert changed.json["webhook"]["topic"] == "orders/delete"
    assert (await client.call("DELETE", path)).json == {}
    assert (await client.call("GET", path)).status == 404
    assert len(await topics()) == 2


async def test_an_app_sees_its_own_registrations_only(client: Client) -> None:
    await client.subscribe("orders/create")
    known = (await client.call("GET", "/admin/webhooks.json")).json["webhooks"][0]["id"]
    registry = client.stand_in._platform.registry
    code = registry.authorize(
        registry.apps["sandbox-shopbase-app"], shop=client.store["shop"], scopes=("read_orders",), now=0.0
    )
    caller = registry.redeem(
        client_id="sandbox-shopbase-app",
        client_secret="sandbox-shopbase-secret",
        code=code,
        shop=client.store["shop"],
        now=0.0,
    )
    public = {"X-ShopBase-Access-Token": registry.issue(caller, shop=client.store["shop"])}

    assert (await client.call("GET", "/admin/webhooks.json", headers=public)).json["webhooks"] == []
    assert (await client.call("DELETE", f"/admin/webhooks/{known}.json", headers=public)).status == 404


@pytest.mark.parametrize(
    ("webhook", "field"),
    [({"topic": "orders/edited"}, "topic"), ({"topic": "orders/create", "format": "xml"}, "format")],
)
async def test_an_unknown_topic_or_form_is_refused(client: Client, webhook: dict[str, str], field: str) -> None:
    asked = {"webhook": {"address": client.receiver.url} | webhook}

    answer = await client.call("POST", "/admin/webhooks.json", json=asked)

    assert (answer.status, set(answer.json["errors"])) == (422, {field})


async def test_a_paid_order_is_told_as_the_bare_order(client: Client) -> None:
    await client.subscribe("orders/create", "orders/paid", "order_transactions/create")

    order = await client.order("personalized")
    told = await _received(client)

    assert told["orders/create"] == told["orders/paid"] == await client.one(order)
    assert told["order_transactions/create"]["order_id"] == int(order)


async def test_a_delivery_is_signed_with_the_shared_secret_over_its_bytes(client: Client) -> None:
    await client.subscribe("orders/create")

    await client.order()
    await client.stand_in.settle()

    [head], [body] = client.receiver.headers, client.receiver.bodies
    secret = client.store["private_app"]["shared_secret"]
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    assert base64.b64decode(head["X-ShopBase-Hmac-SHA256"]) == digest
    assert head["X-ShopBase-Shop-Domain"] == client.store["shop"]
    assert not [name for name in head if "webhook-id" in name.lower() or "delivery" in name.lower()]


@pytest.mark.parametrize(
    ("reading", "header"),
    [
        ("entity", {"X-ShopBase-Entity-Type": "orders"}),
        ("topic", {"X-ShopBase-Topic": "orders/create"}),
        ("none", {}),
    ],
)
async def test_the_topic_header_is_one_of_three_readings(client: Client, reading: str, header: dict[str, str]) -> None:
    await client.control("POST", "/settings", topic_header=reading)
    await client.subscribe("orders/create")

    await client.order()
    await client.stand_in.settle()

    [head] = client.receiver.headers
    names = ("X-ShopBase-Entity-Type", "X-ShopBase-Topic")
    assert {name: head[name] for name in names if name in head} == header


async def test_fields_cut_the_body(client: Client) -> None:
    webhook = {"topic": "orders/create", "address": client.receiver.url + "orders/create", "fields": ["id", "name"]}
    await client.call("POST", "/admin/webhooks.json", json={"webhook": webhook})

    order = await client.order()

    assert (await _received(client))["orders/create"] == {"id": int(order), "name": "#1001"}


async def test_a_deletion_tells_the_id_alone(client: Client) -> None:
    await client.subscribe("orders/delete")
    order = await client.order()

    await client.change(order, "delete")

    assert (await _received(client))["orders/delete"] == {"id": int(order)}


async def test_our_own_parcel_comes_back_to_us(client: Client) -> None:
    await client.subscribe("fulfillments/create", "orders/fulfilled", "orders/partially_fulfilled", "orders/updated")
    order = await client.order()

    sent = await client.ship(order, tracking_number="TN1")
    told = await _received(client)

    assert set(told) == {"fulfillments/create", "orders/fulfilled", "orders/updated"}
    assert (told["fulfillments/create"]["id"], told["fulfillments/create"]["order_id"]) == (sent.json["id"], int(order))


@pytest.mark.parametrize(
    ("action", "asked", "topics"),
    [
        ("pay", {}, {"orders/paid", "orders/updated", "order_transactions/create"}),
        ("note", {"note": "x"}, {"orders/updated"}),
        ("address", {"address": {"city": "Denver"}}, {"orders/updated"}),
        ("edit", {"add": [{"sku": "MUG-11OZ"}]}, {"orders/updated"}),
        ("cancel", {}, {"orders/cancelled", "orders/updated"}),
    ],
)
async def test_every_change_is_told(client: Client, action: str, asked: dict[str, Any], topics: set[str]) -> None:
    await client.subscribe("orders/paid", "orders/updated", "orders/cancelled", "order_transactions/create")
    order = await client.order("unpaid_pending")

    await client.change(order, action, **asked)

    assert set(await _received(client)) == topics


async def test_a_refund_is_told_with_its_order(client: Client) -> None:
    await client.subscribe("refunds/create", "orders/updated")
    order = await client.order()

    await client.change(order, "refund")
    told = await _received(client)

    assert told["refunds/create"]["order_id"] == int(order)
    assert told["orders/updated"]["financial_status"] == "refunded"


async def test_uninstalling_is_told_last_and_ends_the_registrations(client: Client) -> None:
    await client.subscribe("app/uninstalled", "orders/create")

    await client.control("POST", f"/stores/{client.store['store']}/revoke")
    await client.order()
    told = await _received(client)

    assert set(told) == {"app/uninstalled"}
    assert told["app/uninstalled"]["domain"] == client.store["shop"]


async def test_a_subscription_that_nobody_answers_is_deleted_after_nine_attempts(client: Client) -> None:
    await client.control("POST", "/settings", time_scale=1_000_000)
    await client.subscribe("orders/create")
    client.receiver.status = 500

    await client.order()
    await client.stand_in.settle()

    assert len(client.receiver.topics) == 9
    listed = await client.control("GET", f"/stores/{client.store['store']}/subscriptions")
    assert listed == {"subscriptions": []}
    assert (await client.control("GET", "/books"))["subscriptions_deleted"] == 1


async def test_quiet_orders_are_not_told(client: Client) -> None:
    await client.subscribe("orders/create")

    await client.order(webhooks=False)
    await client.stand_in.settle()

    assert client.receiver.topics == []
