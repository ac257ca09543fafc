"""What a seller was promised holds whatever happens: a platform's truth is the report's, within the call budget.

The whole week of 500 shops is measured by `make bench`; here a smaller one runs, with all that goes wrong in it.
"""

from __future__ import annotations

from tests.simulation.shops import Course, week


def test_a_week_with_faults_dead_webhooks_and_a_day_of_downtime_leaves_no_order_behind() -> None:
    told = week(Course(polled=20, pushed=4, per_day=450, days=6, seed=11))

    assert told.untrue == []
    assert told.over_budget == 0
    assert told.orders > 100
    assert told.longest_rest.total_seconds() <= 8 * 3600
    assert told.healed > 0
    assert told.killed > 0
    assert told.audits_agreed > 0


def test_a_platform_that_is_down_for_a_day_leaves_no_order_behind() -> None:
    told = week(
        Course(polled=4, pushed=2, per_day=225, days=3, downtime=False, platforms_away=True, mischief=False, seed=5)
    )

    assert told.untrue == []
    assert told.over_budget == 0
    assert told.orders >= 10
    # Some of them waited for the platform to come back.
    assert told.p95.total_seconds() > 12 * 3600
    assert told.longest_rest.total_seconds() <= (24 + 8) * 3600


def test_with_calls_to_spare_an_order_is_in_the_report_within_five_minutes() -> None:
    told = week(Course(polled=8, pushed=0, per_day=10_000, days=1, faults=0.0, downtime=False, mischief=False, seed=3))

    assert told.untrue == []
    assert told.p95.total_seconds() <= 300
