"""Files for sellers: the template, with its columns explained, and rows that failed, with why; safe in a spreadsheet.

A cell that a spreadsheet would run as a formula is written with an apostrophe before it, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import xlsxwriter

from services.ingest.platforms.direct.files.fields import FIELDS

#: What begins a formula for some spreadsheet program (OWASP, CSV injection).
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
#: Spreadsheet programs read a CSV file as UTF-8 only with its mark.
MARK = "\ufeff"
CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
REASON = "Reason"

#: Beside the examples of `FIELDS`, a second line of the same order and a second order.
_MORE_EXAMPLES: tuple[Mapping[str, str], ...] = (
    {"reference": "W-1001", "sku": "MUG-WHT-11", "quantity": "1", "unit_price": "12.50", "title": "White mug, 11 oz"},
    {
        "reference": "W-1002", "name": "Buyer 0043", "line1": "Example Street 7", "city": "Berlin",
        "postal_code": "10115", "country": "Germany", "sku": "TEE-BLK-M", "quantity": "1", "unit_price": "17,90",
        "title": "Black tee, M", "currency": "EUR", "paid": "yes",
    },
)  # fmt: skip


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return f"'{cell}" if cell.startswith(_DANGEROUS) else cell


def csv_rows(rows: Iterable[Sequence[str]], *, marked: bool = True) -> Iterator[bytes]:
    """Return the lines of a CSV file, each cell guarded; its mark stands before the first, if `marked`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write(MARK if marked else "")
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def template_csv() -> bytes:
    """The template with example rows."""
    return b"".join(csv_rows([[known.title for known in FIELDS], *_examples()]))


def template_xlsx() -> bytes:
    """The template as a workbook: example rows, columns kept as text, and a sheet that explains each column."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True})
        needed = book.add_format({"bold": True, "bg_color": "#FFF2CC"})
        sheet = book.add_worksheet("Orders")
        sheet.freeze_panes(1, 0)
        for place, known in enumerate(FIELDS):
            sheet.set_column(place, place, max(len(known.title), len(known.example), 8) + 2, text)
            sheet.write_string(0, place, known.title, needed if known.needed else bold)
            if known.explanation:
                sheet.write_comment(0, place, known.explanation)
        for number, row in enumerate(_examples(), 1):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell, text)
        _explain(book.add_worksheet("Columns"), bold)
    return target.getvalue()


def _explain(sheet: xlsxwriter.worksheet.Worksheet, bold: object) -> None:
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, 10)
    sheet.set_column(2, 2, 90)
    for place, title in enumerate(("Name of column", "Needed", "What to write")):
        sheet.write_string(0, place, title, bold)
    for number, known in enumerate(FIELDS, 1):
        for place, cell in enumerate((known.title, "yes" if known.needed else "", known.explanation)):
            sheet.write_string(number, place, cell)


def _examples() -> Iterator[list[str]]:
    for example in ({known.name: known.example for known in FIELDS}, *_MORE_EXAMPLES):
        yield [example.get(known.name, "") for known in FIELDS]
