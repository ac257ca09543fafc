"""What one ingest process answers: sellers' and platforms' requests over HTTP, and what others tell it over Kafka."""

from __future__ import annotations

from typing import Any

from services.ingest.asking import Asking
from services.ingest.audits.routes import AuditApi, audit_routes
from services.ingest.composing.foundation import Foundation
from services.ingest.composing.schedules import Schedules
from services.ingest.direct.batches import Batches
from services.ingest.direct.routes import DirectApi, direct_routes
from services.ingest.drafts.erasing import DraftErasing
from services.ingest.drafts.routes import DraftApi, draft_routes
from services.ingest.imports.routes import ImportApi, import_routes
from services.ingest.looks.taking import LookQuestions
from services.ingest.outgoing.routes import OutgoingApi, outgoing_routes
from services.ingest.outgoing.sending import Sending
from services.ingest.outgoing.taking import Taking
from services.ingest.rereading import Rereading
from services.ingest.stores.linking import Linking
from services.ingest.stores.routes import StoreApi, store_routes
from services.ingest.syncs.rehearsing import Rehearsing
from services.ingest.syncs.routes import SyncApi, sync_routes
from services.ingest.tracking.routes import PushApi, push_routes
from services.ingest.tracking.shipping_news import ShippingNews
from services.ingest.webhooks.receiving import Webhooks
from services.ingest.webhooks.routes import WebhookApi, webhook_routes
from services.kit.http.openapi import document
from services.kit.http.routes import Routes
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.subscriber import KafkaSubscriber


def routes(on: Foundation, schedules: Schedules, webhooks: Webhooks, sending: Sending) -> Routes:
    """Everything that is answered over HTTP."""
    kept, clock, settings = on.kept, on.clock, on.settings
    rereading = Rereading(on.reached.at_once, on.tokens, kept.seen, kept.webhook_books, on.publisher, clock)
    rehearsing = Rehearsing(on.reached.unhurried, kept.seen, on.tokens, on.reached.limits, clock)
    batches = Batches(on.giving, kept.webhook_books, clock)
    private = settings.allow_private_addresses
    return _together(
        StoreApi(_linking(on), kept.stores, kept.polls, schedules.polls, rereading, clock),
        SyncApi(on.reached.unhurried, on.choosing, on.reach, kept.syncs, rehearsing, schedules.syncs, clock),
        AuditApi(on.choosing, kept.audits, schedules.audits, clock),
        WebhookApi(webhooks, on.metrics, settings.reachable_at),
        DirectApi(on.giving, batches, on.accesses, on.books, clock),
        ImportApi(kept.imports, on.import_files, kept.stores, kept.given, schedules.imports, clock),
        OutgoingApi(kept.outgoing, sending, on.vault, clock, allow_private_addresses=private),
        tracking=PushApi(kept.stores, kept.pushes, schedules.pushes, clock),
        drafts=DraftApi(kept.drafts, on.accesses, on.vault, clock),
    )


def routes_document() -> dict[str, Any]:
    """The OpenAPI document of ingest; needs neither Kafka nor Postgres."""
    nothing: Any = None
    return document(
        _together(
            StoreApi(nothing, nothing, nothing, nothing, nothing, nothing),
            SyncApi(nothing, nothing, nothing, nothing, nothing, nothing, nothing),
            AuditApi(nothing, nothing, nothing, nothing),
            WebhookApi(nothing, nothing, ""),
            DirectApi(nothing, nothing, nothing, nothing, nothing),
            ImportApi(nothing, nothing, nothing, nothing, nothing, nothing),
            OutgoingApi(nothing, nothing, nothing, nothing, allow_private_addresses=False),
            tracking=PushApi(nothing, nothing, nothing, nothing),
            drafts=DraftApi(nothing, nothing, nothing, nothing),
        )
    )


def webhooks_of(on: Foundation) -> Webhooks:
    """What receives the platforms' webhooks, and what their queues bring."""
    kept = on.kept
    return Webhooks(
        connectors=on.reached.at_once,
        accesses=on.accesses,
        stores=kept.stores,
        seen=kept.seen,
        tokens=on.tokens,
        books=on.books,
        outbox=kept.webhook_books,
        health=on.webhook_health,
        publisher=on.publisher,
        clock=on.clock,
        metrics=on.metrics,
    )


def subscriber(on: Foundation, schedules: Schedules) -> KafkaSubscriber:
    """Everything that is taken in from Kafka."""
    kept, clock = on.kept, on.clock
    reader = KafkaSubscriber(
        on.settings.kafka,
        "ingest",
        clock=clock,
        metrics=on.metrics,
        dead_letters=DeadLetters(on.publisher, clock=clock),
    )
    asking = Asking(
        connectors=on.reached.unhurried,
        stores=kept.stores,
        syncs=kept.syncs,
        audits=kept.audits,
        books=kept.webhook_books,
        reach=on.reach,
        audit_schedule=schedules.audits,
        sync_schedule=schedules.syncs,
        pushes=kept.pushes,
        push_schedule=schedules.pushes,
        clock=clock,
    )
    reader.add(asking.subscription())
    reader.add(ShippingNews(kept.stores, kept.seen, kept.pushes, schedules.pushes, clock).subscription())
    reader.add(LookQuestions(kept.looks, schedules.looks, clock).subscription())
    reader.add(Taking(kept.outgoing, clock).subscription())
    reader.add(DraftErasing(kept.drafts).subscription())
    return reader


def _together(
    stores: StoreApi,
    syncs: SyncApi,
    audits: AuditApi,
    webhooks: WebhookApi,
    direct: DirectApi,
    imports: ImportApi,
    outgoing: OutgoingApi,
    *,
    tracking: PushApi,
    drafts: DraftApi,
) -> Routes:
    found = Routes(
        title="Sync Order: ingest",
        version="1",
        description="Links stores, takes their platforms' webhooks and sellers' own orders, and reads what changed.",
    )
    for area in (
        store_routes(stores),
        sync_routes(syncs),
        audit_routes(audits),
        webhook_routes(webhooks),
        direct_routes(direct),
        import_routes(imports),
        outgoing_routes(outgoing),
        push_routes(tracking),
        draft_routes(drafts),
    ):
        found.include(area)
    return found


def _linking(on: Foundation) -> Linking:
    kept = on.kept
    return Linking(
        connectors=on.reached.at_once,
        stores=kept.stores,
        polls=kept.polls,
        authorizations=kept.authorizations,
        tokens=on.tokens,
        subscriptions=on.subscriptions,
        probing=on.probing,
        vault=on.vault,
        clock=on.clock,
        reachable_at=on.settings.reachable_at,
    )
