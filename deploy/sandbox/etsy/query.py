"""What a getShopReceipts call asks for, refused with Etsy's 400 when it is malformed or out of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Offsets above this are refused; clients must cut their window instead.
MAX_OFFSET = 12_000
MAX_LIMIT = 100
DEFAULT_LIMIT = 25
#: 2000-01-01, the earliest time Etsy takes.
EARLIEST = 946_684_800
_TRUE = {"true": True, "1": True, "false": False, "0": False}
_DESCENDING = {
    "desc": True,
    "descending": True,
    "down": True,
    "asc": False,
    "ascending": False,
    "up": False,
}


class BadQueryError(ValueError):
    """The parameters cannot be honoured; the message goes into the reply's `error`."""


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """One parsed call; times are inclusive Unix seconds, None means unbounded or either."""

    min_created: int | None = None
    max_created: int | None = None
    min_last_modified: int | None = None
    max_last_modified: int | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort_on: str = "created"
    descending: bool = True
    was_paid: bool | None = None
    was_shipped: bool | None = None
    was_delivered: bool | None = None
    was_canceled: bool | None = None


def parse_query(query: Mapping[str, str]) -> ReceiptQuery:
    """Read the documented parameters; unknown ones are ignored, as Etsy does."""
    return ReceiptQuery(
        min_created=_time(query, "min_created"),
        max_created=_time(query, "max_created"),
        min_last_modified=_time(query, "min_last_modified"),
        max_last_modified=_time(query, "max_last_modified"),
        limit=_number(query, "limit", default=DEFAULT_LIMIT, low=1, high=MAX_LIMIT),
        offset=_number(query, "offset", default=0, low=0, high=MAX_OFFSET),
        sort_on=_choice(query, "sort_on", default="created", choices=("created", "updated", "receipt_id")),
        descending=_DESCENDING[_choice(query, "sort_order", default="desc", choices=tuple(_DESCENDING))],
        was_paid=_flag(query, "was_paid"),
        was_shipped=_flag(query, "was_shipped"),
        was_delivered=_flag(query, "was_delivered"),
        was_canceled=_flag(query, "was_canceled"),
    )


def _time(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    return _number(query, name, default=0, low=EARLIEST, high=2**53)


def _number(query: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise BadQueryError(f"Expected int value for '{name}' (got string)") from None
    if not low <= number <= high:
        raise BadQueryError(f"Invalid value for '{name}': must be between {low} and {high}")
    return number


def _choice(query: Mapping[str, str], name: str, *, default: str, choices: tuple[str, ...]) -> str:
    chosen = query.get(name, default)
    if chosen not in choices:
        raise BadQueryError(f"Invalid value for '{name}': must be one of {', '.join(choices)}")
    return chosen


def _flag(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name)
    if text is None:
        return None
    if text.lower() not in _TRUE:
        raise BadQueryError(f"Expected bool value for '{name}' (got string)")
    return _TRUE[text.lower()]
