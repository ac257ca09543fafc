"""Webhook subscriptions are put right, however Shopify has left them."""

from __future__ import annotations

import pytest

from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Mended, Subscribed
from services.ingest.platforms.shopify.subscriptions import OPTIONAL, TOPICS
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.shopify.shop import ACCESS, Shop, connector
from tests.ingest.platforms.twin_http import ScriptedHttp

APP_URL = "https://sync.example/webhooks/shopify"
URL = "https://sync.example.com/webhooks/shopify/store-1"


def subscription(number: int, topic: str, uri: str) -> dict[str, str]:
    return {"id": f"gid://shopify/WebhookSubscription/{number}", "topic": topic, "uri": uri}


def holding(*subscriptions: dict[str, str]) -> Shop:
    return Shop(subscriptions={known["id"]: known for known in subscriptions})


def subscribed(shop: Shop) -> set[tuple[str, str]]:
    return {(known["topic"], known["uri"]) for known in shop.subscriptions.values()}


async def test_every_topic_is_subscribed() -> None:
    shop = Shop()

    topics = (await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)).topics

    assert topics == TOPICS
    assert subscribed(shop) == {(topic, URL) for topic in TOPICS}


async def test_subscribing_again_changes_nothing() -> None:
    shop = Shop()
    await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)
    before = dict(shop.subscriptions)

    await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)

    assert shop.subscriptions == before


async def test_what_shopify_deleted_is_made_again() -> None:
    shop = holding(*(subscription(number, topic, URL) for number, topic in enumerate(TOPICS[1:])))

    await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)

    assert subscribed(shop) == {(topic, URL) for topic in TOPICS}


async def test_subscriptions_of_a_former_address_are_taken_away_and_others_left() -> None:
    elsewhere = subscription(3, "ORDERS_CREATE", "https://other.example.com/hooks")
    another_store = subscription(4, "ORDERS_CREATE", "https://sync.example.com/webhooks/shopify/store-2")
    shop = holding(
        subscription(1, "ORDERS_CREATE", "https://former.example.com/webhooks/shopify/store-1"),
        subscription(2, "FULFILLMENTS_CREATE", URL),
        elsewhere,
        another_store,
    )

    await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)

    left = {(known["topic"], known["uri"]) for known in (elsewhere, another_store)}
    assert subscribed(shop) == {(topic, URL) for topic in TOPICS} | left


async def test_without_a_secret_that_could_verify_them_none_are_made() -> None:
    shop = Shop()
    secrets = {name: value for name, value in ACCESS.secrets.items() if name != "webhook_secret"}

    topics = (await connector(shop).subscribe(Access(ACCESS.store, secrets), callback_url=URL, app_url=APP_URL)).topics

    assert topics == ()
    assert shop.asked == []


async def test_unsubscribing_leaves_none_of_this_store() -> None:
    shop = Shop()
    await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)

    await connector(shop).unsubscribe(ACCESS)

    assert shop.subscriptions == {}


async def test_unsubscribing_without_access_is_nothing_to_do() -> None:
    found = connector(Shop())
    found._client._http = ScriptedHttp(AuthorizationError("gone"))

    await found.unsubscribe(ACCESS)


async def test_the_topics_are_those_that_the_document_says_to_take() -> None:
    assert set(TOPICS) == {
        "ORDERS_CREATE",
        "ORDERS_UPDATED",
        "ORDERS_PAID",
        "ORDERS_CANCELLED",
        "ORDERS_EDITED",
        "ORDERS_FULFILLED",
        "ORDERS_PARTIALLY_FULFILLED",
        "ORDERS_DELETE",
        "FULFILLMENT_ORDERS_PLACED_ON_HOLD",
        "FULFILLMENT_ORDERS_HOLD_RELEASED",
        "REFUNDS_CREATE",
        "APP_UNINSTALLED",
    }


async def test_an_app_that_may_not_hear_of_holds_hears_of_the_rest() -> None:
    shop = Shop(refused_topics=OPTIONAL)

    topics = (await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)).topics

    assert set(topics) == set(TOPICS) - OPTIONAL
    assert {topic for topic, _ in subscribed(shop)} == set(topics)


async def test_a_refusal_of_what_is_needed_is_told() -> None:
    shop = Shop(refused_topics=frozenset({"ORDERS_UPDATED"}))

    with pytest.raises(TransientError, match="ORDERS_UPDATED"):
        await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)


async def test_what_was_wrong_is_told_and_what_was_right_is_not() -> None:
    former = "https://former.example.com/webhooks/shopify/store-1"
    shop = holding(
        subscription(1, TOPICS[0], former),
        *(subscription(number, topic, URL) for number, topic in enumerate(TOPICS[2:], 2)),
    )

    first = await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL)
    second = await connector(shop).subscribe(ACCESS, callback_url=URL, app_url=APP_URL, anew=True)

    assert first.mended == (Mended(TOPICS[0], "wrong_address"), Mended(TOPICS[1], "missing"))
    # The app's one secret signs them all: nothing about a subscription could be made anew.
    assert second == Subscribed(TOPICS)
