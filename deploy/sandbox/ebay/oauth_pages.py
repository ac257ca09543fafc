"""The consent page and the token endpoint over HTTP."""

from __future__ import annotations

from urllib.parse import urlencode

import orjson
from aiohttp import web

from deploy.sandbox.ebay.refusals import JSON, EbayError, OAuthError, too_many
from deploy.sandbox.ebay.tokens import CODE_SECONDS, SCOPES
from deploy.sandbox.ebay.world import Seller, World

_FORM = "application/x-www-form-urlencoded"
_GRANTS = ("client_credentials", "authorization_code", "refresh_token")


class OAuthPages:
    """The two addresses of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Where sellers consent, and where the app gets tokens."""
        return [
            web.get("/oauth2/authorize", self._authorize),
            web.post("/identity/v1/oauth2/token", self._token),
        ]

    async def _authorize(self, request: web.Request) -> web.Response:
        """The signed-in seller agrees at once, and the browser goes to the address registered for the RuName."""
        app, query = self._world.app, request.query
        if query.get("client_id") != app.client_id:
            return _page_error("unauthorized_client", "The OAuth client was not found.")
        if query.get("redirect_uri") != app.runame or query.get("response_type") != "code":
            return _page_error("invalid_request", "Input request parameters are invalid.")
        seller = self._world.signed_in()
        if seller is None or not self._world.accept_url:
            return _page_error("invalid_request", "No seller is signed in, or no accept URL is registered.")
        return self._go_back(self._consent(seller, frozenset(query.get("scope", "").split())), query.get("state"))

    def _consent(self, seller: Seller, scopes: frozenset[str]) -> dict[str, str]:
        if not scopes or not scopes <= SCOPES:
            text = "The requested scope is invalid, unknown, malformed, or exceeds the scope granted to the client"
            return {"error": "invalid_scope", "error_description": text}
        if self._world.knobs.deny_consent:
            return {"error": "access_denied", "error_description": "The user declined."}
        code = self._world.tokens.consent(seller.user_id, scopes=scopes)
        return {"code": code, "expires_in": str(CODE_SECONDS)}

    def _go_back(self, answer: dict[str, str], state: str | None) -> web.Response:
        answer = answer if state is None else {"state": state, **answer}
        separator = "&" if "?" in self._world.accept_url else "?"
        return web.Response(status=302, headers={"Location": self._world.accept_url + separator + urlencode(answer)})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            return await self._exchange(request)
        except (OAuthError, EbayError) as error:
            return error.response()

    async def _exchange(self, request: web.Request) -> web.Response:
        if request.content_type != _FORM:
            raise OAuthError("invalid_request", "the content type must be application/x-www-form-urlencoded")
        form = {name: str(value) for name, value in (await request.post()).items()}
        kind = form.get("grant_type", "")
        if kind in _GRANTS and not self._world.quotas.admit(kind):
            self._world.books.count("api_calls_over_budget")
            raise too_many()
        reply = self._world.tokens.exchange(form, authorization=request.headers.get("Authorization", ""))
        self._world.books.count("tokens_refreshed" if kind == "refresh_token" else "tokens_issued")
        return web.Response(body=orjson.dumps(reply), content_type=JSON)


def _page_error(error: str, description: str) -> web.Response:
    body = orjson.dumps({"error_id": error, "http_status_code": 400, "error_description": description})
    return web.Response(status=400, body=body, content_type=JSON)
