"""What the platform sends to its subscribers, how it is signed, and when it stops."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest

from deploy.sandbox.shopify.announcing import POLICY, sign, topic_of

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


async def _received(client: Client) -> list[Any]:
    await client.stand_in.settle()
    return [orjson.loads(body) for body in client.receiver.bodies]


def test_a_signature_is_that_of_an_independent_computation() -> None:
    # printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
    assert sign("hush", b'{"id":1}') == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_topics_are_written_with_a_slash() -> None:
    assert topic_of("ORDERS_PARTIALLY_FULFILLED") == "orders/partially_fulfilled"
    assert topic_of("FULFILLMENT_ORDERS_PLACED_ON_HOLD") == "fulfillment_orders/placed_on_hold"
    assert topic_of("APP_UNINSTALLED") == "app/uninstalled"


def test_retries_last_four_hours_and_get_rarer() -> None:
    assert len(POLICY.retry_waits) == 8
    assert sum(POLICY.retry_waits) == pytest.approx(4 * 3600)
    assert list(POLICY.retry_waits) == sorted(POLICY.retry_waits)


async def test_a_paid_order_is_announced_as_created_and_paid_in_one_event(client: Client) -> None:
    await client.subscribe("ORDERS_CREATE", "ORDERS_PAID", "ORDERS_UPDATED")

    order = await client.order("personalized")
    first, second = await _received(client)

    assert sorted(client.receiver.topics) == ["orders/create", "orders/paid"]
    assert first == second
    assert first["id"] == int(order)
    heads = client.receiver.headers
    assert len({head["X-Shopify-Event-Id"] for head in heads}) == 1
    assert len({UUID(head["X-Shopify-Webhook-Id"]) for head in heads}) == 2
    assert heads[0]["X-Shopify-Shop-Domain"] == client.store["domain"]
    assert heads[0]["X-Shopify-API-Version"] == "2026-10"


async def test_a_delivery_is_signed_with_the_apps_secret_over_its_bytes(client: Client) -> None:
    await client.subscribe("ORDERS_CREATE")

    await client.order()
    await client.stand_in.settle()

    [head], [body] = client.receiver.headers, client.receiver.bodies
    digest = hmac.new(client.store["custom_app"]["client_secret"].encode(), body, hashlib.sha256).digest()
    assert base64.b64decode(head["X-Shopify-Hmac-Sha256"]) == digest


async def test_the_body_has_the_rest_form_and_the_shops_time(client: Client) -> None:
    await client.subscribe("ORDERS_CREATE")

    await client.order("personalized")
    [body] = await _received(client)

    assert body["admin_graphql_api_id"] == f"gid://shopify/Order/{body['id']}"
    assert body["created_at"].endswith(("-05:00", "-04:00"))
    assert body["financial_status"] == "paid"
    assert body["tags"] == "gift, personalized"
    assert body["line_items"][0]["properties"][0].keys() == {"name", "value"}
    assert body["total_price"] == body["total_price_set"]["shop_money"]["amount"]
    assert body["shipping_address"]["country_code"]


@pytest.mark.parametrize(
    ("action", "asked", "topics"),
    [
        ("cancel", {}, {"orders/cancelled", "orders/updated"}),
        ("refund", {}, {"refunds/create", "orders/updated"}),
        ("edit", {"add": [{"sku": "MUG-15OZ", "quantity": 2}]}, {"orders/edited", "orders/updated"}),
        ("address", {"address": {"line1": "1 New Street"}}, {"orders/updated"}),
        ("note", {"note": "x"}, {"orders/updated"}),
        ("delete", {}, {"orders/delete"}),
        ("hold", {}, {"fulfillment_orders/placed_on_hold", "orders/updated"}),
    ],
)
async def test_changes_are_announced_by_their_topics(
    client: Client, action: str, asked: dict[str, Any], topics: set[str]
) -> None:
    order = await client.order()
    await client.subscribe(
        *("ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_PAID", "ORDERS_CANCELLED", "ORDERS_EDITED", "ORDERS_DELETE"),
        *("REFUNDS_CREATE", "FULFILLMENT_ORDERS_PLACED_ON_HOLD"),
    )

    await client.change(order, action, **asked)
    await client.stand_in.settle()

    assert set(client.receiver.topics) == topics


async def test_paying_announces_the_payment(client: Client) -> None:
    order = await client.order("unpaid_pending")
    await client.subscribe("ORDERS_PAID")

    truth = await client.change(order, "pay")
    [body] = await _received(client)

    assert (truth["paid"], truth["makeable"]) == (True, True)
    assert body["financial_status"] == "paid"


async def test_an_edit_tells_only_what_changed(client: Client) -> None:
    order = await client.order()
    await client.subscribe("ORDERS_EDITED")
    [line, *_] = (await client.truth())[order]["lines"]

    truth = await client.change(
        order, "edit", add=[{"sku": "MUG-11OZ", "quantity": 2}], quantities={line["id"]: line["left"] + 3}
    )
    [body] = await _received(client)

    added = {str(entry["id"]): entry["delta"] for entry in body["order_edit"]["line_items"]["additions"]}
    assert added == {truth["lines"][-1]["id"]: 2, line["id"]: 3}
    assert truth["units_to_make"] == sum(entry["left"] for entry in truth["lines"])


async def test_included_fields_are_all_that_is_sent(client: Client) -> None:
    await client.ask(
        """mutation($uri: String!) { webhookSubscriptionCreate(topic: ORDERS_CREATE,
        webhookSubscription: {uri: $uri, includeFields: ["id", "updated_at"]}) { userErrors { message } } }""",
        uri=client.receiver.url,
    )

    await client.order()
    [body] = await _received(client)

    assert body.keys() == {"id", "updated_at"}


async def test_buyers_are_left_out_for_apps_that_were_not_approved(client: Client) -> None:
    client.stand_in.tokens.apps[client.store["custom_app"]["client_id"]].sees_buyers = False
    await client.subscribe("ORDERS_CREATE")

    await client.order()
    [body] = await _received(client)

    assert not {"email", "customer", "shipping_address", "phone"} & body.keys()
    assert body["line_items"]


async def test_a_subscription_that_fails_for_four_hours_is_deleted(client: Client) -> None:
    await client.control("POST", "/settings", time_scale=200_000)
    client.receiver.status = 500
    await client.subscribe("ORDERS_CREATE")

    await client.order()
    await client.stand_in.settle()

    assert len(client.receiver.bodies) == 9
    assert len(set(client.receiver.bodies)) == 1
    assert len({head["X-Shopify-Webhook-Id"] for head in client.receiver.headers}) == 1
    listed = await client.control("GET", f"/stores/{client.store['store']}/subscriptions")
    assert listed == {"subscriptions": []}
    assert client.stand_in.books["subscriptions_deleted"] == 1


async def test_subscriptions_are_listed_and_deleted_by_their_app(client: Client) -> None:
    await client.subscribe("ORDERS_CREATE", "ORDERS_PAID")
    query = "{ webhookSubscriptions(first: 5) { nodes { id topic uri } } }"

    [create, paid] = (await client.ask(query))["webhookSubscriptions"]["nodes"]
    gone = await client.ask(
        "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors"
        " { message } } }",
        id=create["id"],
    )

    assert gone["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"] == create["id"]
    assert (await client.ask(query))["webhookSubscriptions"]["nodes"] == [paid]
    assert paid["topic"] == "ORDERS_PAID"


@pytest.mark.parametrize("uri", ["http://shop.example.com/hook", "ftp://127.0.0.1/x", "nowhere"])
async def test_an_address_that_is_not_secure_is_refused(client: Client, uri: str) -> None:
    query = """mutation($uri: String!) { webhookSubscriptionCreate(topic: ORDERS_CREATE,
      webhookSubscription: {uri: $uri}) { webhookSubscription { id } userErrors { field message } } }"""

    refused = (await client.ask(query, uri=uri))["webhookSubscriptionCreate"]

    assert refused["webhookSubscription"] is None
    assert refused["userErrors"][0]["message"].startswith("Address")


async def test_the_same_topic_and_address_twice_is_refused(client: Client) -> None:
    await client.subscribe("ORDERS_CREATE", "ORDERS_CREATE")

    listed = await client.control("GET", f"/stores/{client.store['store']}/subscriptions")

    assert len(listed["subscriptions"]) == 1
