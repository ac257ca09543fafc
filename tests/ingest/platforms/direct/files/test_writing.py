"""Files for sellers."""

from __future__ import annotations

import csv
import io

import pytest

from services.ingest.platforms.direct.files.assembling import Ready
from services.ingest.platforms.direct.files.fields import FIELDS
from services.ingest.platforms.direct.files.values import cleaned
from services.ingest.platforms.direct.files.writing import csv_rows, guarded, template_csv, template_xlsx
from tests.ingest.platforms.direct.files.table_files import made_of


@pytest.mark.parametrize("template", [template_csv, template_xlsx])
def test_a_templates_examples_are_orders_that_can_be_given(template: object) -> None:
    made = made_of(template())  # type: ignore[operator]

    assert [type(each) for each in made] == [Ready, Ready]
    assert [each.rows for each in made] == [(2, 3), (4,)]


def test_a_template_opens_in_a_spreadsheet_with_every_column() -> None:
    text = template_csv().decode("utf-8")

    assert text.startswith("\ufeff")
    assert next(csv.reader(io.StringIO(text[1:]))) == [known.title for known in FIELDS]


@pytest.mark.parametrize("cell", ["=1+1", "+1 555 0100", "-5", "@SUM(A1)", "plain", "'quoted", ""])
def test_a_dangerous_cell_is_guarded_and_read_back_as_it_was(cell: str) -> None:
    written = guarded(cell)

    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cleaned(written) == cell


def test_no_line_of_a_written_file_begins_a_formula() -> None:
    lines = b"".join(csv_rows([["=a", "b"], ["c", "@d"]])).decode("utf-8-sig").splitlines()

    assert lines == ["'=a,b", "c,'@d"]
