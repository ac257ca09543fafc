"""A store says when its access ends, in days, and where it is connected again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.reporting.standing import access_of, connect_link
from tests.reporting.facts import START

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (31 * DAY, "Access lasts until 1 April 2026."),
        (10 * DAY, "Access ends on 11 March 2026, in 10 days. Connect the store again before then."),
        (1.5 * DAY, "Access ends on 3 March 2026, in 1 day. Connect the store again before then."),
        (0.4 * DAY, "Access ends on 1 March 2026, within a day. Connect the store again before then."),
        (-2 * DAY, "Access ended on 27 February 2026. Connect the store again."),
    ],
)
def test_the_end_of_access_is_a_sentence(left: timedelta, sentence: str) -> None:
    access = access_of(START + left, now=START)

    assert access is not None
    assert access.sentence == sentence


def test_access_without_an_end_is_no_matter() -> None:
    assert access_of(None, now=START) is None


def test_a_stores_id_cannot_change_where_the_link_leads() -> None:
    assert connect_link("https://app.example.com/s/{store_id}", "../x?y") == "https://app.example.com/s/..%2Fx%3Fy"
    assert connect_link("", "store-1") is None
