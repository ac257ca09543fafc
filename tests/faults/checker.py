"""Judges a history: what the platforms say was ordered against what a read_committed reader of production saw. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """One message of `orders.production`, in the order a reader of its partition saw it."""

    event_id: str
    type: str
    order_key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many orders were lost or made twice, and a sentence for each thing that must not be."""

    accepted: int
    lost: int
    duplicated: int
    violations: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether every promise held."""
        return not (self.lost or self.duplicated or self.violations)


def judge(expected: Collection[str], seen: Sequence[Command]) -> Verdict:
    """Compare the keys of the orders that must be made with what production was told.

    Lost: an expected order that was never released. Duplicated: messages with an event id that was seen before, and
    second releases of an order. Violations: releases of orders that must not be made, commands out of order.
    """
    releases = Counter(command.order_key for command in seen if command.type == "order.released")
    events = Counter(command.event_id for command in seen)
    duplicated = sum(count - 1 for count in events.values()) + sum(count - 1 for count in releases.values())
    lost = set(expected) - releases.keys()
    unwanted = [f"{key} was released and must not be made" for key in sorted(releases.keys() - set(expected))]
    return Verdict(
        accepted=len(expected),
        lost=len(lost),
        duplicated=duplicated,
        violations=(*unwanted, *_out_of_order(seen)),
    )


def _out_of_order(seen: Iterable[Command]) -> Iterable[str]:
    last: dict[str, int] = {}
    for command in seen:
        before = last.get(command.order_key)
        if before is None and command.type != "order.released":
            yield f"{command.order_key}: {command.type} came before its release"
        if before is not None and command.revision <= before:
            yield f"{command.order_key}: revision {command.revision} came after {before}"
        last[command.order_key] = command.revision
