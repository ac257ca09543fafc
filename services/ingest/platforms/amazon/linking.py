"""Links Amazon sellers: by Amazon's consent page, or by the refresh token of an app that they authorized themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import AuthorizationStart, Grant, LinkingRefused
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import Account, AmazonClient, RequestRefused, iso
from services.ingest.platforms.amazon.marketplaces import REGIONS, Marketplace, find_marketplace, first_marketplace
from services.ingest.platforms.amazon.payloads import AmazonTokens
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.errors import AuthorizationError, TransientError

#: Refresh this long before the access token ends; it lives an hour.
REFRESH_AHEAD = timedelta(minutes=5)
#: Sellers renew an authorization every year.
AUTHORIZATION_LASTS = timedelta(days=365)
#: What the call that proves an access looks at.
_LOOK_BACK = timedelta(hours=1)

_SELLER_ID = re.compile(r"[A-Z0-9]{6,40}")
_NO_APP = "This installation has no Amazon app: set AMAZON_APPLICATION_ID, AMAZON_CLIENT_ID and AMAZON_CLIENT_SECRET."
_NOT_READABLE = (
    "Amazon does not let this app read the account's orders in {region}. Choose the region in which the account sells, "
    "and see that the app has the role for orders, then link again."
)


def start_authorization(
    settings: AmazonSettings, client: AmazonClient, request: Mapping[str, str], *, state: str, callback_url: str
) -> AuthorizationStart:
    """Return the consent page's address; `request` may name `region`, `marketplace` and `marketplaces`."""
    if not settings.amazon_application_id or not _has_app(settings):
        raise LinkingRefused(_NO_APP)
    page = _marketplace(request.get("marketplace"))
    region = _region(request.get("region") or (page.region if page else ""))
    if page and page.region != region:
        raise LinkingRefused(f"The marketplace {page.country} is not in {REGIONS[region]}. Choose one that is.")
    query = {"application_id": settings.amazon_application_id, "state": state, "redirect_uri": callback_url}
    if settings.amazon_app_draft:
        query["version"] = "beta"
    page = page or first_marketplace(region)
    return AuthorizationStart(
        url=f"{client.web(page.seller_central)}/apps/authorize/consent?{urlencode(query)}",
        memory={"region": region, "marketplaces": _marketplaces(request.get("marketplaces"), region)},
    )


async def complete_authorization(
    client: AmazonClient,
    callback: Mapping[str, str],
    *,
    memory: Mapping[str, str],
    callback_url: str,
    now: datetime,
) -> Grant:
    """Exchange the callback's code, and prove that it opens the orders."""
    code = callback.get("spapi_oauth_code")
    if not code:
        raise LinkingRefused("Access was not granted in Amazon. Start linking again and confirm it there.")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback_url}
    try:
        tokens = await _tokens(client, form)
    except AuthorizationError as error:
        raise LinkingRefused("Amazon's code was used before or is too old. Start linking again.") from error
    secrets = {
        "seller_id": _seller_id(callback.get("selling_partner_id")),
        "region": memory["region"],
        "marketplaces": memory["marketplaces"],
    }
    return await _grant(client, secrets | _renewed(tokens, now=now, before=""), now=now)


async def link_with_refresh_token(
    settings: AmazonSettings, client: AmazonClient, credentials: Mapping[str, str], *, now: datetime
) -> Grant:
    """Link with what a self-authorized app shows: `seller_id`, `refresh_token`, `region`, `marketplaces`."""
    if not _has_app(settings):
        raise LinkingRefused(_NO_APP)
    region = _region(credentials.get("region") or "")
    token = (credentials.get("refresh_token") or "").strip()
    if not token:
        raise LinkingRefused("Paste the refresh token that Amazon shows once the app is authorized (Atzr|…).")
    secrets = {
        "seller_id": _seller_id(credentials.get("seller_id")),
        "region": region,
        "marketplaces": _marketplaces(credentials.get("marketplaces"), region),
    }
    try:
        tokens = await _tokens(client, {"grant_type": "refresh_token", "refresh_token": token})
    except AuthorizationError as error:
        raise LinkingRefused(
            "Amazon does not accept this refresh token for this app. Authorize the app again in Seller Central, "
            "and paste the new one."
        ) from error
    return await _grant(client, secrets | _renewed(tokens, now=now, before=token), now=now)


