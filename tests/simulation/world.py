"""All three services in memory over markets, on virtual time: what happens there is held against what is reported."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.audits import AuditFinished, OrdersListed
from schemas.decisions import OrderDecided
from schemas.ids import OrderKey, SellerId, StoreId, order_key
from schemas.order import RAW_ORDER_EVENT
from schemas.reasons import ReasonCode
from schemas.sessions import SessionFinished, Window
from schemas.stores import StoreRecord, StoreSettings
from schemas.topics import (
    ORDERS_DECISIONS,
    ORDERS_RAW,
    SELLERS,
    STORES,
    SYNC_AUDITS,
    SYNC_COMPARISONS,
    SYNC_LISTINGS,
    SYNC_SESSIONS,
)
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.memory_tables import Tables
from services.eligibility.decisions import DECISIONS
from services.eligibility.judging import Arrival, Judge
from services.eligibility.sealing import Sealer
from services.ingest.contract.webhooks import Delivery
from services.ingest.ports import Lease, LeaseLost
from services.ingest.schedule import LEASE
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import seal_secrets
from services.ingest.syncs.sync import Asked, new_sync
from services.kit.errors import TransientError
from services.kit.http.problems import Problem
from services.kit.kafka.publisher import MemoryPublisher, Message
from services.kit.kafka.records import Record
from services.kit.limits import Limits
from services.kit.metrics import Metrics
from services.kit.periods import Period
from services.kit.trace import begin
from services.kit.vault import Vault
from services.reporting.adapters.memory import MemoryProjections
from services.reporting.comparer import Comparer
from services.reporting.comparing import HeldCount, HeldOrder
from services.reporting.facts import Located, Reader
from tests.eligibility.workbench import PLENTY, variant
from tests.ingest.workbench import Ingestion
from tests.simulation.market import Market, Sold
from tests.simulation.virtual_time import LoopClock

SELLER = SellerId("seller-1")
#: How often due stores and audits are looked for, in simulated seconds, and how often audits are planned.
LOOK, AUDIT_LOOK, PLAN = 30.0, 60.0, 900.0
#: How long what is told takes to the next service.
HOP = 10.0
AT_ONCE = 50
#: What the report reads of what ingest tells.
REPORTED = frozenset({SELLERS.name, STORES.name, SYNC_SESSIONS.name, SYNC_AUDITS.name})
_VAULT = Vault.open_or_create(Path(tempfile.mkdtemp(prefix="sync-order-simulation-")) / "master.key")
_FAR = timedelta(days=1000)


@dataclass
class Held:
    """What the report holds, by store: the twin of reporting's own looks at every order it has."""

    orders: defaultdict[str, dict[str, HeldOrder]] = field(default_factory=lambda: defaultdict(dict))

    def keep(self, decided: OrderDecided) -> None:
        """Keep the newest revision that was judged."""
        summary, (platform, store_id, external_id) = decided.summary, decided.order_key.split(":", 2)
        del platform
        held = self.orders[store_id].get(external_id)
        if held is None or held.revised_at <= summary.revised_at:
            self.orders[store_id][external_id] = HeldOrder(external_id, summary.revised_at, summary.placed_at)

    async def beside(self, listed: OrdersListed) -> Mapping[str, HeldOrder]:
        """See `services.reporting.ports.Holdings`."""
        held, wanted = self.orders[listed.store_id], {order.external_id for order in listed.orders}
        found = {number: held[number] for number in wanted & held.keys()}
        if listed.span is not None:
            for number, one in held.items():
                at = one.placed_at if listed.by == "created" else one.revised_at
                if listed.span.start <= at < listed.span.end:
                    found[number] = one
        return found

    async def held_in(self, seller_id: str, store_id: str, span: Window) -> HeldCount:
        """See `services.reporting.ports.Holdings`."""
        del seller_id
        held = self.orders[store_id].values()
        changed = [one.revised_at for one in held if span.start <= one.revised_at < span.end]
        placed = sum(span.start <= one.placed_at < span.end for one in held)
        return HeldCount(len(changed), placed, max(changed, default=None))


class _Decisions(MemoryRepository):
    """Eligibility's tables in memory, where no transaction fails, so that none keeps a copy of all orders for it."""

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Tables]:
        """Open a transaction over all tables."""
        async with self._turn:
            yield self.tables


