"""Etsy's OAuth 2: authorization codes bound by PKCE, one-hour access tokens, refresh tokens that rotate."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

ACCESS_SECONDS = 3_600
REFRESH_SECONDS = 90 * 86_400
CODE_SECONDS = 600
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
SCOPES = frozenset(
    [
        "address_r",
        "address_w",
        "billing_r",
        "cart_r",
        "cart_w",
        "email_r",
        "favorites_r",
        "favorites_w",
        "feedback_r",
        "listings_d",
        "listings_r",
        "listings_w",
        "profile_r",
        "profile_w",
        "recommend_r",
        "recommend_w",
        "shops_r",
        "shops_w",
        "transactions_r",
        "transactions_w",
    ]
)


class OAuthError(Exception):
    """Etsy refuses: `error` is the OAuth code, `description` the sentence, `status` the HTTP status."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(slots=True)
class App:
    """A registered application; one app serves every shop that granted it access."""

    application_id: int
    keystring: str
    shared_secret: str = field(repr=False)
    redirect_uris: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Consent:
    """What the connect page was asked for: RFC 6749 section 4.1.1 with RFC 7636's challenge."""

    keystring: str
    redirect_uri: str
    scopes: frozenset[str]
    challenge: str
    user_id: int
    expires_at: float


@dataclass(slots=True)
class Grant:
    """One seller's access given to one app, carried by whichever tokens are current."""

    user_id: int
    keystring: str
    scopes: frozenset[str]
    revoked: bool = False


@dataclass(slots=True)
class Tokens:
    """Every app, code and token of the sandbox; `now` answers Unix seconds."""

    now: Callable[[], float]
    apps: dict[str, App] = field(default_factory=dict)
    issued: int = 0
    #: Whether a refresh token that was used goes on working; no document says.
    refresh_survives: bool = False
    _codes: dict[str, Consent] = field(default_factory=dict)
    _access: dict[str, tuple[Grant, float]] = field(default_factory=dict)
    _refresh: dict[str, tuple[Grant, float]] = field(default_factory=dict)

    def consent(self, query: dict[str, str], *, user_id: int) -> str:
        """Approve a connect page's request at once and answer the code."""
        app = self.apps.get(query.get("client_id", ""))
        if app is None:
            raise OAuthError("invalid_request", "The client_id is not known")
        if query.get("redirect_uri", "") not in app.redirect_uris:
            raise OAuthError("invalid_request", "The redirect_uri is not registered with this app")
        if query.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        if not query.get("state"):
            raise OAuthError("invalid_request", "state is required")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise OAuthError("invalid_request", "code_challenge with code_challenge_method S256 is required")
        scopes = frozenset(query.get("scope", "").split())
        if not scopes or not scopes <= SCOPES:
            raise OAuthError("invalid_scope", "An unknown scope, or none, was asked for")
        code = secrets.token_urlsafe(32)
        self._codes[code] = Consent(
            app.keystring,
            query["redirect_uri"],
            scopes,
            query["code_challenge"],
            user_id,
            self.now() + CODE_SECONDS,
        )
        return code

    def exchange(self, form: dict[str, str]) -> dict[str, object]:
        """The token endpoint's reply to either grant type."""
        if form.get("client_id", "") not in self.apps:
            raise OAuthError("invalid_client", "The client_id is not known", status=401)
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(form)
            case "refresh_token":
                return self._rotate(form)
            case _:
                raise OAuthError("unsupported_grant_type", "grant_type is not supported")

    def grant(self, keystring: str, *, user_id: int, scopes: frozenset[str]) -> dict[str, object]:
        """Give tokens without the browser's detour, for checks that start from a linked store."""
        return self._issue(Grant(user_id, keystring, scopes))

    def bearer(self, token: str, *, keystring: str) -> Grant:
        """The grant behind an access token, or 401 when it is unknown, expired, revoked or another app's."""
        found = self._access.get(token)
        if found is None or found[0].keystring != keystring:
            raise OAuthError("invalid_token", "The access token is not known", status=401)
        if found[0].revoked:
            raise OAuthError("invalid_token", "The access token was revoked", status=401)
        if found[1] <= self.now():
            raise OAuthError("invalid_token", "access token is expired", status=401)
        return found[0]

    def revoke(self, user_id: int) -> None:
        """The seller removed the app: every token of theirs stops working."""
        for grant, _ in (*self._access.values(), *self._refresh.values()):
            if grant.user_id == user_id:
                grant.revoked = True

    def expire_access(self, user_id: int) -> None:
        """Let a seller's access tokens run out now; refresh tokens stay good."""
        for token, (grant, _) in self._access.items():
            if grant.user_id == user_id:
                self._access[token] = (grant, 0.0)

    def has_grant(self, user_id: int) -> bool:
        """Whether this seller has connected any app and not removed it."""
        return any(grant.user_id == user_id and not grant.revoked for grant, _ in self._refresh.values())

    def _redeem(self, form: dict[str, str]) -> dict[str, object]:
        consent = self._codes.pop(form.get("code", ""), None)
        if consent is None or consent.expires_at <= self.now():
            raise OAuthError("invalid_grant", "code is invalid, expired or already used")
        if (consent.keystring, consent.redirect_uri) != (form["client_id"], form.get("redirect_uri", "")):
            raise OAuthError("invalid_grant", "code was issued to another client or redirect_uri")
        if not _answers_challenge(form.get("code_verifier", ""), challenge=consent.challenge):
            raise OAuthError("invalid_grant", "PKCE verification failed")
        return self._issue(Grant(consent.user_id, consent.keystring, consent.scopes))

    def _rotate(self, form: dict[str, str]) -> dict[str, object]:
        # A rotated refresh token dies at once: the strictest reading, so a client that keeps the old one fails.
        token = form.get("refresh_token", "")
        grant, expires_at = self._refresh.get(token, (None, 0.0))
        if not self.refresh_survives:
            self._refresh.pop(token, None)
        if grant is None or grant.keystring != form["client_id"]:
            raise OAuthError("invalid_grant", "refresh_token is invalid or was already used")
        if grant.revoked or expires_at <= self.now():
            raise OAuthError("invalid_grant", "refresh_token is expired or was revoked")
        return self._issue(grant)

    def _issue(self, grant: Grant) -> dict[str, object]:
        access = f"{grant.user_id}.{secrets.token_urlsafe(48)}"
        refresh = f"{grant.user_id}.{secrets.token_urlsafe(48)}"
        self._access[access] = (grant, self.now() + ACCESS_SECONDS)
        self._refresh[refresh] = (grant, self.now() + REFRESH_SECONDS)
        self.issued += 1
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
        }


def _answers_challenge(verifier: str, *, challenge: str) -> bool:
    """RFC 7636 section 4.6, S256."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return secrets.compare_digest(digest, challenge.rstrip("="))
