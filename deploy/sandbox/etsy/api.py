"""Etsy Open API v3 over HTTP: receipts, tracking, tokens, with the documented refusals and budget headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from deploy.sandbox.etsy.carriers import shipping_carriers
from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.etsy.payments import payment_of
from deploy.sandbox.etsy.query import BadQueryError, parse_query
from deploy.sandbox.etsy.shop import Marketplace, Parcel, RefusalError, Shop
from deploy.sandbox.etsy.tokens import Grant, OAuthError
from deploy.sandbox.faults import Faults, Handler

FORM = "application/x-www-form-urlencoded"
_APPLICATION = "/v3/application"
_DEFAULT_PAGE = 25
_REFUSED = (401, 403)
#: What Etsy says where a fault refuses a call.
_OWN_WORDS = {
    401: {"error": "invalid_token", "error_description": "access token is expired"},
    403: {"error": "User is not authorized to access this shop"},
    429: {"error": "You have exceeded your rate limit for this API key"},
    500: {"error": "Server Error"},
    503: {"error": "Service Unavailable"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call: the app's key, and the seller's grant where the endpoint needs one."""

    request: web.Request
    keystring: str
    grant: Grant | None

    @property
    def user_id(self) -> int:
        """The seller who gave the token; only endpoints that need a grant ask."""
        return self.grant.user_id if self.grant else 0


#: The body of an answer that a fault replaced.
SPOILT = b'{"errors":"fault"}'
Answer = Callable[[Call], Awaitable[web.Response]]


