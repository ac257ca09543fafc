"""Composes reporting: one process that builds the projections and serves the API and the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from aiohttp import web

from schemas.topics import SYNC_COMPARISONS, SYNC_LISTINGS, SYNC_REQUESTS
from services.kit.clock import Clock, SystemClock
from services.kit.health import Health, postgres_check
from services.kit.http.auth import SESSION_COOKIE
from services.kit.http.client import HttpClient
from services.kit.http.openapi import document
from services.kit.http.routes import Routes
from services.kit.http.server import build_app
from services.kit.http.server import serve as serve_http
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher, MemoryPublisher
from services.kit.kafka.subscriber import KafkaSubscriber, Subscription
from services.kit.keys import ACCESS_SCHEMA, Authenticator, KeyRing
from services.kit.logs import configure_logging
from services.kit.metrics import Metrics
from services.kit.settings import load_settings
from services.kit.starting import open_pool, prepared, refuse_missing
from services.kit.vault import Vault
from services.reporting.adapters.http_neighbours import HttpNeighbour
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.memory_parcels import MemoryParcels
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, SCHEMA, PostgresProjections
from services.reporting.adapters.postgres_parcels import PostgresParcels
from services.reporting.adapters.postgres_proofs import PostgresProofs
from services.reporting.adapters.postgres_reports import PostgresReports
from services.reporting.api import StillAdmitted, api_routes
from services.reporting.asking import Asker
from services.reporting.comparer import Comparer
from services.reporting.dashboard.pages import Dashboard
from services.reporting.events import Hub
from services.reporting.facts import Reader
from services.reporting.feed import PostgresFeed
from services.reporting.logins import Logins
from services.reporting.measuring import Measuring
from services.reporting.neighbours import Neighbours
from services.reporting.ports import Parcels, Proofs, Reports
from services.reporting.projector import GROUP, Projector
from services.reporting.settings import ReportingSettings

log = structlog.get_logger()

#: The service's Postgres schema and its migrations.
MIGRATIONS: tuple[str, Path] = (SCHEMA, MIGRATIONS_DIRECTORY)
SETTINGS = ReportingSettings

_NAME = "reporting"
#: What it reads and writes beside what the report is made of.
_ASKING = (SYNC_LISTINGS, SYNC_COMPARISONS, SYNC_REQUESTS)

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
    topics = [*reader.topics, *(replace(topic, name=topic_prefix + topic.name) for topic in _ASKING)]
    if not await prepared(
        settings, schema=SCHEMA, migrations=MIGRATIONS_DIRECTORY, topics=topics, clock=clock, stop=stop
    ):
        return
    dsn = settings.database_url
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(dsn, schema=SCHEMA, size=10, clock=clock))
        keys_pool = await stack.enter_async_context(open_pool(dsn, schema=ACCESS_SCHEMA, size=3, clock=clock))
        keys = KeyRing(keys_pool, clock)
        health, metrics = Health(), Metrics()
        proofs = PostgresProofs(pool)
        publisher = KafkaPublisher(settings.kafka, _NAME, metrics=metrics)
        stack.push_async_callback(publisher.stop)
        subscriptions = [
            Projector(PostgresProjections(pool), reader=reader).subscription(group=topic_prefix + GROUP),
            Comparer(proofs, publisher, clock=clock, prefix=topic_prefix).subscription(),
        ]
        subscriber = await stack.enter_async_context(
            _consuming(settings, publisher, subscriptions, clock=clock, metrics=metrics)
        )
        health.add_check("postgres", postgres_check(pool))
        health.add_check("kafka", subscriber.check)
        health.watch(subscriber)
        hub = Hub(PostgresFeed(settings.database_url, clock=clock))
        health.watch(hub)
        measuring = Measuring(proofs, metrics=metrics, clock=clock)
        health.watch(measuring)
        for running in (hub.run(), measuring.run()):
            stack.push_async_callback(_cancelled, asyncio.create_task(running))
        # Where the neighbours are is the operator's word, and seldom a public address.
        http = HttpClient(allow_private_addresses=True, metrics=metrics)
        stack.push_async_callback(http.close)
        app = _application(
            settings,
            PostgresReports(pool, clock=clock),
            hub,
            neighbours=Neighbours(
                ingest=HttpNeighbour(http, settings.reporting_ingest_url),
                eligibility=HttpNeighbour(http, settings.reporting_eligibility_url),
            ),
            proofs=proofs,
            parcels=PostgresParcels(pool),
            asker=Asker(publisher, clock=clock, prefix=topic_prefix),
            keys=keys,
            health=health,
            metrics=metrics,
            clock=clock,
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

    clock = SystemClock()
    routes = api_routes(
        MemoryReports(projections),
        Hub(projections),
        proofs=MemoryProofs(projections),
        parcels=MemoryParcels(projections),
        asker=Asker(MemoryPublisher(), clock=clock),
        still_admitted=nobody,
        clock=clock,
    )
    return document(routes)


@contextlib.asynccontextmanager
async def _consuming(
    settings: ReportingSettings,
    publisher: KafkaPublisher,
    subscriptions: Sequence[Subscription],
    *,
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[KafkaSubscriber]:
    subscriber = KafkaSubscriber(
        settings.kafka,
        _NAME,
        clock=clock,
        metrics=metrics,
        dead_letters=DeadLetters(publisher, clock=clock),
    )
    for subscription in subscriptions:
        subscriber.add(subscription)
    await subscriber.start()
    try:
        yield subscriber
    finally:
        await subscriber.stop()


def _application(
    settings: ReportingSettings,
    reports: Reports,
    hub: Hub,
    *,
    proofs: Proofs,
    parcels: Parcels,
    asker: Asker,
    neighbours: Neighbours,
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
    routes = routes_of(
        reports,
        hub,
        proofs=proofs,
        parcels=parcels,
        asker=asker,
        neighbours=neighbours,
        keys=keys,
        logins=logins,
        clock=clock,
        connect_at=settings.reporting_connect_url,
    )
    return build_app(routes, keys=keys, metrics=metrics, health=health, sessions=logins.principal)


def routes_of(
    reports: Reports,
    hub: Hub,
    *,
    proofs: Proofs,
    parcels: Parcels,
    asker: Asker,
    neighbours: Neighbours,
    keys: Authenticator,
    logins: Logins,
    clock: Clock,
    connect_at: str = "",
) -> Routes:
    """Return the routes of the API and the page together."""
    routes = api_routes(
        reports,
        hub,
        proofs=proofs,
        parcels=parcels,
        asker=asker,
        still_admitted=_still_admitted(keys, logins),
        clock=clock,
        connect_at=connect_at,
    )
    page = Dashboard(
        reports,
        hub,
        proofs=proofs,
        parcels=parcels,
        asker=asker,
        neighbours=neighbours,
        logins=logins,
        clock=clock,
        connect_at=connect_at,
    )
    routes.include(page.routes())
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
