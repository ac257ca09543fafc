"""Decides where in a changing list of orders the next page begins, so that no order is passed over.

Pages of WooCommerce shift: sorted by change time, an order of page 1 that changes before page 2 is asked for makes
another one be skipped. So page 2 is never asked for. The next page begins at the second of the last order read, that
second included ("flow"). Only a second with more orders than a page is read by id and offset ("second"), each page
overlapping the one before; where the overlap does not show, orders have left, and that second is read again from its
beginning. A store that does not filter by change time (before 5.8), or does not sort by it, is read whole, by id
("all"). The trash is in no other list, so it is read first, by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import orjson

from services.ingest.contract.reading import By

#: WooCommerce's largest page.
LIMIT = 100
#: How many orders two pages by offset have in common.
OVERLAP = 20
#: One order from before the window may be a page's last order told twice; two show that nothing was filtered.
_STRAYS = 2
_BOUNDS: Mapping[By, tuple[str, str]] = {
    "created": ("after", "before"),
    "updated": ("modified_after", "modified_before"),
}
_SORTED_BY: Mapping[By, str] = {"created": "date", "updated": "modified"}

Mode = Literal["flow", "second", "all"]
Shelf = Literal["trash", "orders"]


class Row(NamedTuple):
    """An order as it was listed, with what paging needs of it: None where that cannot be read."""

    value: Any
    number: int | None
    changed: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: on this shelf, at this second; by offset in a list that is read by id.

    `last` is the last second of the window, `first` its first. `seen` are the orders of `second` that were given
    already; `before` are those that must show at the beginning of the next page if nothing has left. `total` is what
    the window held when it was first counted, `trashed` of them in the trash. `by` creation, a
    change is that.
    """

    shelf: Shelf
    mode: Mode
    first: int
    last: int
    second: int
    offset: int = 0
    seen: frozenset[int] = frozenset()
    before: tuple[int, ...] = ()
    total: int | None = None
    trashed: int = 0
    by: By = "updated"

    @classmethod
    def start(cls, first: int, last: int, by: By = "updated") -> Place:
        """Begin with the trash."""
        return cls("trash", "flow", first, last, first, by=by)

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        return orjson.dumps(
            [
                self.shelf,
                self.mode,
                self.first,
                self.last,
                self.second,
                self.offset,
                sorted(self.seen),
                self.before,
                self.total,
                self.trashed,
                self.by,
            ]
        ).decode()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `text` wrote."""
        shelf, mode, first, last, second, offset, seen, before, *counts = orjson.loads(text)
        return cls(shelf, mode, first, last, second, offset, frozenset(seen), tuple(before), *counts)

    def query(self) -> dict[str, object]:
        """Return the query of the page at this place. Bounds are exclusive, and bare UTC goes with its flag only."""
        query: dict[str, object] = {"per_page": LIMIT, "order": "asc"}
        if self.shelf == "trash":
            query["status"] = "trash"
        if self.mode == "all":
            return query | {"orderby": "id", "offset": self.offset}
        end = self.second if self.mode == "second" else self.last
        after, before = _BOUNDS[self.by]
        query |= {after: _bare(self.second - 1), before: _bare(end + 1), "dates_are_gmt": "true"}
        if self.mode == "second":
            return query | {"orderby": "id", "offset": self.offset}
        return query | {"orderby": _SORTED_BY[self.by]}

    def whole(self) -> Place:
        """Return the place from which the store is read whole."""
        return replace(self, mode="all", second=self.first, offset=0, seen=frozenset(), before=(), total=None)

    def again(self) -> Place:
        """Return the beginning of the list by offset of which orders have left."""
        return replace(self, offset=0, before=())


@dataclass(frozen=True, slots=True)
class Step:
    """What a page gives: the rows that are news, where to go on (None: nowhere), and what the window holds in all."""

    rows: tuple[Row, ...]
    after: Place | None = None
    total: int | None = None


def is_cut(rows: Sequence[Row], place: Place, total: int | None) -> bool:
    """Tell whether a page is empty though the store counts orders there: that is a fault, never an end."""
    return not rows and total is not None and total > place.offset


def continues(rows: Sequence[Row], place: Place) -> bool:
    """Tell whether a page by offset begins with what the page before ended with."""
    return not place.before or (bool(rows) and rows[0].number in place.before)


def step(rows: Sequence[Row], place: Place, total: int | None) -> Step:
    """Say what the page at a place gives; `total` is what the store counts in that list, where it says so."""
    more = _has_more(rows, place, total)
    if place.mode == "all":
        found = [row for row in rows if row.changed is None or place.first <= row.changed <= place.last]
        return Step(_fresh(found, place), _by_offset(rows, place) if more else _next_shelf(place))
    if more and _is_unfiltered(rows, place):
        return Step((), place.whole())
    place = _counted(place, total)
    fresh = _fresh([row for row in rows if row.changed is None or row.changed >= place.second], place)
    if place.mode == "second":
        after = _by_offset(rows, place) if more else _at(place, place.second + 1)
    else:
        after = _flowing(rows, place) if more else _next_shelf(place)
    return Step(fresh, after, place.total if place.shelf == "orders" else None)


def _counted(place: Place, total: int | None) -> Place:
    """Return the place with what the window holds, as the first page of a shelf tells it."""
    if place.mode != "flow" or place.second != place.first or total is None or place.total is not None:
        return place
    return replace(place, total=place.trashed + total)


def _flowing(rows: Sequence[Row], place: Place) -> Place:
    """Return the place after a full page in order of change."""
    within = [row for row in rows if row.changed is not None and place.second <= row.changed <= place.last]
    if not within:
        return place.whole()
    last = within[-1].changed or place.second
    seen = frozenset(row.number for row in within if row.changed == last and row.number is not None)
    if last == place.second:
        return replace(place, mode="second", offset=0, seen=place.seen | seen, before=())
    return replace(place, second=last, seen=seen)


def _by_offset(rows: Sequence[Row], place: Place) -> Place:
    """Return the place of the next page by offset, which begins with the last rows of this one."""
    kept = rows[len(rows) - min(OVERLAP, len(rows) // 2) :]
    seen = place.seen
    if place.mode == "second":
        seen |= {row.number for row in rows if row.number is not None and row.changed == place.second}
    return replace(
        place,
        offset=place.offset + len(rows) - len(kept),
        seen=seen,
        before=tuple(row.number for row in kept if row.number is not None),
    )


def _at(place: Place, second: int) -> Place | None:
    moved = replace(place, mode="flow", second=second, offset=0, seen=frozenset(), before=())
    return moved if second <= place.last else _next_shelf(moved)


def _next_shelf(place: Place) -> Place | None:
    if place.shelf == "orders":
        return None
    return Place("orders", "flow", place.first, place.last, place.first, trashed=place.total or 0, by=place.by)


def _fresh(rows: Sequence[Row], place: Place) -> tuple[Row, ...]:
    """Return the rows that no earlier page gave; at another second it would be another revision."""
    if place.mode == "all":
        return tuple(row for row in rows if row.number is None or row.number not in place.before)
    return tuple(row for row in rows if row.changed != place.second or row.number not in place.seen)


def _has_more(rows: Sequence[Row], place: Place, total: int | None) -> bool:
    """Tell whether the list goes on: as the store counts, or where it does not count, when a page is full."""
    read = place.offset + len(rows)
    return total > read if total is not None and total >= read else len(rows) >= LIMIT


def _is_unfiltered(rows: Sequence[Row], place: Place) -> bool:
    """Tell whether the store took no notice of what was asked: it lists older orders, or not in order of change."""
    changes = [row.changed for row in rows if row.changed is not None]
    if sum(changed < place.second for changed in changes) >= _STRAYS:
        return True
    # An order that changes while the page is made shows a time after the window, in its old place.
    settled = [changed for changed in changes if changed <= place.last]
    return place.mode == "flow" and settled != sorted(settled)


def _bare(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
