"""Files as people make them: what they are, how they are written, where their header is."""

from __future__ import annotations

import io
import time
import unicodedata
from datetime import datetime

import pytest
import xlsxwriter

from services.ingest.platforms.direct.files import delimited, table
from tests.ingest.platforms.direct.files.table_files import (
    ORDER,
    csv_of,
    made_of,
    ready,
    refusal,
    row,
    workbook_of,
    xlsx_of,
    zip_of,
)

HEADER = list(ORDER)
CELLS = list(ORDER.values())
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_usual_encoding_and_delimiter_is_read(encoding: str, delimiter: str) -> None:
    file = csv_of(row(Name="Zoë Müßig, 3rd floor", City="Å"), delimiter=delimiter, encoding=encoding)

    made = ready(file)

    assert (made.order.ship_to.name, made.order.ship_to.city) == ("Zoë Müßig, 3rd floor", "Å")


def test_vietnamese_of_old_windows_is_told_from_western_by_where_its_tone_marks_stand() -> None:
    name, city = "Nguyễn Thị Hà Mỹ", "Quảng Ngãi"

    made = ready(in_1258(csv_of(row(Name=name, City=city)).decode()))

    assert (made.order.ship_to.name, made.order.ship_to.city) == (name, city)


@pytest.mark.parametrize("name", ["Nicolò Forlì", "João São", "Þór", "Łukasz"])
def test_western_letters_are_not_taken_for_tone_marks(name: str) -> None:
    encoding = "utf-8" if name == "Łukasz" else "cp1252"

    assert ready(csv_of(row(Name=name), encoding=encoding)).order.ship_to.name == name


def test_what_looks_like_old_vietnamese_and_holds_letters_that_it_lacks_is_western() -> None:
    file = csv_of(row(Name="aìeì Škoda"), encoding="cp1252")

    assert ready(file).order.ship_to.name == "aìeì Škoda"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (_PNG, "not_a_table"),
        (b"%PDF-1.7\n", "not_a_table"),
        (b"<!DOCTYPE html><html>", "not_a_table"),
        (bytes(range(256)) * 20, "not_a_table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old_workbook"),
        (b"\x1f\x8b\x08", "packed"),
        (zip_of({"orders.csv": "a"}), "packed"),
        (zip_of({"xl/workbook.xml": "", "xl/vbaProject.bin": "x"}), "macros"),
        (zip_of({"xl/workbook.bin": "x"}), "old_workbook"),
        (b"", "empty"),
        (b" \r\n\r\n", "empty"),
        (b"just some words\nand others\n", "columns_unknown"),
        (b"Reference,Name\nW-1,Buyer\n", "columns_missing"),
        (csv_of(row(Name="Ünal")) + "Ä".encode("cp1252"), "wrong_encoding"),
        (csv_of(row(), encoding="cp1252") + b"\x81\x8d", "wrong_encoding"),
        (b"\xff\xfeR\x00\x00", "wrong_encoding"),
        (b",".join([b"Reference"] * 10_000) + b"\n", "too_many_columns"),
        (csv_of(ORDER) + b",".join([b"x"] * 10_000) + b"\n", "too_many_columns"),
        (csv_of(row(Note="x" * 10_000_000)), "row_too_long"),
        (csv_of(row(Note="x" * 100_000)), "cell_too_large"),
        (csv_of(row()) + b'"' + b"never closed\n" * 200_000, "cell_too_large"),
        (csv_of(row()) + b"x" * 2_000_000, "row_too_long"),
        (workbook_of("<!DOCTYPE a [<!ENTITY b 'c'>]><worksheet/>"), "damaged"),
        (workbook_of("<worksheet><row r='2'/><row r='1'/></worksheet>"), "damaged"),
        (workbook_of("<worksheet><row r='1'><c r='A1' t='s'><v>7</v></c></row></worksheet>"), "damaged"),
        (workbook_of("<worksheet><row r='1'><c r='XFD1'><v>7</v></c></row></worksheet>"), "too_many_columns"),
        (workbook_of("<worksheet>" + " " * 20_000_000 + "</worksheet>"), "unpacks_too_large"),
        (xlsx_of(HEADER, CELLS)[:-200], "damaged"),
        (xlsx_of([]), "empty"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_orders_is_refused_with_a_sentence_and_soon(file: bytes, code: str) -> None:
    started = time.perf_counter()

    refused = refusal(file)

    assert refused == code
    assert time.perf_counter() - started < 5


def test_more_rows_than_are_taken_are_refused_empty_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MOST_ROWS_LOOKED_AT", 20)
    monkeypatch.setattr(table, "MOST_ROWS", 10)

    assert refusal(csv_of(row()) + b"\n" * 30) == "too_many_rows"
    assert refusal(csv_of(*([row()] * 11))) == "too_many_rows"
    assert len(made_of(csv_of(*([row()] * 10)))) == 1


def test_very_many_empty_rows_of_a_workbook_are_passed_over() -> None:
    cells = "".join(f"<c t='inlineStr'><is><t>{cell}</t></is></c>" for cell in HEADER)
    order = "".join(f"<c t='inlineStr'><is><t>{cell}</t></is></c>" for cell in CELLS)
    empty = "".join(f"<row r='{number}'/>" for number in range(3, 50_000))

    made = ready(workbook_of(f"<worksheet><row>{cells}</row><row>{order}</row>{empty}</worksheet>"))

    assert made.order.reference == "W-1"


def test_a_workbooks_numbers_and_dates_are_read_as_they_were_typed() -> None:
    header = [*HEADER, "Order date", "Phone"]
    cells = [*CELLS, datetime(2026, 11, 20), 4915112345678]  # noqa: DTZ001 - a spreadsheet's dates have no zone
    cells[0], cells[5], cells[8], cells[9] = 1001, 62701, 2, 19.990000000000002

    order = ready(xlsx_of(header, cells)).order

    assert (order.reference, order.ship_to.postal_code, order.ship_to.phone) == ("1001", "62701", "4915112345678")
    assert (order.items[0].quantity, order.items[0].unit_price) == (2, "19.99")
    assert str(order.placed_at) == "2026-11-20 00:00:00+00:00"


def test_a_workbooks_long_number_has_lost_digits_and_is_asked_for() -> None:
    cells: list[object] = [*CELLS]
    cells[0] = 12345678901234567890

    [made] = made_of(xlsx_of(HEADER, cells))

    assert "digits are lost" in str(made)


def test_a_formula_counts_by_the_value_beside_it_and_is_never_run() -> None:
    sheet = (
        "<worksheet><row r='1'><c r='A1' t='str'><f>HYPERLINK(1)</f><v>Reference</v></c>"
        + "".join(f"<c t='str'><v>{cell}</v></c>" for cell in HEADER[1:])
        + "</row><row r='2'><c r='A2' t='str'><f>WEBSERVICE(1)</f><v>W-7</v></c>"
        + "".join(f"<c t='str'><v>{cell}</v></c>" for cell in CELLS[1:])
        + "</row></worksheet>"
    )

    assert ready(workbook_of(sheet)).order.reference == "W-7"


def test_a_workbook_may_name_its_elements_with_a_prefix() -> None:
    def line(cells: list[str]) -> str:
        return "".join(f"<x:c t='inlineStr'><x:is><x:t>{cell}</x:t></x:is></x:c>" for cell in cells)

    sheet = f"<x:worksheet><x:row>{line(HEADER)}</x:row><x:row>{line(CELLS)}</x:row></x:worksheet>"

    assert ready(workbook_of(sheet)).order.reference == "W-1"


def test_the_sheet_with_orders_is_found_beside_others_and_hidden_ones_are_not_looked_at() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        book.add_worksheet("Notes").write_row(0, 0, ["Some notes", "of ours"])
        for name, reference in (("Old", "W-0"), ("November", "W-1")):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, HEADER)
            sheet.write_row(1, 0, [reference, *CELLS[1:]])
            if name == "Old":
                sheet.hide()

    assert ready(target.getvalue()).order.reference == "W-1"
    assert refusal(xlsx_of(["Some notes"], ["of ours"])) == "columns_unknown"


