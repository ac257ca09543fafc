"""The books: counts of everything that a platform noticed, for tests and demos to check."""

from __future__ import annotations

from collections import Counter
from typing import Literal

BookEntry = Literal[
    "api_calls",  # requests that reached the platform's API
    "api_calls_over_budget",  # of these, answered with the platform's "slow down"
    "api_calls_refused",  # of these, answered 401 or 403
    "faults",  # of these, spoilt on purpose by a fault rule
    "orders_created",
    "tokens_issued",
    "tokens_refreshed",
    "webhooks_sent",  # delivery attempts, retries included
    "webhooks_acked",  # attempts answered 2xx in time
    "webhooks_failed",  # attempts answered otherwise, late, or not at all
    "webhooks_dropped",  # withheld by a fault rule
    "webhooks_given_up",  # deliveries that failed on their last attempt
    "subscriptions_deleted",  # by the platform, after failing too often
    "fulfillments",  # shipments recorded by the seller's software
    "emails",  # messages that the platform sent to buyers
    "emails_again",  # of these, telling a buyer what the same kind of message told of the same thing before
]


class Books:
    """Counters by entry; entries never counted read as zero."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._mailed: set[tuple[object, ...]] = set()

    def count(self, entry: BookEntry, number: int = 1) -> None:
        """Add `number` to an entry."""
        self._counts[entry] += number

    def mail(self, *about: object) -> None:
        """Count a message to a buyer; `about` is what it tells of which order of which store."""
        self.count("emails")
        if about in self._mailed:
            self.count("emails_again")
        self._mailed.add(about)

    def __getitem__(self, entry: BookEntry) -> int:
        return self._counts[entry]

    def as_dict(self) -> dict[str, int]:
        """All entries, zeros included, by name."""
        return {entry: self._counts[entry] for entry in BookEntry.__args__}  # type: ignore[attr-defined]
