"""Whatever bytes come: orders, problems or a refusal, soon, and nothing else."""

from __future__ import annotations

import time
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.ingest.platforms.direct.files.refusals import FileRefused
from tests.ingest.platforms.direct.files.table_files import ORDER, csv_of, made_of, row, workbook_of, xlsx_of

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
#: On an idle machine a hundredth of it; others may use the processor.
SOON_SECONDS = 1.0
WORKBOOK = xlsx_of(list(ORDER), list(ORDER.values()))
TEXT = csv_of(row(), row(Reference="W-2", ZIP="2134", State="MA"), row(Reference="W-3", Price="1.234,5"))
CELLS = some.text(max_size=40) | some.sampled_from(
    [
        "1.23E+12",
        "=1+1",
        "'=1",
        '"',
        '""',
        "-1",
        "١٢",
        "½",
        "\x00",
        "\u2028",
        "2026-02-30",
        "9" * 400,
        "1e999999",
        "NaN",
    ]
)


def read(file: bytes) -> None:
    started = time.process_time()
    with suppress(FileRefused):
        made_of(file)
    assert time.process_time() - started < SOON_SECONDS


@FEW
@given(some.binary(max_size=2000))
def test_any_bytes(file: bytes) -> None:
    read(file)


@FEW
@given(some.lists(some.lists(CELLS, min_size=1, max_size=14), max_size=8), some.sampled_from([",", ";", "\t"]))
def test_any_cells_under_our_headers(rows: list[list[str]], delimiter: str) -> None:
    titles = list(ORDER)
    filled = [dict(zip(titles, cells, strict=False)) for cells in rows]

    read(csv_of(row(), *filled, delimiter=delimiter))
    read(xlsx_of(titles, *rows))


@FEW
@given(
    some.sampled_from([WORKBOOK, TEXT]), some.lists(some.tuples(some.floats(0, 1), some.binary(max_size=4)), max_size=8)
)
def test_a_file_that_is_damaged_somewhere(file: bytes, damages: list[tuple[float, bytes]]) -> None:
    damaged = bytearray(file)
    for place, bytes_ in damages:
        start = int(place * len(damaged))
        damaged[start : start + len(bytes_)] = bytes_

    read(bytes(damaged))


@FEW
@given(some.sampled_from([WORKBOOK, TEXT]), some.floats(0, 1))
def test_a_file_that_is_cut_off(file: bytes, place: float) -> None:
    read(file[: int(place * len(file))])


_ATTRIBUTES = some.dictionaries(some.sampled_from("rst"), some.sampled_from(["A1", "ZZ9", "s", "b", "-1", "99", ""]))
_CELLS = some.tuples(_ATTRIBUTES, some.sampled_from(["1", "1e400", "-5", "", "x", "99999999"]))


@FEW
@given(some.lists(some.lists(_CELLS, max_size=4), max_size=4))
def test_any_cells_of_a_workbooks_sheet(rows: list[list[tuple[dict[str, str], str]]]) -> None:
    def cell(attributes: dict[str, str], value: str) -> str:
        written = " ".join(f"{name}='{told}'" for name, told in attributes.items())
        return f"<c {written}><v>{value}</v></c>"

    sheet = "".join(f"<row>{''.join(cell(*each) for each in cells)}</row>" for cells in rows)
    read(workbook_of(f"<worksheet>{sheet}</worksheet>", styles="<a><cellXfs><xf numFmtId='14'/></cellXfs></a>"))
