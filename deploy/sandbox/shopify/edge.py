"""The platform's edge: finds the shop that a request is for, checks its token, and passes it on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.control import json_answer
from deploy.sandbox.faults import Faults, Handler
from deploy.sandbox.shopify.announcing import Announcer
from deploy.sandbox.shopify.apps import Access, Tokens
from deploy.sandbox.shopify.cost import RESTORE_RATES
from deploy.sandbox.shopify.oauth import authorize, issue_token
from deploy.sandbox.shopify.requesting import Request
from deploy.sandbox.shopify.serving import Server
from deploy.sandbox.shopify.world import Ids, Store

VERSIONS = ("2026-07", "2026-10")
#: How the API answers for shops that are not open, by `Store.status`.
STATUSES = {"active": 200, "frozen": 402, "locked": 423}

_UNKNOWN_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105
#: The body of an answer that a fault replaced, and what Shopify says instead.
_SPOILT = b'{"errors":"fault"}'
_OWN_WORDS = {
    401: _UNKNOWN_TOKEN,
    403: "[API] This action requires merchant approval for read_orders scope.",
    429: "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

_OPERATION = re.compile(r"\b(query|mutation)\s+(\w+)")
_VERSION = re.compile(r"\d{4}-(01|04|07|10)")


@dataclass(slots=True)
class Edge:
    """All shops' HTTP routes; `search_lag` is how many seconds searches are behind."""

    stores: Mapping[str, Store]
    tokens: Tokens
    server: Server
    clock: SandboxClock
    books: Books
    ids: Ids
    announcer: Announcer
    faults: Faults
    search_lag: float = 0.0

    def routes(self) -> list[web.RouteDef]:
        """The routes that apps call."""
        return [
            web.get("/admin/oauth/authorize", self._authorize),
            web.post("/admin/oauth/access_token", self._issue_token),
            web.post("/admin/api/{version}/graphql.json", self._graphql),
        ]

    async def _authorize(self, request: web.Request) -> web.Response:
        store = self._store_of(request, fallback=request.query.get("shop"))
        return _not_found() if store is None else authorize(request, store, tokens=self.tokens, clock=self.clock)

    async def _issue_token(self, request: web.Request) -> web.Response:
        store = self._store_of(request)
        if store is None:
            return _not_found()
        return await issue_token(request, store, tokens=self.tokens, clock=self.clock, books=self.books)

    async def _graphql(self, request: web.Request) -> web.Response:
        self.books.count("api_calls")
        store = self._store_of(request)
        version = _served_version(request.match_info["version"])
        if store is None or version is None:
            return _not_found()
        access = self.tokens.access(
            request.headers.get("X-Shopify-Access-Token", ""), shop=store.domain, now=self.clock.now()
        )
        refusal = _refusal(store, access)
        if refusal is not None or access is None:
            self.books.count("api_calls_refused")
            return refusal or _not_found()
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _errors("Invalid JSON", status=400)
        if not isinstance(body, dict):
            return _errors("Expected an object", status=400)
        context = self._context(store, access, version, path=request.path_qs)
        answer = self.server.answer(body, context, rate=RESTORE_RATES[store.plan])
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": secrets.token_hex(8)}
        return web.Response(body=orjson.dumps(answer), content_type="application/json", headers=headers)

    def _context(self, store: Store, access: Access, version: str, *, path: str) -> Request:
        return Request(
            store=store,
            access=access,
            now=self.clock.now(),
            version=version,
            ids=self.ids,
            books=self.books,
            announcer=self.announcer,
            search_lag=self.search_lag,
            faults=self.faults,
            path=path,
        )

    def _store_of(self, request: web.Request, *, fallback: str | None = None) -> Store | None:
        """The shop by the host that the request names, as behind the platform's own edge."""
        for host in (request.headers.get("X-Forwarded-Host"), fallback, request.host):
            handle = (host or "").partition(":")[0].removesuffix(".myshopify.com")
            if handle in self.stores:
                return self.stores[handle]
        return None


@web.middleware
async def in_own_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a refusal by fault the body that Shopify's own refusals have."""
    answer = await handler(request)
    words = _OWN_WORDS.get(answer.status)
    if words is not None and isinstance(answer, web.Response) and answer.body == _SPOILT:
        answer.body = orjson.dumps({"errors": words})
    return answer


async def path_and_operation(request: web.Request) -> str:
    """A request's path and, as all of GraphQL has one, the kind and name of its operation: "…json#mutation Ship"."""
    if not request.path.endswith("/graphql.json"):
        return request.path_qs
    found = _OPERATION.search(await request.text())
    return f"{request.path_qs}#{found.group(1)} {found.group(2)}" if found else request.path_qs


def _served_version(asked: str) -> str | None:
    """An expired version falls forward to the oldest that is served; one that never was is not found."""
    if asked in VERSIONS:
        return asked
    return VERSIONS[0] if _VERSION.fullmatch(asked) and asked < VERSIONS[0] else None


def _refusal(store: Store, access: Access | None) -> web.Response | None:
    if store.status != "active":
        return _errors("Unavailable Shop", status=STATUSES[store.status])
    if access is None:
        return _errors(_UNKNOWN_TOKEN, status=401)
    if access.expires_at is None and access.app.must_expire:
        return _errors("[API] Non-expiring access tokens are no longer accepted for the Admin API.", status=403)
    return None


def _errors(message: str, *, status: int) -> web.Response:
    return json_answer({"errors": message}, status=status)


def _not_found() -> web.Response:
    return _errors("Not Found", status=404)
