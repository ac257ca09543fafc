"""What everything in one ingest process stands on: what is kept, how platforms are reached, and who shares what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import asyncpg

from services.ingest.adapters.postgres.audits import PostgresAudits, PostgresOpenOrders
from services.ingest.adapters.postgres.drafts import PostgresDrafts
from services.ingest.adapters.postgres.given import PostgresGivenOrders
from services.ingest.adapters.postgres.imports import PostgresImports
from services.ingest.adapters.postgres.looks import PostgresLooks
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.outgoing import PostgresOutgoing
from services.ingest.adapters.postgres.polls import PostgresPolls, PostgresSeenOrders, PostgresWebhookBooks
from services.ingest.adapters.postgres.pushes import PostgresPushes
from services.ingest.adapters.postgres.stores import PostgresAuthorizations, PostgresSecrets, PostgresStores
from services.ingest.adapters.postgres.syncs import PostgresSyncs
from services.ingest.adapters.postgres.webhook_health import PostgresPushRecords
from services.ingest.contract.connector import Connector, Platform, Tools
from services.ingest.contract.webhooks import Listener
from services.ingest.direct.giving import Giving
from services.ingest.imports.files import ImportFiles
from services.ingest.registry import find_platforms, is_read, platform_of
from services.ingest.reserve import Counted, Patient, Reserve
from services.ingest.settings import IngestSettings
from services.ingest.stores.access import AccessCache
from services.ingest.stores.choosing import Choosing, Reach
from services.ingest.stores.probing import Probing
from services.ingest.stores.tokens import Tokens
from services.ingest.webhooks.bookkeeping import Bookkeeping
from services.ingest.webhooks.health import WebhookHealth
from services.ingest.webhooks.subscriptions import Subscriptions
from services.kit.clock import Clock
from services.kit.http.client import HttpClient
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.limits import Limits
from services.kit.metrics import Metrics
from services.kit.settings import KitSettings, load_settings
from services.kit.vault import Vault


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that ingest keeps in Postgres, by what it is."""

    stores: PostgresStores
    secrets: PostgresSecrets
    authorizations: PostgresAuthorizations
    polls: PostgresPolls
    seen: PostgresSeenOrders
    webhook_books: PostgresWebhookBooks
    push_records: PostgresPushRecords
    syncs: PostgresSyncs
    audits: PostgresAudits
    open_orders: PostgresOpenOrders
    given: PostgresGivenOrders
    drafts: PostgresDrafts
    imports: PostgresImports
    pushes: PostgresPushes
    looks: PostgresLooks
    outgoing: PostgresOutgoing
    outbox: PostgresOutbox

    @classmethod
    def in_postgres(cls, pool: asyncpg.Pool) -> Self:
        """Keep all of it through one pool."""
        return cls(
            stores=PostgresStores(pool),
            secrets=PostgresSecrets(pool),
            authorizations=PostgresAuthorizations(pool),
            polls=PostgresPolls(pool),
            seen=PostgresSeenOrders(pool),
            webhook_books=PostgresWebhookBooks(pool),
            push_records=PostgresPushRecords(pool),
            syncs=PostgresSyncs(pool),
            audits=PostgresAudits(pool),
            open_orders=PostgresOpenOrders(pool),
            given=PostgresGivenOrders(pool),
            drafts=PostgresDrafts(pool),
            imports=PostgresImports(pool),
            pushes=PostgresPushes(pool),
            looks=PostgresLooks(pool),
            outgoing=PostgresOutgoing(pool),
            outbox=PostgresOutbox(pool),
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """The platforms' connectors by slug, three times: by how much of a budget who uses them may take.

    `at_once` takes whatever is there, `unhurried` leaves a share to those, `patient` also waits its turn.
    `limits` are the budgets as `unhurried` work sees them.
    """

    at_once: Mapping[str, Connector]
    unhurried: Mapping[str, Connector]
    patient: Mapping[str, Connector]
    listeners: Mapping[str, Listener]
    limits: Limits

    @property
    def audited(self) -> dict[str, Connector]:
        """Those, unhurried, whose platforms have orders to read: a list of theirs can be held against the report."""
        return {slug: connector for slug, connector in self.unhurried.items() if is_read(slug)}

    @classmethod
    def registered(cls, slugs: Sequence[str], http: HttpClient, clock: Clock, counted: Limits) -> Self:
        """Connect the registered platforms of these names with what the environment sets for each.

        Raises:
            SettingsError: a platform's setting is malformed.
        """
        configured = [(platform, _settings(platform)) for platform in map(platform_of, slugs)]
        reserve = Reserve(counted)

        def connected(limits: Limits) -> dict[str, Connector]:
            tools = Tools(http, clock, limits)
            return {platform.slug: platform.connect(settings, tools) for platform, settings in configured}

        return cls(
            at_once=connected(Counted(counted)),
            unhurried=connected(reserve),
            patient=connected(Patient(counted)),
            listeners=_listeners(slugs),
            limits=reserve,
        )

    @classmethod
    def given(cls, connectors: Mapping[str, Connector], counted: Limits) -> Self:
        """Use these connectors for everything."""
        return cls(connectors, connectors, connectors, _listeners(list(connectors)), Reserve(counted))


class Foundation:
    """What schedules, routes and subscriptions share; one of each in a process."""

    def __init__(
        self,
        settings: IngestSettings,
        kept: Kept,
        reached: Reached,
        *,
        publisher: KafkaPublisher,
        vault: Vault,
        clock: Clock,
        metrics: Metrics,
        instance: str,
    ) -> None:
        self.settings, self.kept, self.reached = settings, kept, reached
        self.publisher, self.vault, self.clock, self.metrics = publisher, vault, clock, metrics
        self.instance = instance
        self.tokens = Tokens(kept.stores, kept.secrets, vault, clock, metrics)
        self.accesses = AccessCache(kept.stores, vault, clock)
        self.subscriptions = Subscriptions(kept.stores, clock, settings.reachable_at)
        self.probing = Probing(kept.stores, clock)
        self.books = Bookkeeping(kept.webhook_books, kept.seen, instance=instance, clock=clock, metrics=metrics)
        self.webhook_health = WebhookHealth(
            kept.push_records, kept.polls, self.subscriptions, clock=clock, metrics=metrics
        )
        histories = {slug: found.history for slug, found in find_platforms().items() if found.history is not None}
        self.choosing = Choosing(reached.unhurried, kept.stores)
        self.reach = Reach(histories, kept.stores, vault, clock)
        self.giving = Giving(kept.given, kept.seen, publisher, clock)
        self.import_files = ImportFiles(kept.imports, vault, clock)


def _settings(platform: Platform) -> KitSettings:
    # Every platform's settings are a KitSettings, which a platform's contract need not know.
    return load_settings(cast("type[KitSettings]", platform.settings))


def _listeners(slugs: Sequence[str]) -> dict[str, Listener]:
    found: dict[str, Listener] = {}
    for slug, platform in find_platforms().items():
        if slug in slugs and platform.listen is not None:
            listener = platform.listen(_settings(platform))
            if listener is not None:
                found[slug] = listener
    return found
