"""A cursor comes back as it went out, and anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.http.problems import Problem
from services.reporting import cursors

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(st.datetimes(timezones=st.just(UTC)), TEXT.filter(lambda text: not text.startswith("t:")))
def test_a_cursor_comes_back_as_it_went_out(at: datetime, word: str) -> None:
    cursor = (at, word)

    assert cursors.read(cursors.written(cursor), like=(datetime, str)) == cursor


def test_no_cursor_is_the_beginning() -> None:
    assert cursors.read(None, like=(str,)) is None


@given(st.text(max_size=60))
def test_any_other_word_is_refused(word: str) -> None:
    with pytest.raises(Problem) as refused:
        cursors.read(f"!{word}", like=(datetime, str))

    assert refused.value.code == "cursor_invalid"


@pytest.mark.parametrize("cursor", [("word",), (1, 2, "x"), (2**40, 1, "x"), ("a\0b", "x")])
def test_another_lists_cursor_is_refused(cursor: cursors.Cursor) -> None:
    with pytest.raises(Problem) as refused:
        cursors.read(cursors.written(cursor), like=(str, str))

    assert refused.value.status == 422
