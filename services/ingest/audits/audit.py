"""An audit: what it is about, how far it is, and everything that may become of it and of its differences; all pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.audits import AuditScope, AuditState, CountsCompared, Explanation, Finding, FoundOrder
from schemas.ids import SellerId, StoreId
from schemas.sessions import Window as Span
from services.ingest.contract.reading import By
from services.ingest.stores.store import Store

#: What an audit does next: list the platform's orders; have the whole list compared; wait for the report's answers; see
#: to what differs; have that compared.
Stage = Literal["listing", "listed", "comparing", "fetching", "asking"]
End = Literal["agreed", "explained", "differs", "failed"]
#: What the report is compared with: the platform's list, or its counts alone.
Proof = Literal["list", "count"]

#: How long the report gets between two comparisons; the last wait is repeated.
WAITS = (timedelta(seconds=5), timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
#: What differs for so long after it was compared first differs for good: an alert, and the next audit's to mend.
DIFFERS_AFTER = timedelta(hours=1)
#: An answer of the report that does not come for so long ends the audit.
ANSWERED_WITHIN = timedelta(hours=6)
#: An audit that got no further on the platform for so long ends.
GIVE_UP = timedelta(hours=24)
#: A revision that Kafka took so lately is on its way to the report.
IN_FLIGHT = timedelta(minutes=2)
#: An order that was fetched and still differs is fetched again after so long.
FETCHED_AGAIN_AFTER = timedelta(minutes=15)
#: A platform's cursor is used this long; then the list is read from its beginning.
CURSOR_LIFE = timedelta(hours=12)
#: A dead letter, or an order that was passed over, counts as one for later audits without being read for so long: what
#: could not be read may be readable by then.
EXPLAINED_FOR = timedelta(days=1)
#: Differences that one event tells; the counts are exact.
MOST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """An order of which the platform and the report say different things.

    `at` is the time by which it was found (see `FoundOrder`), `wanted` the change time that the report must show for it
    to agree: known once the order was fetched, or found on its way. `read_at` is when it was fetched last. One that is
    not `settled` and has no `explanation` still differs.
    """

    external_id: str
    finding: Finding
    at: datetime
    wanted: datetime | None = None
    read_at: datetime | None = None
    explanation: Explanation | None = None
    settled: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it still differs, without a reason."""
        return not self.settled and self.explanation is None

    def explained(self, explanation: Explanation, *, now: datetime | None = None) -> Difference:
        """The difference with its reason, found by reading the order at `now` (None: known from before)."""
        return replace(self, explanation=explanation, read_at=now or self.read_at)


