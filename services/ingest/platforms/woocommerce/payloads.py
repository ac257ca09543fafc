"""The fields we read of WooCommerce's orders, refunds and webhooks (REST API v3).

Amounts are strings; `price` is a JSON number that has lost digits, so it is not read. Times are the store's local time
but for the `_gmt` twins, which are UTC without saying so: only those are read. Empty texts are "", unknown ids 0; PHP
writes an empty object as []. Unknown fields are ignored.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

#: An amount: text as documented, never a JSON number that a parser has made a float of.
Decimals = Annotated[str, Strict()]
_ID = r"^[0-9]{1,20}$"


class _Payload(BaseModel):
    # Ids are JSON integers: text is what they are to us.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)


class WooAddress(_Payload):
    """billing or shipping; only billing has an email, and shipping a phone since 5.6."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    state: str | None = None
    postcode: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class WooMeta(_Payload):
    """One entry of meta_data: a plugin's or the buyer's; `value` is any JSON value."""

    key: str
    value: Any = None
    display_key: str | None = None
    display_value: Any = None


class WooLine(_Payload):
    """line_items[]; with some plugins a quantity has a fraction."""

    id: str = Field(pattern=_ID)
    name: str | None = None
    product_id: str | None = None
    variation_id: str | None = None
    quantity: float = Field(ge=0, allow_inf_nan=False)
    sku: str | None = None
    total: Decimals
    meta_data: list[WooMeta] | None = None


class WooFee(_Payload):
    """fee_lines[]: what is charged beside the products; gratuities too."""

    id: str = Field(pattern=_ID)
    name: str | None = None
    total: Decimals


class WooShippingLine(_Payload):
    """shipping_lines[]: what the buyer chose at checkout."""

    method_title: str | None = None


class WooRefundTotal(_Payload):
    """refunds[]: a negative amount; for which lines is told by the refund itself."""

    total: Decimals | None = None


#: An empty object may come as [].
_Address = Annotated[WooAddress, BeforeValidator(lambda value: value or {})]


class WooOrder(_Payload):
    """An order. `refund_details` are the refunds themselves, which the reader puts in where there are any."""

    id: str = Field(pattern=_ID)
    number: str | None = None
    status: str
    currency: str
    total: Decimals
    date_created_gmt: datetime | None = None
    date_modified_gmt: datetime | None = None
    date_paid_gmt: datetime | None = None
    date_completed_gmt: datetime | None = None
    customer_id: str | None = None
    customer_note: str | None = None
    billing: _Address = WooAddress()
    shipping: _Address = WooAddress()
    needs_processing: bool | None = None
    line_items: list[WooLine]
    fee_lines: list[WooFee] | None = None
    shipping_lines: list[WooShippingLine] | None = None
    refunds: list[WooRefundTotal] | None = None
    meta_data: list[WooMeta] | None = None
    refund_details: list["WooRefund"] | None = None


class WooRefundLine(_Payload):
    """A line of a refund: `quantity` is negative, and `_refunded_item_id` in the meta data names the order's line."""

    quantity: float = Field(default=0, allow_inf_nan=False)
    meta_data: list[WooMeta] | None = None


class WooRefund(_Payload):
    """GET /orders/{id}/refunds."""

    line_items: list[WooRefundLine] | None = None


class WooFulfillment(_Payload):
    """GET /orders/{id}/fulfillments, of the core since 10.1: all that it says of a parcel is meta data."""

    id: str = Field(pattern=_ID)
    status: str | None = None
    is_fulfilled: bool = False
    meta_data: list[WooMeta] | None = None

    def value(self, key: str) -> Any:
        """Return what stands under a key; None where nothing does."""
        return next((meta.value for meta in self.meta_data or () if meta.key == key), None)


class WooFulfilledItem(_Payload):
    """`_items` of a fulfilment: which units of which line."""

    item_id: str
    qty: float = Field(ge=0, allow_inf_nan=False)


class WooTracking(_Payload):
    """A parcel as Shipment Tracking and its like keep it; it says nothing of units."""

    tracking_id: str | None = None
    tracking_provider: str | None = None
    tracking_number: str | None = None


class WooNote(_Payload):
    """GET /orders/{id}/notes."""

    note: str = ""


class WooProduct(_Payload):
    """GET /products: `virtual` ones are not shipped, which no line says."""

    id: str = Field(pattern=_ID)
    virtual: bool = False


class WooWebhook(_Payload):
    """GET /webhooks: the secret is never shown."""

    id: str = Field(pattern=_ID)
    name: str = ""
    status: str = ""
    topic: str = ""
    delivery_url: str = ""


WooOrder.model_rebuild()
