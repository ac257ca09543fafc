"""The fields we read of ShopBase's order, the same in an answer and in a webhook.

Amounts are JSON numbers: they come here as the text they were written as, never as floats. What Shopify has as null is
null, "" or 0 here, lists too, and Go's first day stands for no time. Times are ISO 8601 with an offset or, in nested
objects, seconds since 1970. Unknown fields are ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_ID = r"^[0-9]{1,20}$"
#: Go's zero time.
_NEVER = "0001-01-01"


def _or_none(value: object) -> object:
    """Return None for each way of writing nothing."""
    return None if value in (None, "", "0", 0) else value


def _or_empty(value: object) -> object:
    return [] if value in (None, "", "0", 0) else value


def _moment(value: object) -> object:
    value = _or_none(value)
    return None if isinstance(value, str) and value.startswith(_NEVER) else value


#: What is not told is not so. No function is called for it, as for the texts below: these are many.
Flag = bool | Literal[""] | None
Moment = Annotated[AwareDatetime | None, BeforeValidator(_moment)]
Always = Annotated[AwareDatetime, BeforeValidator(_moment)]
#: What people wrote, without the blanks around it.
Text = Annotated[str | None, StringConstraints(strip_whitespace=True)]
#: An id or a word of ShopBase's own.
Word = Annotated[str | None, BeforeValidator(_or_none)]
#: A word that people may have put there.
Code = Annotated[Text, BeforeValidator(_or_none)]
Count = Annotated[int | None, BeforeValidator(lambda value: None if value == "" else value)]


class _Payload(BaseModel):
    # Ids are JSON integers: text is what they are to us.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)


class ShopbaseAttribute(_Payload):
    """A property or note attribute; the value may be any JSON value."""

    name: str
    value: Any = None


_Attributes = Annotated[list[ShopbaseAttribute], BeforeValidator(_or_empty)]


class ShopbaseAddress(_Payload):
    """shipping_address."""

    name: Text = None
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    address1: Text = None
    address2: Text = None
    city: Text = None
    province: Text = None
    province_code: Code = None
    country: Text = None
    country_code: Code = None
    zip: Text = None
    phone: Text = None
    cpf_or_cnpj_number: Text = None


class ShopbaseLine(_Payload):
    """line_items[]. `price` is one unit's before discounts; `fulfillable_quantity` is what nobody works on yet."""

    id: str = Field(pattern=_ID)
    title: Text = None
    name: Text = None
    variant_title: Text = None
    sku: Text = None
    product_id: Word = None
    variant_id: Word = None
    product_is_deleted: Flag = None
    quantity: int = Field(ge=0)
    fulfillable_quantity: Count = None
    fulfillment_status: Word = None
    price: str
    requires_shipping: bool | None = None
    gift_card: Flag = None
    tip_payment_gateway: Word = None
    tip_payment_method: Word = None
    properties: _Attributes = []


class ShopbaseShippingLine(_Payload):
    """shipping_lines[]: what the buyer chose at checkout."""

    title: Text = None


class ShopbaseParcelLine(_Payload):
    """fulfillments[].line_items[]: so many units of a line."""

    id: Word = None
    quantity: Count = None


class ShopbaseFulfillment(_Payload):
    """fulfillments[]: whoever made it."""

    status: Word = None
    line_items: Annotated[list[ShopbaseParcelLine], BeforeValidator(_or_empty)] = []


class ShopbaseRefundLine(_Payload):
    """refunds[].refund_line_items[]."""

    line_item_id: Word = None
    quantity: Count = None
    restock_type: Word = None


class ShopbaseRefund(_Payload):
    """refunds[]; one without lines gave back an amount."""

    refund_line_items: Annotated[list[ShopbaseRefundLine], BeforeValidator(_or_empty)] = []


class ShopbaseCustomer(_Payload):
    """customer: seen in orders, though not in the Swagger."""

    id: Word = None


class ShopbaseListed(_Payload):
    """What a list tells of an order: `processed_at` is when it was placed, where it came in later."""

    id: str = Field(pattern=_ID)
    created_at: Always
    updated_at: Always
    processed_at: Moment = None


class ShopbaseOrder(ShopbaseListed):
    """OrderDto."""

    name: Text = None
    order_number: Word = None
    cancelled_at: Moment = None
    cancel_reason: Word = None
    currency: Word = None
    total_price: str
    total_tip_received: Word = None
    financial_status: Word = None
    fulfillment_status: Word = None
    chargeback_status: Word = None
    is_risk: Annotated[bool | None, BeforeValidator(lambda value: None if value == "" else value)] = None
    is_in_post_purchase: Flag = None
    post_purchase_timeout_at: Moment = None
    email: Text = None
    phone: Text = None
    customer: Annotated[ShopbaseCustomer | None, BeforeValidator(_or_none)] = None
    shipping_address: Annotated[ShopbaseAddress | None, BeforeValidator(_or_none)] = None
    note: Text = None
    tags: str | None = None
    note_attributes: _Attributes = []
    line_items: Annotated[list[ShopbaseLine], BeforeValidator(_or_empty)]
    shipping_lines: Annotated[list[ShopbaseShippingLine], BeforeValidator(_or_empty)] = []
    fulfillments: Annotated[list[ShopbaseFulfillment], BeforeValidator(_or_empty)] = []
    refunds: Annotated[list[ShopbaseRefund], BeforeValidator(_or_empty)] = []


class ShopbaseParcel(ShopbaseFulfillment):
    """fulfillments[], with how each is followed."""

    id: Word = None
    tracking_company: Word = None
    tracking_number: Word = None
    tracking_numbers: Annotated[list[Word], BeforeValidator(_or_empty)] = []

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every tracking number, once."""
        return tuple(dict.fromkeys(number for number in (self.tracking_number, *self.tracking_numbers) if number))


class ShopbaseLeft(_Payload):
    """line_items[], as far as it is about shipping."""

    id: str = Field(pattern=_ID)
    quantity: int = Field(ge=0)
    fulfillable_quantity: Count = None
    fulfillment_status: Word = None


class ShopbaseShipping(_Payload):
    """OrderDto, as far as it is about shipping."""

    id: str = Field(pattern=_ID)
    cancelled_at: Moment = None
    financial_status: Word = None
    fulfillment_status: Word = None
    is_in_post_purchase: Flag = None
    post_purchase_timeout_at: Moment = None
    line_items: Annotated[list[ShopbaseLeft], BeforeValidator(_or_empty)] = []
    fulfillments: Annotated[list[ShopbaseParcel], BeforeValidator(_or_empty)] = []
    refunds: Annotated[list[ShopbaseRefund], BeforeValidator(_or_empty)] = []


class ShopbaseParcelList(_Payload):
    """FulfillmentsSwaggerResponse."""

    fulfillments: Annotated[list[ShopbaseParcel], BeforeValidator(_or_empty)] = []


class ShopbaseNamed(_Payload):
    """orders/delete: no more than the id."""

    id: str = Field(pattern=_ID)


class ShopbasePart(_Payload):
    """What belongs to an order: a refund, a transaction, a fulfillment."""

    order_id: str = Field(pattern=_ID)


class ShopbaseShop(_Payload):
    """GET /admin/shop.json."""

    id: Word = None
    name: Text = None
    currency: Word = None
    iana_timezone: Word = None
    onshopbase_domain: Word = None


class ShopbaseWebhook(_Payload):
    """GET /admin/webhooks.json."""

    id: str = Field(pattern=_ID)
    topic: str = ""
    address: str = ""
