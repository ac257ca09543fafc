"""Links a ShopBase store: by the public app's code grant, or by the key and password of a private app."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused
from services.ingest.parsing import parsed, text
from services.ingest.platforms.shopbase.client import AccessRefused, ShopbaseClient, answered
from services.ingest.platforms.shopbase.payloads import ShopbaseShop
from services.ingest.platforms.shopbase.settings import ShopbaseSettings
from services.ingest.platforms.shopbase.signatures import is_visit_recent, is_visit_signed
from services.kit.errors import AuthorizationError, TransientError

#: What we ask for: orders in, fulfillments out. (`write_fulfillments` is about fulfillment services, which we are not.)
SCOPES = ("read_orders", "write_orders")
#: Writing includes reading.
_ENOUGH = frozenset(SCOPES)
_SUFFIX = ".onshopbase.com"
_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.onshopbase\.com")

#: The kinds of access, kept under "kind" in a store's secrets.
PUBLIC, PRIVATE = "public", "private"

_SCOPE_MISSING = "The app may not read this store's orders: grant it read_orders and write_orders, then link again."
_NOT_ACCEPTED = (
    "ShopBase does not accept this access for the store: copy key and password again from Apps > Manage private apps."
)
_WHAT_TO_GIVE = (
    'Give "shop" with "api_key", "password" and "shared_secret" of a private app (Apps > Manage private apps in '
    'ShopBase), or its "access_token" instead of key and password.'
)


def shop_domain(entered: str) -> str:
    """Return the store's onshopbase.com domain from what a seller typed. Raises LinkingRefused."""
    domain = entered.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    if domain and "." not in domain:
        domain += _SUFFIX
    if not _SHOP.fullmatch(domain):
        raise LinkingRefused('Give the store\'s own ShopBase address as "shop", such as your-store.onshopbase.com.')
    return domain


def start_authorization(
    settings: ShopbaseSettings, client: ShopbaseClient, request: Mapping[str, str], *, state: str, callback_url: str
) -> AuthorizationStart:
    """Return the consent page's address for the shop that `request` names."""
    shop = shop_domain(request.get("shop", ""))
    if not settings.shopbase_client_id or not settings.app_secret():
        raise LinkingRefused(
            "This installation has no ShopBase app: set SHOPBASE_CLIENT_ID and SHOPBASE_CLIENT_SECRET, or link with a "
            "private app."
        )
    query = {
        "client_id": settings.shopbase_client_id,
        "scope": ",".join(SCOPES),
        "redirect_uri": callback_url,
        "state": state,
    }
    if settings.platform_url_shopbase:
        query = {"shop": shop} | query
    url = f"{client.web(shop)}/admin/oauth/authorize?{urlencode(query)}"
    return AuthorizationStart(url=url, memory={"shop": shop})


