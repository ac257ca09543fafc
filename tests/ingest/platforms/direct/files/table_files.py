"""Files of orders made for tests, and what becomes of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

import pytest
import xlsxwriter

from services.ingest.platforms.direct.files.assembling import Faulty, LeftOut, Made, Ready, assemble, reading_of
from services.ingest.platforms.direct.files.gathering import Gathering
from services.ingest.platforms.direct.files.refusals import FileRefused

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
#: A row that is right, by the template's columns.
ORDER: Mapping[str, str] = {
    "Reference": "W-1",
    "Name": "Buyer 0001",
    "Address 1": "100 Example Street",
    "City": "Springfield",
    "State": "IL",
    "ZIP": "62701",
    "Country": "US",
    "SKU": "TEE-BLK-M",
    "Quantity": "2",
    "Price": "19.99",
    "Currency": "USD",
}


def row(**changed: str) -> dict[str, str]:
    """A row; keywords name columns, "_" standing for a blank."""
    return {**ORDER, **{name.replace("_", " "): value for name, value in changed.items()}}


def csv_of(*rows: Mapping[str, str], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """A CSV file of these rows; the columns are those of all rows."""
    titles = list(dict.fromkeys(title for each in rows for title in each))
    lines = [titles, *([each.get(title, "") for title in titles] for each in rows)]
    return "".join(delimiter.join(map(_quoted, line)) + "\r\n" for line in lines).encode(encoding)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(sign in cell for sign in ',;\t"\n') else cell


def xlsx_of(*rows: Sequence[object], name: str = "Orders") -> bytes:
    """A workbook of these rows; numbers stay numbers, dates become dates."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet(name)
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, cells)
    return target.getvalue()


def zip_of(parts: Mapping[str, bytes | str]) -> bytes:
    """A zip file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def workbook_of(sheet: bytes | str, **parts: bytes | str) -> bytes:
    """A workbook of one sheet, given as XML."""
    return zip_of(
        {
            "xl/workbook.xml": '<workbook><sheets><sheet name="A" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": '<a><Relationship Id="r1" Type="x/worksheet" Target="worksheets/s.xml"/></a>',
            "xl/worksheets/s.xml": sheet,
            **{f"xl/{name}.xml": part for name, part in parts.items()},
        }
    )


def made_of(file: bytes, *, zone: tzinfo = UTC, currency: str | None = None) -> list[Made]:
    """What the orders of a file are. Raises FileRefused."""
    with Gathering(io.BytesIO(file)) as gathering:
        while gathering.take(100):
            pass
        reading = reading_of(gathering.table, zone=zone, currency=currency, now=NOW)
        return [assemble(gathering.order(number), reading) for number in range(gathering.orders)]


def ready(file: bytes, *, currency: str | None = None) -> Ready:
    """The only order of a file that is right."""
    [made] = made_of(file, currency=currency)
    assert isinstance(made, Ready), made
    return made


def faults(file: bytes) -> list[tuple[int, str | None, str]]:
    """Row, column and problem of all that is wrong with the only order of a file."""
    [made] = made_of(file)
    assert isinstance(made, Faulty), made
    assert all(found.remedy for found in made.problems)
    return [(found.row, found.column, found.problem) for found in made.problems]


def why_left_out(file: bytes) -> str:
    """Why the only order of a file is left out."""
    [made] = made_of(file)
    assert isinstance(made, LeftOut), made
    return made.why


def refusal(file: bytes) -> str:
    """The code with which a file is refused as a whole."""
    with pytest.raises(FileRefused) as refused:
        made_of(file)
    assert refused.value.sentence.endswith((".", "?"))
    return refused.value.code
