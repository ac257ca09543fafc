"""One run of an audit: the platform's list reaches the report, and what differs is fetched until it agrees.

Every step is recorded before the next, so that whoever is killed is followed by one who goes on there: pages of the
list are kept as they come and not read again, the report's answers wait in the database for whoever goes on, and each
batch of fetched orders is in Kafka before it is recorded. The list is forgotten once it is in the outbox: nobody needs
it any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from schemas.audits import CountedOrders
from schemas.sessions import Window as Span
from services.ingest.audits.audit import (
    ANSWERED_WITHIN,
    CURSOR_LIFE,
    GIVE_UP,
    Answer,
    Audit,
    Difference,
    End,
    compared_again,
    found_by,
    next_wait,
    outcome,
    still_open,
    to_fetch,
    window_of,
)
from services.ingest.audits.counting import Counting, counted_audit
from services.ingest.audits.fetching import Fetching
from services.ingest.audits.ports import AuditLease, Audits, OpenOrders
from services.ingest.audits.telling import (
    cut,
    open_parts,
    told_count,
    told_end,
    told_list,
    told_progress,
    told_start,
    wanted_of,
)
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Window
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.ports import Polls, SeenOrders, Stores
from services.ingest.reserve import spending
from services.ingest.stores.reading import StoreReading
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.windows import backoff
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Open orders that are read, recorded and told of together, unless a platform gives more at once.
BATCH = 20
#: How long an audit waits for a store to be read for the first time.
_NOT_READ_YET = timedelta(minutes=5)
#: Seconds that an audit waits for the platform in one place; then others have their turn.
_ENOUGH_SECONDS = 15.0
#: A cursor with which the platform failed so often is not used again.
_FRUITLESS = 4
#: How long an audit rests that became due before its answers were complete.
_LOOK_AGAIN = timedelta(seconds=30)
UNLINKED = "The store was unlinked."
RECONNECT = "{name} no longer accepts our access. Connect the store again."
NOT_LISTED = "{name} could not be listed to the end ({problem}). The next audit tries again."
NOT_ANSWERED = "The report did not compare the list in time. The next audit tries again."
DIFFERS = "{number} of the orders still differ after an hour for a reason unknown to us. The next audit tries again."


class _Over(Exception):  # noqa: N818 - the fact
    """The audit cannot go on: its store is gone, or its seller wants no more audits."""


@dataclass(slots=True)
class _Run:
    """An audit under way."""

    lease: AuditLease
    audit: Audit
    connector: Connector
    reading: StoreReading
    store: Store
    #: Parts of the list read in this run.
    parts: int = 0
    #: What the platform counted instead of listing.
    counted: CountedOrders | None = None


@dataclass(frozen=True, slots=True)
class AuditRunner:
    """Runs audits."""

    connectors: Mapping[str, Connector]
    stores: Stores
    polls: Polls
    audits: Audits
    seen: SeenOrders
    open_orders: OpenOrders
    tokens: Tokens
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    async def run(self, lease: AuditLease) -> None:
        """Take the leased audit as far as it goes now, and end the lease.

        Raises:
            LeaseLost: another process holds the audit.
            TransientError: Postgres is away; the next holder goes on.
        """
        connector = self.connectors[lease.store.platform]
        reading = StoreReading(lease.store, connector, self.tokens, self.clock, "backfill", enough=_ENOUGH_SECONDS)
        run = _Run(lease, lease.audit, connector, reading, lease.store)
        try:
            run.store = await self._linked(run)
            if await self._begun(run):
                await self._go_on(run)
        except OutOfPatience as error:
            await self._rest(run, str(error), retry_after=error.retry_after)
        except _Over:
            await self._over(run, UNLINKED)
        except AuthorizationError as error:
            await self._refused(run, error)

    async def _linked(self, run: _Run) -> Store:
        """The store as it is now."""
        store = await patiently(lambda: self.stores.get(run.audit.store_id), clock=self.clock)
        if store is None or store.state in {"unlinked", "pending"}:
            raise _Over
        if run.audit.scope != "asked" and not store.settings.auto_sync and not run.audit.begun:
            raise _Over
        if store.state == "reconnect":
            raise AuthorizationError("the store has to be connected again")
        return store

    async def _begun(self, run: _Run) -> bool:
        """Whether the audit is under way; else it waits until there is something to audit."""
        audit, now = run.audit, self.clock.now()
        if audit.begun:
            return True
        if audit.scope == "open":
            window = None
        else:
            progress = (await self.polls.progress([audit.store_id])).get(audit.store_id)
            window = window_of(
                audit,
                run.store,
                cursor=progress.cursor if progress else None,
                settle=run.connector.pace.settle,
                now=now,
            )
            if window is None:
                await self.audits.give_back(run.lease, due=now + _NOT_READ_YET)
                return False
        run.audit = audit.began(window, now=now)
        if await self._counting(run).is_worth_it(run.audit):
            run.audit = counted_audit(run.audit)
        await self.audits.begin(run.lease, run.audit, messages=[told_start(run.audit)])
        return True

    async def _go_on(self, run: _Run) -> None:
        if run.audit.stage == "listing":
            with spending() as spent:
                try:
                    await self._look(run)
                finally:
                    run.audit = run.audit.spent(_costs(spent.of))
        if run.audit.stage == "listed":
            await self._compare_list(run)
        elif run.audit.stage == "comparing":
            await self._take_answers(run)
        elif run.audit.stage == "fetching":
            await self._fetch(run)
        else:
            await self._compare_again(run)

    async def _look(self, run: _Run) -> None:
        """See what the platform has: count, where that may do; else list, or read what is open."""
        window = run.audit.window
        if window is None:
            await self._reread(run)
            return
        if run.audit.proof == "count":
            run.counted = await self._counting(run).counts(window)
            if run.counted is not None:
                run.audit = run.audit.counts(run.counted.updated, now=self.clock.now())
                return
            run.audit = run.audit.lists(now=self.clock.now())
        await self._list(run, window)

    async def _list(self, run: _Run, span: Span) -> None:
        """Read the rest of the list, keeping each part."""
        window = Window(span.start, span.end, run.audit.by)
        if self.clock.now() - run.audit.progressed_at >= CURSOR_LIFE:
            run.audit = replace(run.audit, after=None)
        while True:
            listing = await run.reading.listing(window, run.audit.after)
            run.parts += 1
            told = listing.total
            if told is None and run.audit.counted is None:
                told = await run.reading.count(window)
            entries = {one.external_id: one.at for one in listing.orders}
            run.audit = run.audit.listed_more(
                run.audit.listed + len(entries), after=listing.after, counted=told, now=self.clock.now()
            )
            await patiently(
                lambda entries=entries: self.audits.list_more(run.lease, run.audit, listed=entries),  # type: ignore[misc]
                clock=self.clock,
            )
            if listing.after is None:
                return

    async def _reread(self, run: _Run) -> None:
        """Read all open orders by their ids, publishing what changed."""
        size = max(run.connector.ids_at_once, BATCH)
        fetching, differences = self._fetching(run), dict(await self.audits.differences(run.audit.audit_id))
        while True:
            orders = await self.open_orders.open_orders(
                run.audit.platform, run.audit.store_id, after=run.audit.after, limit=size
            )
            if not orders:
                run.audit = replace(run.audit, stage="listed")
                return
            fetched = await fetching.reread(orders, differences, listed=run.audit.listed)
            differences.update({one.external_id: one for one in fetched.changed})
            run.parts += 1
            listed = run.audit.listed + len(fetched.listed)
            run.audit = run.audit.listed_more(listed, after=fetched.last, counted=None, now=self.clock.now())
            await self.audits.list_more(
                run.lease, run.audit, listed=fetched.listed, found=fetched.changed, seen=fetched.seen
            )
            if fetched.stopped is not None:
                raise fetched.stopped

    async def _compare_list(self, run: _Run) -> None:
        """Have the report compare the whole list, or the counts."""
        if run.counted is not None:
            now = self.clock.now()
            run.audit = run.audit.asks(1, now=now)
            await self.audits.ask(run.lease, run.audit, messages=[told_count(run.audit, run.counted, now=now)])
            return
        now, entries = self.clock.now(), await self.audits.listed(run.audit.audit_id)
        window = run.audit.window
        parts = cut(entries, window) if window is not None else open_parts(entries)
        run.audit = replace(run.audit, listed=len(entries)).asks(len(parts), now=now)
        await self.audits.ask(run.lease, run.audit, messages=told_list(run.audit, parts, now=now))

    async def _compare_again(self, run: _Run) -> None:
        """Have the report compare what still differs."""
        now = self.clock.now()
        parts = open_parts(wanted_of(still_open(await self.audits.differences(run.audit.audit_id))))
        run.audit = run.audit.asks(len(parts), now=now)
        await self.audits.ask(run.lease, run.audit, messages=told_list(run.audit, parts, now=now))

    async def _take_answers(self, run: _Run) -> None:
        """Take what the report answered, when it is complete: end the audit, or see to what differs."""
        audit, now = run.audit, self.clock.now()
        answers = await self.audits.answers(audit)
        if len(answers) < audit.parts:
            await self._wait_for_answers(run)
            return
        if audit.proof == "count":
            await self._take_counts(run, answers[0])
            return
        before = dict(await self.audits.differences(audit.audit_id))
        is_first = audit.compared_at is None
        if is_first:
            numbers = [one.external_id for answer in answers for one in answer.found]
            known = dict(await self.audits.explained(audit.store_id, audit.by, numbers))
            if not run.store.settings.paid_only:
                known = {number: one for number, one in known.items() if one.explanation != "filtered"}
            changed = dict(found_by(audit, answers, known, now=now))
            audit = replace(audit, held=sum(answer.held for answer in answers), compared_at=now)
        else:
            changed = dict(compared_again(before, answers))
        differences = {**before, **changed}
        run.audit = replace(audit, stage="fetching", due_at=now)
        run.audit = run.audit.told(differences) if changed or is_first else run.audit
        messages = [told_progress(run.audit, differences, now=now)] if run.audit.step > audit.step else []
        await self.audits.settle(run.lease, run.audit, changed=list(changed.values()), messages=messages)
        await self._fetch(run)

    async def _take_counts(self, run: _Run, answer: Answer) -> None:
        """End the audit where the counts say that all is there; else list."""
        window = run.audit.window
        with spending() as spent:
            try:
                suffices = window is not None and await self._counting(run).suffices(answer.counted, window)
            finally:
                run.audit = run.audit.spent(_costs(spent.of))
        now = self.clock.now()
        if suffices:
            run.audit = replace(run.audit, held=answer.held, compared_at=now).told({})
            await self.audits.settle(run.lease, run.audit, changed=[], messages=[told_progress(run.audit, {}, now=now)])
            await self._end(run, "agreed")
        else:
            run.audit = run.audit.lists(now=now)
            await self._go_on(run)

    async def _wait_for_answers(self, run: _Run) -> None:
        """Look again soon; end the audit where nobody answers."""
        now = self.clock.now()
        if now - (run.audit.asked_report_at or now) >= ANSWERED_WITHIN:
            await self._end(run, "failed", problem=NOT_ANSWERED)
        else:
            await self.audits.rest(run.lease, replace(run.audit, due_at=now + _LOOK_AGAIN))

    async def _fetch(self, run: _Run) -> None:
        """Fetch what has to be fetched; then end the audit, or give the report time."""
        differences = dict(await self.audits.differences(run.audit.audit_id))
        wanted = to_fetch(differences, asked_at=run.audit.asked_report_at, now=self.clock.now())
        size, fetching = max(run.connector.ids_at_once, BATCH), self._fetching(run)
        with spending() as spent:
            try:
                for start in range(0, len(wanted), size):
                    await self._fetch_some(run, fetching, wanted[start : start + size], differences)
            finally:
                run.audit = run.audit.spent(_costs(spent.of))
        now = self.clock.now()
        end = outcome(run.audit, differences, now=now)
        if end is None:
            run.audit = replace(run.audit, stage="asking", due_at=now + next_wait(run.audit.round))
            await self.audits.rest(run.lease, run.audit)
        else:
            number = run.audit.tally.unsettled
            await self._end(run, end, problem=DIFFERS.format(number=number) if end == "differs" else None)

    async def _fetch_some(
        self, run: _Run, fetching: Fetching, wanted: Sequence[Difference], differences: dict[str, Difference]
    ) -> None:
        run.store = await self._linked(run)
        fetched = await fetching.fetch(wanted, run.audit, run.store, differences=differences)
        differences.update({one.external_id: one for one in fetched.changed})
        now = self.clock.now()
        run.audit = run.audit.fetched_some(now=now).told(differences)
        message = told_progress(run.audit, differences, now=now)
        await patiently(
            lambda: self.audits.settle(
                run.lease, run.audit, changed=fetched.changed, seen=fetched.seen, messages=[message]
            ),
            clock=self.clock,
        )
        if fetched.stopped is not None:
            raise fetched.stopped

    def _counting(self, run: _Run) -> Counting:
        return Counting(run.reading, run.connector, self.audits, self.clock)

    def _fetching(self, run: _Run) -> Fetching:
        return Fetching(run.reading, run.connector, self.seen, self.publisher, self.clock, self.metrics)

    async def _rest(self, run: _Run, problem: str, *, retry_after: float | None) -> None:
        now, audit, name = self.clock.now(), run.audit, run.connector.name
        if now - audit.progressed_at >= GIVE_UP:
            await self._end(run, "failed", problem=NOT_LISTED.format(name=name, problem=problem))
            return
        wait = backoff(audit.failures + 1, retry_after=retry_after)
        # A cursor that led nowhere so often may be the reason: the list is read from its beginning.
        forget = run.parts == 0 and audit.failures >= _FRUITLESS and audit.window is not None
        await self.audits.rest(
            run.lease, audit.rested(f"Waiting for {name}: {problem}.", due_at=now + wait, forget_place=forget)
        )
        log.info("audit.rested", audit_id=audit.audit_id, platform=audit.platform, seconds=wait.total_seconds())

    async def _refused(self, run: _Run, error: AuthorizationError) -> None:
        store, now = run.store, self.clock.now()
        held = await self.stores.get(store.store_id)
        if held is None or held.state == "unlinked":
            await self._over(run, UNLINKED)
            return
        log.warning("store.refused", store_id=store.store_id, platform=store.platform, problem=str(error))
        problem = RECONNECT.format(name=run.connector.name)
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        await self._over(run, problem)

    async def _over(self, run: _Run, problem: str) -> None:
        if run.audit.scope != "asked" and not run.audit.begun:
            await self.audits.drop(run.lease)
            return
        await self._end(run, "failed", problem=problem)

    async def _end(self, run: _Run, state: End, *, problem: str | None = None) -> None:
        now, audit = self.clock.now(), run.audit
        messages = []
        if not audit.begun:
            audit = audit.began(audit.window, now=now)
            messages.append(told_start(audit))
        audit = audit.ended(state, now=now, problem=problem)
        await self.audits.end(run.lease, audit, messages=[*messages, told_end(audit)])
        self.metrics.increment("syncorder_audits_total", platform=audit.platform, scope=audit.scope, state=state)
        log.info(
            "audit.ended",
            audit_id=audit.audit_id,
            store_id=audit.store_id,
            scope=audit.scope,
            state=state,
            listed=audit.listed,
            fetched=audit.tally.fetched,
            unsettled=audit.tally.unsettled,
        )


def _costs(spent: Mapping[str, tuple[float, object]]) -> dict[str, float]:
    return {name: calls for name, (calls, _) in spent.items()}
