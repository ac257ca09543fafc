"""The fields we read of Amazon's orders (v2026-01-01), tokens and notifications.

Personal data is absent, not null, where the app lacks the role for it, and so is every group of fields that a request
did not ask for; empty text means nothing. Unknown fields are ignored.
"""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Payload(BaseModel):
    model_config = ConfigDict(
        extra="ignore", hide_input_in_errors=True, alias_generator=to_camel, validate_by_name=True
    )


class AmazonMoney(_Payload):
    """An amount in major units, as text: a JSON number would be a float and is refused."""

    amount: str
    currency_code: str


class AmazonAlias(_Payload):
    """Another number of the order."""

    alias_id: str
    alias_type: str


class AmazonAssociation(_Payload):
    """An order that this one replaces, or was exchanged for."""

    order_id: str | None = None
    association_type: str | None = None


class AmazonChannel(_Payload):
    """Where it was sold; orders from outside Amazon have no marketplace."""

    marketplace_id: str | None = None


class AmazonBuyer(_Payload):
    """The buyer; the address of e-mail is Amazon's relay."""

    buyer_email: str | None = None


class AmazonExtendedFields(_Payload):
    """The parts of a Brazilian address."""

    street_name: str | None = None
    street_number: str | None = None
    complement: str | None = None
    neighborhood: str | None = None


class AmazonAddress(_Payload):
    """Where the parcel goes."""

    name: str | None = None
    company_name: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    district_or_county: str | None = None
    state_or_region: str | None = None
    municipality: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None
    extended_fields: AmazonExtendedFields | None = None
    address_type: str | None = None


class AmazonPreference(_Payload):
    """What the buyer tells whoever delivers."""

    drop_off_location: str | None = None
    address_instruction: str | None = None


class AmazonRecipient(_Payload):
    """Who receives it."""

    delivery_address: AmazonAddress | None = None
    delivery_preference: AmazonPreference | None = None


class AmazonBreakdown(_Payload):
    """A part of the proceeds."""

    type: str
    subtotal: AmazonMoney


class AmazonProceeds(_Payload):
    """What the order brings in."""

    grand_total: AmazonMoney | None = None
    breakdowns: list[AmazonBreakdown] | None = None


class AmazonPeriod(_Payload):
    """A promised period; either end may be absent."""

    earliest_date_time: AwareDatetime | None = None
    latest_date_time: AwareDatetime | None = None


class AmazonFulfillment(_Payload):
    """How far the order is, and who sends it: without FULFILLMENT among what is asked for there is no status."""

    fulfillment_status: str
    fulfilled_by: str | None = None
    fulfillment_service_level: str | None = None
    ship_by_window: AmazonPeriod | None = None
    deliver_by_window: AmazonPeriod | None = None
    label_printing_window: AmazonPeriod | None = None


class AmazonPrice(_Payload):
    """The price of one unit, unlike the line totals of older versions of this API."""

    unit_price: AmazonMoney | None = None


class AmazonCustomization(_Payload):
    """Amazon Custom: a link, good for a short while, to a ZIP that holds what the buyer chose."""

    customized_url: str | None = None


class AmazonProduct(_Payload):
    """What was bought."""

    asin: str | None = None
    title: str | None = None
    seller_sku: str | None = None
    price: AmazonPrice | None = None
    customization: AmazonCustomization | None = None


class AmazonLineProceeds(_Payload):
    """What the line brings in."""

    proceeds_total: AmazonMoney | None = None


class AmazonCancelRequest(_Payload):
    """Somebody, so far always the buyer, asks to cancel; nothing is cancelled yet."""

    requester: str | None = None
    cancel_reason: str | None = None


class AmazonCancelExecution(_Payload):
    """The line was cancelled."""

    cancelled_by: str | None = None
    cancel_reason: str | None = None


class AmazonCancellation(_Payload):
    """Cancelling, asked for and done."""

    cancellation_request: AmazonCancelRequest | None = None
    cancellation_execution: AmazonCancelExecution | None = None


