"""How often each store is polled, so that a budget is shared fairly and no store waits 8 hours: pure arithmetic.

A poll of a store that changes often is worth more than one of a store that hardly does, and a dear poll less than a
cheap one. The polls that keep changes waiting least, for so many calls, are those whose rates follow the square root of
changes by cost, between the most often that a platform is asked and the least often that sellers are promised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

from services.ingest.contract.reading import Pace
from services.kit.limits import Available, Limit

#: A store is planned to rest no longer than this: with a busy moment it stays below 8 hours.
LONGEST = timedelta(hours=7, minutes=30)
#: A store whose platform pushes its changes rests no longer than this, for a lost push must not wait for hours.
LONGEST_PUSHED = timedelta(minutes=15)
#: Changes per hour from which on a store that is pushed is polled as often as one that is not.
BUSY = 1.0
#: The share of a budget that polls take while its bucket is half full, and audits at most; the rest is for webhooks,
#: manual syncs and tokens. What a full bucket would let run over is the polls', too.
POLL_SHARE, AUDIT_SHARE = 0.7, 0.15
#: The share that may be taken so that every store is read every 8 hours.
MOST_SHARE = 0.9
#: The share of what polls have that one store may take at most, where it is one of many: however much it changes.
MOST_OF_ONE = 0.25
#: The share of a bucket that a poll finds before it begins, beside what it takes itself: for webhooks, and for polls
#: that begin at the same moment. The second one holds for a store that was not read for long.
LEFT, LEFT_IF_URGENT = 0.1, 0.03
#: Changes per hour that a store is taken to have before it is known.
PRIOR = 10 / 24
#: Changes so long ago count half.
HALF_LIFE = timedelta(days=1)
#: What the last poll took counts so much against what those before it took.
_LATEST = 0.3
#: What is taken less often than once in so many polls does not decide.
_NEGLIGIBLE = 0.01
#: The next poll comes up to so much earlier, or all stores of one moment would come together again.
SPREAD = 0.1
#: A bucket that is full again within this time says nothing about how a day goes.
_BRIEF = timedelta(minutes=10)
_A_DAY = timedelta(days=1).total_seconds()
#: The least often that a store is polled, in polls a second.
_LEAST = 1 / LONGEST.total_seconds()
_AN_HOUR = 3600.0
#: Changes per hour that a store is taken to have at least.
_HARDLY = 1e-4


class Sharer(NamedTuple):
    """A store that takes from a budget: its changes per hour, what a poll takes, whether its platform pushes."""

    store_id: str
    activity: float
    cost: float
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a budget gives: steadily, in calls a second; at most in a day; and the share of it that polls may have."""

    steady: float
    a_day: float
    share: float = POLL_SHARE


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms stores share a budget.

    A store's rate is `price` by the square root of its changes by its cost, within its bounds. `needed` is what it
    takes a day to read every store every 8 hours, `had` what polls may have; where that is less, all rest longer alike.
    """

    price: float
    stores: int
    a_day: float
    needed: float
    had: float

    @property
    def largest(self) -> float:
        """What one store may take at most, in calls a second."""
        return self.had / _A_DAY * max(MOST_OF_ONE, 2 / max(self.stores, 1))

    @property
    def scarcity(self) -> float:
        """How often the budget would be needed: above 1 it cannot hold what is promised."""
        return self.needed / self.had if self.had > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Cadence:
    """How long a store rests, and why, as the rest of a sentence after "because"."""

    rest: timedelta
    because: str


def allowance(there: Available | None, stated: Limit) -> Allowance:
    """Tell what a budget gives, by what was learnt of it, else by what was `stated`."""
    limit = there.limit if there else stated
    a_day = limit.capacity + limit.rate * _A_DAY
    if limit.rate * _A_DAY < limit.capacity:
        # It comes back all at once at the end of a day: what is there now has to last until then.
        left = max(there.available, 0.0) if there else limit.capacity
        return Allowance(left / _A_DAY + limit.rate, a_day)
    brief = limit.capacity / limit.rate < _BRIEF.total_seconds()
    level = 0.5 if there is None or brief else min(max(there.available / limit.capacity, 0.0), 1.0)
    return Allowance(limit.rate, a_day, _share_at(level))


def terms(sharers: Sequence[Sharer], given: Allowance, *, pace: Pace) -> Terms:
    """Share a budget over the stores that draw on it."""
    least = sum([one.cost for one in sharers]) * _LEAST
    to_spend = max(given.share * given.steady, min(least, MOST_SHARE * given.steady))
    held = Terms(0.0, len(sharers), given.a_day, least * _A_DAY, to_spend * _A_DAY)
    return replace(held, price=_price(sharers, held, pace=pace)) if held.scarcity < 1 else held


def plan(
    activity: float, costs: Mapping[str, float], shared: Mapping[str, Terms], *, name: str, pace: Pace, pushed: bool
) -> Cadence:
    """Say how long a store rests: as its scarcest budget wants it. `name` is its platform's."""
    often = most_often(activity, pace=pace, pushed=pushed)
    found = Cadence(often, _because_nothing_hinders(often, activity, name=name, pace=pace))
    for budget, held in shared.items():
        cost = costs.get(budget, 0.0)
        rest = _rest_on(held, Sharer("", activity, cost, pushed), pace=pace) if cost > 0 else often
        if rest > found.rest:
            found = Cadence(rest, _because_shared(held, activity, name=name))
    return found


