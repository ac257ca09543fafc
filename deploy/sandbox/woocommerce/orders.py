"""What a store keeps of an order; amounts are millionths of the order's currency, times whole Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Statuses of stock WooCommerce, as the API spells them.
STATUSES = (
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
#: A status that a plugin added in these stores.
CUSTOM_STATUS = "awaiting-proof"
TRASH = "trash"


@dataclass(slots=True)
class Meta:
    """One entry of `meta_data`; a key with a leading underscore is internal."""

    id: int
    key: str
    value: Any
    display_key: str | None = None
    display_value: Any = None


@dataclass(slots=True)
class Line:
    """One line item; `virtual` is the product's property, which the order does not show."""

    id: int
    name: str
    product_id: int
    variation_id: int
    quantity: int | float
    sku: str | None
    subtotal: int
    subtotal_tax: int
    total: int
    total_tax: int
    meta: list[Meta] = field(default_factory=list)
    parent_name: str | None = None
    virtual: bool = False
    downloadable: bool = False


@dataclass(slots=True)
class Refund:
    """Money given back, of these lines (line id: units) or, without lines, of no line in particular."""

    id: int
    at: int
    amount: int
    reason: str
    lines: dict[int, int]
    line_ids: dict[int, int]


@dataclass(slots=True)
class Note:
    """A note on the order; one for the customer is mailed."""

    id: int
    at: int
    text: str
    for_customer: bool
    author: str = "system"


@dataclass(slots=True)
class Fulfillment:
    """A shipment of the core's own fulfilments, kept after its soft deletion."""

    id: int
    status: str
    is_fulfilled: bool
    updated: int
    meta: list[Meta]
    deleted: int | None = None
    notified: bool = False

    def value(self, key: str) -> Any:
        """The value under a key of its meta data, or None."""
        return next((meta.value for meta in self.meta if meta.key == key), None)


@dataclass(slots=True)
class Tracking:
    """A parcel as the Shipment Tracking extension keeps it."""

    id: str
    provider: str
    number: str
    link: str
    shipped: str
    at: int
    custom: bool = False


@dataclass(slots=True)
class Parcel:
    """Tracking that software wrote into the order's own meta data; `lines` is what was left to ship."""

    id: str
    number: str
    at: int
    notified: bool
    lines: dict[str, int]


@dataclass(slots=True)
class Order:
    """One order; `elsewhere` says that somebody completed it without the seller's software."""

    id: int
    number: str
    key: str
    scenario: str
    status: str
    currency: str
    created: int
    modified: int
    billing: dict[str, str]
    shipping: dict[str, str]
    lines: list[Line]
    paid: int | None = None
    completed: int | None = None
    payment_method: str = "stripe"
    payment_title: str = "Credit / Debit Card"
    transaction: str = ""
    created_via: str = "checkout"
    customer_id: int = 0
    customer_note: str = ""
    shipping_total: int = 0
    shipping_line: int = 0
    tax_line: int = 0
    tax_percent: int = 0
    prices_include_tax: bool = False
    fees: list[tuple[int, str, int]] = field(default_factory=list)
    coupon: tuple[int, str, int] | None = None
    meta: list[Meta] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    trackings: list[Tracking] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)
    before_trash: str = ""
    elsewhere: bool = False
    deleted: bool = False
    #: Bytes by number of decimals, forgotten at each change.
    wire: dict[int, bytes] = field(default_factory=dict)

    @property
    def subtotal(self) -> int:
        """All lines before coupons, without tax."""
        return sum(line.subtotal for line in self.lines)

    @property
    def cart_tax(self) -> int:
        """The tax on all lines."""
        return sum(line.total_tax for line in self.lines)

    @property
    def total(self) -> int:
        """What the buyer was asked for; it stays gross after refunds."""
        lines = sum(line.total + line.total_tax for line in self.lines)
        return lines + self.shipping_total + sum(fee[2] for fee in self.fees)

    @property
    def refunded(self) -> int:
        """What was given back so far."""
        return sum(refund.amount for refund in self.refunds)

    @property
    def needs_processing(self) -> bool:
        """Whether any line is something else than a download."""
        return any(not (line.virtual and line.downloadable) for line in self.lines)

    def left(self, line: Line) -> int:
        """Units of a line that were not given back."""
        if self.status == "refunded":
            return 0
        return max(0, int(line.quantity) - sum(refund.lines.get(line.id, 0) for refund in self.refunds))

    def line(self, number: int) -> Line | None:
        """The line of this id, if the order has it."""
        return next((line for line in self.lines if line.id == number), None)
