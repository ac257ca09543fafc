"""A platform's list is cut into parts that the report can compare one by one, and nothing falls between two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sessions import Window as Span
from services.ingest.audits import telling as audit_telling
from services.ingest.audits.telling import A_PART, MOST_AT_ONCE, Entry, Part, cut, open_parts
from tests.ingest.workbench import START

SECOND = timedelta(seconds=1)
WINDOW = Span(start=START, end=START + 100 * SECOND)


def entries(*counts: tuple[int, int]) -> list[Entry]:
    """So many orders at each second after the window's start."""
    return [(f"{second}-{number}", START + second * SECOND) for second, count in counts for number in range(count)]


def sizes(parts: Sequence[Part]) -> list[int]:
    return [len(orders) for _, orders in parts]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((), [0]),
        (((0, 1),), [1]),
        (((1, A_PART),), [A_PART]),
        (((1, A_PART), (2, 1)), [A_PART, 1]),
        (((1, 600), (2, 600), (3, 300)), [600, 900]),
        (((1, 600), (2, 1_500), (3, 1)), [600, 1_500, 1]),
        (((0, 600), (0, 600)), [1_200]),
        # Outside of the window: with the part next to it.
        (((-5, 1), (1, 1), (100, 1), (500, 1)), [4]),
    ],
)
def test_parts_are_of_a_thousand_unless_more_share_one_time(
    counts: tuple[tuple[int, int], ...], expected: list[int]
) -> None:
    assert sizes(cut(entries(*counts), WINDOW)) == expected


def test_too_many_orders_of_one_time_go_without_a_span() -> None:
    parts = cut(entries((1, 10), (2, MOST_AT_ONCE + 1), (3, 10)), WINDOW)

    spanned = [(span, len(orders)) for span, orders in parts if span is not None]
    at = START + 2 * SECOND
    assert spanned == [
        (Span(start=WINDOW.start, end=at), 10),
        (Span(start=at + timedelta(microseconds=1), end=WINDOW.end), 10),
    ]
    assert sum(len(orders) for span, orders in parts if span is None) == MOST_AT_ONCE + 1


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 12)), max_size=30))
def test_spans_adjoin_and_are_the_window_and_each_order_lies_in_its_own(counts: list[tuple[int, int]]) -> None:
    orders = sorted(set(entries(*counts)), key=lambda entry: (entry[1], entry[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_telling, "A_PART", 10)
        parts = cut(orders, WINDOW)

    spans = [span for span, _ in parts if span is not None]
    assert len(spans) == len(parts)
    assert (spans[0].start, spans[-1].end) == (WINDOW.start, WINDOW.end)
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert [entry for _, part in parts for entry in part] == orders
    assert all(span.start <= at < span.end for span, part in parts if span for _, at in part)


def test_orders_without_a_window_are_compared_in_parts_without_spans() -> None:
    assert sizes(open_parts(entries((1, A_PART + 1)))) == [A_PART, 1]
    assert open_parts([]) == [(None, ())]
