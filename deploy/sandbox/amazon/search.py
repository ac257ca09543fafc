"""searchOrders: reads its parameters as documented, finds, and pages by tokens that end after a day.

Source: the model orders_2026-01-01, operation searchOrders.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from deploy.sandbox.amazon.ledger import Family, Ledger
from deploy.sandbox.amazon.markets import BY_ID
from deploy.sandbox.amazon.orders import DATA_SETS, STATUSES, DataSet, Order
from deploy.sandbox.amazon.refusals import invalid

#: No search reaches closer to now than this.
SETTLE = 120_000
#: A pagination token's life.
TOKEN_LIFE = 86_400_000
#: Orders are kept for two years; in the Far East since 2016.
_TWO_YEARS = 730 * 86_400_000
_SINCE_2016 = int(datetime(2016, 1, 1, tzinfo=UTC).timestamp() * 1000)
_MAX_PAGE = 100
_MAX_MARKETS = 50
_FULFILLED_BY = ("MERCHANT", "AMAZON")
_BOUNDS = ("createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore")


class Query(Protocol):
    """A request's parameters, which may be given more than once."""

    def __contains__(self, name: object, /) -> bool: ...
    def __getitem__(self, name: str, /) -> str: ...

    def getall(self, name: str, default: list[str], /) -> list[str]:
        """Every value of this name."""
        ...


@dataclass(frozen=True, slots=True)
class Search:
    """One search as asked: bounds in Unix milliseconds, both inclusive; empty sets filter nothing."""

    family: Family
    after: int
    #: None: as late as Amazon lets it be.
    before: int | None
    statuses: frozenset[str]
    markets: frozenset[str]
    fulfilled_by: frozenset[str]

    def finds(self, order: Order) -> bool:
        """Whether the filters beside the bounds let the order through."""
        fulfillment, channel = order.payload["fulfillment"], order.payload["salesChannel"]
        return (
            (not self.statuses or fulfillment["fulfillmentStatus"] in self.statuses)
            and (not self.fulfilled_by or fulfillment["fulfilledBy"] in self.fulfilled_by)
            and (not self.markets or channel.get("marketplaceId") in self.markets)
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """A search that was begun: what it found then, and its upper bound, which all its pages share."""

    seller_id: str
    search: Search
    upper: int
    ids: tuple[str, ...]
    began: int


@dataclass(slots=True)
class Listings:
    """The searches that go on, by pagination token; a token may be used again, as a retry does."""

    _by_token: dict[str, tuple[Listing, int, int]] = field(default_factory=dict)

    def begin(
        self, search: Search, *, seller_id: str, ledger: Ledger, now: int, far_east: bool, shuffle: bool
    ) -> Listing:
        """Find all there is: pages ascending by time, unless they are shuffled too."""
        oldest = _SINCE_2016 if far_east else now - _TWO_YEARS
        upper = now - SETTLE if search.before is None else search.before
        found = ledger.window(search.family, low=search.after, high=upper)
        ids = [
            order.order_id
            for order in found
            if order.listed_from <= now and order.created >= oldest and search.finds(order)
        ]
        return Listing(seller_id, search, upper, tuple(shuffled(ids, salt=str(now)) if shuffle else ids), now)

    def token(self, listing: Listing, position: int, *, now: int) -> str:
        """A token for the page that begins at `position`."""
        self._forget(now)
        token = secrets.token_urlsafe(24)
        self._by_token[token] = (listing, position, now)
        return token

    def resume(self, token: str, *, seller_id: str, now: int) -> tuple[Listing, int]:
        """The search and position behind a token; 400 when it is unknown, another's, or older than 24 hours."""
        listing, position, issued = self._by_token.get(token, (None, 0, 0))
        if listing is None or listing.seller_id != seller_id:
            raise invalid("paginationToken is invalid.")
        if now - issued > TOKEN_LIFE:
            raise invalid("paginationToken has expired.")
        return listing, position

    def _forget(self, now: int) -> None:
        """Drop tokens that are long dead; the newest are last."""
        dead = []
        for token, (_, _, issued) in self._by_token.items():
            if now - issued <= 2 * TOKEN_LIFE:
                break
            dead.append(token)
        for token in dead:
            del self._by_token[token]


def shuffled(ids: list[str], *, salt: str) -> list[str]:
    """The same ids in an order that says nothing, and is the same each time."""
    mixed = list(ids)
    random.Random(salt).shuffle(mixed)
    return mixed


def has_bounds(query: Mapping[str, str]) -> bool:
    """Whether the request says what to search, beside a pagination token."""
    return any(name in query for name in _BOUNDS)


def parse_search(query: Query, *, now: int, refuse_recent: bool) -> Search:
    """The search that a request asks for; 400 for what the documentation forbids."""
    families = [name for name in ("createdAfter", "lastUpdatedAfter") if name in query]
    if len(families) != 1:
        raise invalid("Exactly one of createdAfter and lastUpdatedAfter must be provided.")
    family: Family = "created" if families == ["createdAfter"] else "lastUpdated"
    other = "lastUpdatedBefore" if family == "created" else "createdBefore"
    if other in query:
        raise invalid(f"{other} cannot be provided with {family}After.")
    after = _instant(query, f"{family}After")
    before = _instant(query, f"{family}Before") if f"{family}Before" in query else None
    if before is not None and before < after:
        raise invalid(f"{family}Before must be equal to or after {family}After.")
    if (before is not None and before > now - SETTLE) or (refuse_recent and after > now - SETTLE):
        raise invalid("The date must be at least two minutes before the time of the request.")
    return Search(
        family,
        after,
        before,
        _choices(query, "fulfillmentStatuses", STATUSES),
        _markets(query),
        _choices(query, "fulfilledBy", _FULFILLED_BY),
    )


def parse_included(query: Query) -> frozenset[DataSet]:
    """The data sets asked for; none means basic information alone."""
    return _choices(query, "includedData", DATA_SETS)


def parse_page_size(query: Mapping[str, str]) -> int:
    """1 to 100, 100 unless said."""
    text = query.get("maxResultsPerPage", str(_MAX_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE:
        raise invalid("maxResultsPerPage must be between 1 and 100.")
    return int(text)


def _instant(query: Query, name: str) -> int:
    text = query[name]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name} is not in ISO 8601 format.") from None
    if at.tzinfo is None or "T" not in text:
        raise invalid(f"{name} is not in ISO 8601 format with a time zone.")
    return round(at.timestamp() * 1000)


def _listed(query: Query, name: str) -> list[str]:
    """A list is one parameter, its values joined by commas."""
    values = query.getall(name, [])
    if len(values) > 1:
        raise invalid(f"{name} is provided more than once; its values are joined by commas.")
    return values[0].split(",") if values and values[0] else []


def _choices(query: Query, name: str, known: tuple[Any, ...]) -> frozenset[Any]:
    asked = frozenset(_listed(query, name))
    if not asked <= set(known):
        raise invalid(f"{name} has a value that is not supported.")
    return asked


def _markets(query: Query) -> frozenset[str]:
    asked = _listed(query, "marketplaceIds")
    if len(asked) > _MAX_MARKETS:
        raise invalid("marketplaceIds takes at most 50 values.")
    if not set(asked) <= BY_ID.keys():
        raise invalid("marketplaceIds has a value that is not a marketplace.")
    return frozenset(asked)
