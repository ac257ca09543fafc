"""Ingest with all that it keeps in memory, for tests."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from schemas.ids import SellerId, StoreId
from schemas.order import RAW_ORDER_EVENT, OrderGone, OrderRevised, RawOrderEvent
from schemas.sessions import SESSION_EVENT, SessionEvent
from schemas.stores import StoreSettings
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.audits import MemoryAudits, MemoryOpenOrders
from services.ingest.adapters.memory.polls import MemoryOutbox, MemoryPolls, MemorySeenOrders, MemoryWebhookBooks
from services.ingest.adapters.memory.pushes import MemoryPushes
from services.ingest.adapters.memory.stores import MemoryAuthorizations, MemorySecrets, MemoryStores
from services.ingest.adapters.memory.syncs import MemorySyncs
from services.ingest.adapters.memory.webhook_health import MemoryPushRecords
from services.ingest.asking import Asking
from services.ingest.audits.planning import Planner
from services.ingest.audits.runs import AuditRunner
from services.ingest.contract.connector import Connector
from services.ingest.polls.planning import Planning
from services.ingest.polls.polling import Poller
from services.ingest.ports import Lease
from services.ingest.relaying import Relay
from services.ingest.stores.access import AccessCache
from services.ingest.stores.choosing import Reach
from services.ingest.stores.linking import Linking
from services.ingest.stores.probing import Probing
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens, seal_secrets
from services.ingest.syncs.runs import SyncRunner
from services.ingest.webhooks.bookkeeping import Bookkeeping
from services.ingest.webhooks.health import WebhookHealth
from services.ingest.webhooks.receiving import Webhooks
from services.ingest.webhooks.subscriptions import Subscriptions
from services.kit.clock import Clock, ManualClock
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.limits import Limits, MemoryLimits
from services.kit.metrics import Metrics
from services.kit.vault import Vault
from tests.ingest.twin_platform import TwinConnector

T = TypeVar("T")

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STORE = StoreId("st-1")
SELLER = SellerId("seller-1")
LEASE = timedelta(seconds=10)
_VAULT = Vault.open_or_create(Path(tempfile.mkdtemp(prefix="sync-order-test-")) / "master.key")


class _Nobody:
    """Whoever is woken here looks for work by themselves."""

    def wake(self) -> None:
        """Nothing."""


NOBODY = _Nobody()


@dataclass
class Ingestion:
    """One ingest process over these connectors, with everything that it keeps in memory."""

    connectors: Mapping[str, Connector]
    clock: Clock
    memory: Memory = field(default_factory=Memory)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    metrics: Metrics = field(default_factory=Metrics)
    vault: Vault = _VAULT
    reachable_at: str = "https://sync.example"
    #: What the connectors' calls are counted in; None: budgets that nobody takes from.
    limits: Limits | None = None
    #: The connectors of syncs and audits, which leave calls to others; None: the same.
    unhurried: Mapping[str, Connector] | None = None

    def __post_init__(self) -> None:
        connectors = self.connectors
        unhurried = connectors if self.unhurried is None else self.unhurried
        self.limits = self.limits or MemoryLimits(self.clock)
        self.stores, self.polls = MemoryStores(self.memory), MemoryPolls(self.memory)
        self.seen, self.webhook_books = MemorySeenOrders(self.memory), MemoryWebhookBooks(self.memory)
        self.authorizations = MemoryAuthorizations(self.memory)
        self.tokens = Tokens(self.stores, MemorySecrets(self.memory), self.vault, self.clock, self.metrics)
        self.subscriptions = Subscriptions(self.stores, self.clock, self.reachable_at)
        self.probing = Probing(self.stores, self.clock)
        self.webhook_health = WebhookHealth(
            MemoryPushRecords(self.memory), self.polls, self.subscriptions, clock=self.clock, metrics=self.metrics
        )
        self.linking = Linking(
            connectors=connectors,
            stores=self.stores,
            polls=self.polls,
            authorizations=self.authorizations,
            tokens=self.tokens,
            subscriptions=self.subscriptions,
            probing=self.probing,
            vault=self.vault,
            clock=self.clock,
            reachable_at=self.reachable_at,
        )
        self.planning = Planning(self.polls, self.limits, self.clock, self.metrics)
        self.poller = Poller(
            connectors=connectors,
            stores=self.stores,
            polls=self.polls,
            seen=self.seen,
            tokens=self.tokens,
            webhook_health=self.webhook_health,
            probing=self.probing,
            publisher=self.publisher,
            clock=self.clock,
            metrics=self.metrics,
            planning=self.planning,
        )
        self.syncs = MemorySyncs(self.memory)
        self.sync_runner = SyncRunner(
            connectors=unhurried,
            stores=self.stores,
            syncs=self.syncs,
            seen=self.seen,
            tokens=self.tokens,
            publisher=self.publisher,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.audits = MemoryAudits(self.memory)
        self.audit_runner = AuditRunner(
            connectors=unhurried,
            stores=self.stores,
            polls=self.polls,
            audits=self.audits,
            seen=self.seen,
            open_orders=MemoryOpenOrders(self.memory),
            tokens=self.tokens,
            publisher=self.publisher,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.audit_planner = Planner(unhurried, self.audits, self.limits, self.clock)
        self.pushes = MemoryPushes(self.memory)
        self.asking = Asking(
            connectors=unhurried,
            stores=self.stores,
            syncs=self.syncs,
            audits=self.audits,
            books=self.webhook_books,
            reach=Reach({}, self.stores, self.vault, self.clock),
            audit_schedule=NOBODY,
            sync_schedule=NOBODY,
            pushes=self.pushes,
            push_schedule=NOBODY,
            clock=self.clock,
        )
        self.books = Bookkeeping(
            self.webhook_books, self.seen, instance="process-1", clock=self.clock, metrics=self.metrics
        )
        self.webhooks = Webhooks(
            connectors=connectors,
            accesses=AccessCache(self.stores, self.vault, self.clock),
            stores=self.stores,
            seen=self.seen,
            tokens=self.tokens,
            books=self.books,
            outbox=self.webhook_books,
            health=self.webhook_health,
            publisher=self.publisher,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.relay = Relay(MemoryOutbox(self.memory), self.publisher, self.clock)

    @property
    def told(self) -> list[OrderRevised]:
        """What `orders.raw` tells by now."""
        return [event for event in self._raw() if isinstance(event, OrderRevised)]

    @property
    def gone(self) -> list[OrderGone]:
        """Which orders `orders.raw` says are gone by now."""
        return [event for event in self._raw() if isinstance(event, OrderGone)]

    def _raw(self) -> list[RawOrderEvent]:
        published = self.publisher.published
        return [RAW_ORDER_EVENT.validate_json(message.value) for message in published if message.topic == "orders.raw"]

    @property
    def dead_letters(self) -> list[dict[str, bytes]]:
        """The headers of what is on `orders.raw.dlq` by now."""
        return [dict(message.headers) for message in self.publisher.published if message.topic == "orders.raw.dlq"]


class Workbench(Ingestion):
    """One ingest process over twins: everything real but Kafka, Postgres, the platform and the clock."""

    clock: ManualClock

    def __init__(self) -> None:
        clock = ManualClock(START)
        self.platform = TwinConnector(clock)
        super().__init__({"twin": self.platform}, clock)

    async def add_store(
        self,
        store_id: str = STORE,
        *,
        secrets: dict[str, str] | None = None,
        auto_sync: bool = True,
        paid_only: bool = False,
    ) -> Store:
        """A linked store, subscribed, to be read since an hour ago."""
        address = f"https://sync.example/webhooks/twin/{store_id}"
        settings = StoreSettings(auto_sync=auto_sync, paid_only=paid_only)
        store = linked_store(store_id, subscribed_to=address, settings=settings)
        await self.stores.add(store)
        self.memory.secrets[store_id] = seal_secrets(self.vault, store_id, secrets or {"token": "token-1"})
        return store

    async def claim(self, owner: str = "process-1") -> Lease | None:
        """A lease, when a store is due and free."""
        now = self.clock.now()
        leases = await self.polls.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def poll(self) -> None:
        """One poll of the store that is due."""
        lease = await self.claim()
        assert lease is not None, "no store is due"
        await self.in_time(self.poller.poll(lease))

    async def in_time(self, work: Awaitable[T]) -> T:
        """Await `work`, moving the clock on whenever it only waits for time to pass."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            if not task.done() and self.clock.sleepers:
                self.clock.advance(1)
        return task.result()

    async def sessions(self) -> list[SessionEvent]:
        """What `sync.sessions` tells by now."""
        await self.relay.drain()
        return [
            SESSION_EVENT.validate_json(message.value)
            for message in self.publisher.published
            if message.topic == "sync.sessions"
        ]

    @property
    def store(self) -> Store:
        """The store as it is kept."""
        return self.memory.stores[STORE]

    @property
    def cursor(self) -> datetime | None:
        """How far the store is read."""
        return self.memory.polls[STORE].cursor


def linked_store(
    store_id: str = STORE,
    *,
    subscribed_to: str | None = None,
    external_id: str | None = None,
    settings: StoreSettings | None = None,
) -> Store:
    """A store that was linked half an hour ago and is read since an hour ago."""
    return Store(
        store_id=StoreId(store_id),
        seller_id=SELLER,
        platform="twin",
        name="Twin shop",
        state="linked",
        settings=settings or StoreSettings(),
        import_since=START - timedelta(hours=1),
        created_at=START,
        changed_at=START,
        external_id=external_id or f"shop-of-{store_id}",
        linked_at=START - timedelta(minutes=30),
        subscribed_to=subscribed_to,
        subscribed_at=START if subscribed_to else None,
        probed_at=START,
    )
