"""Keeps a store's webhooks as they should be: one address a topic, each once."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from services.ingest.connector import Access, UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.shopbase.client import InputRefused, ShopbaseClient, answered
from services.ingest.platforms.shopbase.payloads import ShopbaseWebhook
from services.kit.errors import AuthorizationError, TransientError

#: What changes an order, and the end of our access.
TOPICS = (
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
    "orders/delete",
    "refunds/create",
    "app/uninstalled",
)
_PATH = "/webhooks.json"
_PAGE = 250
_PAGES = 20
_ADDRESS_REFUSED = (
    "ShopBase does not take our webhook address: it must be HTTPS with a valid certificate, and neither localhost, "
    'www.example.com, a host ending in "internal" nor one of ShopBase\'s own.'
)


def address_of(topic: str, *, callback_url: str) -> str:
    """Return a topic's own address: the header that would name the topic is not documented."""
    return f"{callback_url}/{topic.replace('/', '-')}"


async def subscribe(client: ShopbaseClient, access: Access, *, callback_url: str) -> tuple[str, ...]:
    """Create what is missing, take away what is ours and points elsewhere, or twice; return the topics.

    ShopBase takes the same webhook again and again, so what is there is listed first.
    """
    missing = {address_of(topic, callback_url=callback_url): topic for topic in TOPICS}
    for webhook in await _ours(client, access):
        if missing.get(webhook.address) == webhook.topic:
            del missing[webhook.address]
        else:
            await _delete(client, access, webhook)
    for address, topic in missing.items():
        wanted = {"topic": topic, "address": address, "format": "json"}
        try:
            await client.send(access.secrets, "POST", _PATH, {"webhook": wanted})
        except InputRefused as error:
            raise TransientError(_ADDRESS_REFUSED, retry_after=600.0) from error
    return TOPICS


async def unsubscribe(client: ShopbaseClient, access: Access) -> None:
    """Delete this store's webhooks; nothing is left to do when our access is gone."""
    try:
        for webhook in await _ours(client, access):
            await _delete(client, access, webhook)
    except AuthorizationError:
        return


async def _ours(client: ShopbaseClient, access: Access) -> list[ShopbaseWebhook]:
    """Return the webhooks that call this store's path with us, at whatever host; the shop has others' too."""
    below = f"/webhooks/{access.store.platform}/{access.store.store_id}"
    found: dict[str, ShopbaseWebhook] = {}
    since = "0"
    for _ in range(_PAGES):
        listed = await _list(client, access, since)
        found |= {webhook.id: webhook for webhook in listed}
        highest = max((webhook.id for webhook in listed), key=int, default=since)
        if len(listed) < _PAGE or int(highest) <= int(since):
            break
        since = highest
    return [webhook for webhook in found.values() if f"{urlsplit(webhook.address).path}/".find(f"{below}/") >= 0]


async def _delete(client: ShopbaseClient, access: Access, webhook: ShopbaseWebhook) -> None:
    # Refused or gone already: what it still tells is read like any other, and the next look tries again.
    with suppress(InputRefused):
        await client.send(access.secrets, "DELETE", f"/webhooks/{webhook.id}.json")


async def _list(client: ShopbaseClient, access: Access, since: str) -> list[ShopbaseWebhook]:
    answer = await client.get(access.secrets, _PATH, {"limit": _PAGE, "since_id": since})
    rows = answered(answer).get("webhooks", ...) if answer is not None else ...
    if rows is not None and not isinstance(rows, list):
        raise TransientError("ShopBase's list of webhooks cannot be read")
    try:
        return [parsed(ShopbaseWebhook, row) for row in rows or ()]
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's list of webhooks cannot be read: {error.path}") from None
