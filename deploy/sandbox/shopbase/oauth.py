"""The public app's way in: the authorize page, which decides by itself, and the token endpoint, which ends in .json."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import orjson
from aiohttp import web

from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.shopbase.apps import App, GrantError, Registry
from deploy.sandbox.shopbase.refusals import json_response
from deploy.sandbox.shopbase.world import Shop

_SCOPE = re.compile(r"(read|write)_[a-z_]+")
_LOOPBACK = {"127.0.0.1", "localhost"}


def authorize(request: web.Request, shop: Shop, *, registry: Registry, clock: SandboxClock) -> web.Response:
    """The seller accepts, or, in a shop that does not consent, goes back with `error=access_denied`."""
    asked = request.query
    app, redirect = registry.apps.get(asked.get("client_id", "")), asked.get("redirect_uri", "")
    if app is None:
        return _page("The app is not known")
    if not _is_allowed(app, redirect):
        return _page("The redirect_uri is not registered with the app")
    scopes = tuple(scope.strip() for scope in asked.get("scope", "").split(",") if scope.strip())
    if not scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        return _page("The scope is missing or not known")
    answer = {"shop": shop.domain, "state": asked.get("state", ""), "timestamp": str(int(clock.seconds()))}
    if shop.consents:
        answer["code"] = registry.authorize(app, shop=shop.domain, scopes=scopes, now=clock.seconds())
    else:
        answer["error"] = "access_denied"
    return web.Response(status=302, headers={"Location": signed_url(redirect, answer, secret=app.client_secret)})


def signed_url(address: str, pairs: Mapping[str, str], *, secret: str) -> str:
    """The address with these pairs and their hmac, as installs and callbacks come."""
    joint = "&" if urlsplit(address).query else "?"
    return f"{address}{joint}{urlencode({**pairs, 'hmac': sign_query(secret, pairs)})}"


def sign_query(secret: str, pairs: Mapping[str, str]) -> str:
    """Hex HMAC-SHA256 of the other pairs, sorted by key, as `k=v` joined with `&`; values are as they are meant."""
    text = "&".join(f"{key}={value}" for key, value in sorted(pairs.items()) if key != "hmac")
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


async def issue_token(request: web.Request, shop: Shop, *, registry: Registry, now: float) -> web.Response:
    """`POST /admin/oauth/access_token.json`: a code becomes a token without an end; there is no refresh."""
    try:
        asked = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return json_response({"error": "invalid_request", "error_description": "The body is not JSON"}, status=400)
    fields = asked if isinstance(asked, dict) else {}
    try:
        caller = registry.redeem(
            client_id=fields.get("client_id"),
            client_secret=fields.get("client_secret"),
            code=fields.get("code"),
            shop=shop.domain,
            now=now,
        )
    except GrantError as error:
        return json_response({"error": error.code, "error_description": str(error)}, status=400)
    token = registry.issue(caller, shop=shop.domain)
    return json_response({"access_token": token, "scope": ",".join(sorted(caller.scopes))})


def _is_allowed(app: App, redirect: str) -> bool:
    if app.redirect_uris:
        return redirect in app.redirect_uris
    return urlsplit(redirect).hostname in _LOOPBACK


def _page(message: str) -> web.Response:
    return web.Response(status=400, text=f"<html><body>{message}</body></html>", content_type="text/html")
