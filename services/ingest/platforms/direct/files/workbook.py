"""The rows of an Excel workbook (.xlsx), streamed within limits.

Read by our own small reader: the fast ones hold a sheet whole, as a rectangle, so that one cell in the last corner is a
memory bomb, and 200,000 rows are half a gigabyte. Source: ECMA-376 part 1, SpreadsheetML (18.2 workbook, 18.4 shared
strings, 18.8 styles).
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from services.ingest.platforms.direct.files.delimited import Cells, too_large_a_cell
from services.ingest.platforms.direct.files.parts import damaged, local, number, open_archive, parsed
from services.ingest.platforms.direct.files.refusals import MOST_CELL_CHARACTERS, FileRefused
from services.ingest.platforms.direct.files.sheet import Sheet

#: Built-in number formats that show dates and times (ECMA-376 18.8.30).
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_NOT_A_DATE_PART = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_DATE_PART = re.compile(r"[ymdhs]", re.IGNORECASE)
_RELATIONS = "xl/_rels/workbook.xml.rels"
_STRINGS = "xl/sharedStrings.xml"


@dataclass(frozen=True, slots=True)
class Workbook:
    """A workbook that passed the checks. `sheets` are the visible ones: name and part."""

    archive: zipfile.ZipFile = field(repr=False)
    sheets: tuple[tuple[str, str], ...]
    since_1904: bool
    date_styles: frozenset[str]
    strings: Strings = field(repr=False)

    def rows(self, part: str, *, pieces: int | None = None) -> Iterator[tuple[int, Cells]]:
        """Each row that holds anything: its number, from 1, and its cells as text. Raises FileRefused.

        With `pieces`, only those that stand in the first pieces of the sheet.
        """
        sheet = Sheet(string=self.strings.at, date_styles=self.date_styles, since_1904=self.since_1904)
        for _ in islice(parsed(self.archive, part, sheet.start, sheet.end, sheet.text), pieces):
            yield from sheet.taken()


def open_workbook(file: BinaryIO) -> Workbook:
    """Check a workbook and read what its sheets refer to. Raises FileRefused; needs `close_workbook` after use."""
    archive = open_archive(file)
    targets = _relations(archive)
    sheets: list[tuple[str, str]] = []
    since_1904 = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal since_1904
        if local(name) == "workbookPr":
            since_1904 = attributes.get("date1904", "0") in {"1", "true", "on"}
        elif local(name) == "sheet" and attributes.get("state", "visible") == "visible":
            relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            if (part := targets.get(relation)) is not None:
                sheets.append((attributes.get("name", ""), part))

    for _ in parsed(archive, "xl/workbook.xml", start):
        pass
    if not sheets:
        raise FileRefused("empty", "The workbook has no sheet with rows.")
    return Workbook(archive, tuple(sheets), since_1904, _date_styles(archive), _read_strings(archive))


def close_workbook(workbook: Workbook) -> None:
    """Let go of what reading needed."""
    workbook.strings.close()
    workbook.archive.close()


def _relations(archive: zipfile.ZipFile) -> dict[str, str]:
    found: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if local(name) == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            target = attributes.get("Target", "")
            found[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

    for _ in parsed(archive, _RELATIONS, start):
        pass
    return found


def _date_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    """The styles, by number, that show a number as a date."""
    if "xl/styles.xml" not in archive.NameToInfo:
        return frozenset()
    dates = set(_DATE_FORMATS)
    styles: list[str] = []
    within = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal within
        match local(name):
            case "numFmt":
                if _DATE_PART.search(_NOT_A_DATE_PART.sub("", attributes.get("formatCode", ""))):
                    dates.add(number(attributes.get("numFmtId")))
            case "cellXfs":
                within = True
            case "xf" if within:
                styles.append(attributes.get("numFmtId", "0"))

    def end(name: str) -> None:
        nonlocal within
        within = within and local(name) != "cellXfs"

    for _ in parsed(archive, "xl/styles.xml", start, end):
        pass
    return frozenset(str(place) for place, form in enumerate(styles) if number(form) in dates)


#: Most cells of a table say what other cells say: a country, a state, a product. So many short texts are kept at hand.
_REMEMBERED = 10_000
_REMEMBERED_CHARACTERS = 100


class Strings:
    """Texts by number, kept in a nameless file: a large workbook has millions."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="import-")  # noqa: SIM115 - closed by `close`
        self._ends = array("Q", [0])
        self._parts: list[str] = []
        self._within = self._phonetic = False
        self._asked: dict[int, str] = {}

    def at(self, place: int) -> str:
        """The text of that number. Raises FileRefused."""
        known = self._asked.get(place)
        if known is not None:
            return known
        if not 0 <= place < len(self._ends) - 1:
            raise damaged()
        start, end = self._ends[place], self._ends[place + 1]
        text = os.pread(self._file.fileno(), end - start, start).decode()
        if len(text) <= _REMEMBERED_CHARACTERS:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            self._asked[place] = text
        return text

    def start(self, name: str, _: dict[str, str]) -> None:
        """An element begins; pronunciations (rPh) are not part of a text."""
        match local(name):
            case "si":
                self._parts.clear()
            case "rPh":
                self._phonetic = True
            case "t":
                self._within = not self._phonetic

    def end(self, name: str) -> None:
        """An element ends."""
        match local(name):
            case "si":
                self._add("".join(self._parts))
            case "rPh":
                self._phonetic = False
            case "t":
                self._within = False

    def text(self, data: str) -> None:
        """Text of an element, in one piece or more."""
        if self._within:
            self._parts.append(data)
            if len(data) > MOST_CELL_CHARACTERS:
                raise too_large_a_cell(None)

    def done(self) -> None:
        """All of them were added."""
        self._file.flush()

    def close(self) -> None:
        """Forget them."""
        self._file.close()

    def _add(self, text: str) -> None:
        data = text.encode()
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))


def _read_strings(archive: zipfile.ZipFile) -> Strings:
    strings = Strings()
    if _STRINGS in archive.NameToInfo:
        try:
            for _ in parsed(archive, _STRINGS, strings.start, strings.end, strings.text):
                pass
        except FileRefused:
            strings.close()
            raise
        strings.done()
    return strings
