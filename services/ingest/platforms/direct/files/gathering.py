"""Gathers the rows of each reference, wherever they stand, with little memory: rows wait in a nameless file.

Orders are numbered by where their first row stands, so the same file always gives the same orders in the same order.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from services.ingest.platforms.direct.files.delimited import Cells
from services.ingest.platforms.direct.files.table import Table, open_table
from services.ingest.platforms.direct.files.values import cleaned

_NONE = 2**32 - 1


class Gathering:
    """A file's orders. Take all its rows by `take`, then ask for any order by its number.

    It has files open: use it in a `with`, or `close` it.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Open the file. Raises FileRefused."""
        with ExitStack() as stack:
            self.table: Table = stack.enter_context(open_table(file))
            self._waiting = stack.enter_context(tempfile.TemporaryFile(prefix="import-"))
            self._open = stack.pop_all()
        self._rows = self.table.rows()
        self._places = [column.place for column in self.table.columns if column.meaning == "reference"]
        #: By row: where it begins in the waiting file, and the next row of the same order.
        self._starts = array("Q", [0])
        self._next = array("I")
        #: By order: its first and its last row.
        self._first = array("I")
        self._last = array("I")
        self._known: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._open.close()

    @property
    def rows(self) -> int:
        """How many rows were taken."""
        return len(self._next)

    @property
    def orders(self) -> int:
        """How many orders they are."""
        return len(self._first)

    def take(self, limit: int) -> bool:
        """Take at most `limit` more rows; whether there may be others. Raises FileRefused."""
        for _ in range(limit):
            row = next(self._rows, None)
            if row is None:
                self.settle()
                return False
            self._keep(*row)
        return True

    def settle(self) -> None:
        """Take no more rows; what was taken can be asked for."""
        self._waiting.flush()
        self._known.clear()

    def order(self, number: int) -> list[tuple[int, Cells]]:
        """The rows of an order, in the order of the file."""
        found, place = [], self._first[number]
        while place != _NONE:
            start, end = self._starts[place], self._starts[place + 1]
            row, *cells = orjson.loads(os.pread(self._waiting.fileno(), end - start, start))
            found.append((row, cells))
            place = self._next[place]
        return found

    def _keep(self, number: int, cells: Cells) -> None:
        place = len(self._next)
        data = orjson.dumps([number, *cells])
        self._waiting.write(data)
        self._starts.append(self._starts[-1] + len(data))
        self._next.append(_NONE)
        reference = self._reference(cells)
        order = self._known.get(reference) if reference else None
        if order is None:
            if reference:
                self._known[reference] = len(self._first)
            self._first.append(place)
            self._last.append(place)
        else:
            self._next[self._last[order]] = place
            self._last[order] = place

    def _reference(self, cells: Cells) -> str:
        place = self._places[0]
        return cleaned(cells[place]) if place < len(cells) else ""
