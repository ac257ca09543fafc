"""What `/v1/audits` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from schemas.audits import AuditScope, AuditState, Explanation, Finding
from services.ingest.audits.audit import MOST_TOLD, Audit, Difference, Differences, Proof
from services.ingest.stores.choosing import MOST_STORES
from services.ingest.syncs.views import PeriodAsked, PeriodView, WindowView

#: More audits of a store that were asked for and have not ended than this are not taken.
MOST_UNFINISHED = 10

_EXAMPLE: dict[str, JsonValue] = {
    "stores": ["8d5f0c1e2a3b4c5d"],
    "period": {"from": "2026-11-01", "to": "2026-11-07"},
    "zone": "Eastern",
    "by": "created",
}


class AskAudit(BaseModel):
    """The orders of a period, of some stores or of all stores of a platform, compared with what the report has."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    stores: list[str] | None = Field(default=None, min_length=1, max_length=MOST_STORES)
    platform: str | None = Field(default=None, min_length=1, max_length=31, description="All linked stores there.")
    period: PeriodAsked
    zone: str = Field(
        max_length=64,
        description="Eastern, Central, Mountain, Arizona, Pacific, Alaska, Hawaii, or an IANA name.",
    )
    by: Literal["created", "updated"] = Field(default="created", description="Which of an order's times is meant.")

    @model_validator(mode="after")
    def _one_choice(self) -> AskAudit:
        if (self.stores is None) == (self.platform is None):
            raise ValueError("give stores or a platform, and not both")
        return self


class DifferenceView(BaseModel):
    """An order of which the platform and the report said different things.

    `finding`: missing (the report did not have it), stale (it had an earlier revision) or unknown (only the report has
    it), by the time `at`. `fetched_at` is when it was read from the platform because of that, `settled` that both say
    the same by now, `explanation` why they never will.
    """

    external_id: str
    finding: Finding
    at: datetime
    fetched_at: datetime | None
    settled: bool
    explanation: Explanation | None


class AuditView(BaseModel):
    """An audit as its seller sees it.

    `listed` is how many orders the platform lists in the window, `counted` its own count of them, where it has one, and
    `held` how many of the listed ones the report had. `missing`, `stale` and `unknown` count what differed at first,
    `fetched` what was read because of it, `unsettled` what still differs. The window of an audit that is only planned
    is null, as is that of all open orders. With `proof` count, the platform counted and nothing was listed: `listed` is
    its count then, and `held` ours. `problem` says why it ended as it did, or what it waits for until
    `next_try_at`.
    """

    audit_id: str
    store_id: str
    platform: str
    scope: AuditScope
    by: Literal["created", "updated"]
    proof: Proof
    state: Literal["queued"] | AuditState
    window: WindowView | None
    period: PeriodView | None
    zone: str | None
    notes: list[str]
    started_by: str
    started_at: datetime | None
    finished_at: datetime | None
    listed: int
    counted: int | None
    held: int
    missing: int
    stale: int
    unknown: int
    fetched: int
    unsettled: int
    problem: str | None
    next_try_at: datetime | None


class AuditDetail(AuditView):
    """An audit with the orders that differed, at most 1,000 of them; those that still differ first."""

    differences: list[DifferenceView]


class AuditPage(BaseModel):
    """Some audits, the newest first; `next` asks for more."""

    items: list[AuditView]
    next: str | None


class AuditPath(BaseModel):
    """One audit."""

    audit_id: str = Field(max_length=64)


class AuditQuery(BaseModel):
    """A part of the list."""

    store_id: str | None = Field(default=None, max_length=64, description="Of one store only.")
    cursor: str | None = Field(default=None, max_length=64, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


def audit_view(audit: Audit) -> AuditView:
    """An audit as its seller sees it."""
    return AuditView(**_shown(audit))


def audit_detail(audit: Audit, differences: Differences) -> AuditDetail:
    """An audit with its differences."""
    ones = sorted(differences.values(), key=lambda one: (not one.is_open, one.at, one.external_id))
    return AuditDetail(**_shown(audit), differences=[_difference(one) for one in ones[:MOST_TOLD]])


def _shown(audit: Audit) -> dict[str, object]:
    asked, window, tally = audit.asked, audit.window, audit.tally
    return {
        "audit_id": audit.audit_id,
        "store_id": audit.store_id,
        "platform": audit.platform,
        "scope": audit.scope,
        "by": audit.by,
        "proof": audit.proof,
        "state": audit.state if audit.begun or audit.state != "running" else "queued",
        "window": WindowView(start=window.start, end=window.end) if window else None,
        "period": PeriodView(start=asked.start, end=asked.end) if asked else None,
        "zone": asked.zone if asked else None,
        "notes": list(asked.notes) if asked else [],
        "started_by": audit.started_by,
        "started_at": audit.started_at,
        "finished_at": audit.finished_at,
        "listed": audit.listed,
        "counted": audit.counted,
        "held": audit.held,
        "missing": tally.missing,
        "stale": tally.stale,
        "unknown": tally.unknown,
        "fetched": tally.fetched,
        "unsettled": tally.unsettled,
        "problem": audit.problem or audit.waiting,
        "next_try_at": audit.due_at if audit.waiting else None,
    }


def _difference(one: Difference) -> DifferenceView:
    return DifferenceView(
        external_id=one.external_id,
        finding=one.finding,
        at=one.at,
        fetched_at=one.read_at,
        settled=one.settled,
        explanation=one.explanation,
    )
