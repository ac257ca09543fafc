"""The fields we read of Shopify's two forms of an order: GraphQL's, and the REST-shaped one of webhooks.

Everything that Shopify may hide from an app (protected customer data: level 2 is name, address, phone, email) is
optional in both forms. Unknown fields are ignored.
"""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

#: An amount: text as documented, never a JSON number that a parser has made a float of.
Decimals = Annotated[str, Strict()]


#: An id as text.
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class _Payload(BaseModel):
    # Ids are digits as a string or as a JSON integer above 2**53: text keeps both exact.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)


class _Graphql(_Payload):
    model_config = ConfigDict(alias_generator=to_camel)


class GraphqlAmount(_Graphql):
    """MoneyV2: a decimal string."""

    amount: Decimals
    currency_code: str


class GraphqlMoney(_Graphql):
    """MoneyBag: in the store's currency and in the buyer's."""

    shop_money: GraphqlAmount
    presentment_money: GraphqlAmount | None = None


class GraphqlAttribute(_Graphql):
    """A name and value that the buyer or an app gave."""

    key: str
    value: str | None = None


class GraphqlAddress(_Graphql):
    """MailingAddress."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    country_code: str | None = Field(default=None, alias="countryCodeV2")
    zip: str | None = None
    phone: str | None = None


class GraphqlReference(_Graphql):
    """Anything of which we only need the gid."""

    id: str


class GraphqlLineGroup(_Graphql):
    """The bundle a line belongs to; its attributes are the buyer's words about the whole bundle."""

    custom_attributes: list[GraphqlAttribute] | None = None


class GraphqlLine(_Graphql):
    """LineItem. `current_quantity` is what remains after refunds and removals."""

    id: str
    title: str
    variant_title: str | None = None
    sku: str | None = None
    quantity: int
    current_quantity: int
    unfulfilled_quantity: int
    requires_shipping: bool
    is_gift_card: bool = False
    custom_attributes: list[GraphqlAttribute] | None = None
    original_unit_price_set: GraphqlMoney
    variant: GraphqlReference | None = None
    product: GraphqlReference | None = None
    line_item_group: GraphqlLineGroup | None = None


class GraphqlLines(_Graphql):
    """All lines: the reader has followed the pages."""

    nodes: list[GraphqlLine]


class GraphqlShippingLine(_Graphql):
    """What the buyer chose at checkout."""

    title: str | None = None


class GraphqlRisk(_Graphql):
    """OrderRiskSummary."""

    recommendation: str | None = None


class GraphqlListed(_Graphql):
    """What a list tells of an order: `processed_at` is when it was placed, where it came in later."""

    legacy_resource_id: str = Field(pattern=r"^[0-9]{1,20}$")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    processed_at: AwareDatetime | None = None


class GraphqlOrder(GraphqlListed):
    """Order. `holds` is put in by the reader where anything of the order is on hold."""

    name: str
    cancelled_at: AwareDatetime | None = None
    cancel_reason: str | None = None
    test: bool = False
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    tags: list[str] | None = None
    display_financial_status: str | None = None
    display_fulfillment_status: str | None = None
    total_price_set: GraphqlMoney
    custom_attributes: list[GraphqlAttribute] | None = None
    shipping_address: GraphqlAddress | None = None
    shipping_line: GraphqlShippingLine | None = None
    customer: GraphqlReference | None = None
    risk: GraphqlRisk | None = None
    line_items: GraphqlLines
    holds: list[str] = []


class RestAmount(_Payload):
    """An amount as a decimal string."""

    amount: Decimals
    currency_code: str


class RestMoney(_Payload):
    """In the store's currency and in the buyer's."""

    shop_money: RestAmount
    presentment_money: RestAmount | None = None


class RestAttribute(_Payload):
    """A property or note attribute; the value may be any JSON value."""

    name: str
    value: Any = None


