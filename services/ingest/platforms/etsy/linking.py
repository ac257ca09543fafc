"""Links an Etsy shop by authorization code with PKCE, and keeps its rotating tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets as random_bytes
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused
from services.ingest.parsing import parsed
from services.ingest.platforms.etsy.client import EtsyClient
from services.ingest.platforms.etsy.payloads import EtsySelf, EtsyShop, EtsyTokens
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import AuthorizationError, TransientError

#: What we ask for: receipts, tracking, and whose shop it is.
SCOPES = ("transactions_r", "transactions_w", "shops_r")
#: Refresh this long before the access token ends; it lives an hour.
REFRESH_AHEAD = timedelta(minutes=5)
#: Bytes of randomness in a PKCE verifier: 86 characters, between the 43 and 128 that are allowed.
_VERIFIER_BYTES = 64


def start_authorization(
    settings: EtsySettings, client: EtsyClient, *, state: str, callback_url: str
) -> AuthorizationStart:
    """Return the consent page's address; the verifier is remembered until the seller comes back."""
    if not settings.etsy_keystring or not settings.etsy_shared_secret.get_secret_value():
        raise LinkingRefused("This installation has no Etsy app: set ETSY_KEYSTRING and ETSY_SHARED_SECRET.")
    verifier = random_bytes.token_urlsafe(_VERIFIER_BYTES)
    query = {
        "response_type": "code",
        "client_id": settings.etsy_keystring,
        "redirect_uri": callback_url,
        "scope": " ".join(SCOPES),
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return AuthorizationStart(url=f"{client.web}/oauth/connect?{urlencode(query)}", memory={"verifier": verifier})


async def complete_authorization(
    settings: EtsySettings,
    client: EtsyClient,
    callback: Mapping[str, str],
    *,
    memory: Mapping[str, str],
    callback_url: str,
    now: datetime,
) -> Grant:
    """Exchange the callback's code, and ask whose shop the token opens."""
    if callback.get("error"):
        raise LinkingRefused("Access was not granted in Etsy. Start linking again and allow it.")
    if not callback.get("code") or not memory.get("verifier"):
        raise LinkingRefused("Etsy sent no code. Start linking again.")
    form = {
        "grant_type": "authorization_code",
        "client_id": settings.etsy_keystring,
        "redirect_uri": callback_url,
        "code": callback["code"],
        "code_verifier": memory["verifier"],
    }
    secrets = await _secrets(client, form, now=now)
    return await _grant(client, secrets)


def refresh_due(secrets: Mapping[str, str], *, now: datetime) -> bool:
    """Tell whether the access token ends within `REFRESH_AHEAD`."""
    expires_at = secrets.get("expires_at")
    return expires_at is not None and datetime.fromisoformat(expires_at) - now <= REFRESH_AHEAD


async def refresh(settings: EtsySettings, client: EtsyClient, access: Access, *, now: datetime) -> Mapping[str, str]:
    """Return new secrets. The refresh token rotates, and the one that was used is taken to be dead at once."""
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.etsy_keystring,
        "refresh_token": access.secrets.get("refresh_token", ""),
    }
    return dict(access.secrets) | await _secrets(client, form, now=now)


def challenge(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _secrets(client: EtsyClient, form: Mapping[str, str], *, now: datetime) -> dict[str, str]:
    answer = await client.token(form)
    try:
        tokens = parsed(EtsyTokens, answer)
    except UnreadablePayload as error:
        raise TransientError(f"Etsy's token answer cannot be read: {error.path}") from None
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": (now + timedelta(seconds=tokens.expires_in)).isoformat(),
    }


async def _grant(client: EtsyClient, secrets: dict[str, str]) -> Grant:
    token = secrets["access_token"]
    try:
        me = await client.get(token, "/users/me")
        shop_id = parsed(EtsySelf, me or {}).shop_id
        shop = await client.get(token, f"/shops/{shop_id}") if shop_id else None
        if not shop_id or shop is None:
            raise LinkingRefused("This Etsy account has no shop. Sign in to Etsy with the account that sells.")
        found = parsed(EtsyShop, shop)
    except AuthorizationError as error:
        raise LinkingRefused(str(error)) from error
    except UnreadablePayload as error:
        raise TransientError(f"Etsy's answer about the shop cannot be read: {error.path}") from None
    return Grant(
        external_id=shop_id,
        name=found.shop_name,
        secrets={**secrets, "shop_id": shop_id},
        currency=found.currency_code,
    )
