"""A dry run: reads the first pages of a period and says what a sync would bring, storing and publishing nothing.

It can say what the orders themselves tell. Whether an order is eligible in the end is judged elsewhere, by what only
eligibility knows (matches, settings, approvals), so the reasons named here are the ones that no setting overrules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.order import RawOrder
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Unreadable
from services.ingest.listing import UNPAID
from services.ingest.patience import OutOfPatience
from services.ingest.ports import SeenOrders
from services.ingest.reserve import Spent, reserved, spending
from services.ingest.stores.reading import StoreReading
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.syncs.sync import Sync, next_read, within_period
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.limits import Limits

#: Pages looked at, and seconds after which no further one is asked for.
MOST_PAGES = 5
ENOUGH_SECONDS = 10.0
#: Seconds that a single page may wait for a platform that is busy or away.
PATIENCE_SECONDS = 6.0
_A_DAY = 86_400.0

#: unreadable: a dead letter. passed_over: unpaid, in a store that imports paid orders only. The others are imported and
#: held or rejected: unpaid, cancelled, fulfilled (nothing left to make), no_address (of what is to be shipped).
Reason = Literal["unreadable", "passed_over", "unpaid", "cancelled", "fulfilled", "no_address"]


@dataclass(slots=True)
class Rehearsal:
    """What a sync would bring.

    `orders` is how many the period holds: counted where `complete`, else the platform's own count (None: it has none).
    `new` and `known` are of the `looked_at` orders, and so are `reasons`. `seconds` is an estimate at today's quota.
    """

    complete: bool = False
    orders: int | None = None
    looked_at: int = 0
    new: int = 0
    known: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    seconds: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsing:
    """Rehearses syncs. `limits` are those that its connectors take from."""

    connectors: Mapping[str, Connector]
    seen: SeenOrders
    tokens: Tokens
    limits: Limits
    clock: Clock

    async def rehearse(self, store: Store, sync: Sync) -> Rehearsal:
        """Look at the first pages. Raises TransientError when Postgres is away."""
        connector = self.connectors[store.platform]
        reading = StoreReading(store, connector, self.tokens, self.clock, "backfill", enough=PATIENCE_SECONDS)
        found, began = Rehearsal(), self.clock.now()
        with spending() as spent:
            try:
                await self._look(reading, store, sync, found)
            except OutOfPatience as error:
                found.problem = f"{connector.name} could not be read to the end of this dry run ({error})."
            except AuthorizationError:
                found.problem = f"{connector.name} no longer accepts our access. Connect the store again."
        elapsed = (self.clock.now() - began).total_seconds()
        found.seconds = await self._seconds(found, spent, elapsed=elapsed)
        return found

    async def _look(self, reading: StoreReading, store: Store, sync: Sync, found: Rehearsal) -> None:
        """Look at pages; `found` has what was found until an error."""
        pace, began, total, outside = reading.connector.pace, self.clock.now(), None, 0
        asked = next_read(sync, pace=pace, now=began)
        if asked is None:
            found.complete, found.orders = True, 0
            return
        window, after = asked
        for _ in range(MOST_PAGES):
            page = await reading.page(window, after)
            total = page.total if total is None else total
            orders, left_out = within_period(page.orders, sync, pace=pace)
            outside += left_out
            await self._count(orders, store, found)
            after = page.after
            if after is None:
                found.complete, found.orders = True, found.looked_at
                return
            found.orders = None if total is None else max(total - outside, found.looked_at)
            if (self.clock.now() - began).total_seconds() > ENOUGH_SECONDS:
                return

    async def _count(self, orders: Sequence[RawOrder | Unreadable], store: Store, found: Rehearsal) -> None:
        seen = await self.seen.seen([order.key for order in orders if isinstance(order, RawOrder)])
        found.looked_at += len(orders)
        for order in orders:
            known = isinstance(order, RawOrder) and order.key in seen
            found.known += known
            found.new += not known
            objection = objection_to(order, known=known, paid_only=store.settings.paid_only)
            if objection is not None:
                found.reasons[objection] += 1

    async def _seconds(self, found: Rehearsal, spent: Spent, *, elapsed: float) -> float | None:
        if found.orders is None or not found.looked_at:
            return elapsed if found.complete else None
        share = max(found.orders / found.looked_at, 1.0)
        waits = [await self._wait(name, cost * share, spent) for name, (cost, _) in spent.of.items()]
        return math.ceil(max(elapsed * share, *waits, 0.0))

    async def _wait(self, name: str, cost: float, spent: Spent) -> float:
        """Seconds until a budget has given so much, what is left to others aside."""
        there, stated = await self.limits.available(name), spent.of[name][1]
        if there is None:
            return 0.0
        lacking = cost + reserved(stated, 1.0) - there.available
        # A budget that comes back all at once at the end of a day trickles until then.
        days = math.ceil(cost / stated.capacity)
        return max(min(lacking / there.limit.rate, days * _A_DAY), there.closed_for, 0.0)


def objection_to(order: RawOrder | Unreadable, *, known: bool, paid_only: bool) -> Reason | None:
    """The first reason for which an order would not be made; None where the order itself names none. Pure."""
    if isinstance(order, Unreadable):
        return "unreadable"
    if order.cancelled_at is not None or order.deleted:
        return "cancelled"
    if order.payment in UNPAID:
        return "passed_over" if paid_only and not known else "unpaid"
    if order.fulfilment == "fulfilled" or not any(item.quantity_to_make for item in order.items):
        return "fulfilled"
    ships = any(item.kind == "physical" and item.quantity_to_make for item in order.items)
    return "no_address" if ships and (order.ship_to is None or not order.ship_to.line1) else None
