"""Links an eBay account by its owner's consent, under the app's RuName, and keeps its access token fresh."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused
from services.ingest.parsing import parsed
from services.ingest.platforms.ebay.client import IDENTITY, Declined, EbayClient
from services.ingest.platforms.ebay.payloads import EbayTokens, EbayUser
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.errors import AuthorizationError, TransientError

_SCOPE = "https://api.ebay.com/oauth/api_scope"
#: What we ask for: orders and tracking, notifications of the seller's own, and whose account it is.
SCOPES = (
    f"{_SCOPE}/sell.fulfillment",
    f"{_SCOPE}/commerce.notification.subscription",
    f"{_SCOPE}/commerce.identity.readonly",
)
#: Refresh this long before the access token ends; it lives two hours, and refreshes are counted.
REFRESH_AHEAD = timedelta(minutes=10)
#: How long the seller's consent holds where eBay does not say: 18 months, as in its examples.
CONSENT_SECONDS = 47_304_000

#: The currency that a seller of a marketplace is paid in; elsewhere the orders tell.
_CURRENCIES = {
    "EBAY_US": "USD",
    "EBAY_MOTORS_US": "USD",
    "EBAY_CA": "CAD",
    "EBAY_GB": "GBP",
    "EBAY_AU": "AUD",
    "EBAY_CH": "CHF",
    "EBAY_PL": "PLN",
    "EBAY_HK": "HKD",
    "EBAY_SG": "SGD",
    "EBAY_MY": "MYR",
    "EBAY_PH": "PHP",
    "EBAY_TW": "TWD",
} | {f"EBAY_{country}": "EUR" for country in ("DE", "AT", "FR", "IT", "ES", "NL", "BE", "IE")}


def start_authorization(settings: EbaySettings, client: EbayClient, *, state: str) -> AuthorizationStart:
    """Return the consent page's address. eBay knows where to send the seller back by the RuName alone."""
    if not (settings.ebay_client_id and settings.ebay_client_secret.get_secret_value() and settings.ebay_runame):
        raise LinkingRefused(
            "This installation has no eBay app: set EBAY_CLIENT_ID, EBAY_CLIENT_SECRET and EBAY_RUNAME."
        )
    query = {
        "client_id": settings.ebay_client_id,
        "redirect_uri": settings.ebay_runame,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "state": state,
        # The seller chooses the account, even where the browser is signed in to another.
        "prompt": "login",
    }
    return AuthorizationStart(url=f"{client.hosts.web}/oauth2/authorize?{urlencode(query)}", memory={})


async def complete_authorization(
    settings: EbaySettings, client: EbayClient, callback: Mapping[str, str], *, now: datetime
) -> Grant:
    """Exchange the callback's code, and ask whose account the token opens."""
    if callback.get("error"):
        raise LinkingRefused("Access was not granted in eBay. Start linking again and agree.")
    if not callback.get("code"):
        raise LinkingRefused("eBay sent no code. Start linking again.")
    form = {
        "grant_type": "authorization_code",
        "code": callback["code"],
        "redirect_uri": settings.ebay_runame,
    }
    tokens = await client.tokens.give(form)
    if not tokens.refresh_token:
        raise LinkingRefused("eBay gave no lasting access. Start linking again.")
    user = await _user(client, tokens.access_token)
    ends_at = now + timedelta(seconds=tokens.refresh_token_expires_in or CONSENT_SECONDS)
    secrets = _secrets(tokens, now=now) | {"scopes": " ".join(SCOPES), "user_id": user.user_id}
    return Grant(
        external_id=user.user_id,
        name=user.username or user.user_id,
        secrets=secrets,
        currency=_CURRENCIES.get(user.marketplace or ""),
        access_ends_at=ends_at,
    )


def refresh_due(secrets: Mapping[str, str], *, now: datetime) -> bool:
    """Tell whether the access token ends within `REFRESH_AHEAD`."""
    expires_at = secrets.get("expires_at")
    return expires_at is not None and datetime.fromisoformat(expires_at) - now <= REFRESH_AHEAD


async def refresh(client: EbayClient, access: Access, *, now: datetime) -> Mapping[str, str]:
    """Return the secrets with a new access token: the refresh token stays the first one, for all its 18 months.

    The scopes are those of the consent: a later version of ours may want more, and would be refused.
    """
    form = {
        "grant_type": "refresh_token",
        "refresh_token": access.secrets.get("refresh_token", ""),
        "scope": access.secrets.get("scopes") or " ".join(SCOPES),
    }
    return dict(access.secrets) | _secrets(await client.tokens.give(form), now=now)


def _secrets(tokens: EbayTokens, *, now: datetime) -> dict[str, str]:
    secrets = {
        "access_token": tokens.access_token,
        "expires_at": (now + timedelta(seconds=tokens.expires_in)).isoformat(),
    }
    return secrets | ({"refresh_token": tokens.refresh_token} if tokens.refresh_token else {})


async def _user(client: EbayClient, token: str) -> EbayUser:
    try:
        reply = await client.call("GET", f"{IDENTITY}/user/", token=token)
        return parsed(EbayUser, reply.body)
    except AuthorizationError as error:
        raise LinkingRefused(str(error)) from error
    except Declined:
        raise LinkingRefused("eBay does not say whose account this is. Start linking again.") from None
    except UnreadablePayload as error:
        raise TransientError(f"eBay's answer about the account cannot be read: {error.path}") from None
