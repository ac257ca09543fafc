"""ShopBase's Admin API over HTTP: finds the shop, proves the caller, counts the call and answers it.

All shops share this address; the header `X-Forwarded-Host` (or `Host`) names the one that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.faults import Faults
from deploy.sandbox.shopbase import oauth
from deploy.sandbox.shopbase.announcing import Announcer
from deploy.sandbox.shopbase.apps import Caller, Registry
from deploy.sandbox.shopbase.bucket import HEADER
from deploy.sandbox.shopbase.readings import Readings
from deploy.sandbox.shopbase.refusals import RefusalError, json_response
from deploy.sandbox.shopbase.world import STATUSES, Ids, Order, Shop

_UNKNOWN_CALLER = "[API] Invalid API key or access token (unrecognized login or wrong password)"
_REFUSED = (401, 403)
#: What is told of a bucket while nobody keeps budgets.
_NEVER_FULL = "0/999999"
_JSON_TYPES = re.compile(r"\*/\*|application/\*|application/json")


@dataclass(slots=True)
class Platform:
    """What every request needs of the platform; `limited` says whether budgets are kept."""

    shops: Mapping[str, Shop]
    registry: Registry
    clock: SandboxClock
    books: Books
    faults: Faults
    ids: Ids
    announcer: Announcer
    readings: Readings
    limited: bool = True

    def shop_named(self, *hosts: str | None) -> Shop | None:
        """The first shop that one of these hosts names."""
        for host in hosts:
            handle = (host or "").partition(":")[0].removesuffix(".onshopbase.com")
            if handle in self.shops:
                return self.shops[handle]
        return None

    def end_upsells(self, shop: Shop) -> None:
        """Close the post-purchase windows that have timed out, which changes their orders."""
        for order in shop.end_upsells(self.clock.now()) if shop.upselling else ():
            self.announcer.order(order, "orders/updated")


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call."""

    request: web.Request
    platform: Platform
    shop: Shop
    caller: Caller

    def order(self) -> Order:
        """The order that the path names; 404 if the shop has none of that number."""
        order = self.shop.orders.get(int(self.request.match_info["order_id"]))
        if order is None:
            raise RefusalError(404, "Not Found")
        return order

    async def body(self, key: str) -> dict[str, object]:
        """The object that stands under `key` in the JSON body."""
        try:
            found = orjson.loads(await self.request.read() or b"{}")
        except orjson.JSONDecodeError:
            raise RefusalError(400, "The body is not JSON") from None
        inner = found.get(key) if isinstance(found, dict) else None
        if not isinstance(inner, dict):
            raise RefusalError(400, f"{key} is missing")
        return inner


Answer = Callable[[Call], Awaitable[web.Response]]
#: An endpoint: method, path below /admin, its scope (None: any caller) and its answer.
Endpoint = tuple[str, str, str | None, Answer]


def routes(platform: Platform, endpoints: list[Endpoint]) -> list[web.RouteDef]:
    """The routes of these endpoints, with OAuth's; anything else below /admin is 404 in JSON."""
    return [
        web.get("/admin/oauth/authorize", _authorize(platform)),
        web.post("/admin/oauth/access_token.json", _issue_token(platform)),
        *(
            web.route(method, f"/admin{path}", _handler(platform, scope=scope, answer=answer))
            for method, path, scope, answer in endpoints
        ),
        web.route("*", "/{tail:.*}", _unknown),
    ]


def _authorize(platform: Platform) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        shop = platform.shop_named(request.headers.get("X-Forwarded-Host"), request.query.get("shop"), request.host)
        if shop is None:
            return await _unknown(request)
        return oauth.authorize(request, shop, registry=platform.registry, clock=platform.clock)

    return handle


def _issue_token(platform: Platform) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        shop = platform.shop_named(request.headers.get("X-Forwarded-Host"), request.host)
        if shop is None:
            return await _unknown(request)
        issued = await oauth.issue_token(request, shop, registry=platform.registry, now=platform.clock.seconds())
        if issued.status == 200:  # noqa: PLR2004 - HTTP's OK
            platform.books.count("tokens_issued")
        return issued

    return handle


async def _unknown(_request: web.Request) -> web.Response:
    return json_response({"error": "Not Found"}, status=404)


def _handler(
    platform: Platform, *, scope: str | None, answer: Answer
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        platform.books.count("api_calls")
        shop = platform.shop_named(request.headers.get("X-Forwarded-Host"), request.host)
        if shop is None:
            return await _unknown(request)
        platform.end_upsells(shop)
        try:
            caller = _admit(platform, shop, request, scope=scope)
            response = await answer(Call(request, platform, shop, caller))
        except RefusalError as refusal:
            response = _refused(platform, shop, refusal)
        response.headers[HEADER] = shop.bucket.header if platform.limited else _NEVER_FULL
        return response

    return handle


def _admit(platform: Platform, shop: Shop, request: web.Request, *, scope: str | None) -> Caller:
    """Who calls; RefusalError when the call may not be answered. Only a proven caller fills the shop's bucket."""
    if not _JSON_TYPES.search(request.headers.get("Accept", "*/*")):
        raise RefusalError(406, "Not Acceptable")
    caller = platform.registry.caller(request.headers, shop=shop.domain)
    if caller is None:
        raise RefusalError(401, {"base": [_UNKNOWN_CALLER]})
    if platform.limited and not shop.bucket.admit():
        raise RefusalError(429, "Exceeded 2 calls per second for the shop")
    if shop.status != "active":
        raise RefusalError(STATUSES[shop.status], "Unavailable Shop")
    if scope is not None and not caller.may(scope):
        raise RefusalError(403, f"[API] This action requires merchant approval for {scope} scope.")
    return caller


def _refused(platform: Platform, shop: Shop, refusal: RefusalError) -> web.Response:
    response = refusal.response()
    if refusal.status in _REFUSED:
        platform.books.count("api_calls_refused")
    if refusal.status == 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        platform.books.count("api_calls_over_budget")
        if platform.readings.retry_after:
            response.headers["Retry-After"] = str(shop.bucket.wait)
    return response
