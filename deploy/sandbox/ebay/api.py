"""The doors of eBay's APIs: who may call, how often, and how refusals are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Literal

import orjson
from aiohttp import web

from deploy.sandbox.ebay.refusals import JSON, EbayError, bad_token, forbidden, no_token, refused, too_many
from deploy.sandbox.ebay.tokens import Access
from deploy.sandbox.ebay.world import Seller, World

_REFUSED = (401, 403)
Caller = Literal["app", "user", "either"]


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call."""

    request: web.Request
    access: Access
    world: World

    @property
    def seller(self) -> Seller:
        """The seller whose token this is; only calls that need a user's token ask."""
        return self.world.sellers[self.access.grant.seller or ""]


Answer = Callable[[Call], Awaitable[web.Response]]


class Doors:
    """Makes routes of one world's APIs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def route(
        self, method: str, path: str, answer: Answer, *, quota: str, caller: Caller, scopes: frozenset[str]
    ) -> web.RouteDef:
        """An endpoint for this kind of token, with any one of these scopes."""

        async def handle(request: web.Request) -> web.Response:
            self._world.books.count("api_calls")
            try:
                access = self._admit(request, quota=quota, caller=caller, scopes=scopes)
                response = await answer(Call(request, access, self._world))
            except EbayError as error:
                response = error.response()
            if response.status in _REFUSED:
                self._world.books.count("api_calls_refused")
            response.headers["Date"] = formatdate(self._world.now(), usegmt=True)
            return response

        return web.route(method, path, handle)

    def _admit(self, request: web.Request, *, quota: str, caller: Caller, scopes: frozenset[str]) -> Access:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise no_token()
        access = self._world.tokens.bearer(token)
        if access is None:
            raise bad_token()
        kind: Caller = "app" if access.grant.seller is None else "user"
        if caller not in (kind, "either") or not scopes & access.scopes:
            raise forbidden()
        if not self._world.quotas.admit(quota):
            self._world.books.count("api_calls_over_budget")
            raise too_many()
        return access


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object under its own content type; error 32600 otherwise."""
    if request.content_type != JSON:
        raise refused(32600, request.content_type, field="Content-Type")
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise refused(32600) from None
    if not isinstance(body, dict):
        raise refused(32600)
    return body


def json_bytes(body: bytes, *, status: int = 200) -> web.Response:
    """An answer that is JSON already."""
    return web.Response(status=status, body=body, content_type=JSON)


def json_answer(value: object, *, status: int = 200) -> web.Response:
    """An answer."""
    return json_bytes(orjson.dumps(value), status=status)


def created(location: str) -> web.Response:
    """201 with nothing but the address of what was made."""
    return web.Response(status=201, headers={"Location": location})
