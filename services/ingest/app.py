"""Composes one ingest process: its platforms, their webhooks and polls, over Kafka and Postgres."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

import asyncpg
import structlog

from schemas.topics import (
    ORDERS_DECISIONS,
    ORDERS_RAW,
    PRIVACY_REQUESTS,
    PRODUCTION_UPDATES,
    SELLERS,
    STORES,
    SYNC_AUDITS,
    SYNC_COMPARISONS,
    SYNC_LISTINGS,
    SYNC_REQUESTS,
    SYNC_SESSIONS,
    TRACKING_PUSHES,
)
from services.ingest.adapters.postgres import MIGRATIONS as DIRECTORY
from services.ingest.adapters.postgres import SCHEMA
from services.ingest.adapters.postgres.audits import PostgresAudits, PostgresOpenOrders
from services.ingest.adapters.postgres.given import PostgresGivenOrders
from services.ingest.adapters.postgres.imports import PostgresImports
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.outgoing import PostgresOutgoing
from services.ingest.adapters.postgres.polls import PostgresPolls, PostgresSeenOrders, PostgresWebhookBooks
from services.ingest.adapters.postgres.pushes import PostgresPushes
from services.ingest.adapters.postgres.stores import PostgresAuthorizations, PostgresSecrets, PostgresStores
from services.ingest.adapters.postgres.syncs import PostgresSyncs
from services.ingest.adapters.postgres.webhook_health import PostgresPushRecords
from services.ingest.asking import Asking
from services.ingest.audits.planning import Intervals, Planner
from services.ingest.audits.ports import AuditLease
from services.ingest.audits.routes import AuditApi, audit_routes
from services.ingest.audits.runs import AuditRunner
from services.ingest.connector import Connector, Listener, Platform, Tools
from services.ingest.direct.batches import Batches
from services.ingest.direct.giving import Giving
from services.ingest.direct.routes import DirectApi, direct_routes
from services.ingest.imports.files import ImportFiles
from services.ingest.imports.ports import ImportLease
from services.ingest.imports.routes import ImportApi, import_routes
from services.ingest.imports.runs import ImportRunner
from services.ingest.outgoing.routes import OutgoingApi, outgoing_routes
from services.ingest.outgoing.sending import ANSWER_LIMIT_BYTES, Sending
from services.ingest.outgoing.taking import Taking
from services.ingest.polls.planning import Planning
from services.ingest.polls.polling import Poller
from services.ingest.ports import Lease, SyncLease
from services.ingest.registry import find_platforms, is_read, platform_of
from services.ingest.relaying import Relay
from services.ingest.rereading import Rereading
from services.ingest.reserve import Counted, Patient, Reserve
from services.ingest.schedule import Leased, Leases, Schedule, What
from services.ingest.settings import IngestSettings
from services.ingest.stores.access import AccessCache
from services.ingest.stores.choosing import Choosing, Reach
from services.ingest.stores.linking import Linking
from services.ingest.stores.probing import Probing
from services.ingest.stores.routes import StoreApi, store_routes
from services.ingest.stores.tokens import Tokens
from services.ingest.syncs.rehearsing import Rehearsing
from services.ingest.syncs.routes import SyncApi, sync_routes
from services.ingest.syncs.runs import SyncRunner
from services.ingest.tidying import Tidying
from services.ingest.tracking.ports import PushLease
from services.ingest.tracking.routes import PushApi, push_routes
from services.ingest.tracking.runs import PushRunner
from services.ingest.tracking.shipping_news import ShippingNews
from services.ingest.webhooks.bookkeeping import Bookkeeping
from services.ingest.webhooks.health import WebhookHealth
from services.ingest.webhooks.listening import Listening
from services.ingest.webhooks.receiving import Webhooks
from services.ingest.webhooks.routes import WebhookApi, webhook_routes
from services.ingest.webhooks.subscriptions import Subscriptions
from services.kit.clock import Clock, SystemClock
from services.kit.errors import TransientError
from services.kit.health import Health, postgres_check
from services.kit.http.client import HttpClient
from services.kit.http.idempotency import Idempotency
from services.kit.http.routes import Routes
from services.kit.http.server import build_app
from services.kit.http.server import serve as listen
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.keys import ACCESS_SCHEMA, KeyRing
from services.kit.limits import Limits, PostgresLimits
from services.kit.logs import configure_logging
from services.kit.metrics import Metrics
from services.kit.postgres.pool import create_pool
from services.kit.settings import KitSettings, load_settings
from services.kit.starting import prepared, refuse_missing
from services.kit.vault import Vault

log = structlog.get_logger()

T = TypeVar("T")
L = TypeVar("L", bound=Leased)

#: The Postgres schema that this service owns, and where its migrations are.
MIGRATIONS = (SCHEMA, DIRECTORY)
SETTINGS = IngestSettings

#: The topics that ingest writes or reads.
_TOPICS = (
    SELLERS,
    STORES,
    ORDERS_RAW,
    SYNC_SESSIONS,
    SYNC_AUDITS,
    SYNC_LISTINGS,
    SYNC_COMPARISONS,
    SYNC_REQUESTS,
    PRIVACY_REQUESTS,
    ORDERS_DECISIONS,
    PRODUCTION_UPDATES,
    TRACKING_PUSHES,
)
#: A webhook must be refused before its platform stops waiting, so Kafka gets less time than that.
_PUBLISH_WITHIN_SECONDS = 3.0
_AGAIN_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs in one process."""

    routes: Routes
    schedule: Schedule[Lease]
    sync_schedule: Schedule[SyncLease]
    audit_schedule: Schedule[AuditLease]
    audit_planner: Planner | None
    import_schedule: Schedule[ImportLease]
    push_schedule: Schedule[PushLease]
    subscriber: KafkaSubscriber
    books: Bookkeeping
    webhook_health: WebhookHealth
    relay: Relay
    tidying: Tidying
    listening: Listening
    sending: Sending


