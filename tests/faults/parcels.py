"""Judges how parcels got home: what left the factory against the platforms' own shipments and mail books. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy.demo.tally import plain

#: So many of the things that must not be are named one by one.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Books:
    """What a platform counted: messages to buyers, and those of them that said the same again."""

    emails: int
    emails_again: int


@dataclass(frozen=True, slots=True)
class ParcelVerdict:
    """Parcels that left, and how many of them are on their platform never, once, or more often.

    `verified` counts those that ingest says are there; `strange` numbers on a platform that no parcel has.
    """

    orders: int
    shipments: int
    once: int
    verified: int
    lost: int
    doubled: int
    strange: int
    emails: Mapping[str, int]
    emails_again: Mapping[str, int]
    problems: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether every parcel is verified and there once, and no buyer was told the same twice."""
        wrong = self.lost or self.doubled or self.strange or any(self.emails_again.values())
        return self.shipments > 0 and self.verified == self.once == self.shipments and not wrong

    def as_json(self) -> dict[str, Any]:
        """The finding as the summary file holds it."""
        return asdict(self)


def judge_parcels(
    sent: Mapping[str, Sequence[str]],
    shown: Mapping[str, Sequence[str]],
    states: Mapping[tuple[str, str], str],
    books: Mapping[str, Books],
) -> ParcelVerdict:
    """Compare tracking numbers by order key: those of the parcels that left with those on the platforms.

    `states` are ingest's words for each order's numbers, `books` the platforms' by name.
    """
    wanted = Counter((key, plain(number)) for key, numbers in sent.items() for number in numbers)
    there = Counter((key, plain(number)) for key, numbers in shown.items() for number in numbers)
    words = {(key, plain(number)): state for (key, number), state in states.items()}
    return ParcelVerdict(
        orders=len(sent),
        shipments=wanted.total(),
        once=sum(there[parcel] == 1 for parcel in wanted),
        verified=sum(words.get(parcel) == "verified" for parcel in wanted),
        lost=sum(there[parcel] == 0 for parcel in wanted),
        doubled=sum(there[parcel] > 1 for parcel in wanted),
        strange=sum(times for parcel, times in there.items() if parcel not in wanted),
        emails={name: each.emails for name, each in books.items()},
        emails_again={name: each.emails_again for name, each in books.items()},
        problems=tuple(_problems(wanted, there, words))[:MOST_NAMED],
    )


def _problems(
    wanted: Mapping[tuple[str, str], int],
    there: Mapping[tuple[str, str], int],
    words: Mapping[tuple[str, str], str],
) -> Iterable[str]:
    for key, number in sorted(wanted):
        state, times = words.get((key, number), "unknown"), there.get((key, number), 0)
        if times != 1 or state != "verified":
            yield f"{key}: {number} is there {times} times ({state})"
    for key, number in sorted(there.keys() - wanted.keys()):
        yield f"{key}: {number} is there, and no parcel has it"
