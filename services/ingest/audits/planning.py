"""Plans audits: every store that syncs by itself has the next one of each scope ahead, as often as call budgets allow.

A planned audit is a row that waits until it is due, so the plan survives restarts, and after a downtime each store has
one audit of each scope to catch up with, spread over time, never a storm of missed ones.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zlib import crc32

import structlog

from schemas.audits import AuditScope
from services.ingest.audits.audit import SCHEDULED, Audit, new_audit
from services.ingest.audits.ports import AuditCost, Audits, Unplanned
from services.ingest.contract.connector import Connector
from services.ingest.polls.cadence import allowance, audit_calls
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.limits import Limits

log = structlog.get_logger()

#: Where budgets are tight, audits of a scope are at most so far apart.
LONGEST: Mapping[AuditScope, timedelta] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "open": timedelta(days=7),
}
#: After a downtime, what is due is spread over this time at most.
_CATCH_UP = timedelta(hours=1)
#: An audit that failed, as when its platform was away for as long as audits wait, is due again within so long; not
#: before half of it, so that what fails at once again takes little of a budget.
_AFTER_FAILURE = timedelta(hours=1)
_LOOK_EVERY_SECONDS = 15.0
_AT_ONCE = 500
#: How long what audits take of budgets counts as known: they are planned hours ahead.
_COSTS_HOLD = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often each scope is audited where budgets allow."""

    day: timedelta = timedelta(hours=1)
    week: timedelta = timedelta(days=1)
    open: timedelta = timedelta(days=7)

    def usual(self, scope: AuditScope, connector: Connector) -> timedelta:
        """The interval on a platform; one that announces less has its open orders read more often."""
        if scope == "open":
            return min(self.open, connector.pace.reread or self.open)
        return self.day if scope == "day" else self.week


@dataclass(slots=True)
class Planner:
    """One process's planning; several at once do no harm."""

    connectors: Mapping[str, Connector]
    audits: Audits
    limits: Limits
    clock: Clock
    intervals: Intervals = Intervals()
    _known_until: datetime | None = None
    #: How many times as far apart as usual audits are, by platform and scope.
    _stretches: Mapping[str, Mapping[AuditScope, float]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Plan every few seconds until `stop`."""
        while not stop.is_set():
            try:
                await self.once()
            except TransientError as error:
                log.warning("audits.unplanned", problem=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(_LOOK_EVERY_SECONDS, self.intervals.day.total_seconds() / 4))

    async def once(self) -> int:
        """Plan what is not planned; how many."""
        lacking = await self.audits.unplanned(platforms=list(self.connectors), limit=_AT_ONCE)
        if lacking:
            await self._weigh()
            await self.audits.add([self._planned(one) for one in lacking])
        return len(lacking)

    def _planned(self, lacking: Unplanned) -> Audit:
        store, scope, now = lacking.store, lacking.scope, self.clock.now()
        due = next_due(
            f"{store.store_id}|{scope}",
            last=lacking.last,
            failed_at=lacking.failed_at,
            rest=self.rest(scope, store.platform),
            now=now,
        )
        return new_audit(new_audit_id(due), store, scope, due_at=due, started_by="schedule")

    def rest(self, scope: AuditScope, platform: str) -> timedelta:
        """How far apart audits of a scope are on a platform: as its scarcest budget allows."""
        connector = self.connectors[platform]
        usual = self.intervals.usual(scope, connector)
        stretch = self._stretches.get(platform, {}).get(scope, 1.0)
        return min(usual * stretch, max(LONGEST[scope], usual))

    async def _weigh(self) -> None:
        """Find out by how much audits as usual would take more than their share of each budget."""
        now = self.clock.now()
        if self._known_until is not None and now < self._known_until:
            return
        loads, takers = self._loads(await self.audits.costs(list(self.connectors)))
        found: defaultdict[str, dict[AuditScope, float]] = defaultdict(dict)
        for budget, load in loads.items():
            there = await self.limits.available(budget)
            if there is None:
                continue
            for scope, stretch in stretches(load, audit_calls(allowance(there, there.limit))).items():
                for platform in takers[budget]:
                    found[platform][scope] = max(stretch, found[platform].get(scope, 1.0))
        self._stretches, self._known_until = found, now + _COSTS_HOLD

    def _loads(
        self, costs: Sequence[AuditCost]
    ) -> tuple[Mapping[str, Mapping[AuditScope, float]], Mapping[str, set[str]]]:
        """What audits take of each budget in a day at their usual intervals, by scope; and whose platforms take it."""
        loads: defaultdict[str, defaultdict[AuditScope, float]] = defaultdict(lambda: defaultdict(float))
        takers: defaultdict[str, set[str]] = defaultdict(set)
        a_day: dict[tuple[str, AuditScope], float] = {}
        for one in costs:
            kind = (one.platform, one.scope)
            if kind not in a_day:
                a_day[kind] = timedelta(days=1) / self.intervals.usual(one.scope, self.connectors[one.platform])
            loads[one.budget][one.scope] += one.calls * a_day[kind]
            takers[one.budget].add(one.platform)
        return loads, takers


def stretches(loads: Mapping[AuditScope, float], allowed: float) -> Mapping[AuditScope, float]:
    """How many times as far apart as usual the audits of each scope have to be.

    `loads` is what each takes in a day at its usual interval, and `allowed` what all may take. The audits of the last
    day give way first: the others look at the same orders again, and those of open orders at what no list shows.
    """
    often, rest = loads.get("day", 0.0), sum(loads.values()) - loads.get("day", 0.0)
    if often + rest <= allowed:
        return dict.fromkeys(SCHEDULED, 1.0)
    most = LONGEST["day"] / Intervals().day
    day = min(often / (allowed - rest), most) if allowed > rest else most
    left = max(allowed - often / most, allowed / 2)
    others = max(rest / left, 1.0)
    return {"day": day, "week": others, "open": others}


def next_due(
    name: str, *, last: datetime | None, failed_at: datetime | None = None, rest: timedelta, now: datetime
) -> datetime:
    """When an audit that is called `name` is due, after one that was planned for `last` (None: there was none).

    The first ones are spread over `rest`, what a downtime made late over at most an hour. One that failed at
    `failed_at` proved nothing, so the next does not wait for its usual turn, which may be days away.
    """
    share = crc32(name.encode()) / 2**32
    due = last + rest if last is not None else None
    if due is not None and failed_at is not None:
        due = min(due, failed_at + _AFTER_FAILURE * (1 + share) / 2)
    if due is not None and due > now:
        return due
    return now + share * (rest if last is None else min(rest, _CATCH_UP))


def new_audit_id(at: datetime) -> str:
    """An id of an audit that begins then: ids rise with time, so that lists need no other order."""
    return f"{int(at.timestamp() * 1_000_000):014x}{secrets.token_hex(5)}"
