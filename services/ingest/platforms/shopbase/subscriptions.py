"""Keeps a store's webhooks as they should be: one address a topic, each once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Ailment, Mended, Subscribed
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


async def subscribe(client: ShopbaseClient, access: Access, *, callback_url: str, anew: bool) -> Subscribed:
    """Create what is missing, take away what is ours and points elsewhere, or twice.

    ShopBase takes the same webhook again and again, so what is there is listed first. It does not say by which secret
    a webhook that was made long ago is signed: `anew` replaces every one by a new one, which is there before the old
    one goes.
    """
    missing = {address_of(topic, callback_url=callback_url): topic for topic in TOPICS}
    useless: list[ShopbaseWebhook] = []
    for webhook in await _ours(client, access):
        if missing.get(webhook.address) == webhook.topic and not anew:
            del missing[webhook.address]
        else:
            useless.append(webhook)
    for address, topic in missing.items():
        await _create(client, access, topic, address)
    for webhook in useless:
        await _delete(client, access, webhook)
    mended = [Mended(topic, _ailment(address, topic, useless)) for address, topic in missing.items()]
    return Subscribed(TOPICS, tuple(mended))


def _ailment(address: str, topic: str, useless: Sequence[ShopbaseWebhook]) -> Ailment:
    """Return what was wrong with a topic for which a webhook was made."""
    found = {webhook.address for webhook in useless if webhook.topic == topic}
    if address in found:
        return "wrong_secret"
    return "wrong_address" if found else "missing"


async def _create(client: ShopbaseClient, access: Access, topic: str, address: str) -> None:
    wanted = {"topic": topic, "address": address, "format": "json"}
    try:
        await client.send(access.secrets, "POST", _PATH, {"webhook": wanted})
    except InputRefused as error:
        raise TransientError(_ADDRESS_REFUSED, retry_after=600.0) from error


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
