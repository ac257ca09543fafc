"""Keeps one shop's receipts in the orders Etsy can list them by, so that a page costs what it holds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from deploy.sandbox.etsy.query import ReceiptQuery

#: Null for an app that may not see addresses; `name` stays, as the specification does not let it be null.
ADDRESS_FIELDS = ("first_line", "second_line", "city", "state", "zip", "country_iso", "formatted_address")
_FOREVER = 2**60


@dataclass(slots=True)
class Receipt:
    """One receipt: the payload in Etsy's form, and the facts Etsy keeps but does not show in it.

    `shipped_elsewhere` says that the seller shipped it without this app; `deleted` that it answers 404.
    """

    payload: dict[str, Any]
    scenario: str
    address_valid: bool = True
    shipped_elsewhere: bool = False
    deleted: bool = False
    is_canceled: bool = False
    is_delivered: bool = False
    _wire: dict[bool, bytes] = field(default_factory=dict)

    @property
    def receipt_id(self) -> int:
        """Etsy's number of this receipt."""
        return int(self.payload["receipt_id"])

    @property
    def updated(self) -> int:
        """Unix seconds of the last change."""
        return int(self.payload["updated_timestamp"])

    def wire(self, *, address: bool) -> bytes:
        """The payload as JSON bytes, kept until the next change; without the address where it is hidden."""
        if address not in self._wire:
            shown = self.payload if address else self.payload | dict.fromkeys(ADDRESS_FIELDS)
            self._wire[address] = orjson.dumps(shown)
        return self._wire[address]

    def forget_wire(self) -> None:
        """Called after each change of the payload."""
        self._wire.clear()


@dataclass(slots=True)
class Ledger:
    """The receipts of one shop under three sorted indexes of (key, receipt id)."""

    _receipts: dict[int, Receipt] = field(default_factory=dict)
    _created: list[tuple[int, int]] = field(default_factory=list)
    _updated: list[tuple[int, int]] = field(default_factory=list)
    _ids: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._receipts)

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self._receipts.values())

    def get(self, receipt_id: int) -> Receipt | None:
        """The receipt, or None when this shop has none of that number."""
        return self._receipts.get(receipt_id)

    def add(self, receipt: Receipt) -> None:
        """Take a new receipt in."""
        number = receipt.receipt_id
        self._receipts[number] = receipt
        insort(self._created, (int(receipt.payload["created_timestamp"]), number))
        insort(self._updated, (receipt.updated, number))
        insort(self._ids, (number, number))

    def touch(self, receipt: Receipt, *, now: int) -> None:
        """Record that the payload changed at `now` (whole seconds; a clock set back never rewinds it)."""
        at = max(now, receipt.updated)
        _drop(self._updated, (receipt.updated, receipt.receipt_id))
        receipt.payload["update_timestamp"] = receipt.payload["updated_timestamp"] = at
        insort(self._updated, (at, receipt.receipt_id))
        receipt.forget_wire()

    def remove(self, receipt: Receipt) -> None:
        """Let the receipt answer 404 from now on."""
        number = receipt.receipt_id
        del self._receipts[number]
        _drop(self._created, (int(receipt.payload["created_timestamp"]), number))
        _drop(self._updated, (receipt.updated, number))
        _drop(self._ids, (number, number))

    def select(self, query: ReceiptQuery) -> tuple[int, list[Receipt]]:
        """How many receipts match, and the asked page of them."""
        index, low, high = self._window(query)
        first = bisect_left(index, (low or 0, 0))
        last = bisect_right(index, (high or _FOREVER, _FOREVER))
        entries = index[first:last]
        if not _is_window_alone(query):
            entries = [entry for entry in entries if self._matches(entry[1], query)]
        if query.descending:
            entries.reverse()
        page = entries[query.offset : query.offset + query.limit]
        return len(entries), [self._receipts[number] for _, number in page]

    def _window(self, query: ReceiptQuery) -> tuple[list[tuple[int, int]], int | None, int | None]:
        match query.sort_on:
            case "created":
                return self._created, query.min_created, query.max_created
            case "updated":
                return self._updated, query.min_last_modified, query.max_last_modified
            case _:
                return self._ids, None, None

    def _matches(self, number: int, query: ReceiptQuery) -> bool:
        receipt = self._receipts[number]
        payload = receipt.payload
        return (
            _within(payload["created_timestamp"], query.min_created, query.max_created)
            and _within(payload["updated_timestamp"], query.min_last_modified, query.max_last_modified)
            and query.was_paid in (None, payload["is_paid"])
            and query.was_shipped in (None, payload["is_shipped"])
            and query.was_canceled in (None, receipt.is_canceled)
            and query.was_delivered in (None, receipt.is_delivered)
        )


def _is_window_alone(query: ReceiptQuery) -> bool:
    """Whether the sorted index alone answers: polls ask this, page after page over every receipt."""
    flags = (query.was_paid, query.was_shipped, query.was_canceled, query.was_delivered)
    created = () if query.sort_on == "created" else (query.min_created, query.max_created)
    changed = () if query.sort_on == "updated" else (query.min_last_modified, query.max_last_modified)
    return all(bound is None for bound in (*flags, *created, *changed))


def _within(at: int, low: int | None, high: int | None) -> bool:
    return (low is None or at >= low) and (high is None or at <= high)


def _drop(index: list[tuple[int, int]], entry: tuple[int, int]) -> None:
    del index[bisect_left(index, entry)]