def most_often(activity: float, *, pace: Pace, pushed: bool) -> timedelta:
    """How long a store rests at least, however rich its budgets: a quiet one that is pushed need not be polled much."""
    if not pushed:
        return pace.interval
    quiet = math.sqrt(max(BUSY / max(activity, 1e-6), 1.0))
    return max(pace.interval, min(pace.interval * min(quiet, 1e3), LONGEST_PUSHED))


def changed(activity: float | None, *, changes: int, passed: timedelta) -> float:
    """The changes per hour of a store after a window of length `passed` that held so many."""
    before = PRIOR if activity is None else activity
    if passed <= timedelta():
        return before
    kept = math.pow(0.5, passed / HALF_LIFE)
    return before * kept + changes / (passed.total_seconds() / _AN_HOUR) * (1 - kept)


def cost_of_polls(known: Mapping[str, float], taken: Mapping[str, float], *, passed: timedelta) -> dict[str, float]:
    """What a poll of a store takes of each budget, after one that took `taken` for a window of length `passed`.

    A window longer than any that is planned, such as the first one, says what a planned one would have taken.
    """
    share = min(LONGEST / passed, 1.0) if passed > timedelta() else 1.0
    usual = {name: max(cost * share, min(cost, 1.0)) for name, cost in taken.items()}
    after = {
        name: known[name] * (1 - _LATEST) + usual.get(name, 0.0) * _LATEST if name in known else usual[name]
        for name in {*known, *usual}
    }
    return {name: cost for name, cost in sorted(after.items()) if cost >= _NEGLIGIBLE}


def spread(rest: timedelta, *, store_id: str, turn: int) -> timedelta:
    """The rest of one store's turn: as planned or a little less, the same whenever it is asked."""
    return rest * (1 - SPREAD * chance(store_id, turn))


def chance(store_id: str, turn: int) -> float:
    """A number from 0 to 1 that follows from a store and a turn of it."""
    return crc32(f"{store_id}|{turn}".encode()) / 2**32


def put_off(there: Available, *, cost: float, urgent: bool) -> float:
    """For how many seconds a poll had better not begin: the budget does not hold what it takes, or is closed.

    A store that is `urgent` leaves less of it to others.
    """
    limit = there.limit
    if limit.rate * _A_DAY < limit.capacity:
        # It comes back all at once, and only a call finds out that it did.
        cost, left = min(cost, 1.0), 0.0
    else:
        cost = min(cost, limit.capacity)
        left = (LEFT_IF_URGENT if urgent else LEFT) * (limit.capacity - cost)
    return max((cost + left - there.available) / limit.rate, there.closed_for, 0.0)


