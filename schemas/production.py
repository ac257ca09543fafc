"""What production is told (`orders.production`) and what it answers (`production.updates`)."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Event, UtcTime, Value
from schemas.ids import OrderKey, PlatformSlug, StoreId
from schemas.money import Money
from schemas.order import Design, NameValue


class ProductionItem(Value):
    """One line to make: `item_id` is the platform's line id, `sku` is production's own."""

    item_id: str
    sku: str
    quantity: int = Field(ge=1)
    product_name: str
    product_style: str | None = None
    options: tuple[NameValue, ...] = ()
    designs: tuple[Design, ...] = ()
    personalization: tuple[NameValue, ...] = ()


class ShipTo(Value):
    """Where production sends the parcel. Personal data."""

    name: str
    company: str | None = None
    address1: str
    address2: str | None = None
    city: str
    province_code: str | None = None
    zip: str | None = None
    country_code: str
    phone: str | None = None
    email: str | None = None
    method: str | None = None


class ProductionOrder(Value):
    """An order that production makes. `revision` counts what production was told of it, from 1."""

    order_key: OrderKey
    order_ref: str
    external_id: str
    platform: PlatformSlug
    store_id: StoreId
    revision: int = Field(ge=1)
    placed_at: UtcTime
    ship_to: ShipTo
    items: tuple[ProductionItem, ...] = Field(min_length=1)
    shipping_service: str | None = None
    shipping_label_url: str | None = None
    gift_message: str | None = None
    note: str | None = None
    ioss_number: str | None = None
    tax_number: str | None = None
    tax_value: Money | None = None
    cost: Money


class ProductionReleased(Event):
    """Make this order. Sent once for an order, ever."""

    type: Literal["order.released"] = "order.released"
    order_key: OrderKey
    order: ProductionOrder


class ProductionAmended(Event):
    """The order changed before it was made: `order` replaces what was told before."""

    type: Literal["order.amended"] = "order.amended"
    order_key: OrderKey
    order: ProductionOrder


class ProductionCancelled(Event):
    """Do not make this order if that can still be helped.

    Answered by `production.cancelled` or `production.cancel_refused`.
    """

    type: Literal["order.cancelled"] = "order.cancelled"
    order_key: OrderKey
    revision: int = Field(ge=1)
    reason: str


ProductionCommand = Annotated[ProductionReleased | ProductionAmended | ProductionCancelled, Field(discriminator="type")]
PRODUCTION_COMMAND: TypeAdapter[ProductionCommand] = TypeAdapter(ProductionCommand)


class _Update(Event):
    order_key: OrderKey


class UpdateAccepted(_Update):
    """Production has the order and will make it."""

    type: Literal["production.accepted"] = "production.accepted"


class UpdateOnHold(_Update):
    """Production cannot go on; `problem` is a sentence for the seller."""

    type: Literal["production.on_hold"] = "production.on_hold"
    problem: str


class UpdateInProduction(_Update):
    """The point of no return: changes and cancellations come too late from here on."""

    type: Literal["production.in_production"] = "production.in_production"


class ShippedItem(Value):
    """How many of which line are in the parcel."""

    item_id: str
    quantity: int = Field(ge=1)


class Shipment(Value):
    """One parcel. `shipment_id` is production's own and never repeats."""

    shipment_id: str
    carrier: str
    service: str | None = None
    tracking_number: str
    tracking_url: str | None = None
    shipped_at: UtcTime
    items: tuple[ShippedItem, ...] = Field(min_length=1)


class UpdateShipped(_Update):
    """A parcel left production."""

    type: Literal["production.shipped"] = "production.shipped"
    shipment: Shipment


class UpdateCancelled(_Update):
    """The order will not be made."""

    type: Literal["production.cancelled"] = "production.cancelled"
    reason: str


class UpdateCancelRefused(_Update):
    """A cancellation came too late; the order is being made."""

    type: Literal["production.cancel_refused"] = "production.cancel_refused"
    reason: str


class UpdateScanned(_Update):
    """The carrier has the parcel: its first scan."""

    type: Literal["production.scanned"] = "production.scanned"
    shipment_id: str
    scanned_at: UtcTime


class UpdateDelivered(_Update):
    """The parcel arrived."""

    type: Literal["production.delivered"] = "production.delivered"
    shipment_id: str
    delivered_at: UtcTime


class UpdateLabelVoided(_Update):
    """The parcel's label was given back: nothing travels under its tracking number."""

    type: Literal["production.label_voided"] = "production.label_voided"
    shipment_id: str
    reason: str


class UpdateLabelReplaced(_Update):
    """The parcel `shipment_id` got another label: `shipment` stands in its place, with an id of its own."""

    type: Literal["production.label_replaced"] = "production.label_replaced"
    shipment_id: str
    shipment: Shipment


ProductionUpdate = Annotated[
    UpdateAccepted
    | UpdateOnHold
    | UpdateInProduction
    | UpdateShipped
    | UpdateCancelled
    | UpdateCancelRefused
    | UpdateScanned
    | UpdateDelivered
    | UpdateLabelVoided
    | UpdateLabelReplaced,
    Field(discriminator="type"),
]
PRODUCTION_UPDATE: TypeAdapter[ProductionUpdate] = TypeAdapter(ProductionUpdate)
