"""A seller's period in their own time zone becomes a half-open period of moments, with every rule applied told. Pure.

Clocks that are put forward skip local times, and clocks that are put back show some twice. A time that was skipped is
the first moment after the gap. Of a time that was shown twice, the beginning of a period is the earlier and its end the
later moment: the seller gets more rather than less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

#: The names that sellers in the United States use, and what they stand for.
US_ZONES = {
    "Eastern": "America/New_York",
    "Central": "America/Chicago",
    "Mountain": "America/Denver",
    "Arizona": "America/Phoenix",
    "Pacific": "America/Los_Angeles",
    "Alaska": "America/Anchorage",
    "Hawaii": "Pacific/Honolulu",
}
#: The earliest year that may be asked for: no platform is older.
FIRST_YEAR = 1995

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?", re.ASCII)
#: No clock was ever put by more than this at once, but for a few that left out a whole day.
_LONGEST_GAP = timedelta(hours=26)

Code = Literal["unknown_zone", "malformed_period", "period_reversed", "period_in_future"]
Side = Literal["from", "to"]


class PeriodRefused(Exception):  # noqa: N818 - the fact
    """The period cannot be read; `code` names the rule, `where` the field, the message says what to do."""

    def __init__(self, code: Code, where: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True)
class Period:
    """What a period means: the moments [start, end) in UTC, the zone's IANA name, and the rules that were applied."""

    start: datetime
    end: datetime
    zone: str
    notes: tuple[str, ...] = ()


def resolve(start: str, end: str, *, zone: str, now: datetime) -> Period:
    """Read a period of local dates ("2026-11-01", whole days) or times ("2026-11-01T08:00").

    The day of `end` belongs to the period, a time of `end` does not. What lies after `now` has not happened: the period
    ends there, and a note says so. Raises PeriodRefused.
    """
    where = find_zone(zone)
    first, last = _local(start, "from"), _local(end, "to")
    notes: list[str] = []
    begins, ends = _moment(first, where, "from", notes), _moment(_after(last), where, "to", notes)
    if begins >= ends:
        raise PeriodRefused("period_reversed", "period.to", "`to` must be later than `from`; a date is a whole day.")
    if begins >= now:
        raise PeriodRefused("period_in_future", "period.from", "The period has not begun yet.")
    if ends > now:
        notes.append("The period is not over: it is read up to the moment at which it was asked for.")
        ends = now
    return Period(begins, ends, where.key, tuple(notes))


def find_zone(name: str) -> ZoneInfo:
    """Return the zone of a US or IANA name. Raises PeriodRefused."""
    known = US_ZONES.get(name, name)
    try:
        # ZoneInfo itself takes any path below its directory, whatever is there.
        if known in _zones():
            return ZoneInfo(known)
    except ZoneInfoNotFoundError:
        pass
    names = ", ".join(US_ZONES)
    raise PeriodRefused("unknown_zone", "zone", f"Use one of {names}, or an IANA name such as Europe/Berlin.")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _local(text: str, side: Side) -> date | datetime:
    """Return the local date or time. `datetime` is a `date` too: ask for it first."""
    found = _parsed(text)
    if found is None:
        raise PeriodRefused(
            "malformed_period", f"period.{side}", "Give a local date (2026-11-01) or time (2026-11-01T08:00)."
        )
    if not FIRST_YEAR <= found.year < 9999:  # noqa: PLR2004 - the last year has no day after it
        raise PeriodRefused("malformed_period", f"period.{side}", f"No store has orders of before {FIRST_YEAR}.")
    return found


def _parsed(text: str) -> date | datetime | None:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


def _after(last: date | datetime) -> date | datetime:
    return last if isinstance(last, datetime) else last + timedelta(days=1)


def _moment(local: date | datetime, zone: ZoneInfo, side: Side, notes: list[str]) -> datetime:
    """Return the moment of a local time, of a date its beginning."""
    wall = local if isinstance(local, datetime) else datetime.combine(local, time())
    earlier, later = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if not _shows(earlier, wall, zone) and not _shows(later, wall, zone):
        found = _after_gap(min(earlier, later), zone)
        notes.append(
            f"{_told(wall)} does not exist in {zone.key}, where clocks are put forward then: "
            f"`{side}` is the first moment after that, {_told(found.astimezone(zone))}."
        )
        return found
    if earlier == later:
        return earlier
    which, found = ("first", min(earlier, later)) if side == "from" else ("second", max(earlier, later))
    notes.append(
        f"{_told(wall)} exists twice in {zone.key}, where clocks are put back then: `{side}` is the {which} of the two."
    )
    return found


def _shows(moment: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall


def _after_gap(near: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks were put forward, within a day around `near`."""
    low, high = near - _LONGEST_GAP, near + _LONGEST_GAP
    before = low.astimezone(zone).utcoffset()
    # The offset changes once within so short a time; halving finds when, to the second.
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _told(wall: datetime) -> str:
    return wall.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")
