"""What one ingest process does by itself on stores, each under a lease: polls, syncs, audits, looks and so on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar

from services.ingest.audits.planning import Intervals, Planner
from services.ingest.audits.ports import AuditLease
from services.ingest.audits.runs import AuditRunner
from services.ingest.composing.foundation import Foundation
from services.ingest.imports.ports import ImportLease
from services.ingest.imports.runs import ImportRunner
from services.ingest.looks.ports import LookLease
from services.ingest.looks.runs import LookRunner
from services.ingest.polls.planning import Planning
from services.ingest.polls.polling import Poller
from services.ingest.ports import Lease, SyncLease
from services.ingest.registry import is_read
from services.ingest.schedule import Leased, Leases, Schedule, What
from services.ingest.syncs.runs import SyncRunner
from services.ingest.tracking.ports import PushLease
from services.ingest.tracking.runs import PushRunner

L = TypeVar("L", bound=Leased)


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules of one process."""

    polls: Schedule[Lease]
    syncs: Schedule[SyncLease]
    audits: Schedule[AuditLease]
    imports: Schedule[ImportLease]
    pushes: Schedule[PushLease]
    looks: Schedule[LookLease]

    def __iter__(self) -> Iterator[Schedule[Any]]:
        return (getattr(self, field.name) for field in fields(self))


def schedules(on: Foundation) -> Schedules:
    """Compose them."""
    return Schedules(
        polls=_polls(on),
        syncs=_syncs(on),
        audits=_audits(on),
        imports=_imports(on),
        pushes=_pushes(on),
        looks=_looks(on),
    )


def audit_planner(on: Foundation) -> Planner | None:
    """Who plans audits ahead; None where they are switched off."""
    settings = on.settings
    if not settings.audits:
        return None
    intervals = Intervals(
        day=timedelta(seconds=settings.audit_day_seconds),
        week=timedelta(seconds=settings.audit_week_seconds),
        open=timedelta(seconds=settings.audit_open_seconds),
    )
    return Planner(on.reached.audited, on.kept.audits, on.reached.limits, on.clock, intervals)


def _polls(on: Foundation) -> Schedule[Lease]:
    settings, kept, connectors = on.settings, on.kept, on.reached.at_once
    interval = timedelta(seconds=settings.poll_seconds) if settings.poll_seconds else None
    poller = Poller(
        connectors=connectors,
        stores=kept.stores,
        polls=kept.polls,
        seen=kept.seen,
        tokens=on.tokens,
        webhook_health=on.webhook_health,
        probing=on.probing,
        publisher=on.publisher,
        clock=on.clock,
        metrics=on.metrics,
        planning=Planning(kept.polls, on.reached.limits, on.clock, on.metrics, interval),
    )
    read = [slug for slug in connectors if is_read(slug)]
    return _scheduled(on, poller.poll, kept.polls, "poll", platforms=read, at_once=settings.poll_stores_at_once)


def _syncs(on: Foundation) -> Schedule[SyncLease]:
    kept, connectors = on.kept, on.reached.unhurried
    runner = SyncRunner(
        connectors=connectors,
        stores=kept.stores,
        syncs=kept.syncs,
        seen=kept.seen,
        tokens=on.tokens,
        publisher=on.publisher,
        clock=on.clock,
        metrics=on.metrics,
    )
    return _scheduled(on, runner.run, kept.syncs, "sync", platforms=list(connectors), at_once=on.settings.syncs_at_once)


def _audits(on: Foundation) -> Schedule[AuditLease]:
    kept, audited = on.kept, on.reached.audited
    runner = AuditRunner(
        connectors=audited,
        stores=kept.stores,
        polls=kept.polls,
        audits=kept.audits,
        seen=kept.seen,
        open_orders=kept.open_orders,
        tokens=on.tokens,
        publisher=on.publisher,
        clock=on.clock,
        metrics=on.metrics,
    )
    return _scheduled(on, runner.run, kept.audits, "audit", platforms=list(audited), at_once=on.settings.audits_at_once)


def _imports(on: Foundation) -> Schedule[ImportLease]:
    kept = on.kept
    runner = ImportRunner(kept.imports, on.import_files, kept.stores, on.giving, kept.given, on.clock, on.metrics)
    given = [slug for slug in on.reached.at_once if not is_read(slug)]
    return _scheduled(on, runner.run, kept.imports, "import", platforms=given, at_once=on.settings.imports_at_once)


def _pushes(on: Foundation) -> Schedule[PushLease]:
    kept, connectors = on.kept, on.reached.patient
    runner = PushRunner(connectors, kept.stores, kept.pushes, on.tokens, on.clock, on.metrics)
    return _scheduled(
        on, runner.run, kept.pushes, "push", platforms=list(connectors), at_once=on.settings.pushes_at_once
    )


def _looks(on: Foundation) -> Schedule[LookLease]:
    kept, connectors = on.kept, on.reached.unhurried
    runner = LookRunner(
        connectors=connectors,
        stores=kept.stores,
        looks=kept.looks,
        books=kept.webhook_books,
        tokens=on.tokens,
        publisher=on.publisher,
        clock=on.clock,
        metrics=on.metrics,
    )
    read = [slug for slug in connectors if is_read(slug)]
    return _scheduled(on, runner.run, kept.looks, "look", platforms=read, at_once=on.settings.looks_at_once)


def _scheduled(
    on: Foundation,
    work: Callable[[L], Awaitable[None]],
    leases: Leases[L],
    what: What,
    *,
    platforms: Collection[str],
    at_once: int,
) -> Schedule[L]:
    return Schedule(
        work,
        leases,
        owner=on.instance,
        platforms=platforms,
        at_once=at_once,
        clock=on.clock,
        metrics=on.metrics,
        what=what,
    )
