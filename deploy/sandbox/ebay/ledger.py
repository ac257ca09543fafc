"""Keeps one seller's orders, listable by creation and by change, each as bytes that are built once a state."""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from deploy.sandbox.ebay.filtering import DAY_MS, MAX_AGE, OrderQuery

#: The buyer's e-mail alias is told for this long after the order's creation.
EMAIL_FOR = 14 * DAY_MS
#: Name, street and phone are told for this long.
PERSON_FOR = 90 * DAY_MS
_PERSON = ("fullName", "companyName", "primaryPhone", "email")
_STREET = ("addressLine1", "addressLine2")
_END_OF_DAY = 25_199_000
_FOREVER = (2**62, "")


@dataclass(frozen=True, slots=True)
class View:
    """How an order is shown: `age` 0 has everything, 1 no e-mail, 2 no person; only a single order has details."""

    age: int
    single: bool
    tax_breakdown: bool


@dataclass(slots=True)
class Order:
    """One order: the payload in eBay's form, all included, and the facts that eBay does not show in it.

    `listed` is false until the buyer completes checkout; `cancel_requests` and `tax_identifier` are told of single
    orders only; `units_elsewhere` counts, by line, what the seller shipped without this app.
    """

    payload: dict[str, Any]
    scenario: str
    created_ms: int
    modified_ms: int
    buyer_id: str = ""
    listed: bool = True
    address_valid: bool = True
    digital: bool = False
    deleted: bool = False
    cancel_requests: list[dict[str, Any]] = field(default_factory=list)
    tax_identifier: dict[str, str] | None = None
    fulfillments: list[dict[str, Any]] = field(default_factory=list)
    units_elsewhere: dict[str, int] = field(default_factory=dict)
    #: Tax that eBay collects and remits itself: part of the total only in a breakdown.
    remitted: dict[str, Any] | None = None
    _wire: dict[View, bytes] = field(default_factory=dict)

    @property
    def order_id(self) -> str:
        """EBay's id of this order, such as 13-14786-65872."""
        return str(self.payload["orderId"])

    def age(self, now_ms: int) -> int:
        """How much eBay has forgotten of the buyer: 0 nothing, 1 the e-mail, 2 the person."""
        old = now_ms - self.created_ms
        return (old > EMAIL_FOR) + (old > PERSON_FOR)

    def wire(self, *, now_ms: int, single: bool, tax_breakdown: bool = False) -> bytes:
        """The order as JSON bytes, kept until its next change."""
        view = View(self.age(now_ms), single, tax_breakdown and self.remitted is not None)
        if view not in self._wire:
            self._wire[view] = orjson.dumps(self._shown(view))
        return self._wire[view]

    def forget_wire(self) -> None:
        """Called after each change of the payload."""
        self._wire.clear()

    def _shown(self, view: View) -> dict[str, Any]:
        shown = dict(self.payload)
        if view.single:
            shown["cancelStatus"] = shown["cancelStatus"] | {"cancelRequests": self.cancel_requests}
            if self.tax_identifier is not None:
                shown["buyer"] = shown["buyer"] | {"taxIdentifier": self.tax_identifier}
        if view.age:
            _forget_buyer(shown, person=view.age > 1)
        if view.tax_breakdown and self.remitted is not None:
            shown["pricingSummary"] = shown["pricingSummary"] | self.remitted
        return shown


