"""Webhook subscriptions that an app makes through the Admin API; each app sees its own."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from deploy.sandbox.shopify.naming import gid, number_of
from deploy.sandbox.shopify.paging import Connection, page_of_list
from deploy.sandbox.shopify.requesting import Request, UserError
from deploy.sandbox.shopify.world import Subscription

Done = tuple[Subscription | None, list[UserError]]

_SCHEMES = {"http", "https"}
_HOLD_SCOPES = tuple(f"read_{whose}_fulfillment_orders" for whose in ("merchant_managed", "assigned", "third_party"))


def list_subscriptions(arguments: Mapping[str, Any], request: Request) -> Connection:
    """`webhookSubscriptions`: the app's own, optionally of some topics or of one address."""
    topics, uri = arguments.get("topics"), arguments.get("uri") or arguments.get("callbackUrl")
    found = [
        subscription
        for subscription in request.store.subscriptions.values()
        if subscription.app == request.access.app.client_id
        and (not topics or subscription.topic in topics)
        and (not uri or subscription.uri == uri)
    ]
    return page_of_list(found, arguments, ident=attrgetter("id"))


def create_subscription(arguments: Mapping[str, Any], request: Request) -> Done:
    """`webhookSubscriptionCreate`; the same topic and address twice is refused.

    Plain http is accepted for loopback addresses, where a stand-in's subscribers live.
    """
    asked = arguments["webhookSubscription"]
    topic, uri = arguments["topic"], asked.get("uri") or asked.get("callbackUrl") or ""
    refusal = _refusal(uri) or _taken(topic, uri, request) or _not_permitted(topic, request)
    if refusal is not None:
        return None, [refusal]
    subscription = Subscription(
        id=request.ids.next(),
        app=request.access.app.client_id,
        topic=topic,
        uri=uri,
        created_at=request.now,
        updated_at=request.now,
        include_fields=tuple(asked.get("includeFields") or ()),
        name=asked.get("name"),
    )
    request.store.subscriptions[subscription.id] = subscription
    return subscription, []


def update_subscription(arguments: Mapping[str, Any], request: Request) -> Done:
    """`webhookSubscriptionUpdate`: the address and the fields."""
    subscription = _own(arguments["id"], request)
    if subscription is None:
        return None, [UserError("Webhook subscription does not exist", ["id"])]
    asked = arguments["webhookSubscription"]
    uri = asked.get("uri") or asked.get("callbackUrl") or subscription.uri
    refusal = _refusal(uri)
    if refusal is not None:
        return None, [refusal]
    subscription.uri = uri
    if "includeFields" in asked:
        subscription.include_fields = tuple(asked["includeFields"] or ())
    subscription.updated_at = request.now
    return subscription, []


def delete_subscription(arguments: Mapping[str, Any], request: Request) -> tuple[str | None, list[UserError]]:
    """`webhookSubscriptionDelete`."""
    subscription = _own(arguments["id"], request)
    if subscription is None:
        return None, [UserError("Webhook subscription does not exist", ["id"])]
    del request.store.subscriptions[subscription.id]
    return gid("WebhookSubscription", subscription.id), []


def _own(text: str, request: Request) -> Subscription | None:
    found = request.store.subscriptions.get(number_of(text, "WebhookSubscription") or -1)
    return found if found and found.app == request.access.app.client_id else None


def _refusal(uri: str) -> UserError | None:
    parts = urlsplit(uri)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return UserError("Address is invalid", ["webhookSubscription", "callbackUrl"])
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost"}:
        return UserError("Address protocol http:// is not supported", ["webhookSubscription", "callbackUrl"])
    return None


def _not_permitted(topic: str, request: Request) -> UserError | None:
    """A topic needs the scope to read what it tells of."""
    if not topic.startswith("FULFILLMENT_ORDERS_") or set(_HOLD_SCOPES) & set(request.access.scopes):
        return None
    return UserError("You cannot create a webhook subscription with the specified topic", ["topic"])


def _taken(topic: str, uri: str, request: Request) -> UserError | None:
    for known in request.store.subscriptions.values():
        if (known.topic, known.uri, known.app) == (topic, uri, request.access.app.client_id):
            return UserError("Address for this topic has already been taken", ["webhookSubscription", "callbackUrl"])
    return None
