"""What a list of orders is asked for; a refusal names the parameter.

Source: OrdersSwaggerRequest. Unknown parameters are ignored, so Shopify's `status` changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deploy.sandbox.shopbase.refusals import RefusalError

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
#: `page * limit` above this is answered 429, unlike a bad parameter.
CEILING = 100_000

_STATUSES = {"open", "closed", "cancelled", "any"}
_FINANCIAL = {
    "authorized": {"authorized"},
    "pending": {"pending"},
    "paid": {"paid"},
    "partially_paid": {"partially_paid"},
    "refunded": {"refunded"},
    "partially_refunded": {"partially_refunded"},
    "unpaid": {"authorized", "partially_paid"},
    "voided": {"voided"},
    "any": set[str](),
}
_FULFILLMENT = {
    "fulfilled": {"fulfilled"},
    "shipped": {"fulfilled"},
    "partial": {"partial"},
    "unfulfilled": {"", "partial"},
    "unshipped": {"", "partial"},
    "restocked": {"restocked"},
    "processing": {"processing"},
    "partial-processing": {"partial-processing"},
    "any": set[str](),
}
_CHARGEBACKS = {"open", "submitted", "won", "lost"}

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """One parsed call; bounds are inclusive seconds since the epoch, empty sets and None mean no filter."""

    limit: int = DEFAULT_LIMIT
    page: int = 1
    since_id: int | None = None
    ids: frozenset[int] | None = None
    created: Bounds | None = None
    updated: Bounds | None = None
    fulfilled: Bounds | None = None
    statuses: frozenset[str] = frozenset()
    financial: frozenset[str] = frozenset()
    fulfillment: frozenset[str] = frozenset()
    chargebacks: frozenset[str] = frozenset()
    fields: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    risk: bool | None = None

    @property
    def over_ceiling(self) -> bool:
        """Whether the page lies beyond what page numbers reach."""
        return self.page * self.limit > CEILING


def parse_query(query: Mapping[str, str], *, default_status: str) -> OrderQuery:
    """Read the parameters; RefusalError for one that cannot be read."""
    return OrderQuery(
        limit=min(_number(query, "limit", default=DEFAULT_LIMIT, low=1), MAX_LIMIT),
        page=_number(query, "page", default=1, low=1),
        since_id=_number(query, "since_id", default=0, low=0) if query.get("since_id") else None,
        ids=_ids(query),
        created=bounds_of(query, "created_at"),
        updated=bounds_of(query, "updated_at"),
        fulfilled=bounds_of(query, "fulfilled_at"),
        statuses=_statuses(query, default=default_status),
        financial=_mapped(query, "financial_status", _FINANCIAL),
        fulfillment=_mapped(query, "fulfillment_status", _FULFILLMENT),
        chargebacks=_mapped(query, "chargeback_status", {name: {name} for name in _CHARGEBACKS}),
        fields=tuple(_words(query, "fields")),
        texts={name: query[name] for name in _TEXTS if query.get(name)},
        risk=_flag(query, "filter_order_risk"),
    )


_TEXTS = ("tag", "customer_email", "customer_id", "tracking_number", "product_sku", "product_name")


def bounds_of(query: Mapping[str, str], name: str) -> Bounds | None:
    """The window of `{name}_min` and `{name}_max`, None when neither is given."""
    low, high = _time(query, f"{name}_min"), _time(query, f"{name}_max")
    if low is None and high is None:
        return None
    return (low if low is not None else 0.0, high if high is not None else float(1 << 40))


def within(at: datetime | None, bounds: Bounds | None) -> bool:
    """Whether a moment lies in the window, its ends included; what never happened lies in none."""
    return bounds is None or (at is not None and bounds[0] <= at.timestamp() <= bounds[1])


def number_of(query: Mapping[str, str], name: str, *, default: int, low: int) -> int:
    """A whole number of at least `low`."""
    return _number(query, name, default=default, low=low)


def _number(query: Mapping[str, str], name: str, *, default: int, low: int) -> int:
    text = query.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < low:
        raise RefusalError(400, {name: [f"must be a whole number of at least {low}"]})
    return int(text)


def _time(query: Mapping[str, str], name: str) -> float | None:
    """ISO 8601 with an offset; a `+` that was not escaped has become a space and is refused."""
    text = query.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(400, {name: ["is not a time in the format 2014-04-25T16:15:47-04:00"]}) from None
    if at.tzinfo is None:
        raise RefusalError(400, {name: ["has no offset from UTC"]})
    return at.timestamp()


def _words(query: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in query.get(name, "").split(",") if word.strip()]


def _ids(query: Mapping[str, str]) -> frozenset[int] | None:
    words = _words(query, "ids")
    if not words:
        return None
    if not all(word.isdecimal() for word in words):
        raise RefusalError(400, {"ids": ["must be whole numbers"]})
    return frozenset(map(int, words))


def _statuses(query: Mapping[str, str], *, default: str) -> frozenset[str]:
    words = _words(query, "order_status") or [default]
    _check(words, "order_status", _STATUSES)
    return frozenset() if "any" in words else frozenset(words)


def _mapped(query: Mapping[str, str], name: str, known: Mapping[str, set[str]]) -> frozenset[str]:
    words = _words(query, name)
    _check(words, name, known)
    return frozenset() if "any" in words else frozenset().union(*(known[word] for word in words))


def _check(words: list[str], name: str, known: Mapping[str, object] | set[str]) -> None:
    if not all(word in known for word in words):
        raise RefusalError(422, {name: [f"must be of {', '.join(sorted(known))}"]})


def _flag(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name, "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(text)