@dataclass(slots=True)
class Ledger:
    """The orders of one seller under two sorted indexes of (milliseconds, order id)."""

    _orders: dict[str, Order] = field(default_factory=dict)
    _created: list[tuple[int, str]] = field(default_factory=list)
    _modified: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def get(self, order_id: str) -> Order | None:
        """The order, checkout completed or not; None when the seller has none of that id."""
        return self._orders.get(order_id)

    def add(self, order: Order) -> None:
        """Take a new order in; it is in the lists once its checkout is complete."""
        self._orders[order.order_id] = order
        if order.listed:
            self._index(order)

    def publish(self, order: Order) -> None:
        """The checkout is complete: list the order, under the time of its purchase."""
        order.listed = True
        self._index(order)

    def touch(self, order: Order, *, now_ms: int) -> None:
        """Record that the payload changed; eBay's times are whole seconds, and never go back."""
        at = max(now_ms // 1000 * 1000, order.modified_ms)
        if order.listed:
            del self._modified[bisect_left(self._modified, (order.modified_ms, order.order_id))]
            insort(self._modified, (at, order.order_id))
        order.modified_ms = at
        order.payload["lastModifiedDate"] = moment(at)
        order.forget_wire()

    def remove(self, order: Order) -> None:
        """Let the order answer 404 from now on."""
        del self._orders[order.order_id]
        if order.listed:
            del self._created[bisect_left(self._created, (order.created_ms, order.order_id))]
            del self._modified[bisect_left(self._modified, (order.modified_ms, order.order_id))]

    def select(self, query: OrderQuery, *, now_ms: int, seen_until: int, sort: str) -> list[Order]:
        """Every order that matches; changes after `seen_until` have not reached the search yet."""
        index = self._created if query.by == "creationdate" else self._modified
        first = bisect_left(index, (query.low, ""))
        last = bisect_right(index, (query.high + 1, "") if query.high is not None else _FOREVER)
        found = [self._orders[order_id] for _, order_id in index[first:last]]
        oldest = now_ms - MAX_AGE
        found = [each for each in found if each.created_ms >= oldest and each.modified_ms <= seen_until]
        if query.statuses is not None:
            found = [each for each in found if each.payload["orderFulfillmentStatus"] in query.statuses]
        found.sort(key=_SORTS[sort])
        return found

    def _index(self, order: Order) -> None:
        insort(self._created, (order.created_ms, order.order_id))
        insort(self._modified, (order.modified_ms, order.order_id))


def moment(milliseconds: int) -> str:
    """A time as eBay writes it, 2015-08-04T19:09:02.768Z."""
    whole, part = divmod(milliseconds, 1000)
    return f"{_second(whole)}.{part:03d}Z"


@lru_cache(maxsize=65_536)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).isoformat()[:19]


def day_after(milliseconds: int, *, days: int) -> str:
    """Promised dates are days: the end of the seller's, which is in the small hours of UTC."""
    return moment((milliseconds // DAY_MS + days) * DAY_MS + _END_OF_DAY)


def _forget_buyer(shown: dict[str, Any], *, person: bool) -> None:
    buyer = dict(shown["buyer"])
    if "buyerRegistrationAddress" in buyer:
        buyer["buyerRegistrationAddress"] = _without(buyer["buyerRegistrationAddress"], person=person)
    shown["buyer"] = buyer
    shown["fulfillmentStartInstructions"] = [
        _instruction_without(each, person=person) for each in shown["fulfillmentStartInstructions"]
    ]
    if person:
        shown["lineItems"] = [
            {name: value for name, value in line.items() if name != "giftDetails"} for line in shown["lineItems"]
        ]


def _instruction_without(instruction: dict[str, Any], *, person: bool) -> dict[str, Any]:
    shown = dict(instruction)
    if "shippingStep" in shown:
        step = shown["shippingStep"]
        shown["shippingStep"] = step | {"shipTo": _without(step["shipTo"], person=person)}
    if person and "finalDestinationAddress" in shown:
        final = shown["finalDestinationAddress"]
        shown["finalDestinationAddress"] = {name: value for name, value in final.items() if name not in _STREET}
    return shown


def _without(contact: dict[str, Any], *, person: bool) -> dict[str, Any]:
    hidden = _PERSON if person else ("email",)
    shown = {name: value for name, value in contact.items() if name not in hidden}
    if person:
        address = shown["contactAddress"]
        shown["contactAddress"] = {name: value for name, value in address.items() if name not in _STREET}
    return shown


#: The order of a list is not documented: by default it follows nothing that a client could rely on.
_SORTS: dict[str, Callable[[Order], Any]] = {
    "none": lambda order: zlib.crc32(order.order_id.encode()),
    "created_descending": lambda order: (-order.created_ms, order.order_id),
    "modified_ascending": lambda order: (order.modified_ms, order.order_id),
}
SORTS = tuple(_SORTS)
