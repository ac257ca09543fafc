"""Apps and their tokens: who may call which shop's API, until when, and how tokens replace each other.

Source: shopify.dev/docs/apps/build/authentication-authorization (access tokens, offline access tokens, client
credentials grant) and the changelog entry on more resilient refreshes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ACCESS_LIFE = timedelta(hours=1)
CLIENT_CREDENTIALS_LIFE = timedelta(seconds=86_399)
REFRESH_LIFE = timedelta(days=90)
#: How long a refresh token stays usable after its first use, if its successor is not used before.
REFRESH_GRACE = timedelta(days=30)
CODE_LIFE = timedelta(minutes=10)

ALL_SCOPES = (
    "read_orders",
    "read_all_orders",
    "read_merchant_managed_fulfillment_orders",
    "write_merchant_managed_fulfillment_orders",
    "read_assigned_fulfillment_orders",
    "write_assigned_fulfillment_orders",
    "read_third_party_fulfillment_orders",
    "write_third_party_fulfillment_orders",
)
DEFAULT_SCOPES = tuple(scope for scope in ALL_SCOPES if "merchant" in scope or scope == "read_orders")


class GrantError(Exception):
    """A token request that OAuth refuses; `code` is the error's name in the answer."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(slots=True)
class App:
    """An app: `redirect_uris` None allows any loopback address; `owner` is the one shop of a custom app."""

    client_id: str
    client_secret: str
    title: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    redirect_uris: tuple[str, ...] | None = None
    owner: str | None = None
    #: Public apps made since April 2026 may not use non-expiring tokens.
    must_expire: bool = True
    #: Whether the app was approved for protected customer data of level 2.
    sees_buyers: bool = True
    webhook_version: str = "2026-10"


@dataclass(slots=True)
class Access:
    """An access token's meaning."""

    number: int
    app: App
    shop: str
    scopes: tuple[str, ...]
    expires_at: datetime | None = None


@dataclass(slots=True)
class Code:
    """An authorization code, to be used once."""

    app: App
    shop: str
    scopes: tuple[str, ...]
    expires_at: datetime


@dataclass(slots=True)
class Refresh:
    """A refresh token; `before` is the one that it replaces."""

    app: App
    shop: str
    scopes: tuple[str, ...]
    expires_at: datetime
    first_used_at: datetime | None = None
    before: str | None = None


@dataclass(slots=True)
class Issued:
    """What a token request answers with; lifetimes in seconds."""

    access_token: str
    scope: str
    expires_in: int | None = None
    refresh_token: str | None = None
    refresh_token_expires_in: int | None = None

    def as_dict(self) -> dict[str, str | int]:
        """The answer's fields, those that do not apply left out."""
        pairs = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(slots=True)
class Tokens:
    """All apps, codes and tokens of the platform."""

    apps: dict[str, App] = field(default_factory=dict)
    accesses: dict[str, Access] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    refreshes: dict[str, Refresh] = field(default_factory=dict)

    def access(self, token: str, *, shop: str, now: datetime) -> Access | None:
        """What this token allows at this shop now, None if nothing."""
        found = self.accesses.get(token)
        if found is None or found.shop != shop:
            return None
        return None if found.expires_at is not None and found.expires_at <= now else found

    def client(self, client_id: object, client_secret: object) -> App:
        """The app with these credentials; GrantError if there is none."""
        app = self.apps.get(str(client_id))
        if app is None or not secrets.compare_digest(app.client_secret.encode(), str(client_secret).encode()):
            raise GrantError("invalid_client", "Client authentication failed")
        return app

    def authorize(self, app: App, *, shop: str, scopes: tuple[str, ...], now: datetime) -> str:
        """A code for an app that the seller just accepted."""
        code = secrets.token_hex(16)
        self.codes[code] = Code(app, shop, scopes, now + CODE_LIFE)
        return code

    def redeem(self, app: App, code: str, *, shop: str, expiring: bool, now: datetime) -> Issued:
        """Tokens for a code, which is thereby used up."""
        found = self.codes.pop(code, None)
        if found is None or found.app is not app or found.shop != shop or found.expires_at <= now:
            raise GrantError("invalid_request", "The authorization code was not found or was already used")
        if not expiring:
            return Issued(self.grant(app, shop=shop, scopes=found.scopes), ",".join(found.scopes))
        return self._pair(app, shop=shop, scopes=found.scopes, now=now, before=None)

    def refresh(self, app: App, token: str, *, shop: str, now: datetime) -> Issued:
        """A new pair for a refresh token; its own predecessor dies, it lives on until the new one is used."""
        found = self.refreshes.get(token)
        if found is None or found.app is not app or found.shop != shop or _is_over(found, now):
            raise GrantError("invalid_request", "This request requires an active refresh_token")
        if found.before is not None:
            self.refreshes.pop(found.before, None)
        found.first_used_at = found.first_used_at or now
        return self._pair(app, shop=shop, scopes=found.scopes, now=now, before=token)

    def exchange(self, app: App, token: str, *, shop: str, now: datetime) -> Issued:
        """A pair that rotates for a token that never ends, which dies by that."""
        found = self.accesses.get(token)
        if found is None or found.app is not app or found.shop != shop or found.expires_at is not None:
            raise GrantError("invalid_subject_token", "The subject token is not an active offline token")
        del self.accesses[token]
        return self._pair(app, shop=shop, scopes=found.scopes, now=now, before=None)

    def client_credentials(self, app: App, *, shop: str, now: datetime) -> Issued:
        """A day's token for an app of the shop's own organisation."""
        if app.owner != shop:
            raise GrantError("shop_not_permitted", "Client credentials cannot be performed on this shop.")
        life = CLIENT_CREDENTIALS_LIFE
        token = self.grant(app, shop=shop, scopes=app.scopes, expires_at=now + life)
        return Issued(token, ",".join(app.scopes), expires_in=int(life.total_seconds()))

    def grant(self, app: App, *, shop: str, scopes: tuple[str, ...], expires_at: datetime | None = None) -> str:
        """A new access token, permanent unless it has an end."""
        token = f"shpat_{secrets.token_hex(16)}"
        self.accesses[token] = Access(len(self.accesses) + 1, app, shop, scopes, expires_at)
        return token

    def revoke(self, shop: str) -> None:
        """Forget everything that was granted at this shop."""
        self.accesses = {key: access for key, access in self.accesses.items() if access.shop != shop}
        self.codes = {key: code for key, code in self.codes.items() if code.shop != shop}
        self.refreshes = {key: refresh for key, refresh in self.refreshes.items() if refresh.shop != shop}

    def _pair(self, app: App, *, shop: str, scopes: tuple[str, ...], now: datetime, before: str | None) -> Issued:
        refresh = f"shprt_{secrets.token_hex(16)}"
        self.refreshes[refresh] = Refresh(app, shop, scopes, now + REFRESH_LIFE, before=before)
        return Issued(
            access_token=self.grant(app, shop=shop, scopes=scopes, expires_at=now + ACCESS_LIFE),
            scope=",".join(scopes),
            expires_in=int(ACCESS_LIFE.total_seconds()),
            refresh_token=refresh,
            refresh_token_expires_in=int(REFRESH_LIFE.total_seconds()),
        )


def _is_over(token: Refresh, now: datetime) -> bool:
    used = token.first_used_at
    return token.expires_at <= now or (used is not None and used + REFRESH_GRACE <= now)
