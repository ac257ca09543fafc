"""OAuth over HTTP: the authorize page, which approves by itself, and the token endpoint."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from aiohttp import web

from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.shopify.apps import App, GrantError, Issued, Tokens
from deploy.sandbox.shopify.world import Store

#: Asked for by apps that Shopify granted it to; all others see an error page.
_GRANTED_BY_SHOPIFY = "read_all_orders"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant's name
_OFFLINE_TOKEN = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105 - a kind of token


def authorize(request: web.Request, store: Store, *, tokens: Tokens, clock: SandboxClock) -> web.Response:
    """The seller accepts: a redirect to the app with code, hmac, host, shop, state and timestamp."""
    asked = request.query
    app = tokens.apps.get(asked.get("client_id", ""))
    redirect = asked.get("redirect_uri", "")
    if app is None:
        return _page("Oauth error invalid_request: Could not find Shopify API application with that api_key")
    if not _is_allowed(app, redirect):
        return _page("Oauth error invalid_request: The redirect_uri is not whitelisted")
    scopes = tuple(filter(None, asked.get("scope", "").replace(" ", "").split(","))) or app.scopes
    if _GRANTED_BY_SHOPIFY in scopes and _GRANTED_BY_SHOPIFY not in app.scopes:
        return _page(f"Oauth error invalid_scope: Your app is not approved for {_GRANTED_BY_SHOPIFY}")
    now = clock.now()
    answer = {
        "code": tokens.authorize(app, shop=store.domain, scopes=scopes, now=now),
        "host": base64.b64encode(f"admin.shopify.com/store/{store.handle}".encode()).decode().rstrip("="),
        "shop": store.domain,
        "state": asked.get("state", ""),
        "timestamp": str(int(now.timestamp())),
    }
    answer["hmac"] = sign_query(app.client_secret, answer)
    joint = "&" if urlsplit(redirect).query else "?"
    return web.Response(status=302, headers={"Location": f"{redirect}{joint}{urlencode(answer)}"})


def visit(app: App, store: Store, *, clock: SandboxClock) -> dict[str, str]:
    """The query that Shopify sends a seller's browser to the app with, when it is installed from the app store."""
    query = {
        "host": base64.b64encode(f"admin.shopify.com/store/{store.handle}".encode()).decode().rstrip("="),
        "shop": store.domain,
        "timestamp": str(int(clock.now().timestamp())),
    }
    return query | {"hmac": sign_query(app.client_secret, query)}


def sign_query(secret: str, pairs: Mapping[str, str]) -> str:
    """The callback's hmac: hex HMAC-SHA256 over the other pairs, sorted by key and query-encoded."""
    text = urlencode(sorted((key, value) for key, value in pairs.items() if key not in {"hmac", "signature"}))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


async def issue_token(
    request: web.Request, store: Store, *, tokens: Tokens, clock: SandboxClock, books: Books
) -> web.Response:
    """`POST /admin/oauth/access_token`: a code, a refresh token or client credentials become tokens."""
    try:
        asked = await _form(request)
        issued = _issue(asked, store, tokens=tokens, clock=clock)
    except GrantError as error:
        body = {"error": error.code, "error_description": str(error)}
        return web.Response(body=orjson.dumps(body), status=400, content_type="application/json")
    books.count("tokens_refreshed" if asked.get("grant_type") == "refresh_token" else "tokens_issued")
    return web.Response(body=orjson.dumps(issued.as_dict()), content_type="application/json")


def _issue(asked: Mapping[str, Any], store: Store, *, tokens: Tokens, clock: SandboxClock) -> Issued:
    app = tokens.client(asked.get("client_id"), asked.get("client_secret"))
    now, shop = clock.now(), store.domain
    match asked.get("grant_type"):
        case "refresh_token":
            return tokens.refresh(app, str(asked.get("refresh_token")), shop=shop, now=now)
        case grant if grant == _TOKEN_EXCHANGE:
            return _exchange(asked, app, tokens=tokens, shop=shop, now=now)
        case "client_credentials":
            return tokens.client_credentials(app, shop=shop, now=now)
        case None if "code" in asked:
            expiring = str(asked.get("expiring", "")).lower() in {"1", "true"}
            return tokens.redeem(app, str(asked["code"]), shop=shop, expiring=expiring, now=now)
    raise GrantError("unsupported_grant_type", "The grant type is not supported")


def _exchange(asked: Mapping[str, Any], app: App, *, tokens: Tokens, shop: str, now: datetime) -> Issued:
    """Migrate a token that never ends; sessions of embedded apps are not stood in for."""
    kinds = asked.get("subject_token_type"), asked.get("requested_token_type")
    if kinds != (_OFFLINE_TOKEN, _OFFLINE_TOKEN) or str(asked.get("expiring")) != "1":
        raise GrantError("invalid_request", "Only an offline token can be exchanged, for one that expires")
    return tokens.exchange(app, str(asked.get("subject_token")), shop=shop, now=now)


async def _form(request: web.Request) -> Mapping[str, Any]:
    """The fields of a JSON or a form body."""
    if request.content_type == "application/json":
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise GrantError("invalid_request", "The body is not JSON") from error
        return body if isinstance(body, dict) else {}
    return {name: str(value) for name, value in (await request.post()).items()}


def _is_allowed(app: App, redirect: str) -> bool:
    if app.redirect_uris is not None:
        return redirect in app.redirect_uris
    return urlsplit(redirect).hostname in {"127.0.0.1", "localhost"}


def _page(message: str) -> web.Response:
    return web.Response(status=400, text=f"<html><body>{message}</body></html>", content_type="text/html")
