"""Composes eligibility: one process that judges the shards Kafka assigns to it and serves the API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from schemas.topics import ORDERS_DECISIONS
from services.eligibility.adapters.catalog import PostgresCatalog
from services.eligibility.adapters.kafka import KafkaLogOpener
from services.eligibility.adapters.privacy import PostgresPrivacyRequests
from services.eligibility.adapters.repository import PostgresRepository, listen
from services.eligibility.address_routes import address_routes
from services.eligibility.api import Api, api_routes
from services.eligibility.catalog_routes import CatalogApi, catalog_routes
from services.eligibility.copies import CopyApi, copy_routes
from services.eligibility.janitor import keep_clean
from services.eligibility.judging import Judge
from services.eligibility.looking import Looking
from services.eligibility.privacy import Eraser, PrivacyReading
from services.eligibility.privacy_routes import PrivacyApi, privacy_routes
from services.eligibility.production import take_answers
from services.eligibility.reassessing import Bell, Reassessing
from services.eligibility.relay import Relay
from services.eligibility.sealing import Sealer
from services.eligibility.settings import EligibilitySettings
from services.eligibility.shards import Shards
from services.eligibility.subscriber import Reading, Topics
from services.kit.clock import Clock, SystemClock
from services.kit.health import Health, postgres_check
from services.kit.http.idempotency import Idempotency
from services.kit.http.openapi import document
from services.kit.http.routes import Routes
from services.kit.http.server import build_app
from services.kit.http.server import serve as serve_http
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.keys import ACCESS_SCHEMA, KeyRing
from services.kit.logs import configure_logging
from services.kit.loop import collect_seldom
from services.kit.metrics import Metrics
from services.kit.settings import load_settings
from services.kit.starting import open_pool, prepared, refuse_missing
from services.kit.vault import Vault

log = structlog.get_logger()

SCHEMA = "eligibility"
#: The service's Postgres schema and its migrations.
MIGRATIONS: tuple[str, Path] = (SCHEMA, Path(__file__).parent / "migrations")
SETTINGS = EligibilitySettings

_NAME = "eligibility"


async def serve(
    *,
    stop: asyncio.Event,
    settings: EligibilitySettings | None = None,
    topic_prefix: str = "",
    started: Callable[[int], None] | None = None,
) -> None:
    """Run until `stop`; `started` is told the port. `topic_prefix` stands before every topic and group name.

    While Kafka or Postgres is away at the start, it waits for them.
    """
    settings = settings or load_settings(EligibilitySettings)
    configure_logging(service=_NAME, level=settings.log_level)
    collect_seldom()
    refuse_missing(settings)
    clock, topics = SystemClock(), Topics(topic_prefix)
    if not await prepared(
        settings, schema=SCHEMA, migrations=MIGRATIONS[1], topics=topics.all(), clock=clock, stop=stop
    ):
        return
    dsn = settings.database_url
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(dsn, schema=SCHEMA, size=10, clock=clock))
        keys_pool = await stack.enter_async_context(open_pool(dsn, schema=ACCESS_SCHEMA, size=3, clock=clock))
        process = await _compose(settings, topics, pool, clock=clock)
        await stack.enter_async_context(_consuming(process))
        for work in process.background:
            stack.push_async_callback(_cancelled, asyncio.create_task(_guarded(work, stop, process.metrics)))
        vault = process.vault
        app = build_app(
            _routes(process.api, process.privacy, process.catalog, process.copies),
            keys=KeyRing(keys_pool, clock),
            metrics=process.metrics,
            health=_health(process, pool),
            repeat=Idempotency(keys_pool, vault=vault, clock=clock, service=_NAME).answer,
        )
        server = await serve_http(app, settings.eligibility_host, settings.eligibility_port)
        stack.push_async_callback(server.stop)
        log.info("eligibility.started", port=server.port)
        if started:
            started(server.port)
        await stop.wait()
    log.info("eligibility.stopped")


def routes_document() -> dict[str, Any]:
    """Return the OpenAPI document of the API; needs neither Kafka nor Postgres."""
    nothing: Any = None
    return document(_routes(nothing, nothing, CatalogApi(nothing), CopyApi(nothing, nothing)))


def _routes(api: Api, privacy: PrivacyApi, catalog: CatalogApi, copies: CopyApi) -> Routes:
    routes = api_routes(api)
    for area in (privacy_routes(privacy), catalog_routes(catalog), address_routes(), copy_routes(copies)):
        routes.include(area)
    return routes


class _Process:
    """What one process is made of."""

    def __init__(
        self,
        *,
        subscriber: KafkaSubscriber,
        publisher: KafkaPublisher,
        shards: Shards,
        api: Api,
        privacy: PrivacyApi,
        catalog: CatalogApi,
        copies: CopyApi,
        vault: Vault,
        metrics: Metrics,
        background: list[Coroutine[Any, Any, None]],
    ) -> None:
        self.subscriber = subscriber
        self.publisher = publisher
        self.shards = shards
        self.api = api
        self.privacy = privacy
        self.catalog = catalog
        self.copies = copies
        self.vault = vault
        self.metrics = metrics
        self.background = background


async def _compose(settings: EligibilitySettings, topics: Topics, pool: asyncpg.Pool, *, clock: Clock) -> _Process:
    metrics, vault = Metrics(), Vault.open_or_create(settings.master_key_file)
    sealer, kafka = Sealer(vault), settings.kafka
    bell = Bell()
    repository = PostgresRepository(pool, clock=clock, wake_workers=bell.ring)
    open_log = KafkaLogOpener(
        kafka,
        topics=topics.written(),
        installation=await repository.installation(),
        position_topic=topics.name(ORDERS_DECISIONS),
    )
    new_relay = partial(Relay, outbox=repository, open_log=open_log, sealer=sealer, clock=clock, metrics=metrics)
    shards = Shards(new_relay, clock=clock, metrics=metrics)
    judge = Judge(
        repository,
        sealer=sealer,
        clock=clock,
        metrics=metrics,
        keep_for=settings.keep_for,
        wake_relays=shards.wake,
        look_after=settings.look_after,
    )
    worker = Reassessing(judge, repository, bell=bell, owned=lambda: shards.owned, clock=clock, metrics=metrics)
    publisher = KafkaPublisher(kafka, _NAME, metrics=metrics)
    dead_letters = DeadLetters(publisher, clock=clock)
    subscriber = KafkaSubscriber(kafka, _NAME, clock=clock, metrics=metrics, dead_letters=dead_letters)
    answers = partial(take_answers, repository=repository, clock=clock, keep_for=settings.keep_for)
    reading = Reading(topics, judge=judge, repository=repository, take_answers=answers, clock=clock)
    subscriber.add(reading.of_facts())
    subscriber.add(reading.of_orders(on_assigned=shards.assigned, on_revoked=shards.revoked))
    requests = PostgresPrivacyRequests(pool)
    eraser = Eraser(judge, requests, clock=clock, metrics=metrics)
    subscriber.add(PrivacyReading(topics, requests=requests, sealer=sealer, wake_eraser=eraser.wake).subscription())
    return _Process(
        subscriber=subscriber,
        publisher=publisher,
        shards=shards,
        api=Api(repository, judge=judge, sealer=sealer, clock=clock),
        privacy=PrivacyApi(requests, repository, sealer, clock),
        catalog=CatalogApi(PostgresCatalog(pool)),
        copies=CopyApi(repository, sealer),
        vault=vault,
        metrics=metrics,
        background=[
            worker.run(),
            eraser.run(),
            Looking(repository, owned=lambda: shards.owned, clock=clock, metrics=metrics).run(),
            listen(settings.database_url, bell.ring, clock=clock),
            keep_clean(repository, clock=clock),
        ],
    )


def _health(process: _Process, pool: asyncpg.Pool) -> Health:
    health = Health()
    health.add_check("postgres", postgres_check(pool))
    health.add_check("kafka", process.subscriber.check)
    health.watch(process.subscriber)
    return health


@contextlib.asynccontextmanager
async def _consuming(process: _Process) -> AsyncIterator[None]:
    await process.subscriber.start()
    try:
        yield
    finally:
        await process.subscriber.stop()
        await process.shards.release_all()
        await process.publisher.stop()


async def _guarded(work: Coroutine[Any, Any, None], stop: asyncio.Event, metrics: Metrics) -> None:
    try:
        await work
    except Exception:  # the outermost loop of its task: a process that lost one of its tasks must not go on half alive
        metrics.increment("syncorder_unexpected_errors_total", where="eligibility.background")
        log.exception("eligibility.broken")
        stop.set()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
