"""A simulated week of 500 shops that share a day's quota, and all that goes wrong in it: what was lost, what it took.

`python -m tests.bench.week` prints the figures. Time is virtual, the platforms, Kafka and Postgres are in memory;
polls, plans, webhooks, audits, eligibility and the report are the real ones. Shops whose platform calls us share
nothing with those that are polled, so each kind lives its week in a process of its own.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from rich.console import Console

from tests.bench.figures import Figure, table
from tests.simulation.shops import Course, Told, week

SHOPS, PER_DAY, PUSHED = 500, 10_000, 20
SECONDS, SOON_MINUTES = 60, 5
#: The dearest first. The last is a day of few shops with calls to spare.
COURSES = (
    Course(polled=SHOPS, pushed=0, per_day=PER_DAY),
    Course(polled=0, pushed=PUSHED, per_day=PER_DAY),
    Course(polled=8, pushed=0, per_day=PER_DAY, days=1, faults=0.0, downtime=False, mischief=False),
)
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Lived:
    """How a course ended, and the seconds of CPU it took."""

    told: Told
    cpu: float


def live(course: Course) -> Lived:
    """Live through a course in this process."""
    # The process ends with its courses: whatever they leave is the operating system's to clear away.
    gc.disable()
    began = time.process_time()
    told = week(course)
    return Lived(told, time.process_time() - began)


def measure() -> list[Figure]:
    """The whole week, and a day of few shops with calls to spare."""
    began = time.perf_counter()
    # Children of a fork have everything imported; nothing runs here that they could inherit half done.
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as processes:
        polled, pushed, spare = processes.map(live, COURSES)
    return figures_of(polled, pushed, spare.told, took=time.perf_counter() - began)


def figures_of(polled: Lived, pushed: Lived, spare: Told, *, took: float) -> list[Figure]:
    """Put the courses into one table; `took` is the seconds until all of them had ended."""
    kinds = (polled.told, pushed.told)
    calls = sum((Counter(kind.calls) for kind in kinds), Counter[str]())
    untrue, orders = sum(len(kind.untrue) for kind in kinds), sum(kind.orders for kind in kinds)
    over_budget, killed = sum(kind.over_budget for kind in kinds), sum(kind.killed for kind in kinds)
    rest, minutes = polled.told.longest_rest.total_seconds() / 3600, spare.p95.total_seconds() / 60
    cpu = polled.cpu + pushed.cpu
    return [
        Figure(
            f"week of {SHOPS} shops: untrue orders",
            untrue,
            "orders",
            "0",
            not untrue,
            note=f"{orders} orders; webhooks died {killed} times; a day of downtime",
        ),
        Figure(
            f"week of {SHOPS} shops: calls over budget",
            over_budget,
            "calls",
            "0",
            over_budget == 0,
            note=", ".join(f"{number:,} of {kind}" for kind, number in sorted(calls.items())),
            calls=calls.total(),
            over_budget=over_budget,
        ),
        Figure("longest rest of a polled store", round(rest, 1), "h", "at most 8 h", rest <= 8),
        Figure(
            "simulated week",
            round(took, 1),
            "s",
            f"at most {SECONDS} s",
            took <= SECONDS,
            note=f"{cpu:.1f} s of CPU, {polled.cpu:.1f} of them for what is polled",
        ),
        Figure(
            "order to report, calls to spare, p95", round(minutes, 1), "min", "at most 5 min", minutes <= SOON_MINUTES
        ),
    ]


if __name__ == "__main__":
    figures = measure()
    Console(width=None if sys.stdout.isatty() else 150).print(
        table(figures), *(one.note for one in figures if one.note), sep="\n"
    )
    sys.exit(0 if all(figure.met for figure in figures) else 1)