class AmazonGift(_Payload):
    """The line is a gift."""

    gift_message: str | None = None
    gift_wrap_level: str | None = None


class AmazonPacking(_Payload):
    """How to pack the line."""

    gift_option: AmazonGift | None = None


class AmazonInternational(_Payload):
    """What customs want to know."""

    ioss_number: str | None = None


class AmazonShipping(_Payload):
    """How to send the line."""

    international_shipping: AmazonInternational | None = None


class AmazonLineFulfillment(_Payload):
    """How far the line is."""

    quantity_fulfilled: int | None = Field(default=None, ge=0)
    quantity_unfulfilled: int | None = Field(default=None, ge=0)
    packing: AmazonPacking | None = None
    shipping: AmazonShipping | None = None


class AmazonLine(_Payload):
    """One line of an order."""

    order_item_id: str = Field(min_length=1)
    quantity_ordered: int = Field(ge=0)
    programs: list[str] | None = None
    product: AmazonProduct
    proceeds: AmazonLineProceeds | None = None
    cancellation: AmazonCancellation | None = None
    fulfillment: AmazonLineFulfillment | None = None


class AmazonPackageStatus(_Payload):
    """How far a package is."""

    status: str | None = None


class AmazonPackageItem(_Payload):
    """Units of a line in a package."""

    order_item_id: str
    quantity: int = Field(ge=0)


class AmazonPackage(_Payload):
    """A package that Amazon was told of, or sold the label of; its number may come later."""

    package_reference_id: str
    package_status: AmazonPackageStatus | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    package_items: list[AmazonPackageItem] | None = None


class AmazonListed(_Payload):
    """What is told of an order when nothing is included. Times are ISO 8601 in UTC, with milliseconds or without."""

    order_id: str = Field(min_length=1, max_length=64)
    created_time: AwareDatetime
    last_updated_time: AwareDatetime


class AmazonOrder(AmazonListed):
    """An order."""

    order_aliases: list[AmazonAlias] | None = None
    programs: list[str] | None = None
    associated_orders: list[AmazonAssociation] | None = None
    sales_channel: AmazonChannel | None = None
    buyer: AmazonBuyer | None = None
    recipient: AmazonRecipient | None = None
    proceeds: AmazonProceeds | None = None
    fulfillment: AmazonFulfillment
    order_items: list[AmazonLine]


class AmazonDispatchedLine(_Payload):
    """One line of an order, as far as sending it goes."""

    order_item_id: str = Field(min_length=1)
    quantity_ordered: int = Field(ge=0)
    programs: list[str] | None = None
    fulfillment: AmazonLineFulfillment | None = None


class AmazonDispatch(_Payload):
    """An order, as far as sending it goes."""

    order_id: str = Field(min_length=1)
    created_time: AwareDatetime
    programs: list[str] | None = None
    sales_channel: AmazonChannel | None = None
    fulfillment: AmazonFulfillment
    order_items: list[AmazonDispatchedLine]
    packages: list[AmazonPackage] | None = None


class AmazonTokens(BaseModel):
    """The token endpoint's reply; a grantless token comes without a refresh token."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    access_token: str = Field(min_length=1)
    refresh_token: str | None = None
    expires_in: int = 3600


class _Notice(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class AmazonOrderChange(_Notice):
    """Which order of whom changed. The times beside it may be null, and what changed is read from the order."""

    seller_id: str = Field(validation_alias="SellerId", min_length=1)
    order_id: str = Field(validation_alias="AmazonOrderId", min_length=1)


class AmazonNoticePayload(_Notice):
    """What a notification is about."""

    change: AmazonOrderChange = Field(validation_alias="OrderChangeNotification")


class AmazonNotice(_Notice):
    """An ORDER_CHANGE notification."""

    payload: AmazonNoticePayload = Field(validation_alias="Payload")
