"""The rows of a text file: which character divides its cells, and the cells, within limits."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO

from services.ingest.platforms.direct.files.decoding import Encoding, lines_of
from services.ingest.platforms.direct.files.refusals import (
    MOST_CELL_CHARACTERS,
    MOST_COLUMNS,
    MOST_ROW_CHARACTERS,
    MOST_ROWS_LOOKED_AT,
    FileRefused,
)

#: In the order in which a tie is decided.
DELIMITERS = (",", ";", "\t", "|")
#: Records in which the header is looked for.
_FIRST_RECORDS = 10

Cells = list[str]


def delimiter_of(file: BinaryIO, encoding: Encoding, *, score: Callable[[Cells], int]) -> str:
    """Return what divides the cells: what gives the most known columns in the first rows, else the most cells.

    `score` counts the known columns of a row. A line "sep=;" (Excel's own) decides.
    """
    for line in lines_of(file, encoding):
        stated = line.strip().strip('"')
        if stated.lower().startswith("sep=") and len(stated) == len("sep=") + 1:
            return stated[-1]
        break
    found = {}
    for delimiter in DELIMITERS:
        rows = _first_rows(file, encoding, delimiter)
        found[delimiter] = max(((score(row), len(row)) for row in rows), default=(0, 0))
    return max(DELIMITERS, key=lambda delimiter: found[delimiter])


def rows_of(file: BinaryIO, encoding: Encoding, delimiter: str) -> Iterator[tuple[int, Cells]]:
    """Each record's number as a spreadsheet shows it, from 1, and its cells. Raises FileRefused."""
    number = 0
    bounded = _Bounded(lines_of(file, encoding))
    # A quote in the middle of a cell is just a quote; quoted cells may hold line breaks.
    reader = csv.reader(bounded, delimiter=delimiter, quotechar='"', doublequote=True, strict=False)
    while True:
        bounded.begin(number + 1)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise too_large_a_cell(number + 1) from None
        number += 1
        if number == 1 and len(cells) == 1 and cells[0].lower().startswith("sep="):
            continue
        if number > MOST_ROWS_LOOKED_AT:
            raise FileRefused("too_many_rows", "The file has more than 1,048,576 rows, empty ones included.")
        if len(cells) > MOST_COLUMNS:
            raise too_many_columns(number, len(cells))
        if bounded.taken > MOST_CELL_CHARACTERS and any(len(cell) > MOST_CELL_CHARACTERS for cell in cells):
            raise too_large_a_cell(number)
        yield number, cells


def too_large_a_cell(row: int | None) -> FileRefused:
    """A cell that no spreadsheet would hold; often a quote that is never closed."""
    where = "A row" if row is None else f"Row {row}"
    return FileRefused(
        "cell_too_large",
        f"{where} has a cell of more than 32,767 characters. Is a quotation mark in it never closed?",
    )


def too_many_columns(row: int, columns: int) -> FileRefused:
    """A row that is wider than a table of orders."""
    return FileRefused(
        "too_many_columns", f"Row {row} has {columns:,} columns; a table of orders has at most {MOST_COLUMNS}."
    )


class _Bounded:
    """Lines for one record at a time, not more than one may have."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._row = 1
        self.taken = 0

    def begin(self, row: int) -> None:
        self._row, self.taken = row, 0

    def __iter__(self) -> _Bounded:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken += len(line)
        if self.taken > MOST_ROW_CHARACTERS:
            raise too_large_a_cell(self._row)
        # Old readers end at a zero; no text has one.
        return line.replace("\x00", "") if "\x00" in line else line


def _first_rows(file: BinaryIO, encoding: Encoding, delimiter: str) -> list[Cells]:
    rows: list[Cells] = []
    with suppress(FileRefused):
        for _, cells in islice(rows_of(file, encoding, delimiter), _FIRST_RECORDS):
            rows.append(cells)
    return rows
