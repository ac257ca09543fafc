"""What a Shopify platform remembers: stores, orders with their fulfilment, and where orders stand in time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from deploy.sandbox.people import Address, Buyer
from deploy.sandbox.shopify.money import Bag, Price, convert


@dataclass(slots=True)
class Line:
    """One line item; `current` is what remains of `quantity` after edits and refunds; price in minor units."""

    id: int
    title: str
    price: int
    quantity: int
    current: int
    sku: str | None = None
    variant_title: str | None = None
    product_id: int | None = None
    variant_id: int | None = None
    vendor: str | None = "Sandbox Goods"
    requires_shipping: bool = True
    gift_card: bool = False
    grams: int = 0
    attributes: tuple[tuple[str, str], ...] = ()
    fulfilled: int = 0

    @property
    def unfulfilled(self) -> int:
        """Units that still have to leave."""
        return max(0, self.current - self.fulfilled)

    @property
    def name(self) -> str:
        """Title and variant as the admin shows them."""
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title


@dataclass(frozen=True, slots=True)
class Location:
    """Where goods leave from; a fulfilment service's is nobody else's to ship from."""

    id: int
    name: str
    country: str
    service: bool = False


@dataclass(slots=True)
class Hold:
    """Why a fulfilment order must wait."""

    id: int
    reason: str
    notes: str


@dataclass(slots=True)
class FulfillmentOrderLine:
    """A line's part of a fulfilment order."""

    id: int
    line: Line
    total: int
    remaining: int


@dataclass(slots=True)
class FulfillmentOrder:
    """What one location has to ship of an order."""

    id: int
    order: Order
    lines: list[FulfillmentOrderLine]
    created_at: datetime
    updated_at: datetime
    location: Location
    status: str = "OPEN"
    holds: list[Hold] = field(default_factory=list)
    #: From when on it may be shipped, while it is scheduled; until when it is to be.
    fulfill_at: datetime | None = None
    fulfill_by: datetime | None = None

    @property
    def fulfillable(self) -> bool:
        """Whether a fulfilment may be created for it now, by anybody but a fulfilment service."""
        return self.status in {"OPEN", "IN_PROGRESS"} and not self.location.service


@dataclass(frozen=True, slots=True)
class Tracking:
    """One parcel's tracking as Shopify keeps it."""

    company: str | None
    number: str | None
    url: str | None


@dataclass(slots=True)
class FulfillmentLine:
    """Units of a line inside a fulfilment."""

    id: int
    source: FulfillmentOrderLine
    quantity: int


@dataclass(slots=True)
class Fulfillment:
    """A shipment that software or the seller recorded."""

    id: int
    order: Order
    number: int
    lines: list[FulfillmentLine]
    tracking: list[Tracking]
    created_at: datetime
    updated_at: datetime
    notified: bool
    location: Location
    status: str = "SUCCESS"
    #: Recorded by the seller, not by software.
    by_hand: bool = False


@dataclass(slots=True)
class Refund:
    """A refund: units by line, and the money in minor units."""

    id: int
    at: datetime
    lines: list[tuple[Line, int]]
    amount: int


@dataclass(slots=True)
class Order:
    """One order; money in minor units of `currency`."""

    id: int
    number: int
    store: Store
    scenario: str
    created_at: datetime
    updated_at: datetime
    lines: list[Line]
    currency: str
    presentment: str
    buyer: Buyer | None
    address: Address | None
    financial: str
    address_valid: bool = True
    shipping: int = 500
    test: bool = False
    note: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    edited: bool = False
    deleted: bool = False
    risk: str = "LOW"
    fulfillment_orders: list[FulfillmentOrder] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The number that the seller and the buyer see."""
        return f"#{self.number}"

    @property
    def paid(self) -> bool:
        """Whether money for what remains has arrived."""
        return self.financial in {"PAID", "PARTIALLY_REFUNDED"}

    @property
    def fulfillment_status(self) -> str:
        """The displayed fulfilment status, of GraphQL's names."""
        left = {part.status for part in self.fulfillment_orders if any(entry.remaining for entry in part.lines)}
        # Shown only where it is true of all that is left.
        if left in ({"ON_HOLD"}, {"SCHEDULED"}):
            return left.pop()
        done = sum(line.fulfilled for line in self.lines)
        open_units = sum(line.unfulfilled for line in self.lines if not line.gift_card)
        if open_units == 0 and (done or all(line.gift_card for line in self.lines)):
            return "FULFILLED"
        return "PARTIALLY_FULFILLED" if done else "UNFULFILLED"

    @property
    def subtotal(self) -> int:
        """Price of everything bought."""
        return sum(line.price * line.quantity for line in self.lines)

    @property
    def current_subtotal(self) -> int:
        """Price of what remains."""
        return sum(line.price * line.current for line in self.lines)

    @property
    def refunded(self) -> int:
        """Money given back."""
        return sum(refund.amount for refund in self.refunds)

    def bag(self, minor: int) -> Bag:
        """An amount in both currencies."""
        shop = Price(minor, self.currency)
        if self.presentment == self.currency:
            return Bag(shop, shop)
        shown = convert(minor, source=self.currency, target=self.presentment)
        return Bag(shop, Price(shown, self.presentment))