async def serve(
    *,
    platforms: Sequence[str],
    stop: asyncio.Event,
    settings: IngestSettings | None = None,
    connectors: Mapping[str, Connector] | None = None,
) -> None:
    """Serve these platforms until `stop`.

    `connectors` replaces the registered platforms' own. Waits, and says so in the log, while Kafka or Postgres is away.
    """
    settings = settings or load_settings(IngestSettings)
    configure_logging(service="ingest", level=settings.log_level)
    refuse_missing(settings)
    clock, metrics, health = SystemClock(), Metrics(), Health()
    vault = Vault.open_or_create(settings.master_key_file)
    async with AsyncExitStack() as stack:
        http = HttpClient(allow_private_addresses=settings.allow_private_addresses, metrics=metrics)
        stack.push_async_callback(http.close)
        pools = await _unless(stop, _prepared_pools(settings, clock=clock, stop=stop))
        if pools is None:
            return
        pool, access_pool = pools
        stack.push_async_callback(_close, pool)
        stack.push_async_callback(_close, access_pool)
        counted = PostgresLimits(access_pool, clock)
        limits, tools = Reserve(counted), Tools(http, clock, Counted(counted))
        own = _configured(platforms) if connectors is None else []
        unhurried = connectors or _connected(own, replace(tools, limits=limits))
        patient = connectors or _connected(own, replace(tools, limits=Patient(counted)))
        connectors = connectors or _connected(own, tools)
        publisher = KafkaPublisher(settings.kafka, "ingest", metrics=metrics, timeout=_PUBLISH_WITHIN_SECONDS)
        await publisher.start()
        stack.push_async_callback(publisher.stop)
        health.add_check("postgres", postgres_check(pool))
        health.add_check("kafka", publisher.check)
        parts = _compose(
            settings,
            connectors,
            pool,
            publisher,
            unhurried=unhurried,
            patient=patient,
            limits=limits,
            listeners=_listeners(connectors),
            vault=vault,
            clock=clock,
            metrics=metrics,
        )
        health.add_check("kafka.consumer", parts.subscriber.check)
        schedules = (
            parts.schedule,
            parts.sync_schedule,
            parts.audit_schedule,
            parts.import_schedule,
            parts.push_schedule,
        )
        for watched in (*schedules, parts.subscriber, parts.books, parts.relay, parts.listening, parts.sending):
            health.watch(watched)
        app = build_app(
            parts.routes,
            keys=KeyRing(access_pool, clock),
            metrics=metrics,
            health=health,
            repeat=Idempotency(access_pool, vault=vault, clock=clock, service="ingest").answer,
        )
        stack.push_async_callback(parts.subscriber.stop)
        stack.push_async_callback(parts.sending.close)
        server = await listen(app, settings.ingest_host, settings.ingest_port)
        # What is loaded by now stays for good; walking it in every full collection takes 50 ms, in which
        # no webhook is answered.
        gc.collect()
        gc.freeze()
        log.info("ingest.started", platforms=sorted(connectors), port=server.port)
        try:
            await _run(parts, stop)
        finally:
            await server.stop()
            await parts.books.close()
            await parts.relay.drain()
    log.info("ingest.stopped", platforms=sorted(connectors))


