"""Opens a file of either kind as one table: which layout it has, its columns, and its rows as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from services.ingest.platforms.direct.files.decoding import encoding_of
from services.ingest.platforms.direct.files.delimited import Cells, delimiter_of, rows_of
from services.ingest.platforms.direct.files.layouts import (
    Column,
    Layout,
    columns_of,
    layout_of,
    missing_columns,
    score,
)
from services.ingest.platforms.direct.files.places import folded
from services.ingest.platforms.direct.files.refusals import MOST_BYTES, MOST_ROWS, FileRefused
from services.ingest.platforms.direct.files.sniffing import ENOUGH_BYTES, Kind, kind_of
from services.ingest.platforms.direct.files.workbook import close_workbook, open_workbook

#: A header may stand below a title, but not below more than that.
_HEADER_WITHIN = 10
_LOOKED_AT = 1000
#: Of a sheet; one is 128 kB.
_PIECES = 8
_TOTALS = frozenset(
    {"total", "totals", "grand total", "subtotal", "sub total", "sum", "tong", "tong cong", "cong", "thanh tien"}
)


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read as orders. `form` tells how, for people: "CSV, UTF-8, divided by ;"."""

    kind: Kind
    form: str
    layout: Layout
    header_row: int
    columns: tuple[Column, ...]
    _rows: Callable[[], Iterator[tuple[int, Cells]]] = field(repr=False)

    def rows(self) -> Iterator[tuple[int, Cells]]:
        """Each row below the header that says anything: its number in the file and its cells. Raises FileRefused."""
        passed = 0
        for number, cells in self._rows():
            if number <= self.header_row or is_blank(cells) or is_total(cells, self.columns):
                continue
            passed += 1
            if passed > MOST_ROWS:
                raise FileRefused("too_many_rows", f"The file has more than {MOST_ROWS:,} rows. Divide it.")
            yield number, cells


@contextmanager
def open_table(file: BinaryIO) -> Iterator[Table]:
    """Open a seekable file. Raises FileRefused when it cannot be read as orders."""
    size = file.seek(0, 2)
    if size > MOST_BYTES:
        raise FileRefused("too_large", f"The file is larger than {MOST_BYTES // 1024**2} MB. Divide it.")
    file.seek(0)
    if kind_of(file.read(ENOUGH_BYTES)) == "xlsx":
        with _workbook(file) as table:
            yield table
    else:
        yield _text(file)


def is_blank(cells: Cells) -> bool:
    """Whether a row says nothing."""
    return not any(cell and not cell.isspace() for cell in cells)


def is_total(cells: Cells, columns: tuple[Column, ...]) -> bool:
    """Whether a row adds up the others: it is named so, or has numbers only where every order has words."""
    first = next((cell for cell in cells if cell.strip()), "")
    if folded(first) in _TOTALS:
        return sum(1 for cell in cells if cell.strip() and not _is_number(cell)) == 1
    words = [cells[column.place] for column in columns if column.meaning in _WORDS and column.place < len(cells)]
    return not any(cell.strip() for cell in words) and all(_is_number(cell) for cell in cells if cell.strip())


_WORDS = frozenset({"reference", "name", "line1", "sku", "product_id", "variant_id", "_skus"})


def _is_number(cell: str) -> bool:
    return cell.strip().strip("$€£₫đ ").replace(",", "").replace(".", "").replace(" ", "").isdigit()


def _text(file: BinaryIO) -> Table:
    encoding = encoding_of(file)
    delimiter = delimiter_of(file, encoding, score=score)
    name = {"\t": "tabs", ",": "commas", ";": "semicolons"}.get(delimiter, delimiter)
    shown = {"cp1252": "Windows-1252", "cp1258": "Windows-1258"}.get(encoding, encoding.split("-sig")[0].upper())
    first = _first(rows_of(file, encoding, delimiter))
    form = f"{shown}, cells divided by {name}"
    return _table("text", form, first, lambda: rows_of(file, encoding, delimiter))


@contextmanager
def _workbook(file: BinaryIO) -> Iterator[Table]:
    book = open_workbook(file)
    try:
        first = {name: _first(book.rows(part, pieces=_PIECES)) for name, part in book.sheets}
        name, part = max(book.sheets, key=lambda sheet: max((score(cells) for _, cells in first[sheet[0]]), default=0))
        yield _table("xlsx", f'Excel workbook, sheet "{name}"', first[name], lambda: book.rows(part))
    finally:
        close_workbook(book)


def _first(rows: Iterator[tuple[int, Cells]]) -> list[tuple[int, Cells]]:
    found: list[tuple[int, Cells]] = []
    for number, cells in rows:
        if number > _LOOKED_AT:
            break
        if not is_blank(cells):
            found.append((number, cells))
        if len(found) == _HEADER_WITHIN:
            break
    return found


def _table(
    kind: Kind, form: str, first: list[tuple[int, Cells]], rows: Callable[[], Iterator[tuple[int, Cells]]]
) -> Table:
    if not first:
        raise FileRefused("empty", "The file has no rows.")
    number, header = max(first, key=lambda row: score(row[1]))
    layout = layout_of(header)
    if layout is None:
        raise FileRefused(
            "columns_unknown",
            "No row has the headers of orders. Use the template, or name the columns as it does (Reference, Name, "
            "Address 1, City, Country, SKU, Quantity).",
        )
    columns = columns_of(layout, header)
    if missing := missing_columns(columns):
        raise FileRefused(
            "columns_missing", f"Columns are missing: {', '.join(missing)}. Name them as the template does."
        )
    return Table(kind, form, layout, number, columns, rows)
