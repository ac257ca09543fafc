"""The rows of one sheet of a workbook, as text, from its elements.

Formulas are never run: the value that the spreadsheet kept beside one counts. Source: ECMA-376 part 1, 18.3.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from services.ingest.platforms.direct.files.delimited import Cells, too_large_a_cell, too_many_columns
from services.ingest.platforms.direct.files.parts import damaged, local, number
from services.ingest.platforms.direct.files.refusals import MOST_CELL_CHARACTERS, MOST_COLUMNS, MOST_ROWS_LOOKED_AT

#: A spreadsheet keeps so many digits of a number; of longer ones the rest is lost.
_KEPT_DIGITS = 15
_LARGEST_SERIAL = 2_958_466  # 31 December 9999
_FORGED_LEAP_DAY = 60  # Excel counts 29 February 1900, which was not


class Sheet:
    """Takes a sheet's elements in, and gives its rows out."""

    def __init__(self, *, string: Callable[[int], str], date_styles: frozenset[str], since_1904: bool) -> None:
        self._string = string
        self._date_styles = date_styles
        self._since_1904 = since_1904
        self._rows: list[tuple[int, Cells]] = []
        self._number = 0
        self._cells: Cells = []
        self._column = -1
        self._type = "n"
        self._style = "0"
        self._reading = False
        self._value: list[str] = []
        self._columns: dict[str, int] = {}

    def taken(self) -> list[tuple[int, Cells]]:
        """The rows that are whole by now, each once."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins. Most are cells and values, so they are asked for first."""
        if name == "c":
            reference = attributes.get("r")
            self._column = self._column + 1 if reference is None else self._column_of(reference)
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            if self._value:
                self._value.clear()
        elif name in {"v", "t"}:
            self._reading = True
        elif name == "row":
            self._begin_row(attributes)
        elif ":" in name:
            self.start(local(name), attributes)

    def end(self, name: str) -> None:
        """An element ends."""
        if name in {"v", "t"}:
            self._reading = False
        elif name == "c":
            if self._value:
                self._keep("".join(self._value))
        elif name == "row":
            if self._cells:
                self._rows.append((self._number, self._cells))
                self._cells = []
        elif ":" in name:
            self.end(local(name))

    def text(self, data: str) -> None:
        """Text of an element, in one piece or more."""
        if self._reading:
            self._value.append(data)
            if len(data) > MOST_CELL_CHARACTERS:
                raise too_large_a_cell(self._number)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        row = number(attributes.get("r", self._number + 1))
        if not self._number < row <= MOST_ROWS_LOOKED_AT:
            raise damaged()
        self._number, self._column, self._cells = row, -1, []

    def _keep(self, value: str) -> None:
        text = self._as_text(value)
        if not text:
            return
        if self._column >= MOST_COLUMNS:
            raise too_many_columns(self._number, self._column + 1)
        if len(text) > MOST_CELL_CHARACTERS:
            raise too_large_a_cell(self._number)
        missing = self._column - len(self._cells)
        if missing < 0:
            raise damaged()
        self._cells.extend([""] * missing)
        self._cells.append(text)

    def _as_text(self, value: str) -> str:
        if self._type == "s":
            return self._string(number(value))
        if self._type == "n":
            if self._style in self._date_styles:
                return _date(value, since_1904=self._since_1904)
            return _plain_number(value)
        if self._type == "b":
            return "TRUE" if value.strip() == "1" else "FALSE"
        # How a spreadsheet writes a line break of old in XML (ECMA-376, ST_Xstring).
        return value.replace("_x000D_", "") if "_x000D_" in value else value

    def _column_of(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters[:4]:
                column = column * 26 + ord(letter) - ord("A") + 1
            self._columns[letters] = column = column - 1
            if column < 0:
                raise damaged()
        return column


def _plain_number(value: str) -> str:
    """A number as a person would type it; with an exponent where the spreadsheet has lost digits."""
    if value.isdigit() and len(value) <= _KEPT_DIGITS:
        return value
    try:
        exact = Decimal(value.strip())
    except InvalidOperation:
        return value
    if not exact.is_finite():
        return value
    rounded = Decimal(f"{exact:.{_KEPT_DIGITS - 1}E}").normalize()
    if rounded.adjusted() >= _KEPT_DIGITS or rounded.adjusted() < -_KEPT_DIGITS:
        return f"{rounded:E}"
    return f"{rounded:f}"


def _date(value: str, *, since_1904: bool) -> str:
    try:
        serial = Decimal(value.strip())
    except InvalidOperation:
        return value
    if not serial.is_finite() or not 0 <= serial < _LARGEST_SERIAL:
        return value
    # A spreadsheet's time has no zone.
    day_0 = (1904, 1, 1) if since_1904 else (1899, 12, 31 if serial < _FORGED_LEAP_DAY else 30)
    start = datetime(*day_0)  # noqa: DTZ001
    moment = start + timedelta(seconds=round(serial * 86_400))
    if serial == int(serial):
        return moment.date().isoformat()
    return moment.time().isoformat() if serial < 1 else moment.isoformat()
