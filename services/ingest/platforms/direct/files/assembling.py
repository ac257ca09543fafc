"""Makes the rows of one reference into an order, or says by row and column what is wrong and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from pydantic import ValidationError

from services.ingest.platforms.direct.files.exports import Left, Row, Unclear, interpreted
from services.ingest.platforms.direct.files.fields import BY_NAME, FIELDS, Field
from services.ingest.platforms.direct.files.layouts import TEMPLATE, Column, Layout
from services.ingest.platforms.direct.files.places import country_code
from services.ingest.platforms.direct.files.table import Table
from services.ingest.platforms.direct.files.values import (
    DateOrder,
    Mended,
    Misread,
    amount,
    cleaned,
    moment,
    postal_code,
    quantity,
    text_trouble,
    yes,
)
from services.ingest.platforms.direct.orders import MOST_ITEMS, DirectOrder, timely
from services.ingest.platforms.direct.problems import FieldProblem, problems_of

#: So many problems of one order are told; who mends them hears of the others next.
MOST_PROBLEMS = 20
#: What may be said differently by an export's rows of one order without being meant.
_VAGUE_IN_EXPORTS = frozenset({"shipping_price", "tax_value", "total", "note", "shipping_service", "placed_at", "paid"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one row, in the column whose header is `column` (None: the row as a whole)."""

    row: int
    column: str | None
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An order that can be given. `notices` say what was done to its rows that nobody asked for."""

    order: DirectOrder
    rows: tuple[int, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Faulty:
    """Rows of one reference that cannot be an order as they are."""

    reference: str
    rows: tuple[int, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An order that is not to be made, by what its platform says of it."""

    reference: str
    rows: tuple[int, ...]
    why: str


Made = Ready | Faulty | LeftOut


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file's rows are read: `zone` is that of times without one, `currency` that of amounts without one."""

    layout: Layout
    columns: tuple[Column, ...]
    zone: tzinfo
    currency: str | None
    now: datetime
    meant: tuple[tuple[int, str], ...]

    def row(self, number: int, cells: Sequence[str]) -> Row:
        """What a row says."""
        says, width = {}, len(cells)
        for place, meaning in self.meant:
            if place < width and (cell := cells[place]) and (text := cleaned(cell)):
                says[meaning] = text
        return Row(number, says)

    def header(self, meaning: str) -> str:
        """The header of a column in this file, else in the template."""
        found = next((column.header for column in self.columns if column.meaning == meaning), None)
        return found or (BY_NAME[meaning].title if meaning in BY_NAME else meaning)


@dataclass(slots=True)
class _Work:
    """One order in the making."""

    reading: Reading
    reference: str
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    currency: str | None = None
    currency_row: int = 0

    def object(self, row: int, meaning: str, misread: Misread) -> None:
        self.problems.append(Problem(row, self.reading.header(meaning), misread.problem, misread.remedy))


def reading_of(table: Table, *, zone: tzinfo, currency: str | None, now: datetime) -> Reading:
    """How the rows of this table are read."""
    meant = tuple((column.place, column.meaning) for column in table.columns if column.meaning is not None)
    return Reading(table.layout, table.columns, zone, currency, now, meant)


def assemble(rows: Sequence[tuple[int, Sequence[str]]], reading: Reading) -> Made:
    """Return what the rows of one reference are; there is at least one."""
    read = [reading.row(number, cells) for number, cells in rows]
    numbers, work = tuple(number for number, _ in rows), _Work(reading, read[0].says.get("reference", ""))
    if not work.reference:
        problem = Problem(numbers[0], reading.header("reference"), "The reference is missing", _NO_REFERENCE)
        return Faulty("", numbers, (problem,))
    if not reading.layout.repeats_whole_rows:
        read = list(_once(read, work))
    meant = interpreted(reading.layout.slug, read)
    match meant:
        case Left():
            return LeftOut(work.reference, numbers, meant.why)
        case Unclear():
            work.object(meant.row, meant.meaning, meant.misread)
            return Faulty(work.reference, numbers, tuple(work.problems))
    order = _validated(_given(meant, work), meant, work)
    if order is None or work.problems:
        return Faulty(work.reference, numbers, tuple(work.problems[:MOST_PROBLEMS]))
    return Ready(order, numbers, tuple(work.notices))


_NO_REFERENCE = "Give every row its order's reference; rows of one order repeat it."


def _once(rows: Sequence[Row], work: _Work) -> Iterator[Row]:
    """Rows without those that repeat another whole: a row that is there twice counts once."""
    known: dict[tuple[tuple[str, str], ...], int] = {}
    for row in rows:
        first = known.setdefault(tuple(row.says.items()), row.number)
        if first == row.number:
            yield row
        else:
            work.notices.append(f"Row {row.number} repeats row {first} and counts once.")


def _given(rows: Sequence[Row], work: _Work) -> dict[str, Any]:
    """The order as the API would get it."""
    merged = _merged(rows, work)
    work.currency = merged["currency"][1].upper() if "currency" in merged else None
    work.currency_row = merged["currency"][0] if "currency" in merged else 0
    given: dict[str, Any] = {"ship_to": {}, "items": [_item(row, work) for row in rows]}
    country = country_code(merged["country"][1]) if "country" in merged else ""
    region = merged["region"][1] if "region" in merged else None
    for name, (row, text) in merged.items():
        known = BY_NAME[name]
        if name == "postal_code":
            value = _postal_code(row, text, country, region, work)
        else:
            value = country if name == "country" else _value(row, known, text, work)
        if value is not None:
            place, _, last = known.path.rpartition(".")
            (given[place] if place else given)[last] = value
    if currency := work.currency or work.reading.currency:
        given["currency"] = currency
    return given