@dataclass
class World:
    """The services over markets. `unhurried` are the same markets for work that leaves a reserve of calls to others."""

    clock: LoopClock
    limits: Limits
    markets: Mapping[str, Market]
    unhurried: Mapping[str, Market]
    #: When each order was first, and when each of its revisions was, in the report.
    reported_at: dict[str, datetime] = field(default_factory=dict)
    stores: dict[tuple[str, str], StoreId] = field(default_factory=dict)
    healed: list[str] = field(default_factory=list)
    #: How many ingest processes compete for stores.
    processes: int = 1
    audits_ended: Counter[str] = field(default_factory=Counter)
    #: When the services began to run, the last time.
    opened_at: datetime = field(init=False)
    _read_at: dict[str, datetime] = field(default_factory=dict)
    _rests: dict[str, timedelta] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ingestion = Ingestion(self.markets, self.clock, limits=self.limits, unhurried=self.unhurried)
        self.publisher: MemoryPublisher = self.ingestion.publisher
        self.repository, self.projections = _Decisions(), MemoryProjections()
        self.judge = Judge(
            self.repository,
            sealer=Sealer(_VAULT),
            clock=self.clock,
            metrics=Metrics(),
            keep_for=timedelta(days=30),
            wake_relays=lambda _: None,
        )
        self._delivered = self._open = False
        self.held, self.reader, self._offsets = Held(), Reader(), Counter[str]()
        self.comparer = Comparer(self.held, self.publisher, clock=self.clock)
        for market in self.markets.values():
            market.deliver = self._deliver

    async def open_for_business(self) -> None:
        """Fill the purse and the catalog."""
        await self.repository.put_variants([variant()])
        await self.repository.top_up(SELLER, PLENTY, reference="first", now=self.clock.now())

    async def link(self, platform: str, shop: str, *, paid_only: bool = False) -> StoreId:
        """Link a store now, and read it from now on."""
        now, store_id = self.clock.now(), StoreId(f"{platform}-{shop}")
        store = Store(
            store_id=store_id,
            seller_id=SELLER,
            platform=platform,
            name=shop,
            state="linked",
            settings=StoreSettings(paid_only=paid_only),
            import_since=now,
            created_at=now,
            changed_at=now,
            external_id=shop,
            linked_at=now,
            probed_at=now + _FAR,
        )
        self.ingestion.memory.secrets[store_id] = seal_secrets(self.ingestion.vault, store_id, {"token": "t"})
        await self.ingestion.stores.add(store)
        self.stores[(platform, shop)] = store_id
        return store_id

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the services work meanwhile. Whatever fails there fails whoever waits here."""
        self.opened_at = self.clock.now()
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._run())
            self._open = True
            yield
            self._open = False
            work.cancel()

    async def _run(self) -> None:
        """Poll and audit what is due and pass on what is told, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.processes):
                owner = f"process-{number + 1}"
                for leases, work, every in (
                    (self.ingestion.polls, self.ingestion.poller.poll, LOOK),
                    (self.ingestion.syncs, self.ingestion.sync_runner.run, AUDIT_LOOK),
                    (self.ingestion.audits, self.ingestion.audit_runner.run, AUDIT_LOOK),
                ):
                    group.create_task(self._working(leases, work, owner=owner, every=every))
            group.create_task(self._every(PLAN, self._plan))
            group.create_task(self._every(HOP, self.pass_on))

    async def sync(self, store_id: StoreId, *, back: timedelta) -> None:
        """Ask for the time since then, by creation, as a seller does."""
        store, now = await self.ingestion.stores.get(store_id), self.clock.now()
        assert store is not None
        asked, period = Asked(str(now - back), str(now), "UTC", "created"), Period(now - back, now, "UTC")
        sync = new_sync(
            f"{int(now.timestamp()):014x}{len(self.ingestion.memory.syncs)}",
            store,
            asked,
            period,
            pace=self.unhurried[store.platform].pace,
            by_key="key",
            reaches_back_to=None,
            now=now,
        )
        await self.ingestion.syncs.add([sync])

    def truth(self) -> dict[OrderKey, Sold]:
        """Every order that is on a platform now."""
        return {
            order_key(platform, store_id, number): order
            for (platform, shop), store_id in self.stores.items()
            for number, order in self.markets[platform].shelf(shop).orders.items()
        }

    def reported(self) -> Mapping[str, OrderDecided]:
        """What the report says of every order that was judged."""
        orders = self.projections.kept.orders.values()
        return {change.order_key: change.verdict.decided for change in orders if change.verdict is not None}

    def untrue(self) -> list[str]:
        """In how far the report is not the platforms' truth, a line an order."""
        reported, truth = self.reported(), self.truth()
        lines = [f"{key} is missing" for key in truth.keys() - reported.keys()]
        for key, decided in reported.items():
            sold, summary = truth.get(OrderKey(key)), decided.summary
            if sold is None and ReasonCode.DELETED_ON_PLATFORM not in {reason.code for reason in decided.reasons}:
                lines.append(f"{key} is not on the platform any more")
            elif sold is not None and (summary.revised_at, summary.cancelled_at is not None) != (
                sold.changed_at,
                sold.cancelled,
            ):
                lines.append(f"{key} is of {summary.revised_at}, the platform's of {sold.changed_at}")
        return lines

    async def _working(self, leases: Any, work: Callable[[Any], Awaitable[None]], *, owner: str, every: float) -> None:
        running = set[asyncio.Task[None]]()
        async with asyncio.TaskGroup() as group:
            while True:
                now, free = self.clock.now(), AT_ONCE - len(running)
                for lease in await leases.claim(
                    owner=owner, platforms=list(self.markets), limit=free, now=now, until=now + LEASE
                ):
                    task = group.create_task(self._under(lease, leases, work, group))
                    running.add(task)
                    task.add_done_callback(running.discard)
                await self.clock.sleep(every)

    async def _under(
        self, lease: Lease, leases: Any, work: Callable[[Any], Awaitable[None]], group: asyncio.TaskGroup
    ) -> None:
        # A timer costs a hundredth of a task that waits, and hardly any work lasts until it rings.
        loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()

        async def renew() -> None:
            # Work may end in the moment in which the timer rings; who truly lost a lease hears it when he writes.
            with suppress(LeaseLost):
                await leases.renew(lease, until=self.clock.now() + LEASE)

        def keep() -> None:
            group.create_task(renew())
            timers[:] = [loop.call_later(LEASE.total_seconds() / 3, keep)]

        timers.append(loop.call_later(LEASE.total_seconds() / 3, keep))
        try:
            await work(lease)
        finally:
            timers[0].cancel()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self.clock.sleep(seconds)
            await work()

    async def _plan(self) -> None:
        await self._keep_books()
        await self.ingestion.audit_planner.once()
        before = self.clock.now() - timedelta(days=2)
        await self.ingestion.audits.forget(before=before, asked_before=before)

    async def _deliver(self, address: str, delivery: Delivery) -> bool:
        if not self._open:
            return False
        self._delivered = True
        _, _, place = address.partition("/webhooks/")
        platform, _, store_id = place.partition("/")
        try:
            await self.ingestion.webhooks.take(platform, store_id, delivery)
        except (TransientError, Problem):
            return False
        return True

    async def pass_on(self) -> None:
        """Bring what was told to those who read it, until nothing new is told."""
        if self._delivered:
            self._delivered = False
            await self._keep_books()
        while self.ingestion.memory.outbox or self.publisher.published:
            await self.ingestion.relay.drain()
            told, self.publisher.published = self.publisher.published, []
            await self._hear(told)

    async def _keep_books(self) -> None:
        await self.ingestion.books.flush()
        await self.ingestion.webhook_health.flush()

    async def _hear(self, told: list[Message]) -> None:
        by_topic: defaultdict[str, list[Message]] = defaultdict(list)
        for message in told:
            by_topic[message.topic].append(message)
        facts = [self._fact(message.topic, message.value) for message in told if message.topic in REPORTED]
        if stores := by_topic[STORES.name]:
            await self.repository.put_stores([StoreRecord.model_validate_json(one.value) for one in stores])
        if raw := by_topic[ORDERS_RAW.name]:
            await self.judge.judge_arrivals([_arrival(message) for message in raw])
            decided = [one.message for shard in self.repository.tables.outbox.values() for one in shard]
            self.repository.tables.outbox.clear()
            facts += [self._fact(ORDERS_DECISIONS.name, one.value) for one in decided if one.topic == DECISIONS]
        await self.projections.apply(facts)
        self._note(facts)
        if listings := by_topic[SYNC_LISTINGS.name]:
            await self.comparer.handle([_record(message) for message in listings])
        if answers := by_topic[SYNC_COMPARISONS.name]:
            await self.ingestion.asking.handle([_record(message) for message in answers])

    def _note(self, facts: list[Located]) -> None:
        now = self.clock.now()
        for fact in facts:
            match fact.fact:
                case OrderDecided() as decided:
                    self.reported_at.setdefault(decided.order_key, now)
                    self.held.keep(decided)
                case SessionFinished() as finished:
                    self._note_session(finished)
                case AuditFinished() as audit:
                    self.audits_ended[audit.state] += 1
                case _:
                    pass

    def _note_session(self, finished: SessionFinished) -> None:
        if finished.healed:
            self.healed.append(finished.healed)
        if finished.state == "succeeded" and finished.read_through:
            before = self._read_at.get(finished.store_id)
            if before is not None and before >= self.opened_at:
                rest = finished.occurred_at - before
                self._rests[finished.store_id] = max(rest, self._rests.get(finished.store_id, rest))
            self._read_at[finished.store_id] = finished.occurred_at

    def longest_rest(self, platform: str) -> timedelta:
        """The longest time between two polls of a store that succeeded, while the services ran."""
        rests = [
            self._rests[store] for (slug, _), store in self.stores.items() if slug == platform and store in self._rests
        ]
        return max(rests, default=timedelta())

    def _fact(self, topic: str, value: bytes) -> Located:
        self._offsets[topic] += 1
        return self.reader.read(topic, 0, self._offsets[topic], value)


def _arrival(message: Message) -> Arrival:
    return Arrival(RAW_ORDER_EVENT.validate_json(message.value), message.value, 0, begin())


def _record(message: Message) -> Record:
    return Record(message.topic, 0, 0, message.key, message.value, dict(message.headers), 0)
