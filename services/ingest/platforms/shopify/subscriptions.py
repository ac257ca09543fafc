"""Keeps a store's webhook subscriptions as they should be: Shopify deletes one that keeps failing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Mended, Subscribed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import ShopifyClient
from services.kit.errors import AuthorizationError, TransientError

log = structlog.get_logger(__name__)

#: GraphQL's names of the topics that we take. The privacy topics are no subscriptions: their address is the app's.
TOPICS = (
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_PAID",
    "ORDERS_CANCELLED",
    "ORDERS_EDITED",
    "ORDERS_FULFILLED",
    "ORDERS_PARTIALLY_FULFILLED",
    "ORDERS_DELETE",
    "REFUNDS_CREATE",
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD",
    "FULFILLMENT_ORDERS_HOLD_RELEASED",
    "APP_UNINSTALLED",
)
#: Topics that need scopes which an app may lack; the poll shows holds too, only later.
OPTIONAL = frozenset({"FULFILLMENT_ORDERS_PLACED_ON_HOLD", "FULFILLMENT_ORDERS_HOLD_RELEASED"})


async def subscribe(client: ShopifyClient, access: Access, *, callback_url: str) -> Subscribed:
    """Create what is missing, take away what is ours and points elsewhere; a subscription has no other state."""
    right: set[str] = set()
    astray: set[str] = set()
    mended: list[Mended] = []
    for subscription in await _ours(client, access):
        if subscription["uri"] == callback_url and subscription["topic"] in TOPICS:
            right.add(subscription["topic"])
        else:
            astray.add(subscription["topic"])
            await _delete(client, access, subscription["id"])
    for topic in TOPICS:
        if topic not in right:
            variables = {"topic": topic, "uri": callback_url}
            answer = await _ask(client, access, queries.SUBSCRIBE, variables, operation="Subscribe")
            problem = _user_errors(answer.get("webhookSubscriptionCreate"))
            if problem and topic not in OPTIONAL:
                raise TransientError(f"Shopify did not subscribe to {topic}: {problem}", retry_after=60)
            if problem:
                log.info("subscription.refused", store_id=access.store.store_id, topic=topic, problem=problem)
            else:
                right.add(topic)
                mended.append(Mended(topic, "wrong_address" if topic in astray else "missing"))
    return Subscribed(tuple(topic for topic in TOPICS if topic in right), tuple(mended))


async def unsubscribe(client: ShopifyClient, access: Access) -> None:
    """Delete this store's subscriptions; nothing is left to do when our access is gone, for they went with it."""
    try:
        for subscription in await _ours(client, access):
            await _delete(client, access, subscription["id"])
    except AuthorizationError:
        return


async def _ours(client: ShopifyClient, access: Access) -> list[dict[str, str]]:
    """Return the app's subscriptions that call this store's webhook path, at whatever host."""
    found: list[dict[str, str]] = []
    after: str | None = None
    ending = f"/webhooks/{access.store.platform}/{access.store.store_id}"
    while True:
        answer = await _ask(client, access, queries.SUBSCRIPTIONS, {"after": after}, operation="Subscriptions")
        connection: dict[str, Any] = answer.get("webhookSubscriptions") or {}
        found += [node for node in connection.get("nodes") or () if urlsplit(node["uri"]).path.endswith(ending)]
        info = connection.get("pageInfo") or {}
        after = info.get("endCursor")
        if not info.get("hasNextPage") or after is None:
            return found


async def _delete(client: ShopifyClient, access: Access, gid: str) -> None:
    # A userError says that it does not exist any more, which is what we want.
    await _ask(client, access, queries.UNSUBSCRIBE, {"id": gid}, operation="Unsubscribe")


async def _ask(
    client: ShopifyClient, access: Access, document: str, variables: Mapping[str, object], *, operation: str
) -> dict[str, Any]:
    secrets = access.secrets
    return await client.graphql(secrets["shop"], secrets["access_token"], document, variables, operation=operation)


def _user_errors(payload: object) -> str:
    """Return why a mutation was refused, "" when it was not: with HTTP 200 and `userErrors`, without personal data."""
    errors = payload.get("userErrors") if isinstance(payload, dict) else [{"message": "no answer"}]
    return "; ".join(str(error.get("message") or "no reason given") for error in errors or ())
