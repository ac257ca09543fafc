"""A watermark follows from proven windows and audits alone: no gap is passed over, no doubt forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.stores import StoreSettings
from services.reporting.watermark import (
    LATE_AT_THE_EARLIEST,
    LATE_AT_THE_LATEST,
    Audited,
    Doubt,
    Proof,
    Span,
    late_after,
    late_since,
    settles,
    united,
    watermark,
)
from tests.reporting.facts import STORE, at, store

HOUR = timedelta(hours=1)


def span(start: float, end: float) -> Span:
    return (at(start), at(end))


def proof(*polled: Span, audited: Sequence[Span] = (), **other: Any) -> Proof:
    return Proof(STORE, polled=united(polled), covered=united((*polled, *audited)), **other)


def doubt(since: float, *, ended: float | None = None) -> Doubt:
    return Doubt("audit-1", STORE, 2, at(since), at(ended) if ended is not None else None)


@pytest.mark.parametrize(
    ("known", "since", "through", "why"),
    [
        (proof(), None, None, "never"),
        (proof(audited=[span(0, 9)]), None, None, "never"),
        (proof(span(0, 9)), 0, 9, "proven"),
        (proof(span(0, 9), waiting=3), 0, 9, "waiting"),
        (proof(span(8, 20), span(0, 9)), 0, 20, "proven"),
        (proof(span(0, 9), span(9, 20)), 0, 20, "proven"),
        (proof(span(0, 9), span(10, 20)), 0, 9, "proven"),
        (proof(span(0, 9), span(10, 20), audited=[span(5, 11)]), 0, 20, "proven"),
        (proof(span(0, 9), audited=[span(8, 30)]), 0, 30, "proven"),
        (proof(span(0, 9), audited=[span(10, 30)]), 0, 9, "proven"),
        (proof(span(0, 9), audited=[span(-50, 2)]), -50, 9, "proven"),
        (proof(span(0, 9), doubts=(doubt(4),)), 0, 4, "doubted"),
        (proof(span(0, 9), doubts=(doubt(6), doubt(4, ended=8))), 0, 4, "doubted"),
        (proof(span(0, 9), doubts=(doubt(9),)), 0, 9, "proven"),
        (proof(span(0, 9), doubts=(doubt(-5),)), None, None, "doubted"),
    ],
)
def test_the_watermark_is_the_end_of_what_connects(
    known: Proof, since: float | None, through: float | None, why: str
) -> None:
    mark = watermark(known)

    assert mark.through == (None if through is None else at(through))
    assert mark.why == why
    # The first poll says from when on; an audit of before it may only widen what stands behind it.
    assert mark.since == (None if since is None else at(max(since, 0)))


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: span(*sorted(pair))), max_size=8)


@given(SPANS)
def test_a_union_holds_each_minute_that_a_span_holds_and_no_other(spans: list[Span]) -> None:
    merged = united(spans)

    for minute in range(41):
        inside = any(start <= at(minute) < end for start, end in spans)
        assert any(start <= at(minute) < end for start, end in merged) is inside
    assert all(left[1] < right[0] for left, right in pairwise(merged))


@given(SPANS, SPANS)
def test_more_proofs_never_move_the_watermark_back(polled: list[Span], more: list[Span]) -> None:
    first = [span(0, 1), *polled]

    before, after = watermark(proof(*first)), watermark(proof(*first, *more))

    assert before.through is not None
    assert after.through is not None
    assert after.through >= before.through


def audited(start: float | None = 0, end: float = 60, **other: Any) -> Audited:
    window = None if start is None else span(start, end)
    values: dict[str, Any] = {
        "store_id": STORE,
        "by": "updated",
        "started_at": at(end + 2),
        "window": window,
        "state": "agreed",
    }
    return Audited(**(values | other))


@pytest.mark.parametrize(
    ("later", "doubted", "settled"),
    [
        (audited(10, 120), audited(0, 60, unsettled_since=at(10)), True),
        (audited(11, 120), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 59, started_at=at(99)), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, state="explained"), audited(0, 60, unsettled_since=at(10)), True),
        (audited(10, 120, state="differs"), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, state="running"), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, started_at=at(1)), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, store_id="other"), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, by="created"), audited(0, 60, unsettled_since=at(10)), False),
        (audited(10, 120, by="created"), audited(0, 60, by="created", unsettled_since=at(10)), True),
        # What was created then may have changed until it was listed.
        (audited(10, 61, started_at=at(99)), audited(0, 60, by="created", unsettled_since=at(10)), False),
        (audited(10, 62, started_at=at(99)), audited(0, 60, by="created", unsettled_since=at(10)), True),
        (audited(None, 99), audited(None, 60, unsettled_since=at(10)), True),
        (audited(None, 99), audited(0, 60, unsettled_since=at(10)), False),
        (audited(0, 90), audited(None, 60, unsettled_since=at(10)), True),
    ],
)
def test_only_an_audit_that_looked_at_all_of_it_again_settles_a_doubt(
    later: Audited, doubted: Audited, *, settled: bool
) -> None:
    assert settles(later, doubted) is settled


@pytest.mark.parametrize(
    ("minutes", "allowed"),
    [(3, LATE_AT_THE_EARLIEST), (60, 3 * HOUR), (7 * 60, LATE_AT_THE_LATEST), (None, LATE_AT_THE_LATEST)],
)
def test_a_store_may_miss_three_of_its_own_intervals_within_bounds(minutes: float | None, allowed: timedelta) -> None:
    known = proof(span(0, 9), polled_at=at(10), next_at=None if minutes is None else at(10 + minutes))

    assert late_after(known) == allowed
    assert late_since(store(), known, now=at(9) + allowed - timedelta(seconds=1)) is None
    assert late_since(store(), known, now=at(9) + allowed) == at(9) + allowed


@pytest.mark.parametrize(
    "resting", [{"state": "unlinked"}, {"state": "reconnect"}, {"settings": StoreSettings(auto_sync=False)}]
)
def test_a_store_that_is_not_synced_by_itself_is_not_late(resting: dict[str, Any]) -> None:
    assert late_since(store(**resting), proof(), now=at(100_000)) is None


def test_a_store_that_was_never_read_is_late_once_it_had_its_time() -> None:
    assert late_since(store(linked_at=at(0)), proof(), now=at(0) + LATE_AT_THE_LATEST) == at(0) + LATE_AT_THE_LATEST
