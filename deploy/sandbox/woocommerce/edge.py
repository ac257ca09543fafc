"""The web server in front of every store: finds the store and the route, lets few requests in at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from deploy.sandbox.books import Books
from deploy.sandbox.woocommerce.access import allow
from deploy.sandbox.woocommerce.linking import authorize
from deploy.sandbox.woocommerce.routing import Backstage, Call, Reply, Route, WpError, no_route, read_params
from deploy.sandbox.woocommerce.site import Site
from deploy.sandbox.woocommerce.site_routes import index

#: How long a page cache keeps an answer, in seconds.
CACHE_KEEPS = 600
_REFUSED = (401, 403)
_CHALLENGE = (
    'Basic realm="WooCommerce API. Use a consumer key in the username field '
    'and a consumer secret in the password field."'
)
_PRIVATE = ("consumer_key", "consumer_secret", "oauth_nonce", "oauth_timestamp", "oauth_signature")


@dataclass(slots=True)
class Firewall:
    """What a host allows: so many requests of a store at a time, each taking `latency` seconds.

    WooCommerce itself has no limit; what hosts answer, and whether they say for how long, differs.
    """

    on: bool = True
    parallel: int = 2
    status: int = 429
    retry_after: float | None = None
    latency: float = 0.0

    def refusal(self) -> web.Response:
        """A firewall's page, which is not JSON."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        page = "<!DOCTYPE html><title>Slow down</title><p>Too many requests.</p>"
        return web.Response(status=self.status, text=page, content_type="text/html", headers=headers)


@dataclass(slots=True)
class Edge:
    """All stores' addresses."""

    stores: Mapping[str, Backstage]
    table: list[Route]
    books: Books
    firewall: Firewall = field(default_factory=Firewall)
    session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        """Everything below a store's path is its own."""
        return [web.route("*", "/{site}", self._handle), web.route("*", "/{site}/{tail:.*}", self._handle)]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        behind = self.stores.get(request.match_info["site"])
        if behind is None:
            return _page_not_found()
        tail = request.match_info.get("tail", "")
        if tail.rstrip("/") == "wc-auth/v1/authorize" or request.query.get("wc-auth-route") == "authorize":
            if self.session is None:
                raise RuntimeError("the stores are not started")
            return await authorize(behind.site, request.query, session=self.session)
        path = _rest_path(behind.site, request, tail)
        if path is None:
            return _front_page(behind.site) if not tail else _page_not_found()
        return await self._guard(behind, request, path)

    async def _guard(self, behind: Backstage, request: web.Request, path: str) -> web.Response:
        self.books.count("api_calls")
        site = behind.site
        if self.firewall.on and site.busy >= self.firewall.parallel:
            self.books.count("api_calls_over_budget")
            return self.firewall.refusal()
        site.busy += 1
        try:
            await asyncio.sleep(self.firewall.latency)
            answer = await self._answer(behind, request, path)
        finally:
            site.busy -= 1
        if answer.status in _REFUSED:
            self.books.count("api_calls_refused")
        return answer

    async def _answer(self, behind: Backstage, request: web.Request, path: str) -> web.Response:
        try:
            route, ids = self._find(behind.site, request, path)
            if route is None:
                return Reply(index(behind.site, self.table)).response()
            allow(behind.site, request, route.verb)
            return await self._cached(behind, request, path, route, ids)
        except WpError as error:
            headers = {"WWW-Authenticate": _CHALLENGE} if error.status == 401 else None  # noqa: PLR2004 - HTTP's
            return Reply(error.body, status=error.status, headers=headers).response()

    def _find(self, site: Site, request: web.Request, path: str) -> tuple[Route | None, tuple[str, ...]]:
        if path == "/":
            return None, ()
        method = "GET" if request.method == "HEAD" else request.method
        for route in self.table:
            if route.method != method or (route.plugins and not any(site.has(name) for name in route.plugins)):
                continue
            ids = route.match(path)
            if ids is not None:
                return route, ids
        raise no_route()

    async def _cached(
        self, behind: Backstage, request: web.Request, path: str, route: Route, ids: tuple[str, ...]
    ) -> web.Response:
        """The answer, or the one that a cache kept for the same address: only a changed query gets past it."""
        if not (behind.site.options.cached and request.method == "GET"):
            return (await self._serve(behind, request, path, route, ids)).response()
        kept, now = behind.site.cache, behind.site.now()
        key = f"{path}?" + "&".join(f"{name}={value}" for name, value in request.query.items() if name not in _PRIVATE)
        if key not in kept or now - kept[key][0] > CACHE_KEEPS:
            fresh = await self._serve(behind, request, path, route, ids)
            kept[key] = (now, fresh)
            return fresh.response()
        answer: web.Response = kept[key][1].response()
        answer.headers["X-Cache"] = "HIT"
        return answer

    async def _serve(
        self, behind: Backstage, request: web.Request, path: str, route: Route, ids: tuple[str, ...]
    ) -> Reply:
        body = await read_params(request) if request.method not in ("GET", "HEAD") else {}
        query = {name: value for name, value in request.query.items() if name not in _PRIVATE}
        return await route.answer(Call(behind, request, path, query, body, ids))


def _rest_path(site: Site, request: web.Request, tail: str) -> str | None:
    """The route that is asked for: by `rest_route` anywhere, below wp-json with pretty permalinks only."""
    asked = request.query.get("rest_route")
    if asked is not None:
        return "/" + asked.strip("/")
    if site.options.permalinks == "plain" or not (tail == "wp-json" or tail.startswith("wp-json/")):
        return None
    return "/" + tail.removeprefix("wp-json").strip("/")


def _front_page(site: Site) -> web.Response:
    plain = site.options.permalinks == "plain"
    api = f"{site.url}/index.php?rest_route=/" if plain else f"{site.url}/wp-json/"
    page = f"<!DOCTYPE html><title>{site.options.title}</title><h1>Welcome</h1>"
    headers = {"Link": f'<{api}>; rel="https://api.w.org/"'}
    return web.Response(text=page, content_type="text/html", headers=headers)


def _page_not_found() -> web.Response:
    page = "<!DOCTYPE html><title>Page not found</title><h1>That page can&rsquo;t be found.</h1>"
    return web.Response(status=404, text=page, content_type="text/html")