def test_titles_blank_rows_and_totals_are_passed_over() -> None:
    titles = ",".join(HEADER)
    order = ",".join(CELLS)
    file = f"Orders of November,,,\n\n{titles}\n{order}\n,,,,\n,,,,,,,,2,19.99,\nTổng cộng,,,,,,,,2,39.98,\n"

    made = ready(file.encode())

    assert made.rows == (4,)


def test_excels_own_line_says_what_divides_the_cells() -> None:
    file = b"sep=;\r\n" + csv_of(row(Price="19,99"), delimiter=";")

    made = ready(file)

    assert (made.order.items[0].unit_price, made.rows) == ("19.99", (3,))


def test_line_breaks_inside_quotes_belong_to_the_cell_and_rows_keep_a_spreadsheets_numbers() -> None:
    file = csv_of(row(Note="one\ntwo"), row(Reference="W-2", Quantity="none"))

    first, second = made_of(file)

    assert "one\\ntwo" in repr(first)
    assert second.rows == (3,)


@pytest.mark.parametrize(
    "titles",
    [
        "Mã đơn hàng,Người nhận,Địa chỉ,Thành phố,Bang,Mã bưu điện,Quốc gia,SKU,Số lượng,Đơn giá,Tiền tệ",
        "Order Number,Recipient,Street Address,Town,Province,Postcode,Country Code,Variant SKU,Qty,Unit price,currency",
        "ORDER_ID,ship_to_name,address_line_1,city,region,zip code,country,sku,quantity,price,Currency code",
    ],
)
def test_headers_may_be_called_as_people_call_them(titles: str) -> None:
    normalized = unicodedata.normalize("NFD", titles)

    made = [ready(f"{header}\n{','.join(CELLS)}\n".encode()) for header in (titles, normalized)]

    assert made[0].order == made[1].order == ready(csv_of(ORDER)).order


def in_1258(text: str) -> bytes:
    """The text as old Windows wrote Vietnamese: letters with their hats, tones as marks of their own after them."""
    tones = {"\u0300", "\u0301", "\u0303", "\u0309", "\u0323"}
    written = b""
    for sign in text:
        parts = unicodedata.normalize("NFD", sign)
        letter = unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones))
        written += letter.encode("cp1258") + "".join(part for part in parts if part in tones).encode("cp1258")
    return written
