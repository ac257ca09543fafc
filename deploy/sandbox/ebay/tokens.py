"""eBay's OAuth 2: consent by RuName, access for two hours, one refresh token for 18 months that is never renewed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.sandbox.ebay.refusals import OAuthError

ACCESS_SECONDS = 7_200
#: 18 months; counted from the code's exchange, whatever is refreshed in between.
REFRESH_SECONDS = 47_304_000
CODE_SECONDS = 299
PUBLIC = "https://api.ebay.com/oauth/api_scope"
FULFILL = f"{PUBLIC}/sell.fulfillment"
FULFILL_READ = f"{PUBLIC}/sell.fulfillment.readonly"
SUBSCRIBE = f"{PUBLIC}/commerce.notification.subscription"
SUBSCRIBE_READ = f"{PUBLIC}/commerce.notification.subscription.readonly"
IDENTITY = f"{PUBLIC}/commerce.identity.readonly"
#: What this sandbox's app may ask a seller for.
SCOPES = frozenset({PUBLIC, FULFILL, FULFILL_READ, SUBSCRIBE, SUBSCRIBE_READ, IDENTITY})


@dataclass(frozen=True, slots=True)
class App:
    """The registered application: keyset, RuName, and the token that proves its endpoint."""

    client_id: str
    client_secret: str = field(repr=False)
    runame: str
    verification_token: str = field(repr=False)


@dataclass(slots=True)
class Grant:
    """What one seller granted; `seller` is None for the application's own token."""

    seller: str | None
    scopes: frozenset[str]
    ends_at: float
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """One access token's rights: the grant behind it, with the same scopes or fewer."""

    grant: Grant
    scopes: frozenset[str]
    ends_at: float


@dataclass(slots=True)
class Tokens:
    """Every code and token of the app; `now` answers Unix seconds."""

    app: App
    now: Callable[[], float]
    _codes: dict[str, tuple[Grant, float]] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)
    _access: dict[str, Access] = field(default_factory=dict)

    def consent(self, seller: str, *, scopes: frozenset[str]) -> str:
        """The code of a consent; it is full of signs that a URL must escape, and is good once."""
        grant = Grant(seller, scopes, self.now() + REFRESH_SECONDS)
        code = f"v^1.1#i^1#r^1#p^3#I^3#f^0#t^{_random(48)}+/="
        self._codes[code] = (grant, self.now() + CODE_SECONDS)
        return code

    def exchange(self, form: dict[str, str], *, authorization: str) -> dict[str, object]:
        """The token endpoint's reply to any of its three grant types."""
        self._must_be_the_app(authorization)
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(form)
            case "refresh_token":
                return self._renew(form)
            case "client_credentials":
                return self._for_the_app(form)
            case _:
                raise OAuthError("unsupported_grant_type", "grant type in request is not supported")

    def grant(self, seller: str, *, scopes: frozenset[str] = SCOPES) -> dict[str, object]:
        """Give tokens without the browser's detour, for checks that start from a linked store."""
        return self._first(Grant(seller, scopes, self.now() + REFRESH_SECONDS))

    def bearer(self, token: str) -> Access | None:
        """The rights of an access token, or None when it is unknown, over or revoked."""
        access = self._access.get(token)
        if access is None or access.grant.revoked or access.ends_at <= self.now():
            return None
        return access

    def has_grant(self, seller: str) -> bool:
        """Whether this seller's access still stands."""
        live = (grant for grant in self._refresh.values() if grant.seller == seller and not grant.revoked)
        return any(grant.ends_at > self.now() for grant in live)

    def revoke(self, seller: str) -> None:
        """All tokens of a seller die at once: revoked, or the password was changed."""
        for grant in self._refresh.values():
            if grant.seller == seller:
                grant.revoked = True

    def expire_access(self, seller: str) -> None:
        """Let a seller's access tokens run out now; the refresh token stays good."""
        for token, access in self._access.items():
            if access.grant.seller == seller:
                self._access[token] = Access(access.grant, access.scopes, ends_at=0.0)

    def _must_be_the_app(self, authorization: str) -> None:
        expected = base64.b64encode(f"{self.app.client_id}:{self.app.client_secret}".encode()).decode()
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "basic" or not secrets.compare_digest(given.strip().encode(), expected.encode()):
            raise OAuthError("invalid_client", "client authentication failed", status=401)

    def _redeem(self, form: dict[str, str]) -> dict[str, object]:
        grant, ends_at = self._codes.pop(form.get("code", ""), (None, 0.0))
        if grant is None or ends_at <= self.now():
            raise OAuthError(
                "invalid_grant", "the provided authorization grant code is invalid or was issued to another client"
            )
        if form.get("redirect_uri") != self.app.runame:
            raise OAuthError("invalid_request", "redirect_uri in request does not match the RuName of the consent")
        return self._first(grant)

    def _renew(self, form: dict[str, str]) -> dict[str, object]:
        grant = self._refresh.get(form.get("refresh_token", ""))
        if grant is None or grant.revoked or grant.ends_at <= self.now():
            raise OAuthError(
                "invalid_grant", "the provided authorization refresh token is invalid or was issued to another client"
            )
        scopes = frozenset(form.get("scope", "").split()) or grant.scopes
        if not scopes <= grant.scopes:
            raise _bad_scope()
        return self._access_reply(grant, scopes, "User Access Token")

    def _for_the_app(self, form: dict[str, str]) -> dict[str, object]:
        scopes = frozenset(form.get("scope", "").split())
        if scopes != {PUBLIC}:
            raise _bad_scope()
        grant = Grant(None, scopes, self.now() + ACCESS_SECONDS)
        return self._access_reply(grant, scopes, "Application Access Token")

    def _first(self, grant: Grant) -> dict[str, object]:
        refresh = f"v^1.1#i^1#p^3#f^0#I^3#r^1#t^{_random(64)}=="
        grant.ends_at = self.now() + REFRESH_SECONDS
        self._refresh[refresh] = grant
        reply = self._access_reply(grant, grant.scopes, "User Access Token")
        return reply | {"refresh_token": refresh, "refresh_token_expires_in": REFRESH_SECONDS}

    def _access_reply(self, grant: Grant, scopes: frozenset[str], kind: str) -> dict[str, object]:
        access = f"v^1.1#i^1#p^1#f^0#I^3#r^0#t^{_random(96)}"
        self._access[access] = Access(grant, scopes, self.now() + ACCESS_SECONDS)
        return {"access_token": access, "expires_in": ACCESS_SECONDS, "token_type": kind}


def _bad_scope() -> OAuthError:
    text = "The requested scope is invalid, unknown, malformed, or exceeds the scope granted to the client"
    return OAuthError("invalid_scope", text)


def _random(length: int) -> str:
    return secrets.token_urlsafe(length)[:length]
