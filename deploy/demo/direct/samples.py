"""The orders that a seller of the demo has elsewhere, and what must become of each; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.sandbox.catalog_of_goods import GOODS, LEGACY, Good

#: made: released and shipped. unmatched: held, because nobody knows its SKU. shipped: its file says that it is, so it
#: is left out. refused: its file has something wrong in it.
Fate = Literal["made", "unmatched", "shipped", "refused"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parcel goes; `country` as a code, `country_name` as exports spell it."""

    line1: str
    city: str
    region: str
    postal_code: str
    country: str
    country_name: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One order; its lines are goods with their quantities."""

    reference: str
    buyer: str
    place: Place
    lines: Sequence[tuple[Good, int]]
    fate: Fate

    @property
    def units(self) -> int:
        """How many pieces are to be made of it."""
        return sum(quantity for _, quantity in self.lines) if self.fate == "made" else 0

    @property
    def cents(self) -> int:
        """What its goods cost the buyer."""
        return sum(good.price * quantity for good, quantity in self.lines)


US = (
    Place("100 Example Street", "Springfield", "IL", "62701", "US", "United States"),
    # Its ZIP code begins with a zero, which spreadsheets like to take away.
    Place("7 Example Avenue", "Boston", "MA", "02134", "US", "United States"),
    Place("42 Example Road", "Austin", "TX", "73301", "US", "United States"),
)
ABROAD = (
    Place("12 Example Street", "London", "", "SW1A 1AA", "GB", "United Kingdom"),
    Place("Example Street 7", "Berlin", "", "10115", "DE", "Germany"),
)
_MADE: Fate = "made"
_LAST_ONES: Sequence[Fate] = ("unmatched", "shipped")


def samples(
    references: Sequence[str], *, places: Sequence[Place] = US + ABROAD, last: Sequence[Fate] = _LAST_ONES
) -> list[Sample]:
    """Orders of one and of two lines with these references; the last ones have the fates in `last`."""
    fates = [*[_MADE for _ in references[len(last) :]], *last]
    return [
        Sample(
            reference,
            f"Buyer {number + 1:04}",
            places[number % len(places)],
            [(LEGACY, 1)] if fate == "unmatched" else _lines(number),
            fate,
        )
        for number, (reference, fate) in enumerate(zip(references, fates, strict=True))
    ]


def _lines(number: int) -> list[tuple[Good, int]]:
    first, second = GOODS[number % len(GOODS)], GOODS[(number + 5) % len(GOODS)]
    return [(first, 1 + number % 3), *([(second, 1)] if number % 2 else [])]