def _merged(rows: Sequence[Row], work: _Work) -> dict[str, tuple[int, str]]:
    """What the rows say of the order: where it stands first, and that no other row says otherwise."""
    found: dict[str, tuple[int, str]] = {}
    vague = frozenset() if work.reading.layout is TEMPLATE else _VAGUE_IN_EXPORTS
    for row in rows:
        for known in _ORDER_FIELDS:
            text = row.says.get(known.name)
            if text is None:
                continue
            first, said = found.setdefault(known.name, (row.number, text))
            if said != text and known.name not in vague:
                misread = Misread(
                    f"Rows {first} and {row.number} have the same reference and differ here",
                    "Make them the same, or give them different references if they are two orders.",
                )
                work.object(row.number, known.name, misread)
    return found


_ORDER_FIELDS = tuple(known for known in FIELDS if not known.of_item)
_ITEM_FIELDS = tuple(known for known in FIELDS if known.of_item)


def _item(row: Row, work: _Work) -> dict[str, Any]:
    item: dict[str, Any] = {}
    designs = []
    for known in _ITEM_FIELDS:
        text = row.says.get(known.name)
        if text is None or (value := _value(row.number, known, text, work)) is None:
            continue
        if known.name.startswith("design_"):
            designs.append({"area": known.name.removeprefix("design_"), "url": value})
        else:
            item[known.name] = value
    return {**item, "designs": designs} if designs else item


def _value(row: int, known: Field, text: str, work: _Work) -> Any:
    """The value of a cell; None, with a problem, when it cannot be read."""
    if known.reading == "text" and text[0] != "=":
        return text
    match known.reading:
        case "text" | "number_like" | "country" | "postal_code":
            trouble = text_trouble(text, number_like=known.reading != "text")
            value: Any = text if trouble is None else trouble
        case "quantity":
            value = quantity(text)
        case "amount":
            return _amount(row, known, text, work)
        case "moment":
            order: DateOrder = work.reading.layout.dates
            value = moment(text, order=order, zone=work.reading.zone)
        case "yes":
            value = yes(text)
        case "pairs":
            value = _pairs(text)
    if isinstance(value, Misread):
        work.object(row, known.name, value)
        return None
    return value


def _amount(row: int, known: Field, text: str, work: _Work) -> str | None:
    read = amount(text, currency=work.currency or work.reading.currency)
    if isinstance(read, Misread):
        work.object(row, known.name, read)
        return None
    if read.currency is not None:
        if work.currency is None:
            work.currency, work.currency_row = read.currency, row
        elif read.currency != work.currency:
            also = f", like row {work.currency_row}" if work.currency_row not in {0, row} else ""
            problem = "The amount is in another currency than the order"
            work.object(row, known.name, Misread(problem, f"Give all amounts of an order in one currency{also}."))
            return None
    return read.text


def _postal_code(row: int, text: str, country: str, region: str | None, work: _Work) -> str | None:
    # Exports mark codes with it whether they look like numbers or not.
    text = text.removeprefix("'")
    trouble = text_trouble(text, number_like=True)
    value = postal_code(text, country=country, region=region) if trouble is None else trouble
    match value:
        case Misread():
            work.object(row, "postal_code", value)
            return None
        case Mended():
            work.notices.append(f"Row {row}: {value.notice}")
            return value.text
    return value


def _pairs(text: str) -> Any:
    """Names and values, "Color: Black; Size: M" or one a line."""
    pairs = []
    for part in text.replace("\n", ";").split(";"):
        name, colon, value = part.partition(":")
        if part.strip() and not (colon and name.strip() and value.strip()):
            return Misread("It is not a list of names and values", "Write it like Color: Black; Size: M")
        if part.strip():
            pairs.append({"name": name.strip(), "value": value.strip()})
    return pairs


def _validated(given: dict[str, Any], rows: Sequence[Row], work: _Work) -> DirectOrder | None:
    if len(rows) > MOST_ITEMS:
        work.problems.append(
            Problem(
                rows[0].number, None, f"The order has more than {MOST_ITEMS} lines", "Divide it into several orders."
            )
        )
        return None
    try:
        order = DirectOrder.model_validate(given)
    except ValidationError as error:
        told = {(problem.row, problem.column) for problem in work.problems}
        found = [_located(problem, rows, work.reading) for problem in problems_of(error)]
        work.problems += [problem for problem in found if (problem.row, problem.column) not in told]
        return None
    if (untimely := timely(order, now=work.reading.now)) is not None:
        work.problems.append(_located(untimely, rows, work.reading))
    return order


def _located(found: FieldProblem, rows: Sequence[Row], reading: Reading) -> Problem:
    """A problem of an order by the row and column that it comes from."""
    parts = found.path.split(".")
    if parts[0] == "items" and len(parts) > 1 and parts[1].isdigit():
        row = rows[int(parts[1])]
        meaning = _meaning_of_item(parts[2:], row)
        return Problem(row.number, reading.header(meaning) if meaning else None, found.problem, found.remedy)
    meaning = parts[-1] if parts[-1] in BY_NAME else None
    number = next((row.number for row in rows if meaning in row.says), rows[0].number)
    return Problem(number, reading.header(meaning) if meaning else None, found.problem, found.remedy)


def _meaning_of_item(parts: Sequence[str], row: Row) -> str | None:
    if not parts:
        return "sku"
    if parts[0] == "designs" and len(parts) > 1 and parts[1].isdigit():
        designs = [name for name in ("design_front", "design_back") if name in row.says]
        return designs[int(parts[1])] if int(parts[1]) < len(designs) else None
    return parts[0] if parts[0] in BY_NAME else None
