"""When a store is polled next, and why: `cadence`'s arithmetic over what the budgets hold and who shares them now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.ingest.contract.connector import Connector
from services.ingest.polls.cadence import (
    LONGEST,
    PRIOR,
    Cadence,
    Sharer,
    Terms,
    allowance,
    chance,
    length,
    plan,
    put_off,
    sharing,
    spread,
    terms,
)
from services.ingest.ports import Habits, Lease, NextPoll, Polls
from services.ingest.reserve import Spent
from services.ingest.stores.store import Store
from services.ingest.windows import until_settled
from services.kit.clock import Clock
from services.kit.limits import Limit, Limits
from services.kit.metrics import Metrics

#: How long the terms of a budget hold at a process, and how much longer with each store that shares it: the more they
#: are, the less one of them changes.
TERMS_HOLD = timedelta(seconds=60)
TERMS_HOLD_A_STORE = timedelta(seconds=1)
#: A poll begins when its budgets hold what it takes, or will so soon.
SOON = timedelta(seconds=5)
#: A poll that is put off is looked at again after this at the earliest, and at the latest.
FIRST_LOOK, LAST_LOOK = timedelta(seconds=30), timedelta(minutes=30)
#: A store that was not read for so long takes what is left of a budget, too.
URGENT = timedelta(hours=7)
#: More budgets than this are not remembered.
_MOST_BUDGETS = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    terms: Terms
    until: datetime


@dataclass(slots=True)
class Planning:
    """Plans the polls of one process. `interval` replaces what would be planned.

    Its methods raise `TransientError` when Postgres is away.
    """

    polls: Polls
    limits: Limits
    clock: Clock
    metrics: Metrics
    interval: timedelta | None = None
    _terms: dict[str, _Held] = field(default_factory=dict)
    #: The stores of budgets that cannot hold what is promised, by platform and budget.
    _short: dict[str, dict[str, int]] = field(default_factory=dict)

    async def next_poll(
        self, lease: Lease, connector: Connector, habits: Habits, *, spent: Spent, read_through: datetime
    ) -> NextPoll:
        """Plan the poll after one that succeeded and took `spent`."""
        found = await self._cadence(lease, connector, habits, spent)
        now, pace = self.clock.now(), connector.pace
        settled = until_settled(read_through=read_through, linked_at=linked_at(lease), now=now, pace=pace)
        if settled is not None and settled < found.rest:
            return NextPoll(now + settled, "what changed just before it was linked can be read then")
        return NextPoll(now + found.rest, found.because)

    async def put_off(self, lease: Lease, connector: Connector) -> NextPoll | None:
        """Say when the store's poll had better begin; None: now. A budget that is used up would only fail it."""
        if lease.asked_by is not None:
            return None
        now = self.clock.now()
        urgent = lease.cursor is None or now - lease.cursor >= URGENT
        for budget, cost in lease.costs.items():
            there = await self.limits.available(budget)
            wait = put_off(there, cost=cost, urgent=urgent) if there else 0.0
            if wait > SOON.total_seconds():
                return await self._later(lease, connector, budget, wait=timedelta(seconds=min(wait, 1e6)))
        return None

    async def _later(self, lease: Lease, connector: Connector, budget: str, *, wait: timedelta) -> NextPoll:
        own = _sharer(lease.store, lease.activity, lease.costs[budget])
        held = await self._terms_of(budget, own, connector, stated=None)
        # Not all come back at the moment at which there is enough for one of them, but while there will be for all.
        turns = LONGEST * (held.needed / held.a_day) if held else timedelta()
        turn = chance(lease.store.store_id, lease.number)
        look = max(min(wait, LAST_LOOK) + min(turns, LAST_LOOK) * turn, FIRST_LOOK)
        shared = f": {sharing(held)}" if held else ""
        self.metrics.increment("syncorder_polls_put_off_total", platform=connector.slug)
        return NextPoll(self.clock.now() + look, f"the calls to {connector.name} are used up for the moment{shared}")

    async def _cadence(self, lease: Lease, connector: Connector, habits: Habits, spent: Spent) -> Cadence:
        if self.interval is not None:
            rest = min(self.interval, LONGEST)
            return Cadence(rest, f"this installation reads every store every {length(rest)}")
        store, shared = lease.store, dict[str, Terms]()
        for budget, cost in habits.costs.items():
            own, stated = _sharer(store, habits.activity, cost), spent.of.get(budget)
            held = await self._terms_of(budget, own, connector, stated=stated[1] if stated else None)
            if held is not None:
                shared[budget] = held
        found = plan(
            habits.activity, habits.costs, shared, name=connector.name, pace=connector.pace, pushed=_is_pushed(store)
        )
        return Cadence(spread(found.rest, store_id=store.store_id, turn=lease.number), found.because)

    async def _terms_of(self, budget: str, own: Sharer, connector: Connector, *, stated: Limit | None) -> Terms | None:
        """The terms of a budget that this store draws on; None where nothing is known of it."""
        held = self._terms.get(budget)
        if held is not None and self.clock.now() < held.until:
            return held.terms
        there = await self.limits.available(budget)
        stated = there.limit if there else stated
        if stated is None:
            return None
        others = (await self.polls.sharers([budget]))[budget]
        sharers = [own, *(one for one in others if one.store_id != own.store_id)]
        found = terms(sharers, allowance(there, stated), pace=connector.pace)
        self._forget_old()
        self._terms[budget] = _Held(found, self.clock.now() + TERMS_HOLD + TERMS_HOLD_A_STORE * found.stores)
        self._note_short(budget, found, platform=connector.slug)
        return found

    def _forget_old(self) -> None:
        if len(self._terms) >= _MOST_BUDGETS:
            now = self.clock.now()
            self._terms = {budget: held for budget, held in self._terms.items() if now < held.until}

    def _note_short(self, budget: str, found: Terms, *, platform: str) -> None:
        short = self._short.setdefault(platform, {})
        short.pop(budget, None)
        if found.scarcity > 1:
            short[budget] = found.stores
        self.metrics.set("syncorder_stores_short_of_calls", sum(short.values()), platform=platform)


def linked_at(lease: Lease) -> datetime:
    """When the store was linked: only linked stores are leased, and every linked store has the moment."""
    return lease.store.linked_at or lease.claimed_at


def _is_pushed(store: Store) -> bool:
    return bool(store.subscriptions) and store.push_problem is None


def _sharer(store: Store, activity: float | None, cost: float) -> Sharer:
    return Sharer(store.store_id, PRIOR if activity is None else activity, cost, _is_pushed(store))
