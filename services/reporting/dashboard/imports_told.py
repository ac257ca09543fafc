"""What ingest tells of imports, as far as the page shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from services.kit.errors import TransientError

M = TypeVar("M", bound=BaseModel)

State = Literal["checking", "ready", "running", "succeeded", "partial", "failed", "cancelled"]
WORKING = frozenset({"checking", "running"})


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class ColumnTold(_Told):
    """A column of the file, and the field that it fills; None: it is passed over."""

    header: str
    field: str | None


class FindingsTold(_Told):
    """What kind of file it is; `header_row` counts from 1."""

    layout: str
    layout_name: str
    form: str
    header_row: int
    columns: tuple[ColumnTold, ...]


class TallyTold(_Told):
    """What the file's orders are, as far as they are looked through."""

    new: int
    existing: int
    changed: int
    faulty: int
    left_out: int


class ProgressTold(_Told):
    """How far the present state is; `seconds_left` None: nobody can tell yet."""

    rows_done: int
    rows: int
    orders_done: int
    orders: int
    seconds_left: float | None


class ImportTold(_Told):
    """One import; `size` in bytes."""

    import_id: str
    store_id: str
    state: State
    file_name: str
    size: int
    asked_at: datetime
    asked_by: str
    started_at: datetime | None
    finished_at: datetime | None
    findings: FindingsTold | None
    tally: TallyTold
    progress: ProgressTold
    results: dict[str, int]
    notices: tuple[str, ...]
    problem: str | None
    refusal: str | None
    session_id: str | None
    resumable: bool = False

    @property
    def working(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in WORKING

    @property
    def importable(self) -> int:
        """How many orders a start would bring."""
        return self.tally.new + self.tally.changed

    @property
    def failed(self) -> int:
        """How many orders are not imported because something is wrong."""
        return self.results.get("failed", 0) if self.started_at else self.tally.faulty


class ImportsTold(_Told):
    """Some imports, the newest first."""

    items: tuple[ImportTold, ...]
    next: str | None


class ProblemTold(_Told):
    """What is wrong in one place of the file, and what to do."""

    reference: str
    row: int
    column: str | None
    problem: str
    remedy: str


class ProblemsTold(_Told):
    """Some problems."""

    items: tuple[ProblemTold, ...]
    next: str | None


class BuyerTold(_Told):
    """Where an order goes. It is shown to its seller and kept nowhere."""

    name: str | None = None
    line1: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None

    @property
    def line(self) -> str:
        """The address in one line."""
        place = " ".join(part for part in (self.city, self.region, self.postal_code) if part)
        return ", ".join(part for part in (self.name, self.line1, place, self.country) if part)


class ItemTold(_Told):
    """One line of an order."""

    sku: str | None = None
    title: str | None = None
    product_id: str | None = None
    quantity: int

    @property
    def line(self) -> str:
        """What and how many."""
        return f"{self.quantity:,} × {self.sku or self.title or self.product_id or '?'}"  # noqa: RUF001 - times


class OrderTold(_Told):
    """An order as it would be given."""

    ship_to: BuyerTold
    items: tuple[ItemTold, ...]


class PreviewedTold(_Told):
    """What some rows of the file would become."""

    reference: str
    rows: tuple[int, ...]
    outcome: Literal["new", "existing", "changed", "faulty", "left_out"]
    order: OrderTold | None = None
    notices: tuple[str, ...] = ()
    problems: tuple[ProblemTold, ...] = ()
    left_out: str | None = None


class PreviewTold(_Told):
    """The first orders of the file; `whole`: these are all."""

    items: tuple[PreviewedTold, ...]
    whole: bool


class StoreTold(_Told):
    """A store that orders can be given to."""

    store_id: str
    name: str


def told(model: type[M], content: Any) -> M:
    """Return what an answer tells; one that tells something else is of a service that is being changed: ask later."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise TransientError("neighbour: an answer of another form") from error
