"""Links a store: by WooCommerce's own page, or by a key that the seller pastes; nothing is trusted before it is proven.

The store's server brings the key to our callback unsigned, so anybody could. What is believed of it: the one-time
`user_id` that only the store's page was told, and that the key opens the very store for which linking began.
"""

from __future__ import annotations

import secrets as random_bytes
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused
from services.ingest.platforms.woocommerce.addresses import StoreAddress, store_address
from services.ingest.platforms.woocommerce.client import KeyRefused, NotUnderstood, WooCommerceClient
from services.ingest.platforms.woocommerce.discovery import find_api, prove
from services.ingest.platforms.woocommerce.signing import Door
from services.ingest.platforms.woocommerce.statuses import read_statuses, written_statuses
from services.kit.errors import AuthorizationError, TransientError

APP_NAME = "Sync Order"
#: Reading orders, and telling their tracking numbers.
SCOPE = "read_write"
_LONGEST_KEY = 200
_SECRET_BYTES = 32
_ENDED = "The store no longer accepts our key: it was deleted, or its user may not see orders. Connect the store again."
_PASTE = "Paste the consumer key (ck_…) and the consumer secret (cs_…) that WooCommerce showed when the key was made."


def start_authorization(request: Mapping[str, str], *, state: str, callback_url: str) -> AuthorizationStart:
    """Return the address of the store's own page for granting access; the store is remembered, for the proof."""
    address = store_address(request.get("store_url", ""))
    statuses = read_statuses(request.get("statuses", ""))
    # WooCommerce brings keys only to https.
    if not callback_url.startswith("https://") and not _is_local(callback_url):
        raise LinkingRefused(
            "WooCommerce sends keys only over HTTPS, and this installation's PUBLIC_URL is not https: set one that is, "
            "or paste a key instead."
        )
    query = {
        "app_name": APP_NAME,
        "scope": SCOPE,
        "user_id": state,
        "return_url": f"{callback_url}/return",
        "callback_url": callback_url,
    }
    return AuthorizationStart(
        url=f"{address.url}/wc-auth/v1/authorize?{urlencode(query, quote_via=quote)}",
        memory={"store_url": address.url, "statuses": written_statuses(statuses)},
    )


async def complete_authorization(
    client: WooCommerceClient, callback: Mapping[str, str], *, memory: Mapping[str, str]
) -> Grant:
    """Prove the key that the callback brought against the store for which linking began."""
    if callback.get("success") == "0":
        raise LinkingRefused("Access was not granted in WooCommerce. Start linking again and approve it.")
    if not memory.get("store_url"):
        raise LinkingRefused("It is not known which store this key is for. Start linking again.")
    return await _grant(client, {**callback, **memory})


async def link_with_credentials(client: WooCommerceClient, credentials: Mapping[str, str]) -> Grant:
    """Prove a pasted key."""
    return await _grant(client, credentials)


async def refresh(client: WooCommerceClient, access: Access) -> Mapping[str, str]:
    """Find the way to the store anew: hosts move, and begin to strip headers. The key itself never changes."""
    secrets = access.secrets
    try:
        api = await find_api(client, store_address(secrets["store_url"]))
    except LinkingRefused as error:
        # An API that is not found refuses no key.
        raise TransientError(str(error), retry_after=60.0) from error
    try:
        door = await prove(
            client, api, consumer_key=secrets["consumer_key"], consumer_secret=secrets["consumer_secret"]
        )
    except LinkingRefused as error:
        raise AuthorizationError(_ENDED) from error
    return {**secrets, **door.secrets()}


async def _grant(client: WooCommerceClient, given: Mapping[str, str]) -> Grant:
    key, secret = _key(given, "consumer_key", "ck_"), _key(given, "consumer_secret", "cs_")
    statuses = read_statuses(given.get("statuses", ""))
    api = await find_api(client, store_address(given.get("store_url", "")))
    door = await prove(client, api, consumer_key=key, consumer_secret=secret)
    return Grant(
        external_id=door.address.place,
        name=api.name,
        secrets={
            **door.secrets(),
            # WooCommerce undoes HTML escapes in a secret before it signs: this alphabet has none.
            "webhook_secret": random_bytes.token_urlsafe(_SECRET_BYTES),
            "permissions": given.get("key_permissions", ""),
            "statuses": written_statuses(statuses),
        },
        currency=await _currency(client, door),
        time_zone=api.time_zone,
    )


async def _currency(client: WooCommerceClient, door: Door) -> str | None:
    """Return the store's currency; None where the key's user may not see it, for every order names its own."""
    try:
        answer = await client.ask(door, "GET", "/wc/v3/system_status")
    except (KeyRefused, NotUnderstood, TransientError):
        return None
    settings = answer.value.get("settings") if answer is not None and isinstance(answer.value, dict) else None
    currency = settings.get("currency") if isinstance(settings, dict) else None
    return currency if isinstance(currency, str) and currency else None


def _key(given: Mapping[str, str], name: str, prefix: str) -> str:
    value = given.get(name, "").strip()
    if not value.startswith(prefix) or not value.isascii() or not value.isprintable() or len(value) > _LONGEST_KEY:
        raise LinkingRefused(_PASTE)
    return value


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and StoreAddress(parts.scheme, parts.netloc).is_loopback
