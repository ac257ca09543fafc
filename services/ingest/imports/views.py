"""What `/v1/imports` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.imports.record import ENDED, FILE_KEPT, Import, OnChanged, RowProblem, State, seconds_left
from services.ingest.platforms.direct.files.assembling import Faulty, LeftOut, Made, Ready
from services.ingest.platforms.direct.orders import DirectOrder

#: Imports into one store that have not ended.
MOST_UNFINISHED = 20
_REPEATED = (
    "This file was imported before ({repeats}). Orders that are unchanged since then are not imported again; "
    "they count as existing."
)

#: What would become of an order: it is given, it is there already, it is there with other content, it has problems,
#: or it is left out because its platform says that it is shipped, cancelled or refunded.
Outcome = Literal["new", "existing", "changed", "faulty", "left_out"]


class ColumnView(BaseModel):
    """A column of the file, and the field that it fills; null: it is passed over."""

    header: str
    field: str | None


class FindingsView(BaseModel):
    """What kind of file it is."""

    layout: str = Field(examples=["template"])
    layout_name: str
    form: str = Field(examples=["UTF-8, cells divided by semicolons"])
    header_row: int
    columns: list[ColumnView]


class TallyView(BaseModel):
    """What the orders of the file are, as far as they are looked through."""

    new: int
    existing: int
    changed: int
    faulty: int
    left_out: int


class ProgressView(BaseModel):
    """How far the present state is; `seconds_left` is an estimate, null while there is none."""

    rows_done: int
    rows: int
    orders_done: int
    orders: int
    seconds_left: float | None


class ImportView(BaseModel):
    """An import.

    `checking`: it is looked through; `ready`: it waits for its start; `running`: its orders are given. `results` counts
    what became of the orders since its start. `notices` say what is remarkable, `problem` why it ended as it did or
    what it waits for; `refusal` is the stable code of a file that could not be read.
    """

    import_id: str
    store_id: str
    state: State
    file_name: str
    size: int
    asked_at: datetime
    asked_by: str
    started_at: datetime | None
    finished_at: datetime | None
    on_changed: OnChanged
    findings: FindingsView | None
    tally: TallyView
    progress: ProgressView
    results: dict[Literal["new", "updated", "existing", "failed"], int]
    notices: list[str]
    problem: str | None
    refusal: str | None
    session_id: str | None
    resumable: bool = Field(
        description="Whether it ended with orders that may be imported yet, and its file is kept: see its resume."
    )


class ImportPage(BaseModel):
    """Some imports, the newest first; `next` asks for more."""

    items: list[ImportView]
    next: str | None


class ProblemView(BaseModel):
    """What is wrong with an order of the file, and what to do. It never says what stood in the cell."""

    reference: str
    row: int
    column: str | None
    problem: str
    remedy: str
    while_checking: bool = Field(description="Whether it was found before the start.")


class ProblemPage(BaseModel):
    """Some problems, in the order of the file's orders; `next` asks for more."""

    items: list[ProblemView]
    next: str | None


class PreviewedOrder(BaseModel):
    """What some rows of the file would become."""

    reference: str
    rows: list[int]
    outcome: Outcome
    order: DirectOrder | None = Field(default=None, description="As the API would take it; null where it has problems.")
    notices: list[str] = []
    problems: list[ProblemView] = []
    left_out: str | None = None


class Preview(BaseModel):
    """The first orders of the file. `whole` says that these are all."""

    findings: FindingsView
    items: list[PreviewedOrder]
    whole: bool
    next: None = None


class StartImport(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    on_changed: OnChanged = Field(
        default="refuse",
        description="What becomes of orders whose reference the store has with other content: they are refused, or "
        "update those.",
    )


class ResumeImport(BaseModel):
    """How to go on."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    on_changed: OnChanged | None = Field(
        default=None, description="As when it was started; null: what was said then holds."
    )


class NewImportQuery(BaseModel):
    """Where the file goes, and what it is called."""

    store_id: str = Field(max_length=64, description="A direct store.")
    file_name: str | None = Field(default=None, max_length=200, description="By default what the upload calls it.")


class ImportPath(BaseModel):
    """One import."""

    import_id: str = Field(max_length=64)


class ImportQuery(BaseModel):
    """A part of the list."""

    store_id: str | None = Field(default=None, max_length=64, description="Of one store only.")
    cursor: str | None = Field(default=None, max_length=64, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


class ProblemQuery(BaseModel):
    """A part of the problems."""

    cursor: str | None = Field(default=None, pattern=r"^\d{1,9}-\d{1,9}$", description="The `next` of the part before.")
    limit: int = Field(default=100, ge=1, le=1000)


class PreviewQuery(BaseModel):
    """How much to preview."""

    limit: int = Field(default=20, ge=1, le=100)


class TemplateQuery(BaseModel):
    """Which template."""

    store_id: str | None = Field(default=None, max_length=64, description="Named in the file's name.")
    form: Literal["csv", "xlsx"] = Field(default="csv")


def import_view(held: Import, *, now: datetime) -> ImportView:
    """An import as its seller sees it."""
    tally, counts, checking = held.tally, held.counts, held.state == "checking" or held.started_at is None
    return ImportView(
        import_id=held.import_id,
        store_id=held.store_id,
        state=held.state,
        file_name=held.file_name,
        size=held.size,
        asked_at=held.asked_at,
        asked_by=held.asked_by,
        started_at=held.started_at,
        finished_at=held.finished_at,
        on_changed=held.on_changed,
        findings=_findings(held),
        tally=TallyView(
            new=tally.new,
            existing=tally.existing,
            changed=tally.changed,
            faulty=tally.faulty,
            left_out=tally.left_out,
        ),
        progress=ProgressView(
            rows_done=tally.rows if checking else held.given_rows,
            rows=held.rows,
            orders_done=tally.orders if checking else held.given,
            orders=held.orders,
            seconds_left=seconds_left(held, now=now),
        ),
        results={
            "new": counts.new,
            "updated": counts.updated,
            "existing": counts.existing,
            "failed": counts.failed,
        },
        notices=[_REPEATED.format(repeats=held.repeats)] if held.repeats else [],
        problem=held.problem or (held.waiting if held.state not in ENDED else None),
        refusal=held.refusal,
        session_id=held.session.session_id if held.started_at else None,
        resumable=held.is_resumable and now < held.asked_at + FILE_KEPT,
    )


def problem_view(found: RowProblem) -> ProblemView:
    """A problem as the seller sees it."""
    return ProblemView(
        reference=found.reference,
        row=found.row,
        column=found.column,
        problem=found.problem,
        remedy=found.remedy,
        while_checking=found.while_checking,
    )


def previewed(made: Made, *, outcome: Outcome) -> PreviewedOrder:
    """What some rows would become; `outcome` is of an order that can be given."""
    match made:
        case Ready():
            return PreviewedOrder(
                reference=made.order.reference,
                rows=list(made.rows),
                outcome=outcome,
                order=made.order,
                notices=list(made.notices),
            )
        case LeftOut():
            return PreviewedOrder(reference=made.reference, rows=list(made.rows), outcome="left_out", left_out=made.why)
        case Faulty():
            problems = [
                ProblemView(
                    reference=made.reference,
                    row=found.row,
                    column=found.column,
                    problem=found.problem,
                    remedy=found.remedy,
                    while_checking=True,
                )
                for found in made.problems
            ]
            return PreviewedOrder(reference=made.reference, rows=list(made.rows), outcome="faulty", problems=problems)


def _findings(held: Import) -> FindingsView | None:
    return FindingsView.model_validate(held.findings, from_attributes=True) if held.findings else None
