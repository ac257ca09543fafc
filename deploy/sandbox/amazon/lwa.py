"""Login with Amazon: consent codes of minutes, access tokens of an hour, refresh tokens that stay, grantless tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

ACCESS_SECONDS = 3_600
CODE_SECONDS = 300
DAY = 86_400
#: A client secret that is older must have been replaced.
SECRET_SECONDS = 180 * DAY
#: How long a seller's authorization lasts where `yearly` says that it ends at all.
AUTHORIZATION_SECONDS = 365 * DAY
NOTIFICATIONS_SCOPE = "sellingpartnerapi::notifications"


class OAuthError(Exception):
    """LWA refuses: `error` is the OAuth code (RFC 6749 section 5.2), `status` the HTTP status."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(slots=True)
class App:
    """The developer's application; `redirect_uris` in the order of their registration."""

    application_id: str
    client_id: str
    secret: str = field(repr=False)
    secret_issued: float = 0.0
    redirect_uris: list[str] = field(default_factory=list)

    def register(self, uris: list[str]) -> None:
        """Register redirect addresses beside those that are."""
        self.redirect_uris.extend(uri for uri in uris if uri not in self.redirect_uris)


@dataclass(slots=True)
class Grant:
    """What a token stands for: one seller's authorization, or, without a seller, the app by itself."""

    client_id: str
    seller_id: str | None
    given: float = 0.0
    revoked: bool = False


@dataclass(slots=True)
class Lwa:
    """Every app, code and token; `now` answers Unix seconds."""

    now: Callable[[], float]
    apps: dict[str, App] = field(default_factory=dict)
    rotates: bool = False
    yearly: bool = False
    _codes: dict[str, tuple[Grant, str, float]] = field(default_factory=dict, repr=False)
    _access: dict[str, tuple[Grant, float]] = field(default_factory=dict, repr=False)
    _refresh: dict[str, Grant] = field(default_factory=dict, repr=False)

    def new_app(self) -> App:
        """An app with credentials of Amazon's form."""
        app = App(
            f"amzn1.sp.solution.{secrets.token_hex(16)}",
            f"amzn1.application-oa2-client.{secrets.token_hex(16)}",
            _new_secret(),
            secret_issued=self.now(),
        )
        self.apps[app.client_id] = app
        return app

    def rotate_secret(self, app: App) -> None:
        """Replace the client secret; the old one is dead at once, tokens live on."""
        app.secret, app.secret_issued = _new_secret(), self.now()

    def app_of(self, application_id: str) -> App | None:
        """The app of a consent page's address."""
        return next((app for app in self.apps.values() if app.application_id == application_id), None)

    def new_code(self, app: App, *, seller_id: str, redirect_uri: str) -> str:
        """The `spapi_oauth_code` of a seller who agreed."""
        code = secrets.token_urlsafe(15)
        self._codes[code] = (self._grant(app, seller_id), redirect_uri, self.now() + CODE_SECONDS)
        return code

    def authorize_self(self, app: App, *, seller_id: str) -> str:
        """The refresh token that Seller Central shows for a self-authorized app."""
        return self._new_refresh(self._grant(app, seller_id))

    def exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        """The token endpoint's reply; OAuthError when it refuses."""
        app = self._client(form)
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(app, form)
            case "refresh_token":
                return self._renew(app, form)
            case "client_credentials":
                return self._grantless(app, form)
        raise OAuthError("unsupported_grant_type", "The authorization grant type is not supported")

    def bearer(self, token: str) -> Grant | None:
        """The grant behind a living access token, None when it has run out; KeyError when it is no token at all."""
        grant, expires_at = self._access[token]
        if not self._is_alive(grant):
            raise KeyError(token)
        return grant if expires_at > self.now() else None

    def revoke(self, seller_id: str) -> None:
        """The seller took the authorization away: access and refresh tokens die."""
        for grant in (*(grant for grant, _ in self._access.values()), *self._refresh.values()):
            if grant.seller_id == seller_id:
                grant.revoked = True

    def is_authorized(self, seller_id: str) -> bool:
        """Whether some refresh token of this seller lives."""
        return any(grant.seller_id == seller_id and self._is_alive(grant) for grant in self._refresh.values())

    def expire_access(self, seller_id: str) -> None:
        """Let a seller's access tokens run out now."""
        for token, (grant, _) in self._access.items():
            if grant.seller_id == seller_id:
                self._access[token] = (grant, 0.0)

    def _client(self, form: Mapping[str, str]) -> App:
        app = self.apps.get(form.get("client_id", ""))
        if app is None or not secrets.compare_digest(form.get("client_secret", "").encode(), app.secret.encode()):
            raise OAuthError("invalid_client", "Client authentication failed", status=401)
        if self.now() - app.secret_issued > SECRET_SECONDS:
            raise OAuthError("invalid_client", "The client secret was not rotated in time", status=401)
        return app

    def _redeem(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        grant, redirect_uri, expires_at = self._codes.pop(form.get("code", ""), (None, "", 0.0))
        if grant is None or grant.client_id != app.client_id or expires_at <= self.now():
            raise OAuthError("invalid_grant", "The request has an invalid grant parameter : code")
        if form.get("redirect_uri", redirect_uri) != redirect_uri:
            raise OAuthError("invalid_grant", "The redirect_uri is not the one that the code was sent to")
        return self._issue(grant, refresh=self._new_refresh(grant))

    def _renew(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        token = form.get("refresh_token", "")
        if not token:
            raise OAuthError("invalid_request", "The request is missing a required parameter : refresh_token")
        grant = self._refresh.get(token)
        if grant is None or grant.client_id != app.client_id or not self._is_alive(grant):
            raise OAuthError("invalid_grant", "The request has an invalid grant parameter : refresh_token")
        return self._issue(grant, refresh=self._new_refresh(grant) if self.rotates else token)

    def _grantless(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        if form.get("scope") != NOTIFICATIONS_SCOPE:
            raise OAuthError("invalid_scope", "The request has an invalid parameter : scope")
        return self._issue(Grant(app.client_id, None, self.now()))

    def _issue(self, grant: Grant, *, refresh: str | None = None) -> dict[str, object]:
        token = "Atza|" + secrets.token_urlsafe(48)
        self._access[token] = (grant, self.now() + ACCESS_SECONDS)
        answer: dict[str, object] = {"access_token": token, "token_type": "bearer", "expires_in": ACCESS_SECONDS}
        return answer if refresh is None else answer | {"refresh_token": refresh}

    def _new_refresh(self, grant: Grant) -> str:
        token = "Atzr|" + secrets.token_urlsafe(48)
        self._refresh[token] = grant
        return token

    def _grant(self, app: App, seller_id: str) -> Grant:
        return Grant(app.client_id, seller_id, self.now())

    def _is_alive(self, grant: Grant) -> bool:
        ended = self.yearly and grant.seller_id is not None and self.now() - grant.given > AUTHORIZATION_SECONDS
        return not (grant.revoked or ended)


def _new_secret() -> str:
    return "amzn1.oa2-cs.v1." + secrets.token_hex(32)
