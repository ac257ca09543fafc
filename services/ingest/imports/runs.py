"""One run of an import: its file is looked through, or its orders are given, from where the last run came to.

Whoever is killed has done at most one step without recording it. The next holder of the lease does it again, and the
same orders get the same event ids. What is wrong with some orders stops no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeGuard

import structlog

from schemas.sessions import OrderOutcome
from services.ingest.contract.stores import StoreRef
from services.ingest.direct.given import GivenOrders, NotChangeable, content_of, key_of
from services.ingest.direct.giving import Giving, Refused, Taken
from services.ingest.imports.files import FileGone, ImportFiles
from services.ingest.imports.ports import ImportLease, Imports
from services.ingest.imports.reading import GIVEN_AT_ONCE, ORDERS_AT_ONCE, OrdersOfFile, read_file
from services.ingest.imports.record import Import, RowProblem, Tally, end_state
from services.ingest.listing import Listed, results
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.platforms.direct.files.assembling import Faulty, LeftOut, Made, Ready
from services.ingest.platforms.direct.files.refusals import FileRefused
from services.ingest.ports import Stores
from services.ingest.sessions import told_end, told_part
from services.ingest.windows import backoff
from services.kit.clock import Clock
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: An import that got no further for so long ends with what it has.
GIVE_UP = timedelta(hours=36)
UNLINKED = "The store was unlinked."
GONE = "The file is not kept any more. Upload it again: what is imported already is not imported twice."
_CHANGE_IT = 'Give it another reference, or import the file with "on_changed" as "update".'


@dataclass(slots=True)
class _Run:
    lease: ImportLease
    held: Import
    file: OrdersOfFile

    @property
    def store(self) -> StoreRef:
        return self.lease.store.ref


@dataclass(frozen=True, slots=True)
class ImportRunner:
    """Runs imports."""

    imports: Imports
    files: ImportFiles
    stores: Stores
    giving: Giving
    given: GivenOrders
    clock: Clock
    metrics: Metrics

    async def run(self, lease: ImportLease) -> None:
        """Go on with the leased import as far as it goes, and end the lease.

        Raises:
            LeaseLost: another process holds the import, or its seller cancelled it.
            TransientError: Postgres is away; the next holder goes on.
        """
        store = await self.stores.get(lease.store.store_id)
        if store is None or store.state != "linked":
            await self._end(lease, lease.held, "cancelled", problem=UNLINKED)
            return
        try:
            async with read_file(self.files, lease.held, lease.store) as file:
                run = _Run(lease, lease.held, file)
                await (self._check(run) if run.held.state == "checking" else self._give(run))
        except FileRefused as error:
            await self._end(lease, lease.held, "failed", problem=error.sentence, refusal=error.code)
        except FileGone:
            await self._end(lease, lease.held, "failed", problem=GONE, refusal="file_gone")
        except OutOfPatience as error:
            await self._rest(lease, str(error), retry_after=error.retry_after)

    async def _check(self, run: _Run) -> None:
        gathering, now = run.file.gathering, self.clock.now()
        if not gathering.orders:
            raise FileRefused("empty", "The file has a header and no orders.")
        if run.held.findings is None:
            run.held = run.held.gathered(run.file.findings, rows=gathering.rows, orders=gathering.orders, now=now)
            await self._record(run, [])
        coming = run.file.made_from(run.held.tally.orders, at_once=ORDERS_AT_ONCE)
        async with aclosing(coming):
            async for made in coming:
                problems = _problems(made, run.held.tally.orders)
                run.held = run.held.checked(await self._tally(run, made), now=self.clock.now())
                await self._record(run, problems)
        await self.imports.leave(run.lease, run.held.made_ready(now=self.clock.now()))
        log.info("import.checked", import_id=run.held.import_id, orders=run.held.orders, faulty=run.held.tally.faulty)

    async def _tally(self, run: _Run, made: Sequence[Made]) -> Tally:
        contents = {key_of(run.store, each.order.reference): content_of(each.order) for each in made if _is_ready(each)}
        standing = await patiently(lambda: self.given.get(contents), clock=self.clock)
        same = sum(standing[key].content == content for key, content in contents.items() if key in standing)
        return Tally(
            new=len(contents) - len(standing),
            existing=same,
            changed=len(standing) - same,
            faulty=sum(isinstance(each, Faulty) for each in made),
            left_out=sum(isinstance(each, LeftOut) for each in made),
            rows=sum(len(each.rows) for each in made),
        )

    async def _give(self, run: _Run) -> None:
        coming = run.file.made_from(run.held.given, at_once=GIVEN_AT_ONCE)
        async with aclosing(coming):
            async for made in coming:
                await self._give_some(run, made)
        state = end_state(run.held)
        failed = run.held.counts.failed
        orders = "One order was" if failed == 1 else f"{failed:,} orders were"
        problem = f"{orders} not imported; the file of failed rows says why." if failed else None
        await self._end(run.lease, run.held, state, problem=problem)

    async def _give_some(self, run: _Run, made: Sequence[Made]) -> None:
        first = run.held.given
        retried = await self._refused_before(run, first, first + len(made))
        # An attempt before imported what it went through and was not refused.
        due = [
            (place, each)
            for place, each in enumerate(made, first)
            if _is_ready(each) and (place >= run.held.gone_through or place in retried)
        ]
        listed, outcomes, problems = await self._given(run, due)
        outcomes += _failures(made)
        now, rows = self.clock.now(), sum(len(each.rows) for each in made)
        held = run.held.progressed(len(made), rows, outcomes, now=now)
        part = told_part(held.session, outcomes, now=now)
        await patiently(
            lambda: self.imports.record(
                run.lease, held, problems=problems, retried=retried, seen=listed.seen, messages=[part]
            ),
            clock=self.clock,
        )
        run.held = held
        for result, count in results(outcomes).items():
            self.metrics.increment(
                "syncorder_orders_listed_total", count, platform=held.platform, way="import", result=result
            )

    async def _refused_before(self, run: _Run, first: int, last: int) -> set[int]:
        if first >= run.held.gone_through:
            return set()
        last = min(last, run.held.gone_through)
        return await patiently(
            lambda: self.imports.refused(run.held.import_id, first=first, last=last), clock=self.clock
        )

    async def _given(
        self, run: _Run, due: Sequence[tuple[int, Ready]]
    ) -> tuple[Listed, list[OrderOutcome], list[RowProblem]]:
        orders = [each.order for _, each in due]
        handed = await patiently(
            lambda: self.giving.give(run.store, orders, way="import", session_id=run.held.session.session_id),
            clock=self.clock,
        )
        problems, outcomes = [], [*handed.listed.outcomes]
        for (place, each), result in zip(due, handed.results, strict=True):
            refused = await self._updated(run, each, result) if isinstance(result, Refused) else None
            if isinstance(refused, str):
                problems.append(_refusal(place, each, run, refused))
                outcomes.append(_failed(each.order.reference, f"Row {each.rows[0]}: {refused}"))
            elif isinstance(refused, OrderOutcome):
                outcomes.append(refused)
        return handed.listed, outcomes, problems

    async def _updated(self, run: _Run, each: Ready, refused: Refused) -> OrderOutcome | str:
        """What became of an order that was refused: the outcome of the update, or why it stays refused."""
        if refused.code != "reference_taken":
            return refused.sentence
        if run.held.on_changed == "refuse":
            return f"The store has an order with this reference and other content. {_CHANGE_IT}"
        session_id = run.held.session.session_id
        try:
            taken = await patiently(
                lambda: self.giving.replace(run.store, each.order, session_id=session_id), clock=self.clock
            )
        except NotChangeable as error:
            return str(error)
        return _outcome(taken) if taken is not None else refused.sentence

    async def _record(self, run: _Run, problems: Sequence[RowProblem]) -> None:
        held = run.held
        await patiently(lambda: self.imports.record(run.lease, held, problems=problems), clock=self.clock)

    async def _rest(self, lease: ImportLease, problem: str, *, retry_after: float | None) -> None:
        now, held = self.clock.now(), await self.imports.get(lease.held.import_id)
        if held is None:
            return
        if now - held.progressed_at >= GIVE_UP:
            await self._end(lease, held, "partial" if held.counts.listed else "failed", problem=f"Given up: {problem}.")
            return
        wait = backoff(held.failures + 1, retry_after=retry_after)
        await self.imports.leave(lease, held.rested(f"Waiting: {problem}.", due_at=now + wait))
        log.info("import.rested", import_id=held.import_id, seconds=wait.total_seconds())

    async def _end(
        self,
        lease: ImportLease,
        held: Import,
        state: Literal["succeeded", "partial", "failed", "cancelled"],
        *,
        problem: str | None,
        refusal: str | None = None,
    ) -> None:
        ended = held.ended(state, now=self.clock.now(), problem=problem, refusal=refusal)
        # What was never started was never told of.
        await self.imports.leave(lease, ended, messages=[told_end(ended.session)] if ended.started_at else [])
        self.metrics.increment("syncorder_imports_total", state=state)
        log.info("import.ended", import_id=held.import_id, state=state, orders=ended.given, refusal=refusal)


def _is_ready(made: Made) -> TypeGuard[Ready]:
    return isinstance(made, Ready)


def _problems(made: Sequence[Made], first: int) -> list[RowProblem]:
    return [
        RowProblem(place, each.reference, found.row, found.column, found.problem, found.remedy)
        for place, each in enumerate(made, first)
        if isinstance(each, Faulty)
        for found in each.problems
    ]


def _refusal(place: int, each: Ready, run: _Run, sentence: str) -> RowProblem:
    column = run.file.reading.header("reference")
    problem, _, remedy = sentence.partition(". ")
    return RowProblem(
        place, each.order.reference, each.rows[0], column, problem.rstrip("."), remedy, while_checking=False
    )


def _failures(made: Sequence[Made]) -> list[OrderOutcome]:
    return [
        _failed(each.reference or f"row {each.rows[0]}", _sentence(each)) for each in made if isinstance(each, Faulty)
    ]


def _sentence(faulty: Faulty) -> str:
    first = faulty.problems[0]
    where = f", {first.column}" if first.column else ""
    return f"Row {first.row}{where}: {first.problem}. {first.remedy}"


def _failed(reference: str, problem: str) -> OrderOutcome:
    return OrderOutcome(external_id=reference, result="failed", problem=problem)


def _outcome(taken: Taken) -> OrderOutcome:
    given = taken.given
    return OrderOutcome(
        external_id=given.reference,
        order_key=given.order_key,
        display_name=given.reference,
        placed_at=given.given_at,
        revised_at=given.revised_at,
        result=taken.result,
    )
