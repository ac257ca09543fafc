"""Links a Shopify store: by authorization code, by a custom app's token, or by an app's own client credentials."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import ShopifyClient
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.errors import AuthorizationError

#: What we ask for at least: orders in, fulfilments out.
SCOPES = ("read_orders", "read_merchant_managed_fulfillment_orders", "write_merchant_managed_fulfillment_orders")
#: Without one of these a store cannot be synced at all; writing includes reading.
_ENOUGH = frozenset({"read_orders", "write_orders"})
#: A callback older or newer than this is not accepted.
CALLBACK_AGE = timedelta(seconds=90)
#: Refresh this long before the access token ends.
REFRESH_AHEAD = timedelta(minutes=5)
#: What stands in for "expires_in" where Shopify leaves it out: the shortest of its documented lifetimes.
_SHORTEST_LIFE = timedelta(hours=1)
_CLOCK = "If that happens again, the clock of this installation is wrong."
_SHOP = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*\.myshopify\.com")
_SUFFIX = ".myshopify.com"

#: How an offline token that never ends is exchanged for one that is renewed (RFC 8693, in Shopify's names).
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OFFLINE_TOKEN = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105 - the name of a kind of token

#: The kinds of access, kept under "kind" in a store's secrets.
OFFLINE, CUSTOM, CLIENT_CREDENTIALS = "offline", "custom", "client_credentials"


def shop_domain(entered: str) -> str:
    """Return the store's myshopify.com domain from what a seller typed. Raises LinkingRefused."""
    domain = entered.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    if domain and "." not in domain:
        domain += _SUFFIX
    if not _SHOP.fullmatch(domain):
        raise LinkingRefused('Give the store\'s own Shopify address as "shop", such as your-store.myshopify.com.')
    return domain


def start_authorization(
    settings: ShopifySettings, request: Mapping[str, str], *, state: str, callback_url: str
) -> AuthorizationStart:
    """Return the consent page's address for the shop that `request` names."""
    shop = shop_domain(request.get("shop", ""))
    if not settings.shopify_client_id or not settings.app_secrets():
        raise LinkingRefused("This installation has no Shopify app: set SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET.")
    query = {
        "client_id": settings.shopify_client_id,
        "scope": ",".join(dict.fromkeys((*SCOPES, *settings.extra_scopes()))),
        "redirect_uri": callback_url,
        "state": state,
    }
    base = settings.platform_url_shopify.rstrip("/")
    if base:
        query = {"shop": shop} | query
    url = f"{base or f'https://{shop}'}/admin/oauth/authorize?{urlencode(query)}"
    return AuthorizationStart(url=url, memory={"shop": shop})


