"""Cuts a window into slices that each fit one page, so that nothing can be passed over between two pages.

ShopBase numbers its pages over a list that changes while it is read, in an order that it does not document: an order
that leaves page 1 moves another one from page 2 to page 1, unseen, and beyond page x limit = 100,000 there is nothing.
So page 2 is not asked for. A page that is full is thrown away and a shorter slice is asked for; one page is one moment.
Only seconds that hold more than a page are read by number, from the last page to the first: what leaves then moves
others to pages that are still to be read. Neighbouring slices have a second in common, for the bounds are inclusive and
it is not said whether times have parts of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from services.ingest.contract.reading import By

#: ShopBase's largest page.
LIMIT = 250
#: How many orders a slice is meant to hold: enough below a page that chance does not fill it.
FILL = 175
#: How much longer than its predecessor a slice may be.
_GROWTH = 8


class Row(NamedTuple):
    """An order as it was listed: its exact fields, its JSON text, and what slicing needs; None where unreadable."""

    value: Any
    body: str
    number: str | None
    changed: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: `span` seconds from `second`, at most to `last`.

    `page` is 0 unless that slice is read by number. `seen` are the orders that were given already and changed in
    `second`, or in the slice when it is read by number; `passes` counts how often that was begun. `total` is what the
    window held when it was first counted, and `left` what of it is still to come, about. A slice up to `crowded` is
    known to be too long. `wait_from` is the second of the first order that is not to be left behind. In a window
    `by` creation, a change is that.
    """

    second: int
    last: int
    span: int
    page: int = 0
    passes: int = 0
    seen: frozenset[str] = frozenset()
    total: int | None = None
    left: int | None = None
    crowded: int | None = None
    wait_from: int | None = None
    by: By = "updated"

    @classmethod
    def start(cls, first: int, last: int, by: By = "updated") -> Place:
        """Begin with the window whole."""
        return cls(first, last, max(last - first, 1), by=by)

    @property
    def end(self) -> int:
        """The last second of the slice."""
        return min(self.second + self.span, self.last)

    @property
    def is_narrowest(self) -> bool:
        """Whether there is no shorter slice that still has a second of its own."""
        return self.end - self.second <= 1

    def counted(self, left: int) -> Place:
        """Return the place with what the window holds from here on."""
        return replace(self, total=left if self.total is None else self.total, left=left)

    def ending(self, end: int) -> Place:
        """Return the slice that ends there."""
        return replace(self, span=max(end - self.second, 1))

    def by_number(self, count: int) -> Place:
        """Return the last page of the slice, which holds so many orders."""
        return replace(self, page=max(1, -(-count // LIMIT)), passes=self.passes + 1)

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        place = [self.second, self.last, self.span, self.page, self.passes, sorted(self.seen)]
        return orjson.dumps([*place, self.total, self.left, self.crowded, self.wait_from, self.by]).decode()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `text` wrote."""
        second, last, span, page, passes, seen, *counts = orjson.loads(text)
        return cls(second, last, span, page, passes, frozenset(seen), *counts)


def narrowed(rows: Sequence[Row], place: Place, *, first: bool) -> Place:
    """Return a shorter slice after a full page, the `first` one or a later one.

    The first is believed to show the earliest order: a crowd in an otherwise quiet window is found at once.
    """
    place = replace(place, crowded=place.end)
    changes = [row.changed for row in rows if row.changed is not None]
    earliest, latest = min(changes, default=place.second), max(changes, default=place.end)
    even = place.second + (place.last - place.second) * FILL // max(place.left or 0, 1)
    if first and even < earliest - 1 < place.end:
        return place.ending(earliest - 1)
    return place.ending(min((place.second + place.end) // 2, even, latest - 1))


def crowd(rows: Sequence[Row], place: Place) -> Place:
    """Return the slice around seconds that hold more than a page: the second it ends with is not one of them."""
    return place.ending(max([place.end, *(row.changed + 1 for row in rows if row.changed is not None)]))


def fresh(rows: Iterable[Row], place: Place) -> list[Row]:
    """Return each order once that no earlier page gave, in order of change."""
    found: dict[object, Row] = {}
    for row in rows:
        known = row.number in place.seen and (place.page > 0 or row.changed == place.second)
        if not known:
            found.setdefault(row.number or row.body, row)
    return sorted(found.values(), key=lambda row: (row.changed or 0, row.number or ""))


def after_slice(rows: Sequence[Row], place: Place, *, news: int) -> Place | None:
    """Return the slice after one that fitted a page, so many of them news; None when it was the last."""
    if place.end >= place.last:
        return None
    left = _less(place.left, news)
    if left is not None and left <= FILL:
        span = place.last - place.end
    elif not rows and place.crowded is not None:
        span = (place.crowded - place.end) // 2
    else:
        span = min(place.span * _GROWTH, place.span * FILL // max(len(rows), 1))
    seen = frozenset(row.number for row in rows if row.number is not None and row.changed == place.end)
    crowded = None if rows else place.crowded
    return replace(place, second=place.end, span=max(span, 1), seen=seen, left=left, crowded=crowded)


def after_number(rows: Sequence[Row], place: Place, *, news: int) -> Place:
    """Return the page before this one; its number is 0 when this was the first."""
    seen = place.seen | {row.number for row in rows if row.number is not None}
    return replace(place, page=place.page - 1, seen=seen, left=_less(place.left, news))


def after_numbers(place: Place) -> Place | None:
    """Return the slice after one that was read by number; None when it was the last."""
    if place.end >= place.last:
        return None
    quiet = place.left is not None and place.left <= FILL
    return replace(place, second=place.end, span=place.last - place.end if quiet else 1, page=0, passes=0, crowded=None)


def start_of(place: Place) -> datetime:
    """Return the moment before which everything is read, and nothing waits."""
    second = place.second if place.wait_from is None else min(place.second, place.wait_from)
    return datetime.fromtimestamp(second, tz=UTC)


def _less(left: int | None, news: int) -> int | None:
    return None if left is None else max(left - news, 0)
