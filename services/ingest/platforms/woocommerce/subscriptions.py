"""Keeps a store's webhooks as they should be: it disables one for good whose deliveries failed seven times in a row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Ailment, Mended, Subscribed
from services.ingest.parsing import parsed
from services.ingest.platforms.woocommerce.client import KeyRefused, NotUnderstood, WooCommerceClient
from services.ingest.platforms.woocommerce.payloads import WooWebhook
from services.ingest.platforms.woocommerce.signing import Door, Method
from services.kit.errors import TransientError

#: What changes an order. A forced delete sends nothing.
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
_PATH = "/wc/v3/webhooks"
_NAME = "Sync Order"
_ACTIVE, _PAUSED = "active", "paused"
_PAGE = 100
_PAGES = 20


async def subscribe(client: WooCommerceClient, access: Access, *, callback_url: str, anew: bool) -> Subscribed:
    """Create what is missing, mend what points elsewhere, was paused or disabled, take away what is twice."""
    door, secret = Door.of(access.secrets), access.secrets["webhook_secret"]
    left = set(TOPICS)
    mended: list[Mended] = []
    for webhook in await _ours(client, access):
        if webhook.topic not in left:
            await _delete(client, door, webhook.id)
            continue
        left.discard(webhook.topic)
        wanted = _wanted(webhook.topic, callback_url=callback_url, secret=secret)
        ailment = _ailment(webhook, wanted, anew=anew)
        # Every save pings us and writes: what is right is left alone.
        if ailment is not None or webhook.name != wanted["name"]:
            await _write(client, door, "PUT", f"{_PATH}/{webhook.id}", wanted)
        if ailment is not None:
            mended.append(Mended(webhook.topic, ailment))
    for topic in TOPICS:
        if topic in left:
            await _write(client, door, "POST", _PATH, _wanted(topic, callback_url=callback_url, secret=secret))
            mended.append(Mended(topic, "missing"))
    return Subscribed(TOPICS, tuple(mended))


def _ailment(webhook: WooWebhook, wanted: Mapping[str, str], *, anew: bool) -> Ailment | None:
    """Return why a webhook does not work. Nothing shows a wrong secret: `anew` says that there is one."""
    if webhook.status != _ACTIVE:
        return "paused" if webhook.status == _PAUSED else "disabled"
    if webhook.delivery_url != wanted["delivery_url"]:
        return "wrong_address"
    return "wrong_secret" if anew else None


async def unsubscribe(client: WooCommerceClient, access: Access) -> None:
    """Delete this store's webhooks; nothing can be done once our key is gone, and what they tell is refused."""
    try:
        door = Door.of(access.secrets)
        for webhook in await _ours(client, access):
            await _delete(client, door, webhook.id)
    except KeyRefused:
        return


def _mark(secret: str) -> str:
    """Return what tells in a webhook's name by which secret it signs: the secret itself is never shown again."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _wanted(topic: str, *, callback_url: str, secret: str) -> dict[str, str]:
    return {
        "name": f"{_NAME} {topic} {_mark(secret)}",
        "topic": topic,
        "delivery_url": callback_url,
        "secret": secret,
        "status": _ACTIVE,
    }


async def _ours(client: WooCommerceClient, access: Access) -> list[WooWebhook]:
    """Return the webhooks that call this store's path with us, at whatever host; the store has others' too.

    One that somebody has sent elsewhere is known by its name, which bears the mark of this link's own secret.
    """
    ending = f"/webhooks/{access.store.platform}/{access.store.store_id}"
    mark = _mark(access.secrets.get("webhook_secret", ""))
    door, found = Door.of(access.secrets), []
    for page in range(1, _PAGES + 1):
        query = {"per_page": _PAGE, "page": page}
        try:
            answer = await client.ask(door, "GET", _PATH, query)
            rows = answer.value if answer is not None and isinstance(answer.value, list) else None
            if rows is None:
                raise TransientError("The store's list of webhooks cannot be read")
            webhooks = [parsed(WooWebhook, row) for row in rows]
        except NotUnderstood as error:
            if page > 1:
                # Some versions refuse a page past the end.
                break
            raise TransientError(f"The store's webhooks cannot be listed: {error}", retry_after=60) from error
        except UnreadablePayload as error:
            raise TransientError(f"The store's list of webhooks cannot be read: {error.path}") from None
        found += [
            webhook
            for webhook in webhooks
            if urlsplit(webhook.delivery_url).path.endswith(ending)
            or (webhook.name.startswith(f"{_NAME} ") and webhook.name.endswith(f" {mark}"))
        ]
        if len(webhooks) < _PAGE:
            break
    return found


async def _write(client: WooCommerceClient, door: Door, method: Method, path: str, wanted: dict[str, str]) -> None:
    try:
        await client.ask(door, method, path, json=wanted)
    except NotUnderstood as error:
        raise TransientError(f"The store did not take the webhook: {error.code}", retry_after=60) from error


async def _delete(client: WooCommerceClient, door: Door, number: str) -> None:
    # Webhooks have no trash: without force the store refuses.
    await client.ask(door, "DELETE", f"{_PATH}/{number}", {"force": "true"})
