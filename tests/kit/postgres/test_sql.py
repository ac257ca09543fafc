from __future__ import annotations

from pathlib import Path

import pytest

from services.kit.postgres.sql import load_sql

GOOD = """-- A file may say what it holds.

-- name: find_one
-- Finds one thing,
-- if it is there.
SELECT *
FROM things
WHERE id = $1;

-- name: drop_all
-- Removes everything.
DELETE FROM things;
"""


def test_statements_are_reached_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "things.sql").write_text(GOOD)

    queries = load_sql(tmp_path / "things.sql")

    assert list(queries) == ["find_one", "drop_all"]
    assert queries.find_one == "SELECT *\nFROM things\nWHERE id = $1"
    assert queries.description("find_one") == "Finds one thing, if it is there."


def test_a_directory_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: one\n-- First.\nSELECT 1;")
    (tmp_path / "b.sql").write_text("-- name: two\n-- Second.\nSELECT 2;")

    assert list(load_sql(tmp_path)) == ["one", "two"]


def test_an_unknown_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "things.sql").write_text(GOOD)

    with pytest.raises(AttributeError, match="find_two"):
        _ = load_sql(tmp_path).find_two


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("-- name: one\nSELECT 1;", "one does not say what it is for"),
        ("-- name: one\n-- First.\n", "one has no SQL"),
        ("-- name: One\n-- First.\nSELECT 1;", "not a name"),
        ("-- name: one\n-- First.\nSELECT 1;\n-- name: one\n-- Again.\nSELECT 1;", "twice"),
    ],
)
def test_a_careless_file_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "things.sql").write_text(content)

    with pytest.raises(ValueError, match=complaint):
        load_sql(tmp_path)
