"""A budget is shared so that busy stores are read often and every store in time, and the reason is told."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.contract.reading import Pace
from services.ingest.polls.cadence import (
    AUDIT_SHARE,
    LONGEST,
    POLL_SHARE,
    PRIOR,
    Allowance,
    Sharer,
    Terms,
    allowance,
    audit_calls,
    chance,
    changed,
    cost_of_polls,
    length,
    plan,
    put_off,
    spread,
    terms,
)
from services.kit.errors import TransientError
from services.kit.limits import Available, Limit, MemoryLimits
from tests.ingest.toolbox import HastyClock

PACE = Pace(overlap=timedelta(minutes=10), settle=timedelta(seconds=2), interval=timedelta(minutes=3))
DAY = 86_400.0
HOUR = timedelta(hours=1)
#: A day's 10,000 calls of an app, as a bucket that never lets more through in any 24 hours.
A_DAYS_CALLS = Limit(2_500.0, 7_500 / DAY)
ROOMY = Allowance(steady=100.0, a_day=100 * DAY)


def rest(activity: float, held: Terms, *, cost: float = 1.0, pushed: bool = False) -> timedelta:
    return plan(activity, {"app": cost}, {"app": held}, name="Twin", pace=PACE, pushed=pushed).rest


def because(activity: float, held: Terms, *, pushed: bool = False) -> str:
    return plan(activity, {"app": 1.0}, {"app": held}, name="Twin", pace=PACE, pushed=pushed).because


@settings(max_examples=50, deadline=None)
@given(
    stores=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0.1, 50)), min_size=1, max_size=40),
    calls_a_day=st.floats(100, 1e6),
)
def test_what_is_planned_takes_what_polls_may_have_and_never_more(
    stores: list[tuple[float, float]], calls_a_day: float
) -> None:
    sharers = [Sharer(str(number), *habits) for number, habits in enumerate(stores)]

    held = terms(sharers, Allowance(calls_a_day / DAY, calls_a_day), pace=PACE)
    rests = [rest(one.activity, held, cost=one.cost) for one in sharers]

    taken = sum(one.cost / each.total_seconds() for one, each in zip(sharers, rests, strict=True)) * DAY
    assert taken <= held.had * 1.001
    if held.scarcity <= 1:
        assert all(PACE.interval <= each <= LONGEST for each in rests)
        shortest = [min(max(PACE.interval, timedelta(seconds=one.cost / held.largest)), LONGEST) for one in sharers]
        found = [each.total_seconds() for each in rests]
        assert taken >= held.had * 0.999 or found == pytest.approx([each.total_seconds() for each in shortest])
    else:
        assert max(rests) - min(rests) < timedelta(seconds=1)


def test_a_store_is_read_by_the_square_root_of_what_it_changes() -> None:
    sharers = [Sharer("a", 16.0, 1.0), Sharer("b", 1.0, 1.0), Sharer("c", 1.0, 4.0)]

    held = terms(sharers, Allowance(100 / DAY, 100.0), pace=PACE)

    assert rest(1.0, held) / rest(16.0, held) == pytest.approx(4)
    assert rest(1.0, held, cost=4.0) / rest(1.0, held) == pytest.approx(2)


def test_a_roomy_budget_lets_every_store_be_read_as_often_as_its_platform_is_asked() -> None:
    held = terms([Sharer("a", 0.0, 1.0), Sharer("b", 9.0, 1.0)], ROOMY, pace=PACE)

    assert rest(0.0, held) == rest(9.0, held) == PACE.interval


@pytest.mark.parametrize(
    ("activity", "expected"),
    [(50.0, 3), (1.0, 3), (0.25, 6), (0.04, 15), (0.0, 15)],
)
def test_a_quiet_store_that_is_pushed_is_polled_less_but_every_quarter_of_an_hour(
    activity: float, expected: float
) -> None:
    held = terms([Sharer("a", activity, 1.0, pushed=True)], ROOMY, pace=PACE)

    assert rest(activity, held, pushed=True) == timedelta(minutes=expected)


def test_the_scarcest_of_a_stores_budgets_decides() -> None:
    scarce = terms([Sharer("a", 1.0, 1.0)], Allowance(24 / DAY, 24.0), pace=PACE)
    shared = {"own": terms([Sharer("a", 1.0, 1.0)], ROOMY, pace=PACE), "app": scarce, "unused": scarce}

    found = plan(1.0, {"own": 1.0, "app": 1.0}, shared, name="Twin", pace=PACE, pushed=False)

    assert found.rest == rest(1.0, scarce)
    assert "24 calls a day" in found.because


def test_a_huge_store_takes_no_other_beyond_what_is_promised() -> None:
    huge, rest_of_them = Sharer("huge", 5_000.0, 100.0), [Sharer(str(number), 0.5, 1.0) for number in range(499)]

    held = terms([huge, *rest_of_them], allowance(None, A_DAYS_CALLS), pace=PACE)

    assert rest(0.5, held) < timedelta(hours=4)
    assert rest(5_000.0, held, cost=100.0) <= LONGEST


@pytest.mark.parametrize(
    ("there", "stated", "a_day", "steadily", "share"),
    [
        (None, A_DAYS_CALLS, 10_000, 7_500, POLL_SHARE),
        (Available(A_DAYS_CALLS, 1_250.0), A_DAYS_CALLS, 10_000, 7_500, POLL_SHARE),
        (Available(A_DAYS_CALLS, 2_500.0), A_DAYS_CALLS, 10_000, 7_500, 1.0),
        (Available(A_DAYS_CALLS, 625.0), A_DAYS_CALLS, 10_000, 7_500, POLL_SHARE / 2),
        (Available(A_DAYS_CALLS, -3.0), A_DAYS_CALLS, 10_000, 7_500, 0.0),
        # What was learnt beats what was stated.
        (Available(Limit(250.0, 750 / DAY), 125.0), A_DAYS_CALLS, 1_000, 750, POLL_SHARE),
        # A day's calls that come back all at once have to last until then.
        (Available(Limit(40_000.0, 1 / 3600), 30_000.0), Limit(50_000.0, 50_000 / DAY), 40_024, 30_024, POLL_SHARE),
        # What is full again in a minute says nothing of a day.
        (Available(Limit(40.0, 2.0), 1.0), Limit(40.0, 2.0), 172_840, 172_800, POLL_SHARE),
    ],
)
def test_what_a_budget_gives_follows_from_its_bucket(
    there: Available | None, stated: Limit, a_day: float, steadily: float, share: float
) -> None:
    found = allowance(there, stated)

    assert found.a_day == pytest.approx(a_day)
    assert found.steady * DAY == pytest.approx(steadily)
    assert found.share == pytest.approx(share)


@pytest.mark.parametrize(
    ("there", "cost", "urgent", "seconds"),
    [
        (Available(Limit(100.0, 1.0), 50.0), 1.0, False, 0.0),
        # A tenth of the rest is left to webhooks, unless the store waits for long.
        (Available(Limit(101.0, 1.0), 5.0), 1.0, False, 6.0),
        (Available(Limit(101.0, 1.0), 5.0), 1.0, True, 0.0),
        (Available(Limit(101.0, 1.0), -9.0), 1.0, True, 13.0),
        (Available(Limit(10.0, 1.0), 10.0), 500.0, False, 0.0),
        (Available(Limit(100.0, 1.0), 100.0, closed_for=90.0), 1.0, True, 90.0),
        # Only a call finds out that such a budget came back.
        (Available(Limit(1_000.0, 1 / 3600), 5.0), 20.0, False, 0.0),
    ],
)
def test_a_poll_is_put_off_until_its_budget_holds_what_it_takes(
    there: Available, cost: float, *, urgent: bool, seconds: float
) -> None:
    assert put_off(there, cost=cost, urgent=urgent) == pytest.approx(seconds)


FEW = terms([Sharer(str(number), 0.5, 1.0) for number in range(500)], allowance(None, A_DAYS_CALLS), pace=PACE)
ALONE = terms([], ROOMY, pace=PACE)
SHARED = "500 stores share this budget of 10,000 calls a day"


@pytest.mark.parametrize(
    ("activity", "held", "pushed", "told"),
    [
        (
            14 / 24,
            FEW,
            False,
            "about 14 orders a day change here and 500 stores share this budget of 10,000 calls a day",
        ),
        (1 / 24, FEW, False, "about 1 order a day change here and 500 stores share this budget of 10,000 calls a day"),
        (
            3 / 24 / 7,
            replace(FEW, stores=1),
            False,
            "about 3 orders a week change here and this store has this budget of 10,000 calls a day",
        ),
        (0.0, FEW, True, f"hardly any orders change here and {SHARED}"),
        (9.0, ALONE, False, "Twin stores are read every 3 minutes while calls are left"),
        (
            0.0,
            terms([], ROOMY, pace=PACE),
            True,
            "Twin tells changes by itself at once, and hardly any orders change here",
        ),
        (
            9.0,
            terms([Sharer(str(number), 9.0, 1.0) for number in range(500)], Allowance(800 / DAY, 1_000), pace=PACE),
            False,
            (
                "500 stores would need 1,600 calls a day to be read every 8 hours, and Twin leaves 720 for that: "
                "all wait longer alike"
            ),
        ),
    ],
)
def test_the_reason_is_told_in_the_sellers_words(activity: float, held: Terms, *, pushed: bool, told: str) -> None:
    assert because(activity, held, pushed=pushed) == told


def test_a_budget_too_small_for_the_promise_is_shared_fairly() -> None:
    sharers = [Sharer(str(number), number, 1.0) for number in range(500)]

    held = terms(sharers, Allowance(800 / DAY, 1_000), pace=PACE)

    assert held.scarcity == pytest.approx(1_600 / 720)
    assert rest(0.0, held) == rest(499.0, held) == LONGEST * held.scarcity


def test_changes_so_long_ago_count_less_and_one_window_may_hold_a_month() -> None:
    after_a_day = changed(10.0, changes=0, passed=24 * HOUR)
    after_a_month = changed(None, changes=3_000, passed=30 * 24 * HOUR)

    assert after_a_day == pytest.approx(5.0)
    assert after_a_month == pytest.approx(3_000 / (30 * 24), rel=0.01)
    assert changed(None, changes=5, passed=timedelta()) == PRIOR


def test_the_cost_of_polls_follows_slowly_and_a_first_long_window_says_little() -> None:
    first = cost_of_polls({}, {"day": 100.0, "second": 1.0}, passed=LONGEST * 50)
    later = cost_of_polls({"day": 2.0, "token": 0.02}, {"day": 1.0}, passed=HOUR)
    gone = cost_of_polls({"day": 1.0, "token": 0.011}, {"day": 1.0}, passed=HOUR)

    assert first == {"day": 2.0, "second": 1.0}
    assert later == {"day": pytest.approx(1.7), "token": pytest.approx(0.014)}
    assert gone == {"day": pytest.approx(1.0)}


def test_stores_of_one_moment_do_not_come_together_again() -> None:
    rests = {spread(HOUR, store_id=str(number), turn=7) for number in range(100)}

    assert len(rests) == 100
    assert all(timedelta(minutes=54) <= each <= HOUR for each in rests)
    assert spread(HOUR, store_id="a", turn=7) == spread(HOUR, store_id="a", turn=7)


def test_audits_have_their_share_of_what_a_budget_gives_in_a_day() -> None:
    assert audit_calls(allowance(None, A_DAYS_CALLS)) == pytest.approx(AUDIT_SHARE * 7_500)


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (1, "second"),
        (20, "20 seconds"),
        (150, "2.5 minutes"),
        (180, "3 minutes"),
        (7_200, "2 hours"),
        (27_000, "7.5 hours"),
    ],
)
def test_lengths_are_told_as_people_say_them(rest: float, told: str) -> None:
    assert length(timedelta(seconds=rest)) == told


@dataclass
class Days:
    """Days on which stores share one budget; what they took is counted as the platform counts it, over 24 hours."""

    sharers: list[Sharer]
    clock: HastyClock = field(default_factory=HastyClock)
    fullest: int = 0
    refused: int = 0
    _calls: deque[tuple[float, int]] = field(default_factory=deque)
    _within: int = 0

    def __post_init__(self) -> None:
        self.limits, self.began = MemoryLimits(self.clock), self.clock.now()
        self.counts, self.longest = [0] * len(self.sharers), [timedelta()] * len(self.sharers)
        self._polled = [self.began] * len(self.sharers)
        self._due = [(self.began + LONGEST * chance(one.store_id, 0), place) for place, one in enumerate(self.sharers)]
        heapq.heapify(self._due)
        self._terms, self._until = FEW, self.began

    async def pass_(self, days: float) -> None:
        """Poll what is due until so many days are over."""
        end = self.clock.now() + timedelta(days=days)
        while self._due[0][0] < end:
            at, place = heapq.heappop(self._due)
            self.clock.advance(max((at - self.clock.now()).total_seconds(), 0.0))
            heapq.heappush(self._due, (self.clock.now() + await self._poll(place), place))

    async def take(self, calls: float, *, patience: float = 0.0) -> None:
        await self.limits.take("app", calls, limit=A_DAYS_CALLS, patience=patience)
        now = self.clock.now().timestamp()
        self._calls.append((now, int(calls)))
        self._within += int(calls)
        while self._calls[0][0] <= now - DAY:
            self._within -= self._calls.popleft()[1]
        self.fullest = max(self.fullest, self._within)

    async def _poll(self, place: int) -> timedelta:
        one, now = self.sharers[place], self.clock.now()
        if now >= self._until:
            there = await self.limits.available("app")
            self._terms = terms(self.sharers, allowance(there, A_DAYS_CALLS), pace=PACE)
            self._until = now + timedelta(minutes=5)
        try:
            await self.take(1.0, patience=30.0)
        except TransientError as error:
            self.refused += 1
            return timedelta(seconds=(error.retry_after or 0) * (1 + chance(one.store_id, self.refused)))
        now, self.counts[place] = self.clock.now(), self.counts[place] + 1
        self.longest[place] = max(self.longest[place], now - self._polled[place])
        self._polled[place] = now
        return spread(rest(one.activity, self._terms), store_id=one.store_id, turn=self.counts[place])


async def test_500_stores_share_a_days_calls_for_days_and_none_waits_8_hours() -> None:
    """On the second day something else takes all that the bucket holds."""
    days = Days([Sharer(f"st-{number}", 40 / (number + 1), 1.0) for number in range(500)])

    await days.pass_(1.3)
    there = await days.limits.available("app")
    assert there is not None
    await days.take(there.available)
    await days.pass_(1.7)

    assert days.fullest <= 10_000
    assert max(days.longest) < timedelta(hours=8)
    busiest, hundredth = days.counts[0] / 3, days.counts[99] / 3
    assert busiest > 96  # at least every quarter of an hour
    assert busiest > 5 * hundredth > 5 * 12
    assert sum(days.counts) > 0.85 * 3 * 7_500  # little is left unused, though something else took a third of a day's
    assert days.refused < 50