def audit_calls(given: Allowance) -> float:
    """How many calls a day all audits together may take of a budget."""
    return AUDIT_SHARE * given.steady * _A_DAY


def _share_at(level: float) -> float:
    """Less while a bucket runs dry, for then others need more than was left to them; all that comes when it is full."""
    half = 0.5
    return POLL_SHARE * level / half if level < half else POLL_SHARE + (1 - POLL_SHARE) * (level - half) / half


def _price(sharers: Sequence[Sharer], held: Terms, *, pace: Pace) -> float:
    """The price at which the stores' rates, within their bounds, take what polls may have: exact.

    What all take is a sum of lines that begin to rise where a store leaves its longest rest and stop where it reaches
    its shortest: it is followed from bend to bend.
    """
    to_spend, taken, slope, bends = held.had / _A_DAY, 0.0, 0.0, list[tuple[float, float]]()
    largest, often = held.largest, 1 / pace.interval.total_seconds()
    for one in sharers:
        weight, least, most = _bounds(one, largest, often=often, pace=pace)
        taken += one.cost * least
        bends.append((least / weight, one.cost * weight))
        bends.append((most / weight, -one.cost * weight))
    bends.sort()
    for (price, change), (following, _) in pairwise([*bends, (math.inf, 0.0)]):
        slope += change
        if slope > 0 and taken + slope * (following - price) >= to_spend:
            return price + (to_spend - taken) / slope
        taken += slope * (following - price) if following < math.inf else 0.0
    return math.inf


def _bounds(one: Sharer, largest: float, *, often: float, pace: Pace) -> tuple[float, float, float]:
    """A store's weight, and its least and highest rate, in polls a second; `often` is the rate of `pace`'s interval."""
    _, activity, cost, pushed = one
    most = 1 / most_often(activity, pace=pace, pushed=True).total_seconds() if pushed else often
    most = largest / cost if largest < most * cost else most
    return math.sqrt((max(_HARDLY, activity)) / cost), _LEAST, max(_LEAST, most)


def _rest_on(held: Terms, one: Sharer, *, pace: Pace) -> timedelta:
    weight, least, most = _bounds(one, held.largest, often=1 / pace.interval.total_seconds(), pace=pace)
    if held.scarcity > 1:
        return timedelta(seconds=min(held.scarcity / least, 30 * _A_DAY))
    return timedelta(seconds=1 / min(max(held.price * weight, least), most))


def _because_nothing_hinders(often: timedelta, activity: float, *, name: str, pace: Pace) -> str:
    if often > pace.interval:
        return f"{name} tells changes by itself at once, and {_changes(activity)} here"
    return f"{name} stores are read every {length(often)} while calls are left"


def _because_shared(held: Terms, activity: float, *, name: str) -> str:
    if held.scarcity > 1:
        stores = f"{held.stores:,} stores" if held.stores > 1 else "this store"
        return (
            f"{stores} would need {held.needed:,.0f} calls a day to be read every 8 hours, and {name} leaves "
            f"{held.had:,.0f} for that: all wait longer alike"
        )
    return f"{_changes(activity)} here and {sharing(held)}"


def sharing(held: Terms) -> str:
    """Say who shares a budget."""
    shared = f"{held.stores:,} stores share" if held.stores > 1 else "this store has"
    return f"{shared} this budget of {held.a_day:,.0f} calls a day"


def _changes(activity: float) -> str:
    a_day = activity * 24
    for number, period in ((a_day, "day"), (a_day * 7, "week"), (a_day * 30, "month")):
        if round(number) >= 1:
            return f"about {round(number):,} order{'s' if round(number) > 1 else ''} a {period} change"
    return "hardly any orders change"


def length(rest: timedelta) -> str:
    """A length of time as sellers are told it."""
    seconds = round(rest.total_seconds())
    if seconds < 2 * 60:
        return f"{seconds} seconds" if seconds != 1 else "second"
    minutes = seconds / 60
    if minutes < 2 * 60:
        return f"{minutes:.3g} minutes"
    return f"{minutes / 60:.2g} hours"