#: An audit's differences by the platform's order ids.
Differences = Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason that an earlier audit found for an order at a time."""

    at: datetime
    explanation: Explanation
    explained_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What the report has beside one part of a list, or beside a count: `counted` then."""

    part: int
    held: int
    found: tuple[FoundOrder, ...] = ()
    counted: CountsCompared | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What an audit counted of its differences. `fetched` ones were read from the platform."""

    missing: int = 0
    stale: int = 0
    unknown: int = 0
    fetched: int = 0
    unsettled: int = 0
    unsettled_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the seller asked for, in their own words; `zone` is the IANA name of what they named."""

    start: str
    end: str
    zone: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit of one store.

    `window` is None for open orders, and until a scheduled audit began. `planned_for` is when it was to begin, `due_at`
    when it goes on at the earliest, `waiting` why it waits for the platform, `progressed_at` when it last got further
    there. `listed` counts the platform's list so far and `counted` is the platform's own count, where it has one;
    With `proof` "count" nothing is listed, as long as the counts agree.
    `held` is how many the report had at the first comparison. `round` and `parts` are of the comparison under way or
    the last, `step` numbers what was told. `costs` is what it took of each call budget.
    """

    audit_id: str
    store_id: StoreId
    seller_id: SellerId
    platform: str
    scope: AuditScope
    by: By
    started_by: str
    planned_for: datetime
    due_at: datetime
    progressed_at: datetime
    window: Span | None = None
    asked: Asked | None = None
    state: AuditState = "running"
    proof: Proof = "list"
    stage: Stage = "listing"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    after: str | None = None
    listed: int = 0
    counted: int | None = None
    round: int = 0
    parts: int = 0
    asked_report_at: datetime | None = None
    compared_at: datetime | None = None
    held: int = 0
    tally: Tally = Tally()
    step: int = 0
    failures: int = 0
    waiting: str | None = None
    problem: str | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether it was told of."""
        return self.started_at is not None

    def began(self, window: Span | None, *, now: datetime) -> Audit:
        """The audit under way."""
        return replace(self, window=window, started_at=now, progressed_at=now)

    def listed_more(self, number: int, *, after: str | None, counted: int | None, now: datetime) -> Audit:
        """The audit after a further part of the list; `number` is how many are listed by now."""
        known = self.counted if self.counted is not None else counted
        further = replace(self, listed=number, after=after, counted=known, progressed_at=now)
        return replace(further, stage="listing" if after else "listed", failures=0, waiting=None, due_at=now)

    def counts(self, counted: int, *, now: datetime) -> Audit:
        """The audit after the platform counted instead of listing."""
        return replace(
            self, listed=counted, counted=counted, stage="listed", failures=0, waiting=None, progressed_at=now
        )

    def lists(self, *, now: datetime) -> Audit:
        """The audit after counting was not enough."""
        return replace(self, proof="list", stage="listing", listed=0, counted=None, due_at=now)

    def fetched_some(self, *, now: datetime) -> Audit:
        """The audit after some of its differences were read."""
        return replace(self, failures=0, waiting=None, progressed_at=now)

    def asks(self, parts: int, *, now: datetime) -> Audit:
        """The audit while the report compares `parts` parts."""
        return replace(
            self,
            stage="comparing",
            after=None,
            round=self.round + 1,
            parts=parts,
            asked_report_at=now,
            due_at=now + ANSWERED_WITHIN,
        )

    def rested(self, problem: str, *, due_at: datetime, forget_place: bool) -> Audit:
        """The audit while it waits for what passes by itself."""
        after = None if forget_place else self.after
        return replace(self, after=after, failures=self.failures + 1, waiting=problem, due_at=due_at)

    def told(self, differences: Differences) -> Audit:
        """The audit with its differences counted, to be told as its next step."""
        return replace(self, tally=tally_of(differences), step=self.step + 1)

    def spent(self, costs: Mapping[str, float]) -> Audit:
        """The audit after it took this much more of call budgets."""
        if not costs:
            return self
        names = {*self.costs, *costs}
        return replace(self, costs={name: self.costs.get(name, 0.0) + costs.get(name, 0.0) for name in sorted(names)})

    def ended(self, state: End, *, now: datetime, problem: str | None = None) -> Audit:
        """The audit at its end."""
        return replace(self, state=state, finished_at=now, problem=problem, after=None, waiting=None)


def new_audit(
    audit_id: str,
    store: Store,
    scope: AuditScope,
    *,
    due_at: datetime,
    started_by: str,
    by: By = "updated",
    window: Span | None = None,
    asked: Asked | None = None,
) -> Audit:
    """An audit that begins at `due_at`; the window of a scheduled one follows from when it begins."""
    return Audit(
        audit_id=audit_id,
        store_id=store.store_id,
        seller_id=store.seller_id,
        platform=store.platform,
        scope=scope,
        by=by,
        started_by=started_by,
        planned_for=due_at,
        due_at=due_at,
        progressed_at=due_at,
        window=window,
        asked=asked,
    )


def found_by(audit: Audit, answers: Iterable[Answer], known: Mapping[str, Explained], *, now: datetime) -> Differences:
    """The differences of a first comparison; what an earlier audit explained at that very time stays explained."""
    differences = {}
    for one in (one for answer in answers for one in answer.found):
        difference = Difference(one.external_id, one.finding, one.at)
        before = known.get(one.external_id)
        if before is not None and _still_explains(before, difference, audit, now=now):
            difference = difference.explained(before.explanation)
        differences[one.external_id] = difference
    return differences