def refresh_due(secrets: Mapping[str, str], *, now: datetime) -> bool:
    """Tell whether the access token ends within `REFRESH_AHEAD`."""
    expires_at = secrets.get("expires_at")
    return expires_at is not None and datetime.fromisoformat(expires_at) - now <= REFRESH_AHEAD


async def refresh(client: AmazonClient, secrets: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
    """Return new secrets. The refresh token usually stays what it was; a new one replaces it."""
    before = secrets.get("refresh_token", "")
    tokens = await _tokens(client, {"grant_type": "refresh_token", "refresh_token": before})
    return dict(secrets) | _renewed(tokens, now=now, before=before)


def account_of(secrets: Mapping[str, str]) -> Account:
    """Return whom the calls for a store are made for."""
    return Account(secrets["seller_id"], secrets["region"], secrets["access_token"])


async def _tokens(client: AmazonClient, form: Mapping[str, str]) -> AmazonTokens:
    answer = await client.token(form)
    try:
        return parsed(AmazonTokens, answer)
    except UnreadablePayload as error:
        raise TransientError(f"Amazon's token answer cannot be read: {error.path}") from None


def _renewed(tokens: AmazonTokens, *, now: datetime, before: str) -> dict[str, str]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token or before,
        "expires_at": (now + timedelta(seconds=tokens.expires_in)).isoformat(),
    }


async def _grant(client: AmazonClient, secrets: dict[str, str], *, now: datetime) -> Grant:
    """Prove the access by reading with it. No call tells whose orders these are: the seller's id stays as told."""
    if not secrets["refresh_token"]:
        raise LinkingRefused("Amazon gave no lasting access. Start linking again.")
    region = secrets["region"]
    query = {"lastUpdatedAfter": iso(now - client.ahead - _LOOK_BACK), "maxResultsPerPage": "1"}
    if secrets["marketplaces"]:
        query["marketplaceIds"] = secrets["marketplaces"]
    try:
        found = await client.call(account_of(secrets), "searchOrders", "/orders/2026-01-01/orders", query=query)
    except AuthorizationError as error:
        raise LinkingRefused(_NOT_READABLE.format(region=REGIONS[region])) from error
    except RequestRefused as error:
        raise LinkingRefused("Amazon does not take these marketplaces. Name those where the account sells.") from error
    if found is None:
        raise TransientError("Amazon does not find its list of orders")
    chosen = [market for name in secrets["marketplaces"].split(",") if (market := find_marketplace(name))]
    return Grant(
        external_id=secrets["seller_id"],
        name=f"Amazon {', '.join(market.country for market in chosen) or REGIONS[region]}",
        secrets=secrets,
        currency=(chosen[0] if chosen else first_marketplace(region)).currency,
        access_ends_at=now + AUTHORIZATION_LASTS,
    )


def _has_app(settings: AmazonSettings) -> bool:
    return bool(settings.amazon_client_id and settings.amazon_client_secret.get_secret_value())


def _region(name: str) -> str:
    region = name.strip().lower()
    if region not in REGIONS:
        raise LinkingRefused("Choose the region in which the account sells: na, eu or fe.")
    return region


def _seller_id(name: str | None) -> str:
    seller_id = (name or "").strip()
    if not _SELLER_ID.fullmatch(seller_id):
        raise LinkingRefused("Amazon's id of the seller (Merchant Token, like A1B2C3D4E5) is missing or mistyped.")
    return seller_id


def _marketplace(name: str | None) -> Marketplace | None:
    if not name:
        return None
    found = find_marketplace(name)
    if found is None:
        raise LinkingRefused("This marketplace is not one of Amazon's. Give its country, like US, or its id.")
    return found


def _marketplaces(names: str | None, region: str) -> str:
    """Return the ids of the marketplaces to read, comma-joined; "" stands for all that the seller has."""
    found = [_marketplace(name) for name in (names or "").split(",") if name.strip()]
    ids = {market.marketplace_id: market for market in found if market}
    if any(market.region != region for market in ids.values()):
        raise LinkingRefused(f"Not all of these marketplaces are in {REGIONS[region]}. Link each region as a store.")
    return ",".join(ids)