#: A place in a sorted listing: the sorted value (seconds since the epoch, or 0), then the order's id.
Place = tuple[float, int]


class Timeline:
    """Orders by time and id, kept sorted so that a page costs its length, not the store's."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place) -> None:
        """Put a place where it belongs."""
        if not self._places or place > self._places[-1]:
            self._places.append(place)
        else:
            insort(self._places, place)

    def remove(self, place: Place) -> None:
        """Take a place out; KeyError if it is not there."""
        index = bisect_left(self._places, place)
        if index == len(self._places) or self._places[index] != place:
            raise KeyError(place)
        del self._places[index]

    def walk(self, *, start: float, end: float, after: Place | None, backwards: bool = False) -> Iterator[Place]:
        """The places with `start <= time <= end`, beyond `after` in the direction of the walk."""
        low = bisect_left(self._places, (start, -1))
        high = bisect_right(self._places, (end, 1 << 80))
        if after is not None and backwards:
            high = min(high, bisect_left(self._places, after))
        elif after is not None:
            low = max(low, bisect_right(self._places, after))
        indexes = range(high - 1, low - 1, -1) if backwards else range(low, high)
        return (self._places[index] for index in indexes)


@dataclass(slots=True)
class Subscription:
    """A webhook subscription made through the Admin API; `topic` is GraphQL's enum name."""

    id: int
    app: str
    topic: str
    uri: str
    created_at: datetime
    updated_at: datetime
    include_fields: tuple[str, ...] = ()
    name: str | None = None
    #: Signs instead of the app's own secret, where somebody has broken it.
    secret: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Store:
    """One shop; `status` is active, frozen (402) or locked (423)."""

    handle: str
    id: int
    name: str
    currency: str
    zone: ZoneInfo
    plan: str
    location: Location
    created_at: datetime
    country: str = "US"
    status: str = "active"
    orders: dict[int, Order] = field(default_factory=dict)
    deleted: dict[int, Order] = field(default_factory=dict)
    by_created: Timeline = field(default_factory=Timeline)
    by_updated: Timeline = field(default_factory=Timeline)
    by_id: Timeline = field(default_factory=Timeline)
    fulfillment_orders: dict[int, FulfillmentOrder] = field(default_factory=dict)
    fulfillments: dict[int, Fulfillment] = field(default_factory=dict)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    last_number: int = 1000

    @property
    def domain(self) -> str:
        """The permanent domain that identifies the shop."""
        return f"{self.handle}.myshopify.com"

    def add(self, order: Order) -> None:
        """Take a new order in."""
        self.orders[order.id] = order
        self.by_created.add((order.created_at.timestamp(), order.id))
        self.by_updated.add((order.updated_at.timestamp(), order.id))
        self.by_id.add((0.0, order.id))
        for part in order.fulfillment_orders:
            self.fulfillment_orders[part.id] = part

    def touch(self, order: Order, now: datetime) -> None:
        """Record that an order changed; Shopify's times have whole seconds."""
        self.by_updated.remove((order.updated_at.timestamp(), order.id))
        order.updated_at = max(order.updated_at, now.replace(microsecond=0))
        self.by_updated.add((order.updated_at.timestamp(), order.id))

    def delete(self, order: Order) -> None:
        """Remove an order from everything that the API can see."""
        self.by_created.remove((order.created_at.timestamp(), order.id))
        self.by_updated.remove((order.updated_at.timestamp(), order.id))
        self.by_id.remove((0.0, order.id))
        self.deleted[order.id] = self.orders.pop(order.id)
        order.deleted = True


class Ids:
    """Numbers that are never given twice; they begin above 2^53, where a float would lose digits."""

    def __init__(self) -> None:
        self._last = 2**53

    def next(self) -> int:
        """A new number."""
        self._last += 1
        return self._last
