"""Deadlines are told before they are over, and only while something can still be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.reporting.deadlines import at_risk_from, deadline_at, deadline_of, is_open
from services.reporting.projections import reduce_facts
from services.reporting.rows import parcel_row, whole_order_row
from tests.reporting.facts import START, decided, key, pushed, summary, update


@pytest.mark.parametrize(
    ("days", "left"),
    [(1, timedelta(days=1)), (3, timedelta(days=1)), (6, timedelta(days=2)), (-1, timedelta(days=1))],
)
def test_at_risk_is_a_day_or_a_third_of_the_time_before_whichever_is_first(days: int, left: timedelta) -> None:
    ship_by = START + timedelta(days=days)

    assert at_risk_from(START, ship_by) == ship_by - left


def test_an_order_without_a_deadline_is_never_at_risk() -> None:
    assert at_risk_from(START, None) is None
    assert deadline_at(START, at_risk=None, ship_by=None) is None


@pytest.mark.parametrize(("hours", "expected"), [(-25, None), (-24, "at_risk"), (-0.01, "at_risk"), (0, "late")])
def test_an_order_is_at_risk_before_it_is_late(hours: float, expected: str | None) -> None:
    now = START + timedelta(hours=hours)

    assert deadline_at(now, at_risk=START - timedelta(days=1), ship_by=START) == expected


@pytest.mark.parametrize(
    ("told", "is_still_open"),
    [
        ((), True),
        ((update("shipped"),), False),
        ((update("shipped"), pushed("queued")), True),
        ((update("shipped"), pushed("refused", code="REFUSED", problem="No.")), True),
        ((update("shipped"), pushed("accepted")), False),
        ((update("shipped"), pushed("verified")), False),
        ((update("shipped"), pushed("off", code="SWITCHED_OFF", problem="Off.")), False),
        ((update("cancelled"),), False),
        ((decided(number=2, step="cancelled", minute=3),), False),
        ((decided(number=2, minute=3, summary=summary(key(), fulfilment="fulfilled")),), False),
    ],
)
def test_an_order_is_open_until_its_platform_was_told_of_every_parcel(
    told: tuple[Any, ...], *, is_still_open: bool
) -> None:
    changes = reduce_facts([decided(), *told])

    row = whole_order_row(changes.orders[key()])

    assert is_open({**row, "tracking": [parcel_row(parcel) for parcel in changes.parcels.values()]}) == is_still_open


def test_of_a_shipped_order_the_nearest_deadline_of_what_is_not_told_counts() -> None:
    near, far = START + timedelta(days=2), START + timedelta(days=9)
    parcels = [
        {"state": "verified", "ship_by": START},
        {"state": "queued", "ship_by": near},
        {"state": "refused", "ship_by": None},
    ]
    row = {
        "shipped_at": START,
        "placed_at": None,
        "ship_by": far,
        "at_risk_from": far - timedelta(days=1),
        "tracking": parcels,
    }

    assert deadline_of(row) == (near, near - timedelta(days=1))
    assert deadline_of(row | {"shipped_at": None}) == (far, far - timedelta(days=1))
