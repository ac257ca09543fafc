"""Audits on a workbench, over a report in memory that compares as the real one does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.audits import AUDIT_EVENT, AuditEvent, AuditProgressed, FoundOrder, OrdersCompared, OrdersListed
from schemas.ids import fact_id
from schemas.sessions import Window as Span
from schemas.topics import SYNC_COMPARISONS, SYNC_LISTINGS
from services.ingest.audits.audit import Audit, new_audit
from services.ingest.audits.planning import new_audit_id
from services.ingest.audits.ports import AuditLease
from services.ingest.contract.reading import By
from services.kit.kafka.records import Record
from services.reporting.comparing import HeldCount, counted
from tests.ingest.workbench import LEASE, START, STORE, Workbench


@dataclass
class Report:
    """What reached the report: of each order the times of its last change and of its creation."""

    bench: Workbench
    held: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    heard: int = 0
    listings: list[OrdersListed] = field(default_factory=list)

    def keep_up(self, *, without: frozenset[str] = frozenset()) -> None:
        """Take in what was told, but for some orders, which are lost on the way."""
        for event in self.bench.told:
            order = event.order
            before = self.held.get(order.external_id)
            if order.external_id not in without and (before is None or before[0] <= order.revised_at):
                self.held[order.external_id] = (order.revised_at, order.placed_at)

    def compare(self, listed: OrdersListed) -> OrdersCompared:
        """What the report has beside a list or a count."""
        if listed.counted is not None:
            span = listed.counted.span
            changed = [at for at, _ in self.held.values() if span.start <= at < span.end]
            placed = sum(span.start <= at < span.end for _, at in self.held.values())
            held = HeldCount(len(changed), placed, max(changed, default=None))
            return counted(listed, listed.counted, held, now=listed.occurred_at)
        found = [one for order in listed.orders if (one := self._beside(order.external_id, order.at, listed))]
        if listed.span is not None:
            named = {order.external_id for order in listed.orders}
            for number, (revised_at, placed_at) in sorted(self.held.items()):
                at = placed_at if listed.by == "created" else revised_at
                if listed.span.start <= at < listed.span.end and number not in named:
                    found.append(FoundOrder(external_id=number, finding="unknown", at=at))
        return OrdersCompared(
            event_id=fact_id(listed.event_id),
            occurred_at=listed.occurred_at,
            seller_id=listed.seller_id,
            audit_id=listed.audit_id,
            store_id=listed.store_id,
            platform=listed.platform,
            round=listed.round,
            part=listed.part,
            held=sum(order.external_id in self.held for order in listed.orders),
            found=tuple(found),
        )

    async def answer(self) -> int:
        """Answer all lists that were told since, each twice; how many."""
        await self.bench.relay.drain()
        lists = [one for one in self.bench.publisher.published if one.topic == SYNC_LISTINGS.name][self.heard :]
        self.heard += len(lists)
        for message in lists:
            listed = OrdersListed.model_validate_json(message.value)
            self.listings.append(listed)
            value = self.compare(listed).to_bytes()
            record = Record(SYNC_COMPARISONS.name, 0, 0, listed.store_id, value, {}, 0)
            await self.bench.asking.handle([record, record])
        return len(lists)

    def _beside(self, number: str, at: datetime, listed: OrdersListed) -> FoundOrder | None:
        held = self.held.get(number)
        if held is None:
            return FoundOrder(external_id=number, finding="missing", at=at)
        by_change = listed.by == "updated" or listed.span is None
        return FoundOrder(external_id=number, finding="stale", at=at) if by_change and held[0] < at else None


async def claimed(bench: Workbench, owner: str = "process-1") -> AuditLease | None:
    """The lease of the audit that is due."""
    now = bench.clock.now()
    leases = await bench.audits.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
    return leases[0] if leases else None


async def asked(
    bench: Workbench,
    *,
    start: datetime = START - timedelta(days=30),
    end: datetime = START,
    by: By = "updated",
    store_id: str = STORE,
) -> Audit:
    """An audit that a seller just asked for."""
    now = bench.clock.now()
    audit = new_audit(
        new_audit_id(now),
        bench.memory.stores[store_id],
        "asked",
        due_at=now,
        started_by="key-1",
        by=by,
        window=Span(start=start, end=end),
    )
    await bench.audits.add([audit])
    return audit


async def run(bench: Workbench, owner: str = "process-1") -> None:
    """One run of the audit that is due."""
    lease = await claimed(bench, owner)
    assert lease is not None, "no audit is due"
    await bench.in_time(bench.audit_runner.run(lease))


async def run_to_the_end(
    bench: Workbench, report: Report, *, lost: frozenset[str] = frozenset(), calls: int | None = None
) -> None:
    """Runs until no audit is open, the report answering at once, the clock moved on to whatever is due next.

    Each run has so many `calls` for orders by their ids (None: enough).
    """
    for _ in range(300):
        bench.platform.calls_left = calls
        await report.answer()
        open_ones = [row.audit for row in bench.memory.audits.values() if row.audit.state == "running"]
        if not open_ones:
            await bench.relay.drain()
            return
        lease = await claimed(bench)
        if lease is None:
            wait = min(audit.due_at for audit in open_ones) - bench.clock.now()
            bench.clock.advance(max(wait.total_seconds(), 1))
            report.keep_up(without=lost)
            continue
        await bench.in_time(bench.audit_runner.run(lease))
    raise AssertionError("the audits do not end")


def kept(bench: Workbench, audit: Audit) -> Audit:
    """The audit as it is kept."""
    return bench.memory.audits[audit.audit_id].audit


def told(bench: Workbench) -> list[AuditEvent]:
    """What `sync.audits` tells by now, each fact once."""
    published = [one for one in bench.publisher.published if one.topic == "sync.audits"]
    events = [AUDIT_EVENT.validate_json(message.value) for message in published]
    return list({event.event_id: event for event in events}.values())


def last_step(bench: Workbench) -> AuditProgressed:
    """The newest step that was told."""
    return max((one for one in told(bench) if isinstance(one, AuditProgressed)), key=lambda one: one.step)