class Api:
    """The routes of one marketplace."""

    def __init__(self, market: Marketplace, faults: Faults) -> None:
        self._market = market
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """Every documented endpoint, with the scope it needs (None: the API key is enough)."""
        return [
            web.get("/oauth/connect", self._connect),
            web.post("/v3/public/oauth/token", self._token),
            self._route("GET", "/openapi-ping", self._ping),
            self._route("GET", "/shipping-carriers", self._carriers),
            self._route("POST", "/scopes", self._scopes),
            self._route("GET", "/users/me", self._me, scope="shops_r"),
            self._route("GET", "/shops/{shop_id}", self._shop),
            self._route("GET", "/shops/{shop_id}/receipts", self._list, scope="transactions_r"),
            self._route("GET", "/shops/{shop_id}/receipts/{receipt_id}", self._one, scope="transactions_r"),
            self._route("PUT", "/shops/{shop_id}/receipts/{receipt_id}", self._update, scope="transactions_w"),
            self._route(
                "GET", "/shops/{shop_id}/receipts/{receipt_id}/transactions", self._lines, scope="transactions_r"
            ),
            self._route(
                "GET", "/shops/{shop_id}/receipts/{receipt_id}/payments", self._payments, scope="transactions_r"
            ),
            self._route("POST", "/shops/{shop_id}/receipts/{receipt_id}/tracking", self._track, scope="transactions_w"),
        ]

    def _route(self, method: str, path: str, answer: Answer, *, scope: str | None = None) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            self._market.books.count("api_calls")
            try:
                keystring = self._keystring(request)
            except RefusalError as refusal:
                self._market.books.count("api_calls_refused")
                return _error(refusal.status, refusal.message)
            admission = self._market.quotas[keystring].admit()
            if not admission.allowed:
                self._market.books.count("api_calls_over_budget")
                text = "You have exceeded your rate limit for this API key"
                return _error(429, text, headers=admission.headers)
            response = await self._answer(request, keystring, answer, scope)
            if response.status in _REFUSED:
                self._market.books.count("api_calls_refused")
            response.headers.update(admission.headers)
            return response

        return web.route(method, _APPLICATION + path, handle)

    async def _answer(self, request: web.Request, keystring: str, answer: Answer, scope: str | None) -> web.Response:
        try:
            grant = self._grant(request, keystring, scope) if scope else None
            return await answer(Call(request, keystring, grant))
        except RefusalError as refusal:
            return _error(refusal.status, refusal.message)
        except BadQueryError as error:
            return _error(400, str(error))
        except OAuthError as error:
            return _oauth_error(error)

    def _keystring(self, request: web.Request) -> str:
        """`x-api-key` is `keystring:shared_secret`; the keystring alone is refused since February 2026."""
        header = request.headers.get("x-api-key", "")
        if not header:
            raise RefusalError(401, "Missing x-api-key header")
        keystring, _, secret = header.partition(":")
        app = self._market.tokens.apps.get(keystring)
        if not secret:
            raise RefusalError(403, "Shared secret is required in x-api-key header")
        if app is None or secret != app.shared_secret:
            raise RefusalError(403, "API key not found or not active, or incorrect shared secret for API key")
        return keystring

    def _grant(self, request: web.Request, keystring: str, scope: str) -> Grant:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise OAuthError("invalid_token", "Missing Authorization header", status=401)
        grant = self._market.tokens.bearer(token, keystring=keystring)
        if scope not in grant.scopes:
            raise OAuthError("insufficient_scope", f"The token does not carry the scope {scope}", status=403)
        return grant

    async def _connect(self, request: web.Request) -> web.Response:
        """The consent page: the signed-in seller agrees at once and the browser goes back with a code."""
        query = dict(request.query)
        shop = self._market.signed_in()
        if shop is None:
            return web.Response(status=400, text="No shop exists yet in this sandbox.")
        try:
            code = self._market.tokens.consent(query, user_id=shop.user_id)
        except OAuthError as error:
            return web.Response(status=400, text=f"{error.error}: {error.description}")
        separator = "&" if "?" in query["redirect_uri"] else "?"
        back = query["redirect_uri"] + separator + urlencode({"code": code, "state": query["state"]})
        return web.Response(status=302, headers={"location": back})

    async def _token(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            form = await _json_object(request)
        else:
            form = dict(await request.post())
        try:
            reply = self._market.tokens.exchange({name: str(value) for name, value in form.items()})
        except OAuthError as error:
            return _oauth_error(error)
        refreshed = form.get("grant_type") == "refresh_token"
        self._market.books.count("tokens_refreshed" if refreshed else "tokens_issued")
        return _json(reply)

    async def _ping(self, call: Call) -> web.Response:
        return _json({"application_id": self._market.tokens.apps[call.keystring].application_id})

    async def _carriers(self, call: Call) -> web.Response:
        country = call.request.query.get("origin_country_iso", "")
        if len(country) != 2:  # noqa: PLR2004 - ISO 3166-1 alpha-2
            raise RefusalError(400, "origin_country_iso is required")
        return _json(shipping_carriers(country))

    async def _scopes(self, call: Call) -> web.Response:
        form = await call.request.post()
        grant = self._market.tokens.bearer(str(form.get("token", "")), keystring=call.keystring)
        return _json({"scopes": sorted(grant.scopes)})

    async def _me(self, call: Call) -> web.Response:
        shop = self._market.shop_of(call.user_id)
        if shop is None:
            raise RefusalError(404, "Resource not found")
        return _json({"user_id": shop.user_id, "shop_id": shop.shop_id})

    async def _shop(self, call: Call) -> web.Response:
        shop = self._market.shops.get(_number(call, "shop_id"))
        if shop is None:
            raise RefusalError(404, "Resource not found")
        return _json(_shop_payload(shop))

    async def _list(self, call: Call) -> web.Response:
        """A page; a fault may spoil it: by no rows, by the row before them, or by a row that leaves after it."""
        shop = self._own_shop(call)
        query = parse_query(call.request.query)
        fault = self._faults.draw_for_page(call.request.path_qs) if self._faults else None
        if fault == "repeated_row" and query.offset:
            query = replace(query, offset=query.offset - 1)
        count, page = shop.ledger.select(query)
        shown = [] if fault == "empty_page" else page
        body = b",".join(receipt.wire(address=not shop.restricted) for receipt in shown)
        if fault is not None:
            self._market.books.count("faults")
        if fault == "moved_row" and page:
            shop.ledger.touch(page[0], now=self._market.now())
        return _bytes(b'{"count":%d,"results":[%s]}' % (count, body))

    async def _one(self, call: Call) -> web.Response:
        shop, receipt = self._own_receipt(call)
        return _bytes(receipt.wire(address=not shop.restricted))

    async def _update(self, call: Call) -> web.Response:
        shop, receipt = self._own_receipt(call)
        form = await call.request.post()
        self._market.mark(shop, receipt, shipped=_flag(form.get("was_shipped")), paid=_flag(form.get("was_paid")))
        return _bytes(receipt.wire(address=not shop.restricted))

    async def _lines(self, call: Call) -> web.Response:
        _, receipt = self._own_receipt(call)
        lines = receipt.payload["transactions"]
        return _json({"count": len(lines), "results": lines[:_DEFAULT_PAGE]})

    async def _payments(self, call: Call) -> web.Response:
        shop, receipt = self._own_receipt(call)
        payments = [payment_of(shop.shop_id, receipt.payload)] if receipt.payload["is_paid"] else []
        return _json({"count": len(payments), "results": payments})

    async def _track(self, call: Call) -> web.Response:
        shop, receipt = self._own_receipt(call)
        self._market.ship(shop, receipt, await _parcel(call.request))
        return _bytes(receipt.wire(address=not shop.restricted))

    def _own_shop(self, call: Call) -> Shop:
        return self._market.shop(_number(call, "shop_id"), user_id=call.user_id)

    def _own_receipt(self, call: Call) -> tuple[Shop, Receipt]:
        shop = self._own_shop(call)
        receipt = shop.ledger.get(_number(call, "receipt_id"))
        if receipt is None:
            raise RefusalError(404, "Resource not found")
        return shop, receipt


async def _parcel(request: web.Request) -> Parcel:
    """Read the tracking; a JSON text under a form content type is read as a form and so comes to nothing."""
    if request.content_type == "application/json":
        body = await _json_object(request)
    else:
        form = await request.post() if request.content_type == FORM else {}
        if "tracking_code" not in form:
            return Parcel(lost=bool(await request.read()))
        body = dict(form)
    return Parcel(str(body.get("tracking_code") or ""), str(body.get("carrier_name") or ""))


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise RefusalError(400, "The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise RefusalError(400, "The request body is not a JSON object")
    return body


def _number(call: Call, name: str) -> int:
    text = call.request.match_info[name]
    if not text.isdecimal():
        raise RefusalError(400, f"Expected int value for '{name}' (got string)")
    return int(text)


def _flag(value: object) -> bool | None:
    return None if value is None else str(value).lower() in ("true", "1")


def _shop_payload(shop: Shop) -> dict[str, Any]:
    return {
        "shop_id": shop.shop_id,
        "user_id": shop.user_id,
        "shop_name": shop.shop_name,
        "create_date": shop.created,
        "created_timestamp": shop.created,
        "title": None,
        "currency_code": shop.currency,
        "is_vacation": False,
        "login_name": shop.shop_name.lower(),
        "url": f"https://www.etsy.com/shop/{shop.shop_name}",
        "languages": ["en-US"],
        "is_shop_us_based": shop.country == "US",
        "transaction_sold_count": len(shop.ledger),
        "shipping_from_country_iso": shop.country,
        "shop_location_country_iso": shop.country,
    }


def _json(value: object) -> web.Response:
    return _bytes(orjson.dumps(value))


def _bytes(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _error(status: int, message: str, *, headers: dict[str, str] | None = None) -> web.Response:
    body = orjson.dumps({"error": message})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


@web.middleware
async def in_own_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a refusal by fault the body that Etsy's own refusals have."""
    answer = await handler(request)
    words = _OWN_WORDS.get(answer.status)
    if words is not None and isinstance(answer, web.Response) and answer.body == SPOILT:
        answer.body = orjson.dumps(words)
    return answer


def _oauth_error(error: OAuthError) -> web.Response:
    body = orjson.dumps({"error": error.error, "error_description": error.description})
    return web.Response(status=error.status, body=body, content_type="application/json")
