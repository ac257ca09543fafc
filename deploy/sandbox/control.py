"""The control API: tests and demos arrange the platforms' world and ask what is true in it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from deploy.sandbox.breaking import Breakage
from deploy.sandbox.faults import FaultRule
from deploy.sandbox.standin import ControlError, OrdersAsked, StandIn

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_MAX_BODY = 4 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_app(platforms: Mapping[str, StandIn]) -> web.Application:
    """The control API over these platforms by slug."""
    app = web.Application(middlewares=[_answer_errors], client_max_size=_MAX_BODY)
    app.router.add_get("/", _index(platforms))
    for slug, platform in platforms.items():
        control = _Control(platform)
        app.router.add_post(f"/{slug}/stores", control.create_store)
        app.router.add_post(f"/{slug}/stores/{{store}}/orders", control.create_orders)
        app.router.add_patch(f"/{slug}/stores/{{store}}/orders/{{order}}", control.change_order)
        app.router.add_post(f"/{slug}/stores/{{store}}/revoke", control.revoke)
        app.router.add_post(f"/{slug}/stores/{{store}}/webhooks", control.break_webhooks)
        app.router.add_post(f"/{slug}/faults", control.add_fault)
        app.router.add_delete(f"/{slug}/faults", control.clear_faults)
        app.router.add_post(f"/{slug}/settings", control.apply_settings)
        app.router.add_post(f"/{slug}/clock", control.advance_clock)
        app.router.add_get(f"/{slug}/truth", control.truth)
        app.router.add_get(f"/{slug}/books", control.books)
        for route in platform.control_routes():
            app.router.add_route(route.method, f"/{slug}{route.path}", route.handler)
    return app


async def read_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object, {} when the body is empty; ControlError otherwise."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ControlError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def json_answer(value: Any, *, status: int = 200) -> web.Response:
    """A JSON response by orjson."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def parse_duration(text: str | float) -> timedelta:
    """An ISO 8601 duration of days and less ("PT2H"), or seconds as a number."""
    if isinstance(text, int | float):
        return timedelta(seconds=text)
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ControlError(f"not a duration: {text}")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _index(platforms: Mapping[str, StandIn]) -> Handler:
    async def index(_request: web.Request) -> web.Response:
        return json_answer({"platforms": {slug: platform.base_url for slug, platform in platforms.items()}})

    return index


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as error:
        return json_answer({"error": str(error)}, status=error.status)


class _Control:
    """The routes of one platform."""

    def __init__(self, platform: StandIn) -> None:
        self._platform = platform

    async def create_store(self, request: web.Request) -> web.Response:
        opened = self._platform.create_store(await read_body(request))
        return json_answer(
            {"pushes": self._platform.pushes, "lag": self._platform.lag.total_seconds(), **opened}, status=201
        )

    async def create_orders(self, request: web.Request) -> web.Response:
        asked = _orders_asked(await read_body(request))
        ids = self._platform.create_orders(request.match_info["store"], asked)
        return json_answer({"created": len(ids), "ids": ids}, status=201)

    async def change_order(self, request: web.Request) -> web.Response:
        where = request.match_info
        change = await read_body(request)
        return json_answer(self._platform.change_order(where["store"], where["order"], change))

    async def revoke(self, request: web.Request) -> web.Response:
        self._platform.revoke(request.match_info["store"])
        return json_answer({"revoked": request.match_info["store"]})

    async def break_webhooks(self, request: web.Request) -> web.Response:
        try:
            asked = Breakage.parse(await read_body(request))
        except (ValueError, TypeError, re.error) as error:
            raise ControlError(str(error)) from error
        if asked.ailment not in self._platform.ailments:
            known = ", ".join(self._platform.ailments) or "nothing"
            raise ControlError(f"what can be wrong with subscriptions here is: {known}", status=409)
        topics = self._platform.break_webhooks(request.match_info["store"], asked)
        return json_answer({"ailment": asked.ailment, "topics": sorted(topics)})

    async def add_fault(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            rule = FaultRule.parse(body)
        except (ValueError, TypeError, re.error) as error:
            raise ControlError(str(error)) from error
        self._platform.faults.add(rule)
        return json_answer({"fault": body}, status=201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._platform.faults.clear()
        return json_answer({"faults": []})

    async def apply_settings(self, request: web.Request) -> web.Response:
        return json_answer(self._platform.apply_settings(await read_body(request)))

    async def advance_clock(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            self._platform.clock.advance(parse_duration(body.get("advance", 0)))
        except ValueError as error:
            raise ControlError(str(error)) from error
        return json_answer({"now": self._platform.clock.now().isoformat()})

    async def truth(self, request: web.Request) -> web.Response:
        return json_answer({"orders": self._platform.truth(request.query.get("store"))})

    async def books(self, _request: web.Request) -> web.Response:
        return json_answer(self._platform.books.as_dict())


def _orders_asked(body: dict[str, Any]) -> OrdersAsked:
    try:
        times = {name: parse_duration(body.get(name, 0)) for name in ("created_over", "created_ago")}
        asked = OrdersAsked(**(body | times))
    except TypeError as error:
        raise ControlError("allowed are count, state, seed, created_over, created_ago and webhooks") from error
    if not isinstance(asked.count, int) or asked.count < 0:
        raise ControlError("count must be a whole number")
    return asked