def routes_document() -> dict[str, Any]:
    """The OpenAPI document of ingest; needs neither Kafka nor Postgres."""
    nothing: Any = None
    routes = _routes()
    routes.include(store_routes(StoreApi(nothing, nothing, nothing, nothing, nothing, nothing)))
    routes.include(sync_routes(SyncApi(nothing, nothing, nothing, nothing, nothing, nothing, nothing)))
    routes.include(audit_routes(AuditApi(nothing, nothing, nothing, nothing)))
    routes.include(webhook_routes(WebhookApi(nothing, nothing, "")))
    routes.include(direct_routes(DirectApi(nothing, nothing, nothing, nothing, nothing)))
    routes.include(import_routes(ImportApi(nothing, nothing, nothing, nothing, nothing, nothing)))
    routes.include(outgoing_routes(OutgoingApi(nothing, nothing, nothing, nothing, allow_private_addresses=False)))
    routes.include(push_routes(PushApi(nothing, nothing, nothing, nothing)))
    return routes.openapi()


def _compose(
    settings: IngestSettings,
    connectors: Mapping[str, Connector],
    pool: asyncpg.Pool,
    publisher: KafkaPublisher,
    *,
    unhurried: Mapping[str, Connector],
    patient: Mapping[str, Connector],
    limits: Limits,
    listeners: Mapping[str, Listener],
    vault: Vault,
    clock: Clock,
    metrics: Metrics,
) -> _Parts:
    instance = secrets.token_hex(8)

    def scheduled(
        work: Callable[[L], Awaitable[None]], leases: Leases[L], what: What, *, platforms: Sequence[str], at_once: int
    ) -> Schedule[L]:
        return Schedule(
            work,
            leases,
            owner=instance,
            platforms=platforms,
            at_once=at_once,
            clock=clock,
            metrics=metrics,
            what=what,
        )

    stores, polls, seen = PostgresStores(pool), PostgresPolls(pool), PostgresSeenOrders(pool)
    authorizations, books_port = PostgresAuthorizations(pool), PostgresWebhookBooks(pool)
    tokens = Tokens(stores, PostgresSecrets(pool), vault, clock, metrics)
    subscriptions, probing = Subscriptions(stores, clock, settings.reachable_at), Probing(stores, clock)
    books = Bookkeeping(books_port, seen, instance=instance, clock=clock, metrics=metrics)
    interval = timedelta(seconds=settings.poll_seconds) if settings.poll_seconds else None
    planning = Planning(polls, limits, clock, metrics, interval)
    webhook_health = WebhookHealth(PostgresPushRecords(pool), polls, subscriptions, clock=clock, metrics=metrics)
    poller = Poller(
        connectors=connectors,
        stores=stores,
        polls=polls,
        seen=seen,
        tokens=tokens,
        webhook_health=webhook_health,
        probing=probing,
        publisher=publisher,
        clock=clock,
        metrics=metrics,
        planning=planning,
    )
    schedule = scheduled(
        poller.poll,
        polls,
        "poll",
        platforms=[slug for slug in connectors if is_read(slug)],
        at_once=settings.poll_stores_at_once,
    )
    syncs = PostgresSyncs(pool)
    runner = SyncRunner(
        connectors=unhurried,
        stores=stores,
        syncs=syncs,
        seen=seen,
        tokens=tokens,
        publisher=publisher,
        clock=clock,
        metrics=metrics,
    )
    sync_schedule = scheduled(runner.run, syncs, "sync", platforms=list(unhurried), at_once=settings.syncs_at_once)
    audited = {slug: connector for slug, connector in unhurried.items() if is_read(slug)}
    audits = PostgresAudits(pool)
    auditor = AuditRunner(
        connectors=audited,
        stores=stores,
        polls=polls,
        audits=audits,
        seen=seen,
        open_orders=PostgresOpenOrders(pool),
        tokens=tokens,
        publisher=publisher,
        clock=clock,
        metrics=metrics,
    )
    audit_schedule = scheduled(auditor.run, audits, "audit", platforms=list(audited), at_once=settings.audits_at_once)
    audit_planner = Planner(audited, audits, limits, clock, _audit_intervals(settings)) if settings.audits else None
    rehearsing = Rehearsing(unhurried, seen, tokens, limits, clock)
    linking = Linking(
        connectors=connectors,
        stores=stores,
        polls=polls,
        authorizations=authorizations,
        tokens=tokens,
        subscriptions=subscriptions,
        probing=probing,
        vault=vault,
        clock=clock,
        reachable_at=settings.reachable_at,
    )
    accesses = AccessCache(stores, vault, clock)
    webhooks = Webhooks(
        connectors=connectors,
        accesses=accesses,
        stores=stores,
        seen=seen,
        tokens=tokens,
        books=books,
        outbox=books_port,
        health=webhook_health,
        publisher=publisher,
        clock=clock,
        metrics=metrics,
    )
    rereading = Rereading(connectors, tokens, seen, books_port, publisher, clock)
    routes = _routes()
    routes.include(store_routes(StoreApi(linking, stores, polls, schedule, rereading, clock)))
    histories = {slug: found.history for slug, found in find_platforms().items() if found.history is not None}
    choosing, reach = Choosing(unhurried, stores), Reach(histories, stores, vault, clock)
    routes.include(sync_routes(SyncApi(unhurried, choosing, reach, syncs, rehearsing, sync_schedule, clock)))
    routes.include(audit_routes(AuditApi(choosing, audits, audit_schedule, clock)))
    pushes = PostgresPushes(pool)
    push_schedule = scheduled(
        PushRunner(patient, stores, pushes, tokens, clock, metrics).run,
        pushes,
        "push",
        platforms=list(patient),
        at_once=settings.pushes_at_once,
    )
    subscriber = KafkaSubscriber(
        settings.kafka,
        "ingest",
        clock=clock,
        metrics=metrics,
        dead_letters=DeadLetters(publisher, clock=clock),
    )
    subscriber.add(
        Asking(
            connectors=unhurried,
            stores=stores,
            syncs=syncs,
            audits=audits,
            books=books_port,
            reach=reach,
            audit_schedule=audit_schedule,
            sync_schedule=sync_schedule,
            pushes=pushes,
            push_schedule=push_schedule,
            clock=clock,
        ).subscription()
    )
    routes.include(webhook_routes(WebhookApi(webhooks, metrics, settings.reachable_at)))
    given, imports = PostgresGivenOrders(pool), PostgresImports(pool)
    giving, files = Giving(given, seen, publisher, clock), ImportFiles(imports, vault, clock)
    routes.include(direct_routes(DirectApi(giving, Batches(giving, books_port, clock), accesses, books, clock)))
    import_schedule = scheduled(
        ImportRunner(imports, files, stores, giving, given, clock, metrics).run,
        imports,
        "import",
        platforms=[slug for slug in connectors if not is_read(slug)],
        at_once=settings.imports_at_once,
    )
    routes.include(import_routes(ImportApi(imports, files, stores, given, import_schedule, clock)))
    subscriber.add(ShippingNews(stores, seen, pushes, push_schedule, clock).subscription())
    routes.include(push_routes(PushApi(stores, pushes, push_schedule, clock)))
    outgoing, private = PostgresOutgoing(pool), settings.allow_private_addresses
    outward = HttpClient(allow_private_addresses=private, metrics=metrics, answer_limit=ANSWER_LIMIT_BYTES)
    sending = Sending(outgoing, outward, vault=vault, clock=clock, metrics=metrics)
    subscriber.add(Taking(outgoing, clock).subscription())
    routes.include(outgoing_routes(OutgoingApi(outgoing, sending, vault, clock, allow_private_addresses=private)))
    return _Parts(
        routes,
        schedule,
        sync_schedule,
        audit_schedule,
        audit_planner,
        import_schedule,
        push_schedule,
        subscriber,
        books,
        webhook_health,
        Relay(PostgresOutbox(pool), publisher, clock),
        Tidying(authorizations, books_port, syncs, audits, imports, outgoing, pushes, clock),
        Listening(listeners, webhooks, clock=clock, metrics=metrics),
        sending,
    )


