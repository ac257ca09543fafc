"""The raw order: an order in our nouns, not yet judged, with the platform's own payload beside it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.address import Address
from schemas.base import Event, UtcTime, Value
from schemas.ids import OrderKey, PlatformSlug, SellerId, SessionId, StoreId, fact_id
from schemas.looks import OrderLooked
from schemas.money import Money

PaymentState = Literal[
    "pending",
    "authorized",
    "partially_paid",
    "paid",
    "partially_refunded",
    "refunded",
    "voided",
    "expired",
]
FulfilmentState = Literal["unfulfilled", "partial", "fulfilled"]
ItemKind = Literal["physical", "digital", "gift_card", "tip"]
#: How an order reached us.
Way = Literal["webhook", "poll", "backfill", "api", "import", "form"]
#: What a platform's own risk check recommends. None: this form of the order does not say.
Risk = Literal["accept", "investigate", "cancel"]


#: A hold that ends so says that a part of the order is not known yet: nothing that was known of it is replaced by that.
UNREAD = "_UNREAD"


class NameValue(Value):
    """A name and its value, both in the buyer's or seller's own words."""

    name: str
    value: str


def _is_absent(value: object) -> bool:
    """Whether nothing was given: such a field is left off the wire, as writers did before there was one."""
    return value is None or value == ()


class Design(Value):
    """Artwork for one print area ("front", "back", "all_over", …): where production fetches the file."""

    area: str
    url: str


class OrderItem(Value):
    """One line of an order.

    `quantity` is what was ordered; `quantity_to_make` is what remains after refunds, removals and shipments made
    elsewhere. `external_id` is the platform's line id, `product_id` and `variant_id` its listing ids (None when
    the listing is gone). `designs` is the artwork that came with the order; it goes before the match's own.
    """

    external_id: str
    title: str
    variant_title: str | None = None
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    kind: ItemKind = "physical"
    quantity: int = Field(ge=0)
    quantity_to_make: int = Field(ge=0)
    unit_price: Money
    options: tuple[NameValue, ...] = ()
    personalization: tuple[NameValue, ...] = ()
    designs: tuple[Design, ...] = Field(default=(), exclude_if=_is_absent)


class Payload(Value):
    """The platform's own words, verbatim: `form` names their shape ("graphql", "rest"), `body` is the JSON text."""

    form: str
    body: str


class RawOrder(Value):
    """One revision of an order.

    `revised_at` is the platform's own change time (often whole seconds); `fetched_at` is when we read it. Values
    that this form of the order does not tell are None and must not overwrite what an earlier revision told
    (`risk`, `holds`). `deleted` marks an order that its platform no longer has. `buyer_id` is what the platform calls
    the buyer, for the day when they ask to be forgotten. `ioss_number` is the number under which the platform paid the
    import tax (EU), `tax_number` the buyer's own, without which some countries let no parcel in.
    `shipping_label_url` is where the seller's own label is fetched, `tax_value` the tax that the buyer paid, for the
    customs declaration. `ship_by` is the time until which the platform wants the order shipped, where it tells one.
    """

    key: OrderKey
    seller_id: SellerId
    store_id: StoreId
    platform: PlatformSlug
    external_id: str
    display_name: str
    placed_at: UtcTime
    revised_at: UtcTime
    fetched_at: UtcTime
    way: Way
    test: bool = False
    deleted: bool = False
    payment: PaymentState
    fulfilment: FulfilmentState = "unfulfilled"
    cancelled_at: UtcTime | None = None
    cancel_reason: str | None = None
    risk: Risk | None = None
    holds: tuple[str, ...] | None = None
    total: Money
    total_for_buyer: Money | None = None
    ship_to: Address | None = None
    email: str | None = None
    phone: str | None = None
    buyer_id: str | None = None
    items: tuple[OrderItem, ...]
    shipping_service: str | None = None
    note: str | None = None
    buyer_message: str | None = None
    ioss_number: str | None = None
    tax_number: str | None = None
    is_gift: bool = False
    gift_message: str | None = None
    attributes: tuple[NameValue, ...] = ()
    tags: tuple[str, ...] = ()
    shipping_label_url: str | None = Field(default=None, exclude_if=_is_absent)
    tax_value: Money | None = Field(default=None, exclude_if=_is_absent)
    ship_by: UtcTime | None = Field(default=None, exclude_if=_is_absent)
    payload: Payload


#: What a fingerprint leaves out: how and when we read the order, and the platform's wording of it.
_NOT_CONTENT = {"fetched_at", "way", "payload", "risk", "holds", "buyer_id", "tax_number", "ship_by"}


def fingerprint(order: RawOrder) -> str:
    """Return what identifies the content of a revision: equal for the same fact seen by webhook and by poll.

    A risk or hold that is unknown, or that objects to nothing, adds nothing: a webhook does not tell it.
    """
    content = order.model_dump_json(exclude=_NOT_CONTENT)
    risk = order.risk if order.risk in {"investigate", "cancel"} else ""
    return fact_id(content, risk or "", *(order.holds or ()))


class OrderRevised(Event):
    """`orders.raw`: a platform told us this revision. Built by `order_revised`, so that its id is deterministic."""

    type: Literal["order.revised"] = "order.revised"
    session_id: SessionId | None = None
    order: RawOrder


class OrderGone(Event):
    """`orders.raw`: the platform does not have the order any more, though it had it. Built by `order_gone`.

    It is a revision like any other, of the time `noticed_at`: whoever deleted an order does not want it made.
    """

    type: Literal["order.gone"] = "order.gone"
    session_id: SessionId | None = None
    order_key: OrderKey
    store_id: StoreId
    platform: PlatformSlug
    external_id: str
    noticed_at: UtcTime


def order_gone(
    key: OrderKey,
    *,
    seller_id: SellerId,
    store_id: StoreId,
    platform: PlatformSlug,
    external_id: str,
    after: datetime,
    noticed_at: datetime,
    session_id: SessionId | None = None,
) -> OrderGone:
    """Return the event that an order vanished; `after`, the change time of its last revision, names the fact."""
    return OrderGone(
        event_id=fact_id("order.gone", key, after.isoformat()),
        occurred_at=noticed_at,
        seller_id=seller_id,
        session_id=session_id,
        order_key=key,
        store_id=store_id,
        platform=platform,
        external_id=external_id,
        noticed_at=noticed_at,
    )


RawOrderEvent = Annotated[OrderRevised | OrderGone | OrderLooked, Field(discriminator="type")]
RAW_ORDER_EVENT: TypeAdapter[RawOrderEvent] = TypeAdapter(RawOrderEvent)


def order_revised(order: RawOrder, *, session_id: SessionId | None = None) -> OrderRevised:
    """Return the event of a revision; the same revision always gets the same `event_id`."""
    return OrderRevised(
        event_id=fact_id("order.revised", order.key, order.revised_at.isoformat(), fingerprint(order)),
        occurred_at=order.revised_at,
        seller_id=order.seller_id,
        session_id=session_id,
        order=order,
    )
