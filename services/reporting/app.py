"""Composes reporting: one process that builds the projections and serves the API and the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog
from aiohttp import web

from services.kit.clock import Clock, SystemClock
from services.kit.health import Health, postgres_check
from services.kit.http.auth import SESSION_COOKIE
from services.kit.http.routes import Routes
from services.kit.http.server import build_app
from services.kit.http.server import serve as serve_http
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.keys import ACCESS_SCHEMA, Authenticator, KeyRing
from services.kit.logs import configure_logging
from services.kit.metrics import Metrics
from services.kit.settings import load_settings
from services.kit.starting import open_pool, prepared, refuse_missing
from services.kit.vault import Vault
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, SCHEMA, PostgresProjections
from services.reporting.adapters.postgres_reports import PostgresReports
from services.reporting.api import StillAdmitted, api_routes
from services.reporting.dashboard.pages import Dashboard
from services.reporting.events import Hub
from services.reporting.facts import Reader
from services.reporting.feed import PostgresFeed
from services.reporting.logins import Logins
from services.reporting.ports import Reports
from services.reporting.projector import GROUP, Projector
from services.reporting.settings import ReportingSettings

log = structlog.get_logger()

#: The service's Postgres schema and its migrations.
MIGRATIONS: tuple[str, Path] = (SCHEMA, MIGRATIONS_DIRECTORY)
SETTINGS = ReportingSettings

_NAME = "reporting"

T = TypeVar("T")


async def serve(
    *,
    stop: asyncio.Event,
    settings: ReportingSettings | None = None,
    topic_prefix: str = "",
    started: Callable[[int], None] | None = None,
) -> None:
    """Run until `stop`; `started` is told the port. `topic_prefix` stands before every topic and the group's name.

    While Kafka or Postgres is away at the start, it waits for them.
    """
    settings = settings or load_settings(ReportingSettings)
    configure_logging(service=_NAME, level=settings.log_level)
    refuse_missing(settings)
    clock = SystemClock()
    reader = Reader(prefix=topic_prefix)
    if not await prepared(
        settings, schema=SCHEMA, migrations=MIGRATIONS_DIRECTORY, topics=reader.topics, clock=clock, stop=stop
    ):
        return
    dsn = settings.database_url
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(dsn, schema=SCHEMA, size=10, clock=clock))
        keys_pool = await stack.enter_async_context(open_pool(dsn, schema=ACCESS_SCHEMA, size=3, clock=clock))
        keys = KeyRing(keys_pool, clock)
        health, metrics = Health(), Metrics()
        subscriber = await stack.enter_async_context(
            _consuming(settings, pool, reader, clock=clock, metrics=metrics, group=topic_prefix + GROUP)
        )
        health.add_check("postgres", postgres_check(pool))
        health.add_check("kafka", subscriber.check)
        health.watch(subscriber)
        hub = Hub(PostgresFeed(settings.database_url, clock=clock))
        health.watch(hub)
        stack.push_async_callback(_cancelled, asyncio.create_task(hub.run()))
        app = _application(
            settings, PostgresReports(pool, clock=clock), hub, keys=keys, health=health, metrics=metrics, clock=clock
        )
        server = await serve_http(app, settings.reporting_host, settings.reporting_port)
        stack.push_async_callback(server.stop)
        log.info("reporting.started", port=server.port)
        if started:
            started(server.port)
        await stop.wait()
    log.info("reporting.stopped")


def routes_document() -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    projections = MemoryProjections()

    async def nobody(_request: web.Request) -> bool:
        return False

    routes = api_routes(MemoryReports(projections), Hub(projections), still_admitted=nobody, clock=SystemClock())
    return routes.openapi()


@contextlib.asynccontextmanager
async def _consuming(
    settings: ReportingSettings, pool: asyncpg.Pool, reader: Reader, *, clock: Clock, metrics: Metrics, group: str
) -> AsyncIterator[KafkaSubscriber]:
    publisher = KafkaPublisher(settings.kafka, _NAME, metrics=metrics)
    subscriber = KafkaSubscriber(
        settings.kafka,
        _NAME,
        clock=clock,
        metrics=metrics,
        dead_letters=DeadLetters(publisher, clock=clock),
    )
    subscriber.add(Projector(PostgresProjections(pool), reader=reader).subscription(group=group))
    await subscriber.start()
    try:
        yield subscriber
    finally:
        await subscriber.stop()
        await publisher.stop()


def _application(
    settings: ReportingSettings,
    reports: Reports,
    hub: Hub,
    *,
    keys: Authenticator,
    health: Health,
    metrics: Metrics,
    clock: Clock,
) -> web.Application:
    logins = Logins(
        keys,
        vault=Vault.open_or_create(settings.master_key_file),
        clock=clock,
        lasts=timedelta(hours=settings.reporting_login_hours),
    )
    routes = routes_of(reports, hub, keys=keys, logins=logins, clock=clock, connect_at=settings.reporting_connect_url)
    return build_app(routes, keys=keys, metrics=metrics, health=health, sessions=logins.principal)


def routes_of(
    reports: Reports, hub: Hub, *, keys: Authenticator, logins: Logins, clock: Clock, connect_at: str = ""
) -> Routes:
    """Return the routes of the API and the page together."""
    routes = api_routes(reports, hub, still_admitted=_still_admitted(keys, logins), clock=clock, connect_at=connect_at)
    routes.include(Dashboard(reports, hub, logins=logins, clock=clock, connect_at=connect_at).routes())
    return routes


def _still_admitted(keys: Authenticator, logins: Logins) -> StillAdmitted:
    async def admitted(request: web.Request) -> bool:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await keys.authenticate(text.strip()) is not None
        return await logins.principal(request.cookies.get(SESSION_COOKIE, "")) is not None

    return admitted


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
