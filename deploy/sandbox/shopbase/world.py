"""What the stand-in remembers: shops, orders and parcels, and the indexes that lists are cut from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from deploy.sandbox.people import Address, Buyer
from deploy.sandbox.shopbase.bucket import Bucket

#: How the API answers for shops that are not open, by `Shop.status`.
STATUSES = {"active": 200, "frozen": 402, "locked": 423}


@dataclass(slots=True)
class Line:
    """One line item; `price` and `discount` in minor units, `sent`, `waiting` and `refunded` in units.

    `elsewhere` counts the units of `sent` and `waiting` that another hand than this software's took care of.
    """

    id: int
    title: str
    price: int
    quantity: int
    sku: str = ""
    variant_title: str = ""
    product_id: int = 0
    variant_id: int = 0
    requires_shipping: bool = True
    gift_card: bool = False
    tip: bool = False
    grams: int = 0
    properties: tuple[tuple[str, str], ...] = ()
    discount: int = 0
    refunded: int = 0
    sent: int = 0
    waiting: int = 0
    elsewhere: int = 0
    post_purchase: bool = False
    product_deleted: bool = False

    @property
    def eligible(self) -> bool:
        """Whether it can be part of a fulfillment at all."""
        return not (self.gift_card or self.tip)

    @property
    def fulfillable(self) -> int:
        """As the Swagger computes it: quantity - max(refunded, fulfilled) - pending - open."""
        if not self.eligible:
            return 0
        return max(0, self.quantity - max(self.refunded, self.sent) - self.waiting)

    @property
    def left(self) -> int:
        """Units that this software's people still own: neither refunded nor taken care of elsewhere."""
        return max(0, self.quantity - self.refunded - self.elsewhere)


@dataclass(slots=True)
class Fulfillment:
    """A parcel; `ours` says that software recorded it through the API."""

    id: int
    number: int
    units: list[tuple[Line, int]]
    company: str
    numbers: list[str]
    urls: list[str]
    service: str
    status: str
    shipment_status: str
    notify: bool
    ours: bool
    created_at: datetime
    updated_at: datetime
    notified: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund; `lines` maps lines to units, `amount` is the money of them, `other` the money for nothing in it."""

    id: int
    at: datetime
    lines: list[tuple[Line, int]]
    amount: int
    other: int
    shipping: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """One movement of money: sale, authorization, capture, void or refund."""

    id: int
    kind: str
    amount: int
    at: datetime


@dataclass(slots=True)
class Order:
    """One order; money in minor units of `currency`."""

    id: int
    number: int
    shop: Shop
    scenario: str
    created_at: datetime
    updated_at: datetime
    currency: str
    buyer: Buyer
    address: Address | None
    financial: str = "paid"
    lines: list[Line] = field(default_factory=list)
    shipping: int = 0
    discount_code: str = ""
    taxed: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    cancelled_at: datetime | None = None
    cancel_reason: str = ""
    closed_at: datetime | None = None
    fulfilled_at: datetime | None = None
    upsell_until: datetime | None = None
    original_total: int | None = None
    risk: bool = False
    chargeback: str = ""
    address_valid: bool = True
    deleted: bool = False
    fulfillments: list[Fulfillment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    wire: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The number that the seller and the buyer see."""
        return f"#{self.number}"

    @property
    def paid(self) -> bool:
        """Whether money for what remains has arrived."""
        return self.financial in {"paid", "partially_refunded"}

    @property
    def status(self) -> str:
        """The list filter's word: open, closed or cancelled."""
        if self.cancelled_at is not None:
            return "cancelled"
        return "open" if self.closed_at is None else "closed"

    @property
    def fulfillment_status(self) -> str:
        """How far along it is, "" when nothing was sent."""
        lines = [line for line in self.lines if line.eligible]
        if self.cancelled_at is not None and lines and all(line.refunded >= line.quantity for line in lines):
            return "restocked"
        waiting, sent = sum(line.waiting for line in lines), sum(line.sent for line in lines)
        rest = sum(line.fulfillable for line in lines)
        if waiting:
            return "partial-processing" if rest else "processing"
        if sent:
            return "partial" if rest else "fulfilled"
        return ""