def read_installation(settings: ShopifySettings, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
    """Check a visit that began in Shopify's app store. Raises LinkingRefused when it is not genuine."""
    if not is_signed(query, secrets=settings.app_secrets()):
        raise LinkingRefused("This visit is not signed as Shopify signs it. Install the app from Shopify again.")
    if not _is_recent(query.get("timestamp", ""), now=now):
        raise LinkingRefused(f"This visit is too old. Install the app from Shopify again. {_CLOCK}")
    return {"shop": shop_domain(query.get("shop", ""))}


async def complete_authorization(
    settings: ShopifySettings,
    client: ShopifyClient,
    callback: Mapping[str, str],
    *,
    memory: Mapping[str, str],
    now: datetime,
) -> Grant:
    """Check the callback and exchange its code for expiring offline tokens."""
    if not is_signed(callback, secrets=settings.app_secrets()):
        raise LinkingRefused("Shopify's answer is not signed as it should be. Start linking again.")
    if not _is_recent(callback.get("timestamp", ""), now=now):
        raise LinkingRefused(f"Shopify's answer is too old. Start linking again. {_CLOCK}")
    shop = memory.get("shop", "")
    if callback.get("shop", "").lower() != shop or not _SHOP.fullmatch(shop):
        raise LinkingRefused("The answer is about another store than the one you named. Start linking again.")
    if not callback.get("code"):
        raise LinkingRefused("Shopify sent no code: access was not granted. Start linking again.")
    form = _app(settings) | {"code": callback["code"], "expiring": "1"}
    secrets = await _secrets(client, shop, form, kind=OFFLINE, now=now)
    return await _grant(client, shop, secrets)


async def link_with_credentials(client: ShopifyClient, credentials: Mapping[str, str], *, now: datetime) -> Grant:
    """Link with a custom app's token, or with a client id and secret that give a token of 24 hours."""
    shop = shop_domain(credentials.get("shop", ""))
    if token := credentials.get("access_token", "").strip():
        secrets = {"kind": CUSTOM, "shop": shop, "access_token": token}
        if webhook_secret := credentials.get("webhook_secret", "").strip():
            secrets["webhook_secret"] = webhook_secret
        return await _grant(client, shop, secrets)
    client_id, client_secret = credentials.get("client_id", "").strip(), credentials.get("client_secret", "").strip()
    if not client_id or not client_secret:
        raise LinkingRefused(
            'Give "shop" with either "access_token" (and "webhook_secret", the custom app\'s client secret) or '
            '"client_id" and "client_secret".'
        )
    form = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
    secrets = await _secrets(client, shop, form, kind=CLIENT_CREDENTIALS, now=now)
    own = {"client_id": client_id, "client_secret": client_secret, "webhook_secret": client_secret}
    return await _grant(client, shop, {**secrets, **own})


def refresh_due(secrets: Mapping[str, str], *, now: datetime) -> bool:
    """Tell whether the access token ends within `REFRESH_AHEAD`, or is to be exchanged; a custom app's never is."""
    if _never_ends(secrets):
        return True
    expires_at = secrets.get("expires_at")
    return expires_at is not None and datetime.fromisoformat(expires_at) - now <= REFRESH_AHEAD


async def refresh(
    settings: ShopifySettings, client: ShopifyClient, access: Access, *, now: datetime
) -> Mapping[str, str]:
    """Return new secrets. Both tokens rotate together; client credentials are simply asked for again.

    A public app's token that never ends is exchanged for a pair that rotates, and dies by that: Shopify takes none from
    2027 on.
    """
    secrets = access.secrets
    match secrets.get("kind"):
        case "offline" if _never_ends(secrets):
            form = _app(settings) | _exchange(secrets.get("access_token", ""))
        case "offline":
            form = _app(settings) | {"grant_type": "refresh_token", "refresh_token": secrets.get("refresh_token", "")}
        case "client_credentials":
            form = {name: secrets[name] for name in ("client_id", "client_secret")}
            form["grant_type"] = "client_credentials"
        case _:
            raise AuthorizationError(
                "Shopify no longer accepts the custom app's access token. Link the store again with a new one."
            )
    return dict(secrets) | await _secrets(client, secrets["shop"], form, kind=secrets["kind"], now=now)


def _never_ends(secrets: Mapping[str, str]) -> bool:
    """Tell whether it is a public app's token of the old kind; a custom app's may stay as it is."""
    return secrets.get("kind") == OFFLINE and not secrets.get("refresh_token") and "expires_at" not in secrets


def _exchange(token: str) -> dict[str, str]:
    return {
        "grant_type": _EXCHANGE,
        "subject_token": token,
        "subject_token_type": _OFFLINE_TOKEN,
        "requested_token_type": _OFFLINE_TOKEN,
        "expiring": "1",
    }


def is_signed(query: Mapping[str, str], *, secrets: tuple[str, ...]) -> bool:
    """Tell whether a callback's `hmac` is right: hex HMAC-SHA256 over the other pairs, sorted by key, query-encoded."""
    given = query.get("hmac", "").encode()
    signed = urlencode(sorted((key, value) for key, value in query.items() if key not in {"hmac", "signature"}))
    right = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        right |= hmac.compare_digest(expected.encode(), given)
    return right


def _is_recent(timestamp: str, *, now: datetime) -> bool:
    # Twelve digits are the year 33658: enough, and never too large for a float.
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:  # noqa: PLR2004 - said above
        return False
    return abs(now.timestamp() - int(timestamp)) <= CALLBACK_AGE.total_seconds()


def _app(settings: ShopifySettings) -> dict[str, str]:
    return {
        "client_id": settings.shopify_client_id,
        "client_secret": settings.shopify_client_secret.get_secret_value(),
    }


async def _secrets(
    client: ShopifyClient, shop: str, form: Mapping[str, str], *, kind: str, now: datetime
) -> dict[str, str]:
    answer = await client.token(shop, form)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise AuthorizationError("Shopify's answer holds no access token. Link the store again.")
    secrets = {"kind": kind, "shop": shop, "access_token": token}
    refresh_token = answer.get("refresh_token")
    if isinstance(refresh_token, str) and refresh_token:
        secrets["refresh_token"] = refresh_token
        secrets["expires_at"] = _expiry(answer, now=now)
    elif kind == CLIENT_CREDENTIALS or "expires_in" in answer:
        secrets["expires_at"] = _expiry(answer, now=now)
    return secrets


def _expiry(answer: Mapping[str, Any], *, now: datetime) -> str:
    seconds = answer.get("expires_in")
    life = timedelta(seconds=seconds) if isinstance(seconds, int) else _SHORTEST_LIFE
    return (now + life).isoformat()


async def _grant(client: ShopifyClient, shop: str, secrets: Mapping[str, str]) -> Grant:
    """Prove the token by reading the store it opens, and that it may read orders."""
    try:
        answer = await client.graphql(shop, secrets["access_token"], queries.SHOP, {}, operation="Shop")
    except AuthorizationError as error:
        raise LinkingRefused("Shopify does not accept this access for the store: check the shop and token.") from error
    found, installation = answer.get("shop") or {}, answer.get("currentAppInstallation") or {}
    granted = {scope.get("handle") for scope in installation.get("accessScopes") or ()}
    if not granted & _ENOUGH:
        raise LinkingRefused("The app may not read this store's orders: grant it the scope read_orders.")
    if found.get("myshopifyDomain", "").lower() != shop:
        raise LinkingRefused("This access opens another store than the one named. Check the shop.")
    return Grant(
        external_id=shop,
        name=found.get("name") or shop,
        secrets=secrets,
        currency=found.get("currencyCode"),
        time_zone=found.get("ianaTimezone"),
    )