async def _run(parts: _Parts, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.schedule.run(stop))
        group.create_task(parts.sync_schedule.run(stop))
        group.create_task(parts.audit_schedule.run(stop))
        # Kafka may be away; webhooks are answered meanwhile.
        group.create_task(parts.subscriber.start())
        group.create_task(parts.import_schedule.run(stop))
        group.create_task(parts.push_schedule.run(stop))
        if parts.audit_planner is not None:
            group.create_task(parts.audit_planner.run(stop))
        group.create_task(parts.books.run(stop))
        group.create_task(parts.webhook_health.run(stop))
        group.create_task(parts.relay.run(stop))
        group.create_task(parts.tidying.run(stop))
        group.create_task(parts.listening.run(stop))
        group.create_task(parts.sending.run(stop))


async def _prepared_pools(
    settings: IngestSettings, *, clock: Clock, stop: asyncio.Event
) -> tuple[asyncpg.Pool, asyncpg.Pool] | None:
    dsn = settings.database_url
    if not await prepared(settings, schema=SCHEMA, migrations=DIRECTORY, topics=_TOPICS, clock=clock, stop=stop):
        return None
    pool = await _until_there(lambda: create_pool(dsn, schema=SCHEMA, max_size=20))
    access_pool = await _until_there(lambda: create_pool(dsn, schema=ACCESS_SCHEMA, max_size=4))
    return pool, access_pool