#: A place in an index: seconds since the epoch, and the order's id.
Place = tuple[float, int]
_LAST = 1 << 62


class Timeline:
    """Orders by time, kept sorted so that a window costs what it holds."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def add(self, at: datetime, number: int) -> None:
        """Put an order where it belongs."""
        place = (at.timestamp(), number)
        if not self._places or place > self._places[-1]:
            self._places.append(place)
        else:
            insort(self._places, place)

    def remove(self, at: datetime, number: int) -> None:
        """Take an order out."""
        del self._places[bisect_left(self._places, (at.timestamp(), number))]

    def window(self, low: float, high: float) -> list[int]:
        """The ids of the orders with `low <= time <= high`, oldest first."""
        first, last = bisect_left(self._places, (low, -1)), bisect_right(self._places, (high, _LAST))
        return [number for _, number in self._places[first:last]]


@dataclass(slots=True)
class Subscription:
    """One webhook registration of one app; nothing keeps an app from making the same one twice."""

    id: int
    app: str
    secret: str = field(repr=False)
    topic: str
    address: str
    created_at: datetime
    updated_at: datetime
    fields: tuple[str, ...] = ()
    metafield_namespaces: tuple[str, ...] = ()


@dataclass(slots=True)
class Shop:
    """One shop; `status` is active, frozen (402) or locked (423); `api_made` orders came in through an API."""

    handle: str
    id: int
    name: str
    currency: str
    zone: ZoneInfo
    created_at: datetime
    bucket: Bucket
    country: str = "US"
    status: str = "active"
    consents: bool = True
    api_made: bool = False
    services: frozenset[str] = frozenset()
    last_number: int = 1000
    orders: dict[int, Order] = field(default_factory=dict)
    deleted: dict[int, Order] = field(default_factory=dict)
    by_created: Timeline = field(default_factory=Timeline)
    by_updated: Timeline = field(default_factory=Timeline)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    #: Rows by which pages of a list have shifted, by the list's parameters: what an insertion does to page numbers.
    shifts: dict[str, int] = field(default_factory=dict)
    #: Orders in their post-purchase window.
    upselling: set[int] = field(default_factory=set)

    @property
    def domain(self) -> str:
        """The permanent domain that identifies the shop."""
        return f"{self.handle}.onshopbase.com"

    def __iter__(self) -> Iterator[Order]:
        yield from self.orders.values()
        yield from self.deleted.values()

    def add(self, order: Order) -> None:
        """Take a new order in."""
        self.orders[order.id] = order
        self.by_created.add(order.created_at, order.id)
        self.by_updated.add(order.updated_at, order.id)
        if order.upsell_until is not None:
            self.upselling.add(order.id)

    def touch(self, order: Order, now: datetime) -> None:
        """Record that an order changed, at whole seconds."""
        order.wire.clear()
        self.by_updated.remove(order.updated_at, order.id)
        order.updated_at = max(order.updated_at, now.replace(microsecond=0))
        self.by_updated.add(order.updated_at, order.id)

    def delete(self, order: Order) -> None:
        """Remove an order from everything that the API can see."""
        self.by_created.remove(order.created_at, order.id)
        self.by_updated.remove(order.updated_at, order.id)
        self.upselling.discard(order.id)
        self.deleted[order.id] = self.orders.pop(order.id)
        order.deleted = True

    def end_upsells(self, now: datetime) -> list[Order]:
        """Close the post-purchase windows that have timed out; answers the orders that thereby changed."""
        ended: list[Order] = []
        for number in list(self.upselling):
            order = self.orders[number]
            if order.upsell_until is None or order.upsell_until <= now:
                self.upselling.discard(number)
                order.upsell_until = None
                self.touch(order, now)
                ended.append(order)
        return ended


class Ids:
    """Numbers that are never given twice, of the length that ShopBase's have."""

    def __init__(self) -> None:
        self._last = 1_000_000_000_000_000

    def next(self) -> int:
        """A new number."""
        self._last += 1
        return self._last
