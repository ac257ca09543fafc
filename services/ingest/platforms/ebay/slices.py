"""Decides where reading a window goes on: pure, so that no order can fall between two pages.

eBay pages by offset over a window of change times, in an order that it does not promise, and says how many orders the
window holds. An order that changes while we read leaves the closed window, and those behind it move up. So

* a window with many orders is cut into slices, read one after another: little is ever read twice;
* two pages overlap, and where the overlap does not show, the slice is read again from its beginning;
* a slice that grew smaller, or gave fewer orders than it was said to hold, is read again too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson

#: eBay's largest page: one more is error 31100. Its default is 50.
LIMIT = 200
#: How many orders two pages have in common.
OVERLAP = 10
#: A slice with more orders than this is cut, unless it is as short as can be.
SLICE = 2_000
SHORTEST = timedelta(seconds=1)
#: How often a slice is read at most before what it gave is taken for all there is.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """What identifies an order in a list: its id, and its id with the time of its change."""

    id: str
    revision: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: in the slice [start, end) of a window that ends at `until`, after `offset` orders.

    `seen` are the revisions that this slice gave, by order id; `before` are the ids that must show at the beginning
    of the next page if nothing moved; `held` is how many orders the slice held when this round began, `shrunk` that
    it has held fewer since; `total` is the count of the whole window.
    """

    start: datetime
    end: datetime
    until: datetime
    offset: int = 0
    round: int = 1
    seen: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    held: int | None = None
    shrunk: bool = False
    total: int | None = None

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        return orjson.dumps(self).decode()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `text` wrote."""
        told = orjson.loads(text)
        times = {name: datetime.fromisoformat(told[name]) for name in ("start", "end", "until")}
        return cls(**(told | times | {"before": tuple(told["before"])}))

    @property
    def is_end(self) -> bool:
        """Whether nothing is left to read."""
        return self.start >= self.until


def is_too_large(place: Place, held: int) -> bool:
    """Tell whether the slice, of which nothing was read yet, should be cut."""
    return place.offset == 0 and place.round == 1 and held > SLICE and place.end - place.start > SHORTEST


def cut(place: Place, held: int) -> Place:
    """Return the beginning of a slice: as much as should hold fewer orders, if they are spread evenly."""
    span = max((place.end - place.start) * 0.8 * SLICE / held, SHORTEST)
    return replace(place, end=min(place.start + span, place.end))


def has_moved(place: Place, rows: list[Row]) -> bool:
    """Tell whether a page does not begin with the orders that the page before ended with."""
    return bool(place.before) and bool(rows) and rows[0].id not in place.before


def again(place: Place) -> Place:
    """Return the beginning of the slice, for another round."""
    return replace(place, offset=0, round=place.round + 1, before=(), held=None, shrunk=False)


def following(place: Place, rows: list[Row], *, held: int, has_next: bool) -> Place:
    """Return where to go on after a page: its next page, another round, or the next slice."""
    seen = place.seen | {row.id: row.revision for row in rows}
    shrunk = place.shrunk or (place.held is not None and held < place.held)
    read = replace(place, seen=seen, held=max(held, place.held or 0), shrunk=shrunk)
    if rows and (has_next or place.offset + LIMIT < held):
        before = tuple(row.id for row in rows[-OVERLAP:])
        return replace(read, offset=place.offset + LIMIT - OVERLAP, before=before)
    if (len(seen) >= held and not shrunk) or place.round >= ROUNDS:
        return next_slice(read)
    return again(read)


def next_slice(place: Place) -> Place:
    """Return the slice behind this one, in hope of larger ones."""
    end = min(place.end + 2 * (place.end - place.start), place.until)
    return Place(start=place.end, end=max(end, place.end), until=place.until, total=place.total)
