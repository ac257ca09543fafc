"""One run of a manual sync: every page of the seller's period reaches Kafka and is recorded before the next is read.

Whoever is killed in between has published at most one page without recording it: the next holder of the lease goes on
with that page, and the same revisions get the same event ids. Orders of before the store's `import_since` are told too,
for the seller asked for them; whether they are made waits for their approval, by eligibility's rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from schemas.order import RawOrder
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Page, Unreadable, Window
from services.ingest.listing import Listed, judge_page, results
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.ports import SeenOrders, Stores, SyncLease, Syncs
from services.ingest.sessions import told_end, told_part, told_start
from services.ingest.stores.reading import StoreReading, publish
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.syncs.sync import Sync, is_read, next_read, settles_at, unfinished_state, within_period
from services.ingest.windows import backoff
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: A sync that got no further for so long ends with what it has: a platform's day of quota is over by then.
GIVE_UP = timedelta(hours=36)
UNLINKED = "The store was unlinked."
RECONNECT = "{name} no longer accepts our access. Connect the store again, then ask for the rest of the period."


class StoreGone(Exception):  # noqa: N818 - the fact
    """The store is not linked any more."""


@dataclass(slots=True)
class _Run:
    """A sync under way; `pages` counts those read in this run."""

    lease: SyncLease
    connector: Connector
    sync: Sync
    reading: StoreReading
    pages: int = 0

    @property
    def store(self) -> Store:
        return self.lease.store


@dataclass(frozen=True, slots=True)
class SyncRunner:
    """Runs manual syncs."""

    connectors: Mapping[str, Connector]
    stores: Stores
    syncs: Syncs
    seen: SeenOrders
    tokens: Tokens
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    async def run(self, lease: SyncLease) -> None:
        """Read the leased sync as far as it goes, and end the lease.

        Raises:
            LeaseLost: another process holds the sync, or its seller paused or cancelled it.
            TransientError: Postgres is away; the next holder goes on.
        """
        connector = self.connectors[lease.store.platform]
        reading = StoreReading(lease.store, connector, self.tokens, self.clock, "backfill")
        run = _Run(lease, connector, lease.sync, reading)
        try:
            await self._linked(run)
            await self._begin(run)
            await self._read(run)
        except OutOfPatience as error:
            await self._rest(run, str(error), retry_after=error.retry_after)
        except StoreGone:
            await self._end(run, "cancelled", problem=UNLINKED)
        except AuthorizationError as error:
            await self._refused(run, error)

    async def _linked(self, run: _Run) -> Store:
        """The store as it is now."""
        store = await patiently(lambda: self.stores.get(run.store.store_id), clock=self.clock)
        if store is None or store.state in {"unlinked", "pending"}:
            raise StoreGone
        if store.state == "reconnect":
            raise AuthorizationError("the store has to be connected again")
        return store

    async def _begin(self, run: _Run) -> None:
        if not run.sync.begun:
            run.sync = run.sync.began(now=self.clock.now())
            await self.syncs.begin(run.lease, run.sync, messages=[told_start(run.sync.session)])

    async def _read(self, run: _Run) -> None:
        pace = run.connector.pace
        while (asked := next_read(run.sync, pace=pace, now=self.clock.now())) is not None:
            window, after = asked
            page = await run.reading.page(window, after)
            run.pages += 1
            await self._keep(run, window, page)
            if page.after is None and page.read_through < window.end:
                # The platform itself says that it did not look further.
                raise OutOfPatience("its list ended before the period did", retry_after=pace.settle.total_seconds())
        if is_read(run.sync):
            await self._end(run, "succeeded")
        else:
            await self.syncs.give_back(run.lease, due=settles_at(run.sync, pace=pace))

    async def _keep(self, run: _Run, window: Window, page: Page) -> None:
        store = await self._linked(run)
        orders, outside = within_period(page.orders, run.sync, pace=run.connector.pace)
        listed = await self._judged(run, orders, paid_only=store.settings.paid_only)
        await patiently(
            lambda: publish(self.publisher, listed.messages, way="backfill", metrics=self.metrics), clock=self.clock
        )
        now = self.clock.now()
        sync = run.sync.progressed(page, listed.outcomes, outside=outside, window=window, now=now)
        part = told_part(sync.session, listed.outcomes, now=now)
        await patiently(lambda: self.syncs.record(run.lease, sync, seen=listed.seen, messages=[part]), clock=self.clock)
        run.sync = sync
        for result, count in results(listed.outcomes).items():
            self.metrics.increment(
                "syncorder_orders_listed_total", count, platform=store.platform, way="backfill", result=result
            )

    async def _judged(self, run: _Run, orders: Sequence[RawOrder | Unreadable], *, paid_only: bool) -> Listed:
        keys = [order.key for order in orders if isinstance(order, RawOrder)]
        return judge_page(
            orders,
            store=run.store.ref,
            seen=await patiently(lambda: self.seen.seen(keys), clock=self.clock),
            session_id=run.sync.sync_id,
            paid_only=paid_only,
            now=self.clock.now(),
        )

    async def _rest(self, run: _Run, problem: str, *, retry_after: float | None) -> None:
        now, sync, name = self.clock.now(), run.sync, run.connector.name
        if now - sync.progressed_at >= GIVE_UP:
            given_up = f"{name} could not be read to the end ({problem}). Ask for the rest of the period again."
            await self._end(run, unfinished_state(sync), problem=given_up)
            return
        wait = backoff(sync.failures + 1, retry_after=retry_after)
        # A cursor that twice led nowhere may be the reason: its part of the window is read from the beginning.
        rested = sync.rested(
            f"Waiting for {name}: {problem}.", due_at=now + wait, forget_place=run.pages == 0 and sync.failures > 0
        )
        await self.syncs.rest(run.lease, rested)
        log.info("sync.rested", sync_id=sync.sync_id, platform=sync.session.platform, seconds=wait.total_seconds())

    async def _refused(self, run: _Run, error: AuthorizationError) -> None:
        store, now = run.store, self.clock.now()
        held = await self.stores.get(store.store_id)
        if held is None or held.state == "unlinked":
            await self._end(run, "cancelled", problem=UNLINKED)
            return
        log.warning("store.refused", store_id=store.store_id, platform=store.platform, problem=str(error))
        problem = f"{run.connector.name} no longer accepts our access. Connect the store again."
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        await self._end(run, unfinished_state(run.sync), problem=RECONNECT.format(name=run.connector.name))

    async def _end(
        self,
        run: _Run,
        state: Literal["succeeded", "partial", "failed", "cancelled"],
        *,
        problem: str | None = None,
    ) -> None:
        sync = run.sync.ended(state, now=self.clock.now(), problem=problem)
        # What never began was never told of.
        await self.syncs.end(run.lease, sync, messages=[told_end(sync.session)] if sync.begun else [])
        self.metrics.increment("syncorder_syncs_total", platform=sync.session.platform, state=state)
        counts = sync.session.counts
        log.info("sync.ended", sync_id=sync.sync_id, state=state, listed=counts.listed, new=counts.new)
