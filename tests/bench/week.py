"""A simulated week of 500 shops that share a day's quota, and all that goes wrong in it: what was lost, what it took.

`python -m tests.bench.week` prints the figures. Time is virtual, the platforms, Kafka and Postgres are in memory;
polls, plans, webhooks, audits, eligibility and the report are the real ones.
"""

from __future__ import annotations

import sys
import time

from rich.console import Console

from tests.bench.figures import Figure, table
from tests.simulation.shops import Course, week

SHOPS, PER_DAY, PUSHED = 500, 10_000, 20
SECONDS, SOON_MINUTES = 60, 5


def measure() -> list[Figure]:
    """The whole week, and a day of few shops with calls to spare."""
    began = time.process_time()
    told = week(Course(polled=SHOPS, pushed=PUSHED, per_day=PER_DAY))
    took = time.process_time() - began
    spare = week(Course(polled=8, pushed=0, per_day=PER_DAY, days=1, faults=0.0, downtime=False, mischief=False))
    minutes = spare.p95.total_seconds() / 60
    note = f"{told.orders} orders; webhooks died {told.killed} times; a day of downtime"
    return [
        Figure(f"week of {SHOPS} shops: untrue orders", len(told.untrue), "orders", "0", not told.untrue, note=note),
        Figure(
            f"week of {SHOPS} shops: calls over budget",
            told.over_budget,
            "calls",
            "0",
            told.over_budget == 0,
            calls=sum(told.calls.values()),
            over_budget=told.over_budget,
        ),
        Figure(
            "longest rest of a polled store",
            round(told.longest_rest.total_seconds() / 3600, 1),
            "h",
            "at most 8 h",
            told.longest_rest.total_seconds() <= 8 * 3600,
        ),
        Figure("simulated week", round(took, 1), "s of CPU", f"at most {SECONDS} s", took <= SECONDS),
        Figure(
            "order to report, calls to spare, p95", round(minutes, 1), "min", "at most 5 min", minutes <= SOON_MINUTES
        ),
    ]


if __name__ == "__main__":
    figures = measure()
    Console(width=None if sys.stdout.isatty() else 150).print(table(figures))
    sys.exit(0 if all(figure.met for figure in figures) else 1)