class RestAddress(_Payload):
    """shipping_address."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    country_code: str | None = None
    zip: str | None = None
    phone: str | None = None


class RestLine(_Payload):
    """line_items[]. A group id says that the line may be part of a bundle."""

    id: str = Field(pattern=r"^[0-9]{1,20}$")
    title: str
    variant_title: str | None = None
    sku: str | None = None
    quantity: int
    current_quantity: int
    fulfillable_quantity: int
    requires_shipping: bool
    gift_card: bool = False
    properties: list[RestAttribute] | None = None
    price: Decimals | None = None
    price_set: RestMoney | None = None
    variant_id: str | None = None
    product_id: str | None = None
    sales_line_item_group_id: str | None = None


class RestShippingLine(_Payload):
    """shipping_lines[]."""

    title: str | None = None
    is_removed: bool = False


class RestCustomer(_Payload):
    """customer: whatever it lacks, an order can do without."""

    id: Digits | None = None


class RestOrder(_Payload):
    """The body of orders/create, updated, paid, cancelled, fulfilled and partially_fulfilled."""

    id: str = Field(pattern=r"^[0-9]{1,20}$")
    name: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    processed_at: AwareDatetime | None = None
    cancelled_at: AwareDatetime | None = None
    cancel_reason: str | None = None
    test: bool = False
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    tags: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    currency: str
    total_price: Decimals | None = None
    total_price_set: RestMoney | None = None
    note_attributes: list[RestAttribute] | None = None
    shipping_address: RestAddress | None = None
    shipping_lines: list[RestShippingLine] | None = None
    customer: RestCustomer | None = None
    line_items: list[RestLine]
    line_item_groups: list[Any] | None = None

    @property
    def has_bundles(self) -> bool:
        """Whether lines belong to bundles: then the order must be read from the API to be understood.

        Shopify's own sample gives lines group ids beside an empty list of groups: the list is believed where it is.
        """
        if self.line_item_groups is not None:
            return bool(self.line_item_groups)
        return any(line.sales_line_item_group_id for line in self.line_items)

    @property
    def has_floats(self) -> bool:
        """Whether a property's value was a number with a fraction, and so may have lost digits in parsing."""
        attributes = [*(self.note_attributes or ())]
        for line in self.line_items:
            attributes += line.properties or ()
        return any(isinstance(attribute.value, float | list | dict) for attribute in attributes)


class OrderNamed(_Payload):
    """The body of orders/delete."""

    id: str = Field(pattern=r"^[0-9]{1,20}$")


class _Named(_Payload):
    id: str = Field(pattern=r"^[0-9]{1,20}$")


class PrivacyAsked(_Payload):
    """The body of customers/data_request, customers/redact and shop/redact. What it names is what was signed."""

    shop_domain: str
    customer: _Named | None = None
    data_request: _Named | None = None
    orders_requested: tuple[Digits, ...] | None = None
    orders_to_redact: tuple[Digits, ...] | None = None


class Uninstalled(_Payload):
    """The body of app/uninstalled: the shop."""

    myshopify_domain: str | None = None


class RefundMade(_Payload):
    """The body of refunds/create: the money and the units, not what they leave of the order."""

    order_id: Digits


class RiskAssessed(_Payload):
    """The body of orders/risk_assessment_changed: one provider's view, without Shopify's recommendation."""

    order_id: Digits | None = None


class _FulfillmentOrder(_Payload):
    id: str = Field(pattern=r"^gid://shopify/FulfillmentOrder/[0-9]{1,20}(\?.*)?$")

    @property
    def number(self) -> str:
        return self.id.partition("?")[0].rpartition("/")[2]


class HoldChanged(_Payload):
    """The body of fulfillment_orders/placed_on_hold and hold_released: it names no order."""

    fulfillment_order: _FulfillmentOrder


class _OrderEdit(_Payload):
    order_id: str = Field(pattern=r"^[0-9]{1,20}$")


class OrderEdited(_Payload):
    """The body of orders/edited: only what changed."""

    order_edit: _OrderEdit
