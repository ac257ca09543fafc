"""An HTTP server that answers every request in our own form, within limits, and says how it is.

aiohttp has no limit of its own on slow headers, slow bodies, or how many requests it takes on at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from services.kit import trace
from services.kit.errors import TransientError
from services.kit.health import Health
from services.kit.http.auth import Gate, SessionReader
from services.kit.http.openapi import PAGE_POLICY, document, page
from services.kit.http.problems import Problem, too_large, unavailable
from services.kit.http.routes import Repeat, Route, Routes
from services.kit.keys import Authenticator
from services.kit.metrics import Metrics

log = structlog.get_logger()

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Answered also when the process is at its limit: whoever watches must see that it is busy, not dead.
_ALWAYS_ANSWERED = frozenset({"/livez", "/readyz", "/metrics"})
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SWEEP_SECONDS = 1.0

_STOPPING: web.AppKey[asyncio.Event] = web.AppKey("stopping", asyncio.Event)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one server takes on. Times in seconds."""

    requests_in_flight: int = 256
    headers_within: float = 10.0
    keepalive: float = 75.0
    #: How long the rest of a refused body is read away, so that its sender sees the answer and not a reset.
    lingering: float = 0.5
    shutdown: float = 10.0


class Server:
    """A server that listens; `port` is the real one when 0 was asked for."""

    def __init__(self, runner: web.AppRunner, port: int, sweeper: asyncio.Task[None]) -> None:
        self.port = port
        self._runner = runner
        self._sweeper = sweeper

    async def stop(self) -> None:
        """Take no more requests, answer those in flight, and close."""
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper
        await self._runner.cleanup()


def build_app(
    routes: Routes,
    *,
    keys: Authenticator,
    metrics: Metrics,
    health: Health,
    limits: Limits | None = None,
    sessions: SessionReader | None = None,
    repeat: Repeat | None = None,
) -> web.Application:
    """An application of `routes`, with health, metrics, `/openapi.json` and `/docs`.

    `sessions` lets a service accept its session cookie, `repeat` (see `idempotency`) answers repeated writes alike.
    """
    limits = limits or Limits()
    answering = _Answering(routes, metrics, limits)
    app = web.Application(middlewares=[answering.middleware()], client_max_size=2**62)  # `read_body` has the limits
    app[_STOPPING] = asyncio.Event()
    app.on_shutdown.append(_announce_stop)
    app.on_response_prepare.append(_harden)
    gate = Gate(keys, sessions=sessions)
    for route in routes:
        app.router.add_route(
            route.method,
            route.path,
            partial(_respond, route, gate, repeat),
            expect_handler=partial(_expect, route.body_limit),
        )
    _add_own_routes(app, routes, metrics, health)
    return app


async def serve(app: web.Application, host: str, port: int, *, limits: Limits | None = None) -> Server:
    """Listen on `host`:`port` (0: any free one)."""
    limits = limits or Limits()
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=limits.keepalive,
        lingering_time=limits.lingering,
        auto_decompress=False,
        shutdown_timeout=limits.shutdown,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=512, reuse_address=True)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    sweeper = asyncio.create_task(_close_silent_connections(runner, limits.headers_within))
    return Server(runner, int(runner.addresses[0][1]), sweeper)


def stopping(request: web.Request) -> asyncio.Event:
    """Set when the server stops: an answer that streams ends then."""
    return request.app[_STOPPING]


