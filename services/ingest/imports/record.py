"""An import: one file of orders of one seller for one store, how far it is, and everything that may become of it; pure.

It is looked through first (checking), then waits for its seller's word (ready), then its orders are given (running).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.ids import SellerId, SessionId, StoreId
from schemas.sessions import OrderOutcome, SessionState, Window
from services.ingest.sessions import Counts, Session, told_end, told_start
from services.ingest.stores.store import Store
from services.kit.kafka.publisher import Message

State = Literal["checking", "ready", "running", "succeeded", "partial", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"succeeded", "partial", "failed", "cancelled"})
WORKING: frozenset[State] = frozenset({"checking", "running"})
#: What becomes of an order whose reference the store has with other content: it is refused, or it replaces that one.
OnChanged = Literal["refuse", "update"]
#: How long a file is kept after it came: as long as Kafka keeps orders.
FILE_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column of a file: its header, and the title of the field that it fills (None: it is passed over)."""

    header: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What kind of file it is: its layout's slug and name, how it is written, where its header stands, its columns."""

    layout: str
    layout_name: str
    form: str
    header_row: int
    columns: tuple[FoundColumn, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the orders looked through so far are.

    `new` ones can be given, `existing` ones the store has already as they are, `changed` ones it has otherwise;
    `faulty` ones cannot be read, and `left_out` ones are not to be made, by what their platform says.
    """

    new: int = 0
    existing: int = 0
    changed: int = 0
    faulty: int = 0
    left_out: int = 0
    rows: int = 0

    @property
    def orders(self) -> int:
        """All of them."""
        return self.new + self.existing + self.changed + self.faulty + self.left_out

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.new + other.new,
            self.existing + other.existing,
            self.changed + other.changed,
            self.faulty + other.faulty,
            self.left_out + other.left_out,
            self.rows + other.rows,
        )


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with an order of a file: `order` is its place in the file, from 0; `row` and `column` say where.

    A problem of `while_checking` is one of the file itself; the others were met when the order was given.
    """

    order: int
    reference: str
    row: int
    column: str | None
    problem: str
    remedy: str
    while_checking: bool = True


@dataclass(frozen=True, slots=True)
class Import:
    """One import. `digest` is the SHA-256 of the file, `repeats` the import that had the same file before.

    `given` counts orders that were gone through since it runs, `given_rows` their rows. `due_at` is when it goes on at
    the earliest, `waiting` says why it waits, `since` is when the present state began. `attempt` counts how often it
    was started or resumed; the attempts before went through the orders until the place `gone_through`, and imported
    `imported_before` of them.
    """

    import_id: str
    store_id: StoreId
    seller_id: SellerId
    platform: str
    asked_by: str
    asked_at: datetime
    file_name: str
    digest: str
    size: int
    chunks: int
    due_at: datetime
    since: datetime
    progressed_at: datetime
    state: State = "checking"
    repeats: str | None = None
    findings: Findings | None = None
    rows: int = 0
    orders: int = 0
    tally: Tally = field(default_factory=Tally)
    on_changed: OnChanged = "refuse"
    started_by: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    given: int = 0
    given_rows: int = 0
    part: int = 0
    attempt: int = 1
    gone_through: int = 0
    imported_before: int = 0
    counts: Counts = field(default_factory=Counts)
    failures: int = 0
    waiting: str | None = None
    problem: str | None = None
    refusal: str | None = None

    @property
    def session(self) -> Session:
        """What the report shows of its latest attempt; there is none before its start."""
        started = self.started_at or self.asked_at
        return Session(
            session_id=SessionId(self.import_id if self.attempt == 1 else f"{self.import_id}-{self.attempt}"),
            store_id=self.store_id,
            seller_id=self.seller_id,
            platform=self.platform,
            way="import",
            started_by=self.started_by or self.asked_by,
            window=Window(start=started, end=started),
            started_at=started,
            read_through=started,
            part=self.part,
            total=self.orders - self.tally.left_out - self.imported_before,
            counts=self.counts,
            state=_session_state(self.state),
            finished_at=self.finished_at,
            problem=self.problem,
        )

    @property
    def is_resumable(self) -> bool:
        """Whether it ended with orders that may be imported yet: not gone through, or refused when they were given."""
        if self.state not in ENDED or self.refusal is not None:
            return False
        return self.started_at is None or self.given < self.orders or self.counts.failed > self.tally.faulty

    def gathered(self, findings: Findings, *, rows: int, orders: int, now: datetime) -> Import:
        """The import after all of its rows were read for the first time."""
        return replace(self, findings=findings, rows=rows, orders=orders, progressed_at=now)

    def checked(self, tally: Tally, *, now: datetime) -> Import:
        """The import after some more orders were looked through."""
        return replace(self, tally=self.tally.plus(tally), failures=0, waiting=None, progressed_at=now)

    def made_ready(self, *, now: datetime) -> Import:
        """The import after all orders were looked through."""
        return replace(self, state="ready", since=now, progressed_at=now)

    def progressed(self, orders: int, rows: int, outcomes: Sequence[OrderOutcome], *, now: datetime) -> Import:
        """The import after some more orders were gone through."""
        return replace(
            self,
            given=self.given + orders,
            given_rows=self.given_rows + rows,
            part=self.part + 1,
            counts=self.counts.plus(outcomes),
            failures=0,
            waiting=None,
            progressed_at=now,
        )

    def rested(self, problem: str, *, due_at: datetime) -> Import:
        """The import while it waits for what passes by itself."""
        return replace(self, failures=self.failures + 1, waiting=problem, due_at=due_at)

    def ended(
        self,
        state: Literal["succeeded", "partial", "failed", "cancelled"],
        *,
        now: datetime,
        problem: str | None = None,
        refusal: str | None = None,
    ) -> Import:
        """The import at its end."""
        return replace(self, state=state, since=now, finished_at=now, problem=problem, refusal=refusal, waiting=None)


def _session_state(state: State) -> SessionState:
    match state:
        case "checking" | "ready" | "running":
            return "running"
        case _:
            return state


def new_import(
    import_id: str,
    store: Store,
    *,
    by_key: str,
    file_name: str,
    digest: str,
    size: int,
    chunks: int,
    repeats: str | None,
    now: datetime,
) -> Import:
    """An import whose file just came."""
    return Import(
        import_id=import_id,
        store_id=store.store_id,
        seller_id=store.seller_id,
        platform=store.platform,
        asked_by=by_key,
        asked_at=now,
        file_name=file_name,
        digest=digest,
        size=size,
        chunks=chunks,
        repeats=repeats,
        due_at=now,
        since=now,
        progressed_at=now,
    )


class Unsteerable(Exception):  # noqa: N818 - the fact
    """The import is in a state in which this cannot be asked of it; the text names the state."""


class NothingLeft(Exception):  # noqa: N818 - the fact
    """The import has nothing that could be imported yet as its file is; the text says what to do instead."""


#: What a seller's word makes of an import, and what is told of it.
Steering = Callable[[Import], tuple[Import, Sequence[Message]]]


def started(held: Import, *, on_changed: OnChanged, by_key: str, now: datetime) -> tuple[Import, Sequence[Message]]:
    """What starting makes of an import; harmless when repeated. Raises Unsteerable when it is not ready."""
    if held.state == "running" and held.on_changed == on_changed:
        return held, ()
    if held.state != "ready":
        raise Unsteerable(held.state)
    running = replace(
        held, state="running", on_changed=on_changed, started_by=by_key, started_at=now, due_at=now, since=now,
        progressed_at=now,
    )  # fmt: skip
    return running, [told_start(running.session)]


def resumed(
    held: Import, *, on_changed: OnChanged | None, by_key: str, now: datetime
) -> tuple[Import, Sequence[Message]]:
    """What going on makes of an import that ended; harmless while it goes on. None: `on_changed` as before.

    Its further attempt has a session of its own: the first one's end is told.

    Raises:
        NothingLeft: it has nothing that could be imported.
        Unsteerable: it did not end.
    """
    if held.state in WORKING:
        return held, ()
    if held.state == "ready":
        raise Unsteerable(held.state)
    if not held.is_resumable:
        raise NothingLeft(_instead(held))
    going = replace(
        held, finished_at=None, problem=None, failures=0, due_at=now, since=now, progressed_at=now,
        on_changed=on_changed or held.on_changed,
    )  # fmt: skip
    if held.started_at is None:
        whole = held.findings is not None and held.tally.orders >= held.orders
        return replace(going, state="ready" if whole else "checking"), ()
    running = replace(
        going, state="running", started_by=by_key, started_at=now, attempt=held.attempt + 1, given=0, given_rows=0,
        gone_through=max(held.given, held.gone_through), counts=replace(held.counts, failed=0),
        imported_before=held.counts.listed - held.counts.failed,
    )  # fmt: skip
    return running, [told_start(running.session)]


def _instead(held: Import) -> str:
    if held.refusal is not None:
        return "Mend the file and upload it again."
    if held.counts.failed:
        return "Get the rows that failed, mend them and upload that file."
    return "All of it is imported."


def cancelled(held: Import, *, now: datetime) -> tuple[Import, Sequence[Message]]:
    """What cancelling makes of an import; what it brought stays. Raises Unsteerable when it ended otherwise."""
    if held.state == "cancelled":
        return held, ()
    if held.state in ENDED:
        raise Unsteerable(held.state)
    ended = held.ended("cancelled", now=now)
    return ended, [told_end(ended.session)] if held.started_at else []


def end_state(held: Import) -> Literal["succeeded", "partial", "failed"]:
    """How an import ends that went through all of its orders."""
    failed = held.counts.failed
    if not failed:
        return "succeeded"
    return "failed" if failed == held.counts.listed else "partial"


def seconds_left(held: Import, *, now: datetime) -> float | None:
    """How long the present state will last, by how long it took so far; None where that cannot be told yet."""
    total = held.orders
    done = held.tally.orders if held.state == "checking" else held.given
    # What an attempt before imported is passed over in no time, which says nothing of the rest.
    measured = done - (held.gone_through if held.state == "running" else 0)
    spent = (now - held.since).total_seconds()
    if held.state not in WORKING or measured <= 0 or not total or spent <= 0:
        return None
    return round(spent / measured * (total - done), 1)


def is_further(held: Import, kept: Import) -> bool:
    """Whether `held` is a later step of the import than what is kept: a step that is kept already changes nothing."""
    return _step(held) > _step(kept)


def _step(held: Import) -> tuple[bool, int, bool, int]:
    return held.findings is not None, held.tally.orders, held.started_at is not None, held.part
