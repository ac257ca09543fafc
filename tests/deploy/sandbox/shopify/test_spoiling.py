"""Pages that are wrong on purpose, refusals in Shopify's words, and what privacy law makes it tell."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from deploy.sandbox.shopify.oauth import sign_query
from deploy.sandbox.shopify.sandbox import DEFAULT_CLIENT_SECRET

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PAGE = """query($first: Int!, $after: String) {
  orders(first: $first, after: $after, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor } nodes { legacyResourceId } } }"""
SUBSCRIBE = """mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri}) { userErrors { field message } } }"""


async def _page(client: Client, after: str | None = None) -> tuple[list[str], dict[str, Any]]:
    found = (await client.ask(PAGE, first=4, after=after))["orders"]
    return [node["legacyResourceId"] for node in found["nodes"]], found["pageInfo"]


async def _ten(client: Client) -> list[str]:
    path = f"/stores/{client.store['store']}/orders"
    made = await client.control("POST", path, count=10, created_over="PT1H", webhooks=False)
    return list(made["ids"])


async def test_an_empty_page_promises_more_and_does_not_say_where(client: Client) -> None:
    await _ten(client)
    await client.control("POST", "/faults", kind="empty_page", count=1)

    nodes, info = await _page(client)

    assert (nodes, info) == ([], {"hasNextPage": True, "endCursor": None})


async def test_a_repeated_row_is_the_last_of_the_page_before_and_none_is_lost(client: Client) -> None:
    made = await _ten(client)
    first, info = await _page(client)
    await client.control("POST", "/faults", kind="repeated_row", count=1)

    second, info = await _page(client, info["endCursor"])
    third, _ = await _page(client, info["endCursor"])

    assert second[0] == first[-1]
    assert set(first + second + third) == set(made)


async def test_a_moved_row_leaves_its_page_for_the_end(client: Client) -> None:
    made = await _ten(client)
    await client.control("POST", "/faults", kind="moved_row", count=1)

    first, info = await _page(client)
    second, info = await _page(client, info["endCursor"])
    third, _ = await _page(client, info["endCursor"])

    seen = first + second + third
    assert sorted(seen) == sorted(made)
    assert seen[-1] == made[3]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "Invalid API key or access token"), (403, "merchant approval"), (429, "Exceeded 2 calls per second")],
)
async def test_a_refusal_by_fault_has_shopifys_words(client: Client, status: int, words: str) -> None:
    await client.control("POST", "/faults", kind=f"status_{status}", count=1, retry_after=3)

    answer = await client.post("{ shop { name } }")

    assert answer.status == status
    assert words in answer.json["errors"]
    assert answer.headers["Retry-After"] == "3"


async def test_a_bucket_is_as_large_as_the_setting_says(client: Client) -> None:
    await client.control("POST", "/settings", bucket_seconds=2)

    answer = await client.post("{ shop { name } }")

    assert answer.json["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 200


async def test_hearing_of_holds_needs_the_scope_to_read_them(client: Client) -> None:
    store = await client.control("POST", "/stores", scopes=["read_orders"])
    asked = {"topic": "FULFILLMENT_ORDERS_PLACED_ON_HOLD", "uri": client.receiver.url}

    answer = await client.call(
        "POST",
        "/admin/api/2026-10/graphql.json",
        shop=store["domain"],
        headers={"X-Shopify-Access-Token": store["custom_app"]["access_token"]},
        json={"query": SUBSCRIBE, "variables": asked},
    )

    [error] = answer.json["data"]["webhookSubscriptionCreate"]["userErrors"]
    assert error["field"] == ["topic"]


async def _privacy(client: Client, topic: str, **asked: Any) -> tuple[dict[str, str], dict[str, Any]]:
    await client.control("POST", "/settings", compliance_url=client.receiver.url)
    await client.control("POST", f"/stores/{client.store['store']}/privacy", topic=topic, **asked)
    await client.stand_in.settle()
    body: dict[str, Any] = orjson.loads(client.receiver.bodies[-1])
    return client.receiver.headers[-1], body


async def test_a_buyers_request_names_the_buyer_and_the_orders(client: Client) -> None:
    order = await client.order("paid")

    headers, data = await _privacy(client, "customers/data_request", order_ids=[order])
    _, redact = await _privacy(client, "customers/redact", order_ids=[order])

    assert headers["X-Shopify-Topic"] == "customers/data_request"
    assert headers["X-Shopify-Shop-Domain"] == data["shop_domain"] == client.store["domain"]
    assert data["orders_requested"] == redact["orders_to_redact"] == [int(order)]
    assert set(data) == {"shop_id", "shop_domain", "customer", "orders_requested", "data_request"}
    assert set(redact) == {"shop_id", "shop_domain", "customer", "orders_to_redact"}
    assert set(data["customer"]) == {"id", "email", "phone"}


async def test_a_privacy_request_is_signed_by_the_public_app(client: Client) -> None:
    headers, body = await _privacy(client, "shop/redact")

    signed = hmac.new(DEFAULT_CLIENT_SECRET.encode(), client.receiver.bodies[-1], hashlib.sha256).digest()
    assert base64.b64decode(headers["X-Shopify-Hmac-Sha256"]) == signed
    assert set(body) == {"shop_id", "shop_domain"}


@pytest.mark.parametrize(("asked", "status"), [({"topic": "shop/redact"}, 409), ({"topic": "orders/create"}, 400)])
async def test_a_request_that_goes_nowhere_is_refused(client: Client, asked: dict[str, str], status: int) -> None:
    url = f"{client.control_url}/shopify/stores/{client.store['store']}/privacy"

    async with client.session.post(url, json=asked) as answer:
        assert answer.status == status


async def test_two_days_after_the_end_the_shop_is_to_be_forgotten(client: Client) -> None:
    settings = {"compliance_url": client.receiver.url, "time_scale": 172_800 / 0.3}
    await client.control("POST", "/settings", **settings)
    await client.subscribe("APP_UNINSTALLED")

    started = time.monotonic()
    await client.control("POST", f"/stores/{client.store['store']}/revoke")
    async with asyncio.timeout(20):
        while "shop/redact" not in client.receiver.topics:  # noqa: ASYNC110 - the platform pushes when it likes
            await asyncio.sleep(0.01)

    assert time.monotonic() - started >= 0.3
    assert client.receiver.topics == ["app/uninstalled", "shop/redact"]


async def test_a_shop_that_came_back_is_not_to_be_forgotten(client: Client) -> None:
    await client.control("POST", "/settings", compliance_url=client.receiver.url, time_scale=172_800 / 0.5)

    await client.control("POST", f"/stores/{client.store['store']}/revoke")
    await client.control("POST", f"/stores/{client.store['store']}/token")
    await asyncio.sleep(0.6)
    await client.stand_in.settle()

    assert client.receiver.topics == []


async def test_a_visit_from_the_app_store_is_signed(client: Client) -> None:
    query = (await client.control("GET", f"/stores/{client.store['store']}/install"))["query"]

    assert query["hmac"] == sign_query(DEFAULT_CLIENT_SECRET, query)
    assert query["shop"] == client.store["domain"]
