"""Serves one ingest process: its platforms, their webhooks and polls, over Kafka and Postgres."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
import structlog

from schemas.topics import (
    ORDERS_DECISIONS,
    ORDERS_LOOKS,
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
    WEBHOOK_ENDPOINTS,
)
from services.ingest.adapters.postgres import MIGRATIONS as DIRECTORY
from services.ingest.adapters.postgres import SCHEMA
from services.ingest.composing.answering import routes, routes_document, subscriber, webhooks_of
from services.ingest.composing.foundation import Foundation, Kept, Reached
from services.ingest.composing.schedules import Schedules, audit_planner, schedules
from services.ingest.contract.connector import Connector
from services.ingest.outgoing.sending import ANSWER_LIMIT_BYTES, Sending
from services.ingest.relaying import Relay
from services.ingest.settings import IngestSettings
from services.ingest.tidying import Tidying
from services.ingest.webhooks.listening import Listening
from services.kit.clock import Clock, SystemClock
from services.kit.errors import TransientError
from services.kit.health import Alive, Health, postgres_check
from services.kit.http.client import HttpClient
from services.kit.http.idempotency import Idempotency
from services.kit.http.routes import Routes
from services.kit.http.server import build_app
from services.kit.http.server import serve as listen
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.keys import ACCESS_SCHEMA, KeyRing
from services.kit.limits import PostgresLimits
from services.kit.logs import configure_logging
from services.kit.loop import collect_seldom
from services.kit.metrics import Metrics
from services.kit.postgres.pool import create_pool
from services.kit.settings import load_settings
from services.kit.starting import prepared, refuse_missing
from services.kit.vault import Vault

__all__ = ["MIGRATIONS", "SETTINGS", "routes_document", "serve"]

log = structlog.get_logger()

T = TypeVar("T")

#: The Postgres schema that this service owns, and where its migrations are.
MIGRATIONS = (SCHEMA, DIRECTORY)
SETTINGS = IngestSettings

#: The topics that ingest writes or reads.
_TOPICS = (
    SELLERS,
    STORES,
    ORDERS_RAW,
    ORDERS_LOOKS,
    SYNC_SESSIONS,
    SYNC_AUDITS,
    SYNC_LISTINGS,
    SYNC_COMPARISONS,
    SYNC_REQUESTS,
    PRIVACY_REQUESTS,
    ORDERS_DECISIONS,
    PRODUCTION_UPDATES,
    TRACKING_PUSHES,
    WEBHOOK_ENDPOINTS,
)
#: A webhook must be refused before its platform stops waiting, so Kafka gets less time than that.
_PUBLISH_WITHIN_SECONDS = 3.0
_AGAIN_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs in one process."""

    on: Foundation
    schedules: Schedules
    routes: Routes
    subscriber: KafkaSubscriber
    relay: Relay
    listening: Listening
    sending: Sending

    def watched(self) -> list[Alive]:
        """Whose progress says that the process is alive."""
        return [*self.schedules, self.subscriber, self.on.books, self.relay, self.listening, self.sending]


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
        if connectors is None:
            reached = Reached.registered(platforms, http, clock, counted)
        else:
            reached = Reached.given(connectors, counted)
        publisher = KafkaPublisher(settings.kafka, "ingest", metrics=metrics, timeout=_PUBLISH_WITHIN_SECONDS)
        await publisher.start()
        stack.push_async_callback(publisher.stop)
        health.add_check("postgres", postgres_check(pool))
        health.add_check("kafka", publisher.check)
        parts = _compose(
            Foundation(
                settings,
                Kept.in_postgres(pool),
                reached,
                publisher=publisher,
                vault=vault,
                clock=clock,
                metrics=metrics,
                instance=secrets.token_hex(8),
            )
        )
        health.add_check("kafka.consumer", parts.subscriber.check)
        for watched in parts.watched():
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
        collect_seldom()
        log.info("ingest.started", platforms=sorted(reached.at_once), port=server.port)
        try:
            await _run(parts, stop)
        finally:
            await server.stop()
            await parts.on.books.close()
            await parts.relay.drain()
    log.info("ingest.stopped", platforms=sorted(reached.at_once))


def _compose(on: Foundation) -> _Parts:
    settings, clock, metrics = on.settings, on.clock, on.metrics
    outward = HttpClient(
        allow_private_addresses=settings.allow_private_addresses, metrics=metrics, answer_limit=ANSWER_LIMIT_BYTES
    )
    sending = Sending(on.kept.outgoing, outward, vault=on.vault, clock=clock, metrics=metrics)
    scheduled, webhooks = schedules(on), webhooks_of(on)
    return _Parts(
        on=on,
        schedules=scheduled,
        routes=routes(on, scheduled, webhooks, sending),
        subscriber=subscriber(on, scheduled),
        relay=Relay(on.kept.outbox, on.publisher, clock),
        listening=Listening(on.reached.listeners, webhooks, clock=clock, metrics=metrics),
        sending=sending,
    )


async def _run(parts: _Parts, stop: asyncio.Event) -> None:
    on, planner = parts.on, audit_planner(parts.on)
    kept = on.kept
    tidying = Tidying(
        kept.authorizations,
        kept.webhook_books,
        kept.syncs,
        kept.audits,
        kept.imports,
        kept.outgoing,
        kept.pushes,
        kept.drafts,
        on.clock,
    )
    async with asyncio.TaskGroup() as group:
        # Kafka may be away; webhooks are answered meanwhile.
        group.create_task(parts.subscriber.start())
        for schedule in parts.schedules:
            group.create_task(schedule.run(stop))
        if planner is not None:
            group.create_task(planner.run(stop))
        for running in (on.books, on.webhook_health, parts.relay, tidying, parts.listening, parts.sending):
            group.create_task(running.run(stop))


async def _prepared_pools(
    settings: IngestSettings, *, clock: Clock, stop: asyncio.Event
) -> tuple[asyncpg.Pool, asyncpg.Pool] | None:
    dsn = settings.database_url
    if not await prepared(settings, schema=SCHEMA, migrations=DIRECTORY, topics=_TOPICS, clock=clock, stop=stop):
        return None
    pool = await _until_there(lambda: create_pool(dsn, schema=SCHEMA, max_size=20))
    access_pool = await _until_there(lambda: create_pool(dsn, schema=ACCESS_SCHEMA, max_size=4))
    return pool, access_pool


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