class _Answering:
    """The outermost middleware: limits, metrics, and errors in our form."""

    def __init__(self, routes: Routes, metrics: Metrics, limits: Limits) -> None:
        self._metrics = metrics
        self._limits = limits
        self._streams = {route.path for route in routes if route.streams}
        self._in_flight = 0

    def middleware(self) -> Middleware:
        """This, in the form that aiohttp calls."""

        @web.middleware
        async def answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
            with trace.bound(trace.continued(request.headers.get(trace.TRACEPARENT))):
                return await self._answer(request, handler)

        return answer

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else "unmatched"
        if path in _ALWAYS_ANSWERED or path in self._streams:
            return await self._in_our_form(request, handler)
        if self._in_flight >= self._limits.requests_in_flight:
            self._metrics.increment("syncorder_http_refusals_total", reason="busy")
            return unavailable().response()
        self._count(+1)
        started = time.perf_counter()
        try:
            response = await self._in_our_form(request, handler)
        finally:
            self._count(-1)
        self._metrics.observe(
            "syncorder_http_request_seconds",
            time.perf_counter() - started,
            method=request.method if resource is not None else "-",
            route=path,
            status=str(response.status),
        )
        return response

    async def _in_our_form(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            self._metrics.increment("syncorder_http_refusals_total", reason=problem.code)
            return problem.response()
        except TransientError as error:
            log.warning("request.postponed", path=_template(request), problem=str(error))
            return unavailable(error.retry_after).response()
        except web.HTTPException as error:
            return _of_aiohttp(error)
        except ConnectionError:
            raise  # the asker left in the middle of its answer; aiohttp closes what is left
        except Exception as error:  # noqa: BLE001 - a request's outermost frame: the process serves the others
            return self._unexpected(request, error)

    def _unexpected(self, request: web.Request, error: Exception) -> web.StreamResponse:
        incident = secrets.token_hex(8)
        self._metrics.increment("syncorder_unexpected_errors_total", where="http")
        log.error("request.failed", incident=incident, path=_template(request), exc_info=error)
        return Problem(500, "internal", "Something went wrong here.", incident=incident).response()

    def _count(self, change: int) -> None:
        self._in_flight += change
        self._metrics.set("syncorder_http_requests_in_flight", self._in_flight)


async def _respond(route: Route, gate: Gate, repeat: Repeat | None, request: web.Request) -> web.StreamResponse:
    # Nobody owns the writes of a public route, and its handler may want the raw body that a repetition would consume.
    repeatable = route.writes and route.scope is not None
    return await route.answer(request, guard=gate.admit, repeat=repeat if repeatable else None)


async def _expect(limit: int, request: web.Request) -> web.StreamResponse | None:
    """Refuse by its headers what the sender has not sent yet."""
    if request.content_length is not None and request.content_length > limit:
        return too_large(limit).response()
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


def _of_aiohttp(error: web.HTTPException) -> web.StreamResponse:
    match error:
        case web.HTTPNotFound():
            return Problem(404, "route_not_found", "There is nothing at this address.").response()
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(
                405, "method_not_allowed", f"This address takes {allowed}.", headers={"Allow": allowed}
            ).response()
        case web.HTTPError():
            return Problem(error.status, "bad_request", error.reason).response()
        case _:
            raise error


def _template(request: web.Request) -> str:
    """The route's pattern, because a path may hold what is no log's business."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


async def _announce_stop(app: web.Application) -> None:
    app[_STOPPING].set()


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)


def _add_own_routes(app: web.Application, routes: Routes, metrics: Metrics, health: Health) -> None:
    # Made when it is first asked for: it takes longer than all else at a start.
    api = cache(partial(document, routes))

    async def livez(_request: web.Request) -> web.Response:
        problems = health.liveness()
        return _json({"alive": not problems, "problems": problems}, status=503 if problems else 200)

    async def readyz(_request: web.Request) -> web.Response:
        problems = await health.readiness()
        return _json({"ready": not problems, "problems": problems}, status=503 if problems else 200)

    async def shown_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": _METRICS_TYPE})

    async def openapi(_request: web.Request) -> web.Response:
        return _json(api())

    async def docs(_request: web.Request) -> web.Response:
        return web.Response(
            text=page(api()), content_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY}
        )

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", shown_metrics)
    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/docs", docs)


def _json(content: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")


async def _close_silent_connections(runner: web.AppRunner, within: float) -> None:
    """Close whoever connected and did not send a whole request head in time."""
    seen: dict[RequestHandler, float] = {}
    while True:
        await asyncio.sleep(min(_SWEEP_SECONDS, within))
        server, now = runner.server, time.monotonic()
        # aiohttp keeps the count for itself; there is no public way to tell a connection that never asked anything.
        silent = [
            connection
            for connection in (server.connections if server is not None else ())
            if connection._request_count == 0  # noqa: SLF001
        ]
        seen = {connection: seen.get(connection, now) for connection in silent}
        for connection, first_seen in seen.items():
            if now - first_seen >= within:
                connection.force_close()
