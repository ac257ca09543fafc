"""The factory's book: what it was told and what it made of each order, duplicates and holes counted loudly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Entry:
    """One order. `state`: accepted, on_hold, in_production, shipped or cancelled; None: never released.

    `told` is the last revision heard of, `revision` the one being made; `late` counts what came too late.
    """

    releases: int = 0
    amendments: int = 0
    cancellations: int = 0
    late: int = 0
    told: int = 0
    revision: int = 0
    units_made: int = 0
    state: str | None = None


@dataclass(slots=True)
class Book:
    """All orders by key, and what should never happen.

    `duplicate_events`: an event id that came twice. `duplicate_releases`: a second release of one order.
    `holes`: a revision that does not follow the one before, or a change of an order that was never released.
    `unreadable`: records that are not the messages that were agreed. `answers`: messages sent and committed since
    this book was opened; `pending`: those still to be sent.
    """

    orders: dict[str, Entry] = field(default_factory=dict)
    commands: int = 0
    duplicate_events: int = 0
    duplicate_releases: int = 0
    holes: int = 0
    unreadable: int = 0
    answers: int = 0
    pending: int = 0
    _seen: set[str] = field(default_factory=set)

    def entry(self, key: str) -> Entry:
        """The order's entry, opened on first sight."""
        return self.orders.setdefault(key, Entry())

    def is_repeated(self, event_id: str) -> bool:
        """Count a command, and say whether its very event was seen before."""
        self.commands += 1
        if event_id in self._seen:
            self.duplicate_events += 1
            return True
        self._seen.add(event_id)
        return False

    def totals(self) -> dict[str, int]:
        """Sums over all orders."""
        entries = self.orders.values()
        states = ("accepted", "on_hold", "in_production", "shipped", "cancelled")
        return {
            "orders": len(self.orders),
            "commands": self.commands,
            "released": sum(entry.releases > 0 for entry in entries),
            "releases": sum(entry.releases for entry in entries),
            "amendments": sum(entry.amendments for entry in entries),
            "cancellations": sum(entry.cancellations for entry in entries),
            "late": sum(entry.late for entry in entries),
            "units_made": sum(entry.units_made for entry in entries),
            "duplicate_events": self.duplicate_events,
            "duplicate_releases": self.duplicate_releases,
            "holes": self.holes,
            "unreadable": self.unreadable,
            "answers": self.answers,
            "pending": self.pending,
        } | {state: sum(entry.state == state for entry in entries) for state in states}

    def truth(self) -> dict[str, Any]:
        """Totals and every order, as JSON."""
        return {"totals": self.totals(), "orders": {key: asdict(entry) for key, entry in self.orders.items()}}
