"""Who may call which shop: the public app's tokens, and each shop's own private app."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TOKEN_HEADER = "X-ShopBase-Access-Token"  # noqa: S105 - a header's name
#: The documents state no life of a code; this sandbox takes OAuth's customary ten minutes, in seconds.
CODE_LIFE = 600.0
DEFAULT_SCOPES = ("read_orders", "write_orders", "read_fulfillments", "write_fulfillments")


class GrantError(Exception):
    """A token request that is refused; `code` is OAuth's name of the error."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(slots=True)
class App:
    """The public app; until redirect URIs are registered any loopback address will do."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `key` names the app, `secret` signs its webhooks, `scopes` is what it was granted."""

    key: str
    secret: str = field(repr=False)
    scopes: frozenset[str]
    public: bool

    def may(self, scope: str) -> bool:
        """Whether the scope was granted; a write scope implies the read scope."""
        return scope in self.scopes or scope.replace("read_", "write_", 1) in self.scopes


@dataclass(frozen=True, slots=True)
class PrivateApp:
    """A shop's own app, with what its page in the store admin shows."""

    api_key: str
    password: str = field(repr=False)
    shared_secret: str = field(repr=False)
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Code:
    app: App
    shop: str
    scopes: tuple[str, ...]
    expires_at: float


@dataclass(slots=True)
class Registry:
    """All apps, codes and tokens; shops are named by their domain."""

    apps: dict[str, App] = field(default_factory=dict)
    _codes: dict[str, _Code] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, Caller]] = field(default_factory=dict)
    _private: dict[str, PrivateApp] = field(default_factory=dict)

    def open_private_app(self, shop: str, *, scopes: Iterable[str]) -> PrivateApp:
        """The seller makes a private app; the one before stops working."""
        made = PrivateApp(secrets.token_hex(16), secrets.token_hex(32), secrets.token_hex(32), frozenset(scopes))
        self._private[shop] = made
        return made

    def authorize(self, app: App, *, shop: str, scopes: tuple[str, ...], now: float) -> str:
        """A code for an app that the seller just accepted."""
        code = secrets.token_hex(16)
        self._codes[code] = _Code(app, shop, scopes, now + CODE_LIFE)
        return code

    def redeem(self, *, client_id: object, client_secret: object, code: object, shop: str, now: float) -> Caller:
        """Whom a code was given to; the code is thereby used up."""
        app = self.apps.get(str(client_id))
        if app is None or not secrets.compare_digest(app.client_secret.encode(), str(client_secret).encode()):
            raise GrantError("invalid_client", "Client authentication failed")
        found = self._codes.pop(str(code), None)
        if found is None or found.app is not app or found.shop != shop or found.expires_at <= now:
            raise GrantError("invalid_request", "The authorization code was not found or was already used")
        return Caller(app.client_id, app.client_secret, frozenset(found.scopes), public=True)

    def issue(self, caller: Caller, *, shop: str) -> str:
        """A token without an end."""
        token = secrets.token_hex(32)
        self._tokens[token] = (shop, caller)
        return token

    def caller(self, headers: Mapping[str, str], *, shop: str) -> Caller | None:
        """Who sends these headers to this shop, None if they prove nothing."""
        token = headers.get(TOKEN_HEADER)
        if token is not None:
            granted = self._tokens.get(token)
            if granted is not None:
                return granted[1] if granted[0] == shop else None
            return self._private_caller(shop, password=token)
        return self._private_caller(shop, basic=_basic(headers.get("Authorization", "")))

    def revoke(self, shop: str) -> None:
        """The seller removes every app."""
        self._tokens = {token: grant for token, grant in self._tokens.items() if grant[0] != shop}
        self._codes = {code: grant for code, grant in self._codes.items() if grant.shop != shop}
        self._private.pop(shop, None)

    def _private_caller(
        self, shop: str, *, password: str | None = None, basic: tuple[str, str] | None = None
    ) -> Caller | None:
        app = self._private.get(shop)
        if app is None or (basic != (app.api_key, app.password) and password != app.password):
            return None
        return Caller(app.api_key, app.shared_secret, app.scopes, public=False)


def _basic(header: str) -> tuple[str, str] | None:
    """RFC 7617's user and password."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
