"""What a getOrders call asks for, refused with eBay's own numbers where it breaks a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.sandbox.ebay.refusals import refused

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAX_IDS = 50
DAY_MS = 86_400_000
#: Orders listed when no dates are given: created in the last 90 days.
DEFAULT_AGE = 90 * DAY_MS
#: Nothing older is listed, or may be asked for.
MAX_AGE = 2 * 365 * DAY_MS
#: These must be percent-encoded in the query.
UNENCODED = re.compile(r"[\[\]{}|]")
_FILTERS = re.compile(r"\s*([A-Za-z]+)\s*:\s*(\[[^\[\]]*\]|\{[^{}]*\}|[^,\[\]{}]*)\s*(?:,|$)")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z")
_STATUSES = ({"NOT_STARTED", "IN_PROGRESS"}, {"FULFILLED", "IN_PROGRESS"})
_DATES = ("creationdate", "lastmodifieddate")
_STATUS = "orderfulfillmentstatus"


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """One parsed call: Unix milliseconds, both inclusive; `high` is None when open."""

    by: str = "creationdate"
    low: int = 0
    high: int | None = None
    statuses: frozenset[str] | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    tax_breakdown: bool = False


def parse_order_ids(query: Mapping[str, str]) -> list[str] | None:
    """The ids asked for, None when the call is a search; all other parameters are ignored beside them."""
    text = query.get("orderIds", "")
    if not text:
        return None
    ids = [part.strip() for part in text.split(",") if part.strip()]
    if len(ids) > MAX_IDS:
        raise refused(30900)
    return ids


def parse_search(query: Mapping[str, str], *, now_ms: int) -> OrderQuery:
    """Read filter, limit, offset and field groups; unknown parameters are ignored."""
    filters = _filters(query.get("filter", ""))
    by = next((name for name in _DATES if name in filters), None)
    # Both dates given: only the creation date counts, and nothing says so.
    low, high = _period(by, filters[by], now_ms=now_ms) if by else (now_ms - DEFAULT_AGE, None)
    return OrderQuery(
        by=by or "creationdate",
        low=low,
        high=high,
        statuses=_status_filter(filters.get(_STATUS)),
        limit=_number(query, "limit", default=DEFAULT_LIMIT, low=1, high=MAX_LIMIT, error_id=31100),
        offset=_number(query, "offset", default=0, low=0, high=None, error_id=31000),
        tax_breakdown=parse_field_groups(query),
    )


def parse_field_groups(query: Mapping[str, str]) -> bool:
    """Whether TAX_BREAKDOWN is asked for; it is the only field group."""
    text = query.get("fieldGroups", "")
    if text not in ("", "TAX_BREAKDOWN"):
        raise refused(32800, text, field="fieldGroups")
    return bool(text)


def _filters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _FILTERS.match(text, place)
        if match is None:
            raise refused(30800, text, field="filter")
        name, place = match[1].lower(), match.end()
        if name not in (*_DATES, _STATUS):
            raise refused(30700, match[1], field="filter")
        found[name] = match[2].strip()
    return found


def _period(name: str, text: str, *, now_ms: int) -> tuple[int, int | None]:
    start, dots, end = text.removeprefix("[").removesuffix("]").partition("..")
    if not (text.startswith("[") and text.endswith("]") and dots):
        raise refused(30800, text, field=name)
    if not start.strip():
        raise refused(30820)
    low = _milliseconds(start.strip())
    high = _milliseconds(end.strip()) if end.strip() else None
    if low > now_ms or (high is not None and high > now_ms):
        raise refused(30850)
    if high is not None and low > high:
        raise refused(30840)
    if low < now_ms - MAX_AGE:
        raise refused(30830)
    return low, high


def _milliseconds(text: str) -> int:
    if not _MOMENT.fullmatch(text):
        raise refused(30810)
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise refused(30810) from None
    return round(moment.timestamp() * 1000)


def _status_filter(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    values = {value.strip() for value in text.removeprefix("{").removesuffix("}").split("|")}
    if not text.startswith("{") or values not in _STATUSES:
        raise refused(30800, text, field=_STATUS)
    return frozenset(values)


def _number(query: Mapping[str, str], name: str, *, default: int, low: int, high: int | None, error_id: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?\d{1,9}", text) or int(text) < low or (high is not None and int(text) > high):
        raise refused(error_id, text, field=name)
    return int(text)