def _still_explains(before: Explained, difference: Difference, audit: Audit, *, now: datetime) -> bool:
    if before.explanation == "deleted":
        # What the platform lists it has.
        return before.at == difference.at and difference.finding == "unknown"
    is_same = before.at == difference.at
    if before.explanation == "dead_letter":
        is_same = is_same or has_no_time(difference, audit)
    return is_same and now - before.explained_at < EXPLAINED_FOR


def has_no_time(difference: Difference, audit: Audit) -> bool:
    """Whether the time that the platform lists for an order may only be the least that is certain."""
    return audit.window is not None and difference.at == audit.window.start


def compared_again(differences: Differences, answers: Iterable[Answer]) -> Differences:
    """What of the open differences is left after a further comparison: only those that changed, settled."""
    left = {one.external_id for answer in answers for one in answer.found}
    return {
        number: replace(one, settled=True) for number, one in differences.items() if one.is_open and number not in left
    }


def to_fetch(differences: Differences, *, asked_at: datetime | None, now: datetime) -> list[Difference]:
    """The open differences that have to be read from the platform, by id; the report was last asked at `asked_at`.

    What was read since then is not read again: where calls are few, reading the rest may take longer than that.
    """

    def is_due(one: Difference) -> bool:
        if one.wanted is None or one.read_at is None:
            return one.wanted is None
        return now - one.read_at >= FETCHED_AGAIN_AFTER and (asked_at is None or one.read_at < asked_at)

    return [one for _, one in sorted(differences.items()) if one.is_open and is_due(one)]


def still_open(differences: Differences) -> list[Difference]:
    """The differences that are neither settled nor explained, by id."""
    return [one for _, one in sorted(differences.items()) if one.is_open]


def tally_of(differences: Differences) -> Tally:
    """Count."""
    ones = differences.values()
    unsettled = [one.at for one in ones if one.is_open]
    return Tally(
        missing=sum(one.finding == "missing" for one in ones),
        stale=sum(one.finding == "stale" for one in ones),
        unknown=sum(one.finding == "unknown" for one in ones),
        fetched=sum(one.read_at is not None for one in ones),
        unsettled=len(unsettled),
        unsettled_since=min(unsettled, default=None),
    )


def outcome(audit: Audit, differences: Differences, *, now: datetime) -> End | None:
    """How an audit ends after a comparison; None: what differs is seen to first."""
    if still_open(differences):
        since = audit.compared_at or now
        return "differs" if now - since >= DIFFERS_AFTER else None
    return "explained" if any(one.explanation is not None for one in differences.values()) else "agreed"


def next_wait(round_number: int) -> timedelta:
    """How long the report gets after comparison `round_number` until the next."""
    return WAITS[min(round_number, len(WAITS)) - 1]


def told_orders(differences: Differences) -> tuple[FoundOrder, ...]:
    """The differences as they are told, those that still differ first."""
    ones = sorted(differences.values(), key=lambda one: (not one.is_open, one.at, one.external_id))
    return tuple(
        FoundOrder(external_id=one.external_id, finding=one.finding, at=one.at, explanation=one.explanation)
        for one in ones[:MOST_TOLD]
    )


def window_of(audit: Audit, store: Store, *, cursor: datetime | None, settle: timedelta, now: datetime) -> Span | None:
    """The window of an audit that begins now; None: there is nothing in it yet.

    A scheduled one ends where the store is read, at `cursor`: what changed later was not to be there yet.
    """
    settled = now - settle
    if audit.window is not None:
        end = min(audit.window.end, settled)
        return Span(start=audit.window.start, end=end) if end > audit.window.start else None
    if cursor is None:
        return None
    start, end = max(now - LENGTHS[audit.scope], store.import_since), min(settled, cursor)
    return Span(start=start, end=end) if end > start else None


#: How far back scheduled audits look.
LENGTHS: Mapping[AuditScope, timedelta] = {"day": timedelta(days=1), "week": timedelta(days=7)}
#: The scheduled ones.
SCHEDULED: Sequence[AuditScope] = ("day", "week", "open")
