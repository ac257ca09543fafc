"""Manual syncs on a workbench: asked for, run and told."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta

from schemas.sessions import OrderOutcome
from services.ingest.contract.reading import By
from services.ingest.ports import SyncLease
from services.ingest.syncs.sync import Asked, Sync, new_sync
from services.kit.periods import Period
from tests.ingest.workbench import LEASE, START, STORE, Workbench

_NUMBERS = itertools.count(1)


async def asked(
    bench: Workbench,
    *,
    start: datetime = START - timedelta(days=30),
    end: datetime = START - timedelta(days=20),
    by: By = "created",
    store_id: str = STORE,
) -> Sync:
    """A sync of a period, just asked for."""
    words = Asked(start.isoformat(), end.isoformat(), "UTC", by)
    sync = new_sync(
        f"sync-{next(_NUMBERS):06}",
        bench.memory.stores[store_id],
        words,
        Period(start, end, "UTC"),
        pace=bench.platform.pace,
        by_key="key-1",
        reaches_back_to=None,
        now=bench.clock.now(),
    )
    await bench.syncs.add([sync])
    return sync


async def claimed(bench: Workbench, owner: str = "process-1") -> SyncLease | None:
    """The lease of the sync that is due."""
    now = bench.clock.now()
    leases = await bench.syncs.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
    return leases[0] if leases else None


async def run(bench: Workbench, owner: str = "process-1") -> None:
    """One run of the sync that is due."""
    lease = await claimed(bench, owner)
    assert lease is not None, "no sync is due"
    await bench.in_time(bench.sync_runner.run(lease))


async def run_to_the_end(bench: Workbench) -> None:
    """Runs until nothing is due for good, the clock moved on to whatever is due next."""
    for _ in range(200):
        open_ones = [row.sync for row in bench.memory.syncs.values() if row.sync.state in {"queued", "running"}]
        if not open_ones:
            return
        lease = await claimed(bench)
        if lease is None:
            wait = min(sync.due_at for sync in open_ones) - bench.clock.now()
            bench.clock.advance(max(wait.total_seconds(), 1))
            continue
        await bench.in_time(bench.sync_runner.run(lease))
    raise AssertionError("the syncs do not end")


def kept(bench: Workbench, sync: Sync) -> Sync:
    """The sync as it is kept."""
    return bench.memory.syncs[sync.sync_id].sync


async def outcomes(bench: Workbench, sync: Sync) -> list[OrderOutcome]:
    """What was told of the sync's orders."""
    return [
        outcome
        for event in await bench.sessions()
        if event.type == "session.progressed" and event.session_id == sync.sync_id
        for outcome in event.outcomes
    ]


def told_once(bench: Workbench) -> list[str]:
    """The orders that were told, each revision once however often it was published."""
    events = {event.event_id: event.order.external_id for event in bench.told}
    return sorted(events.values())


async def let_run(steps: int = 50) -> None:
    """Let other tasks run."""
    for _ in range(steps):
        await asyncio.sleep(0)