def read_installation(settings: ShopbaseSettings, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
    """Check a visit that began in ShopBase. Raises LinkingRefused when it is not genuine."""
    if not is_visit_signed(query, secret=settings.app_secret()):
        raise LinkingRefused("This visit is not signed by ShopBase. Install the app from ShopBase again.")
    if not is_visit_recent(query, now=now):
        raise LinkingRefused("This visit is too old. Install the app from ShopBase again.")
    return {"shop": shop_domain(query.get("shop", ""))}


async def complete_authorization(
    settings: ShopbaseSettings,
    client: ShopbaseClient,
    callback: Mapping[str, str],
    *,
    memory: Mapping[str, str],
    now: datetime,
) -> Grant:
    """Check the callback and exchange its code for a token, which never ends."""
    if not is_visit_signed(callback, secret=settings.app_secret()):
        raise LinkingRefused("ShopBase's answer is not signed as it should be. Start linking again.")
    if not is_visit_recent(callback, now=now):
        raise LinkingRefused("ShopBase's answer is too old. Start linking again.")
    shop = shop_domain(callback.get("shop", ""))
    if shop != memory.get("shop"):
        raise LinkingRefused("The answer is about another store than the one you named. Start linking again.")
    if not callback.get("code"):
        raise LinkingRefused("ShopBase sent no code: access was not granted. Start linking again.")
    answer = await client.token(
        shop,
        {
            "client_id": settings.shopbase_client_id,
            "client_secret": settings.app_secret(),
            "code": callback["code"],
        },
    )
    token, scope = answer.get("access_token"), answer.get("scope")
    if not isinstance(token, str) or not token:
        raise LinkingRefused("ShopBase's answer holds no access token. Start linking again.")
    granted = _scopes(scope if isinstance(scope, str) else "")
    if granted and not granted & _ENOUGH:
        raise LinkingRefused(_SCOPE_MISSING)
    secrets = {"kind": PUBLIC, "shop": shop, "access_token": token, "scope": ",".join(sorted(granted))}
    return await _grant(client, secrets)


async def link_with_credentials(client: ShopbaseClient, credentials: Mapping[str, str]) -> Grant:
    """Link with a private app: its key and password, or its token; its shared secret signs webhooks."""
    given = {name: credentials.get(name, "").strip() for name in ("api_key", "password", "access_token")}
    secrets = {"kind": PRIVATE, "shop": shop_domain(credentials.get("shop", ""))}
    if given["api_key"] and given["password"]:
        # A colon would end the key where Basic authentication puts it before the password.
        if ":" in given["api_key"]:
            raise LinkingRefused(_NOT_ACCEPTED)
        secrets |= {"api_key": given["api_key"], "password": given["password"]}
    elif given["access_token"]:
        secrets["access_token"] = given["access_token"]
    else:
        raise LinkingRefused(_WHAT_TO_GIVE)
    if not all(value.isascii() and value.isprintable() for value in given.values()):
        raise LinkingRefused(_NOT_ACCEPTED)
    if shared_secret := credentials.get("shared_secret", "").strip():
        secrets["shared_secret"] = shared_secret
    return await _grant(client, secrets)


async def refresh(client: ShopbaseClient, access: Access) -> Mapping[str, str]:
    """Return the same secrets if they open the store after all. Raises AuthorizationError: nothing can be renewed.

    ShopBase's access has no end and no refresh token. One refusal in the middle of a run may have been a mistake of
    its; a second look costs one call, and being linked again costs the seller a morning.
    """
    await _shop(client, access.secrets)
    return dict(access.secrets)


async def _grant(client: ShopbaseClient, secrets: dict[str, str]) -> Grant:
    """Prove the access by reading the store that it opens, and that it may read orders."""
    try:
        shop = await _shop(client, secrets)
    except AuthorizationError as error:
        unknown = isinstance(error, AccessRefused) and secrets["kind"] == PRIVATE
        raise LinkingRefused(_NOT_ACCEPTED if unknown else str(error)) from error
    if (shop.onshopbase_domain or secrets["shop"]).lower() != secrets["shop"]:
        raise LinkingRefused("This access opens another store than the one named. Check the shop.")
    try:
        await client.get(secrets, "/orders/count.json", {"order_status": "any"})
    except AuthorizationError as error:
        raise LinkingRefused(_SCOPE_MISSING) from error
    if shop.id:
        secrets = secrets | {"shop_id": shop.id}
    return Grant(
        external_id=secrets["shop"],
        name=text(shop.name) or secrets["shop"],
        secrets=secrets,
        currency=shop.currency.upper() if shop.currency else None,
        time_zone=shop.iana_timezone,
    )


async def _shop(client: ShopbaseClient, secrets: Mapping[str, str]) -> ShopbaseShop:
    """Read the store's own record, which comes bare or under "shop"."""
    answer = await client.get(secrets, "/shop.json")
    if answer is None:
        raise AuthorizationError("ShopBase has no such store. Check the shop.")
    document = answered(answer)
    inner = document.get("shop")
    try:
        return parsed(ShopbaseShop, inner if isinstance(inner, dict) else document)
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's record of the store cannot be read: {error.path}") from None


def _scopes(text: str) -> set[str]:
    return set(text.replace(",", " ").split())
