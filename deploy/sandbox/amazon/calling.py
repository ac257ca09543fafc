"""Lets a call in: its token, its headers, its usage plan; and answers refusals and headers as Amazon does."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from deploy.sandbox.amazon.refusals import (
    EXPIRED,
    INVALID,
    MISSING,
    RefusalError,
    errors_answer,
    invalid,
    quota_exceeded,
    unauthorized,
)
from deploy.sandbox.amazon.usage import Operation
from deploy.sandbox.amazon.world import Amazon, Seller

_DATE = re.compile(r"\d{8}T\d{6}Z")
_REFUSED = (401, 403)
#: These tell the rate in effect; refusals of another status are answered before it is known.
_TELLING_RATE = (200, 204, 400, 404)


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call."""

    request: web.Request
    client_id: str
    _seller: Seller | None

    @property
    def seller(self) -> Seller:
        """Whose token it is; operations without a seller never ask."""
        assert self._seller is not None  # noqa: S101 - admitted by a seller's token
        return self._seller

    async def body(self) -> dict[str, Any]:
        """The JSON object that was sent; 415 for another type, 400 for anything else."""
        if self.request.content_type != "application/json":
            raise RefusalError(415, "UnsupportedMediaType", "The request payload is in an unsupported format.")
        try:
            body = orjson.loads(await self.request.read())
        except orjson.JSONDecodeError:
            raise invalid("The request body is not JSON.") from None
        if not isinstance(body, dict):
            raise invalid("The request body is not a JSON object.")
        return body


Answer = Callable[[Call], Awaitable[web.Response]]


def operation_route(
    amazon: Amazon, method: str, path: str, operation: Operation, answer: Answer, *, grantless: bool = False
) -> web.RouteDef:
    """One operation; a grantless one takes the app's own token, any other a seller's."""

    async def handle(request: web.Request) -> web.Response:
        amazon.books.count("api_calls")
        try:
            call = _admit(amazon, request, grantless=grantless)
            response = await _within_plan(amazon, call, operation, answer, seller=_name(call, grantless=grantless))
        except RefusalError as refusal:
            response = errors_answer(refusal)
        if response.status in _REFUSED:
            amazon.books.count("api_calls_refused")
        if response.status in _TELLING_RATE and amazon.behaviour.rate_header:
            response.headers["x-amzn-RateLimit-Limit"] = str(amazon.usage.rate(operation))
        return response

    return web.route(method, path, handle)


def _name(call: Call, *, grantless: bool) -> str:
    return "" if grantless else call.seller.seller_id


async def _within_plan(
    amazon: Amazon, call: Call, operation: Operation, answer: Answer, *, seller: str
) -> web.Response:
    if amazon.usage.admit(operation, seller=seller, client=call.client_id):
        return await answer(call)
    amazon.books.count("api_calls_over_budget")
    refusal = errors_answer(quota_exceeded())
    if amazon.behaviour.retry_after:
        wait = amazon.usage.wait(operation, seller=seller, client=call.client_id)
        refusal.headers["Retry-After"] = str(math.ceil(wait))
    return refusal


def _admit(amazon: Amazon, request: web.Request, *, grantless: bool) -> Call:
    if amazon.behaviour.strict_headers:
        _check_headers(request)
    token = request.headers.get("x-amz-access-token", "")
    if not token:
        raise unauthorized(MISSING)
    try:
        grant = amazon.lwa.bearer(token)
    except KeyError:
        raise unauthorized(INVALID) from None
    if grant is None:
        raise unauthorized(EXPIRED)
    if grantless != (grant.seller_id is None):
        raise unauthorized("The token is not of the kind that this operation needs.")
    return Call(request, grant.client_id, amazon.sellers[grant.seller_id] if grant.seller_id else None)


def _check_headers(request: web.Request) -> None:
    if not _DATE.fullmatch(request.headers.get("x-amz-date", "")):
        raise invalid("x-amz-date is missing or not of the form yyyymmddThhmmssZ.")
    if not request.headers.get("user-agent"):
        raise invalid("user-agent is missing.")
