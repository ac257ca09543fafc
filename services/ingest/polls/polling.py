"""One poll of one store: everything that changed in its window reaches Kafka before the cursor moves past it.

A page is published, acknowledged, and only then recorded, with the place up to which the window is read. Whoever is
killed in between has published without recording: the next holder of the lease reads that page again, and the same
revisions get the same event ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from schemas.ids import SessionId, fact_id
from schemas.order import RawOrder
from schemas.sessions import OrderOutcome
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Page
from services.ingest.listing import judge_page, results
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.polls.cadence import changed, cost_of_polls, length
from services.ingest.polls.planning import Planning, linked_at
from services.ingest.ports import Habits, Lease, NextPoll, Polls, SeenOrders, Stores
from services.ingest.reserve import Spent, spending
from services.ingest.sessions import Session, told_end, told_part, told_start
from services.ingest.stores.probing import Probing
from services.ingest.stores.reading import StoreReading, publish
from services.ingest.stores.tokens import Tokens
from services.ingest.webhooks.health import READ_AGAIN_WITHIN, WebhookHealth, unheard
from services.ingest.webhooks.ports import PushHealth
from services.ingest.windows import backoff, look_again, next_window, rest_of
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()


@dataclass(slots=True)
class _Run:
    """A poll under way."""

    lease: Lease
    connector: Connector
    session: Session
    reading: StoreReading
    spent: Spent
    #: Orders that changed in the part of the window that no poll read before.
    changes: int = 0
    access_accepted: bool = True
    #: What is known of the store's webhooks, and when what they did not tell changed.
    health: PushHealth = field(default_factory=PushHealth)
    unheard: list[datetime] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls stores."""

    connectors: Mapping[str, Connector]
    stores: Stores
    polls: Polls
    seen: SeenOrders
    tokens: Tokens
    webhook_health: WebhookHealth
    probing: Probing
    publisher: Publisher
    clock: Clock
    metrics: Metrics
    planning: Planning

    async def poll(self, lease: Lease) -> None:
        """Poll the leased store once, going on where an interrupted poll stopped, and end the lease.

        Raises:
            LeaseLost: another process holds the store.
            TransientError: Postgres is away; the session stays open and the next holder goes on with it.
        """
        connector = self.connectors[lease.store.platform]
        session = await self.polls.interrupted(lease)
        if session is None:
            later = await self.planning.put_off(lease, connector)
            session = None if later else await self._begun(lease, connector)
            if session is None:
                later = later or self._look_again(lease, connector)
                await self.polls.give_back(lease, due=later.at, because=later.because)
                return
        reading = StoreReading(lease.store, connector, self.tokens, self.clock, "poll")
        with spending() as spent:
            await self._run(_Run(lease, connector, session, reading, spent))

    async def _run(self, run: _Run) -> None:
        try:
            await self._subscribe(run)
            await self._read(run)
            await self._look_after_webhooks(run)
        except OutOfPatience as error:
            name = run.connector.name
            problem = f"{name} could not be read to the end ({error}). The next sync goes on from here."
            await self._end(run, _unfinished(run.session), problem=problem, retry_after=error.retry_after)
        except AuthorizationError as error:
            await self._refused(run, error)
        else:
            await self._end(run, "succeeded")

    def _look_again(self, lease: Lease, connector: Connector) -> NextPoll:
        now, pace = self.clock.now(), connector.pace
        due = look_again(cursor=lease.cursor, linked_at=linked_at(lease), now=now, pace=pace)
        return NextPoll(due, f"{connector.name} lists a change only {length(pace.settle)} after it")

    async def _begun(self, lease: Lease, connector: Connector) -> Session | None:
        now = self.clock.now()
        window = next_window(
            cursor=lease.cursor,
            import_since=lease.store.import_since,
            now=now,
            pace=connector.pace,
        )
        if window is None:
            return None
        session = Session(
            session_id=SessionId(fact_id("poll", lease.store.store_id, str(lease.number))),
            store_id=lease.store.store_id,
            seller_id=lease.store.seller_id,
            platform=lease.store.platform,
            way="poll",
            started_by=lease.asked_by or "schedule",
            window=window,
            started_at=now,
            read_through=window.start,
        )
        await self.polls.begin(lease, session, messages=[told_start(session)])
        return session

    async def _subscribe(self, run: _Run) -> None:
        store, now = run.lease.store, self.clock.now()
        run.health = await self.webhook_health.look(
            store,
            run.connector,
            run.reading.access,
            session=run.session,
            changes_per_hour=run.lease.activity,
        )
        if self.probing.due(store, now=now):
            await self.probing.ensure(store, run.connector, await run.reading.access())

    async def _look_after_webhooks(self, run: _Run) -> None:
        run.health = await self.webhook_health.look_again(
            run.lease.store,
            run.connector,
            run.reading.access,
            run.health,
            session=run.session,
            found=run.unheard,
        )

    async def _read(self, run: _Run) -> None:
        asked = rest_of(run.session.window, read_through=run.session.read_through)
        if asked.start >= asked.end:
            return
        reading: asyncio.Task[Page] | None = None
        page = await run.reading.page(asked, None)
        # An interrupted session knows its total: it was told for the whole window, not for the rest.
        total = page.total if run.session.total is None else run.session.total
        try:
            while page.after is not None:
                # The platform answers the next question while Kafka and Postgres take this page.
                reading = asyncio.create_task(run.reading.page(asked, page.after))
                await self._keep(run, page, total=total)
                page = await reading
                total = page.total if total is None else total
            await self._keep(run, page, total=total)
        finally:
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(reading, return_exceptions=True)

    async def _keep(self, run: _Run, page: Page, *, total: int | None) -> None:
        read_through = min(page.read_through, run.session.window.end)
        if not page.orders and page.after is None:
            # Nothing to tell, but how far the platform looked: less than the window, if it lags.
            run.session = run.session.read_to(read_through)
            return
        store = run.lease.store
        keys = [order.key for order in page.orders if isinstance(order, RawOrder)]
        listed = judge_page(
            page.orders,
            store=store.ref,
            seen=await patiently(lambda: self.seen.seen(keys), clock=self.clock),
            session_id=run.session.session_id,
            paid_only=store.settings.paid_only,
            now=self.clock.now(),
        )
        await patiently(
            lambda: publish(self.publisher, listed.messages, way="poll", metrics=self.metrics), clock=self.clock
        )
        session = run.session.progressed(listed.outcomes, read_through=read_through, total=total)
        part = told_part(session, listed.outcomes, now=self.clock.now())
        await patiently(
            lambda: self.polls.record(run.lease, session, seen=listed.seen, messages=[part]), clock=self.clock
        )
        run.session = session
        run.changes += _changes(run, listed.outcomes)
        run.unheard += unheard(
            listed.outcomes, store=store, health=run.health, pushes_changes=run.connector.pushes_changes
        )
        for result, count in results(listed.outcomes).items():
            self.metrics.increment(
                "syncorder_orders_listed_total", count, platform=store.platform, way="poll", result=result
            )

    async def _refused(self, run: _Run, error: AuthorizationError) -> None:
        store = run.lease.store
        log.warning("store.refused", store_id=store.store_id, platform=store.platform, problem=str(error))
        problem = f"{run.connector.name} no longer accepts our access. Connect the store again."
        now = self.clock.now()
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        run.access_accepted = False
        await self._end(run, _unfinished(run.session), problem=problem)

    async def _end(
        self,
        run: _Run,
        state: Literal["succeeded", "partial", "failed"],
        *,
        problem: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        now = self.clock.now()
        session = run.session.finished(state, now=now, problem=problem)
        failures = 0 if state == "succeeded" else run.lease.failures + 1
        run.health, healed = await self.webhook_health.told(run.health, session, platform=run.connector.name)
        habits = _habits(run, session)
        planned = await self._planned(run, session, habits, failures=failures, retry_after=retry_after)
        comes = run.lease.store.settings.auto_sync and run.access_accepted
        told = told_end(
            session,
            healed=healed,
            next_at=planned.at if comes else None,
            next_because=planned.because if comes else None,
        )
        await self.polls.end(
            run.lease,
            session,
            cursor=session.read_through,
            next_poll=planned,
            failures=failures,
            messages=[told],
            habits=habits,
        )
        self.metrics.increment("syncorder_polls_total", platform=session.platform, state=state)
        log.info(
            "poll.ended",
            store_id=session.store_id,
            platform=session.platform,
            state=state,
            listed=session.counts.listed,
            new=session.counts.new,
            failed=session.counts.failed,
        )

    async def _planned(
        self, run: _Run, session: Session, habits: Habits, *, failures: int, retry_after: float | None
    ) -> NextPoll:
        if not failures:
            planned = await self.planning.next_poll(
                run.lease, run.connector, habits, spent=run.spent, read_through=session.read_through
            )
            return self._soon(run, planned)
        rest = backoff(failures, retry_after=retry_after)
        because = f"{run.connector.name} could not be read to the end; it is tried again after {length(rest)}"
        return NextPoll(self.clock.now() + rest, because)

    def _soon(self, run: _Run, planned: NextPoll) -> NextPoll:
        """At once after webhooks were mended: what changed while they were is in no window yet."""
        due = self.clock.now() + run.connector.pace.settle + READ_AGAIN_WITHIN
        if not run.health.is_healing or planned.at <= due:
            return planned
        return NextPoll(due, "webhooks were mended, and what changed meanwhile is read at once")


def _unfinished(session: Session) -> Literal["partial", "failed"]:
    return "partial" if session.counts.listed else "failed"


def _changes(run: _Run, outcomes: Sequence[OrderOutcome]) -> int:
    """How many of these changed after what the polls before had read: the overlap is listed again and again."""
    since = run.lease.cursor or run.session.window.start
    return sum(
        outcome.result in {"new", "updated"} or bool(outcome.revised_at and outcome.revised_at >= since)
        for outcome in outcomes
        if outcome.result != "failed"
    )


def _habits(run: _Run, session: Session) -> Habits:
    """The store's habits after a run; of one that was interrupted, the parts told before count, too."""
    lease = run.lease
    passed = session.read_through - max(lease.cursor or session.window.start, session.window.start)
    changes = max(run.changes, session.counts.new + session.counts.updated)
    taken = {budget: cost for budget, (cost, _) in run.spent.of.items()}
    return Habits(
        changed(lease.activity, changes=changes, passed=passed), cost_of_polls(lease.costs, taken, passed=passed)
    )
