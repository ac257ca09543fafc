"""A backlog of one seller's confirmations goes out at the pace that Amazon allows, and is read back by what is left."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from tests.ingest.platforms.amazon.backlog import at_best, by_hand, day_of
from tests.simulation.virtual_time import simulate

#: Five thousand are measured by `python -m tests.bench.tracking`.
PARCELS = 750


def test_a_backlog_is_confirmed_as_fast_as_amazon_takes_it_and_nearest_deadlines_first() -> None:
    day = simulate(day_of(PARCELS))

    _, order = zip(*day.amazon.confirmed, strict=True)
    shipped_before = by_hand(PARCELS)
    deadlines = [day.deadlines[number] for number in order]
    states = Counter((push.state, push.code) for push in day.pushes.told() if push.code != "NOT_SHOWN_YET")
    assert not day.amazon.over
    assert Counter(order) == Counter(day.amazon.orders.keys() - shipped_before)
    # As many as four are under way at once: none is told before one whose deadline is this much nearer.
    assert all(later - earlier > -timedelta(seconds=8) for earlier, later in pairwise(deadlines))
    assert day.confirmed_in < at_best(PARCELS) * 1.02
    assert states == {("verified", None): PARCELS - len(shipped_before), ("refused", "SHIPPED_BY_HAND"): 3}