def _audit_intervals(settings: IngestSettings) -> Intervals:
    return Intervals(
        day=timedelta(seconds=settings.audit_day_seconds),
        week=timedelta(seconds=settings.audit_week_seconds),
        open=timedelta(seconds=settings.audit_open_seconds),
    )


async def _until_there(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except TransientError as error:
            log.warning("ingest.waiting", problem=str(error))
            await asyncio.sleep(_AGAIN_AFTER_SECONDS)


async def _unless(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return None
    finally:
        for each in (working, stopped):
            each.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(working, stopped, return_exceptions=True)


async def _close(pool: asyncpg.Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), 5)
    except TimeoutError:
        pool.terminate()


def _configured(slugs: Sequence[str]) -> list[tuple[Platform, KitSettings]]:
    found = [platform_of(slug) for slug in slugs]
    return [(platform, _settings(platform)) for platform in found]


def _connected(configured: Sequence[tuple[Platform, KitSettings]], tools: Tools) -> dict[str, Connector]:
    return {platform.slug: platform.connect(settings, tools) for platform, settings in configured}


def _settings(platform: Platform) -> KitSettings:
    # Every platform's settings are a KitSettings, which a platform's contract need not know.
    return load_settings(cast("type[KitSettings]", platform.settings))


def _listeners(connectors: Mapping[str, Connector]) -> dict[str, Listener]:
    found: dict[str, Listener] = {}
    for slug, platform in find_platforms().items():
        if slug in connectors and platform.listen is not None:
            listener = platform.listen(_settings(platform))
            if listener is not None:
                found[slug] = listener
    return found


def _routes() -> Routes:
    return Routes(
        title="Sync Order: ingest",
        version="1",
        description="Links stores, takes their platforms' webhooks and sellers' own orders, and reads what changed.",
    )
