"""The fields we read of Etsy's receipts, shops and tokens.

Address fields are null where Etsy hides them from the app; sku is "" when unset; unknown fields are ignored.
"""

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class _Payload(BaseModel):
    # Ids are 64-bit JSON integers: text keeps them exact and is what they are to us.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)


class EtsyMoney(_Payload):
    """An amount in units of 1/divisor of the currency's major unit."""

    amount: int
    divisor: int = Field(gt=0)
    currency_code: str


class EtsyVariation(_Payload):
    """An option the buyer chose, or (property 54) the answer to one of the seller's questions."""

    property_id: int | None = None
    formatted_name: str | None = None
    formatted_value: str | None = None


class EtsyTransaction(_Payload):
    """One line of a receipt; `price` is of one unit, before discounts."""

    transaction_id: str
    title: str | None = None
    sku: str | None = None
    quantity: int = Field(ge=0)
    listing_id: str | None = None
    product_id: str | None = None
    is_digital: bool = False
    price: EtsyMoney
    variations: list[EtsyVariation] | None = None
    expected_ship_date: int | None = None
    shipped_timestamp: int | None = None
    shipping_method: str | None = None
    shipping_upgrade: str | None = None


class EtsyRefund(_Payload):
    """Money given back; Etsy does not say for which line."""

    amount: EtsyMoney | None = None


class EtsyShipment(_Payload):
    """One shipment of a whole receipt. The number is empty where none was told, or Etsy lost it."""

    receipt_shipping_id: str | None = None
    carrier_name: str | None = None
    tracking_code: str | None = None


class EtsyReceipt(_Payload):
    """An order. Times are Unix seconds in UTC; `status` is capitalised in live replies and lower case in the spec."""

    receipt_id: str = Field(pattern=r"^[0-9]{1,20}$")
    status: str
    is_paid: bool
    is_shipped: bool
    created: int = Field(validation_alias=AliasChoices("created_timestamp", "create_timestamp"))
    updated: int = Field(validation_alias=AliasChoices("updated_timestamp", "update_timestamp"))
    name: str | None = None
    first_line: str | None = None
    second_line: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country_iso: str | None = None
    formatted_address: str | None = None
    buyer_email: str | None = None
    buyer_user_id: str | None = None
    message_from_buyer: str | None = None
    is_gift: bool = False
    gift_message: str | None = None
    gift_sender: str | None = None
    grandtotal: EtsyMoney
    transactions: list[EtsyTransaction]
    refunds: list[EtsyRefund] | None = None


class EtsyShipments(EtsyReceipt):
    """A receipt with its shipments, which only who tells of parcels reads."""

    shipments: list[EtsyShipment] | None = None


class EtsyShop(_Payload):
    """GET /shops/{shop_id}."""

    shop_name: str
    currency_code: str | None = None


class EtsySelf(_Payload):
    """GET /users/me: one user has one shop, or none."""

    shop_id: str | None = None


class EtsyTokens(_Payload):
    """The token endpoint's reply; the access token starts with the user's id and a dot."""

    access_token: str = Field(min_length=1)
    refresh_token: str = Field(min_length=1)
    expires_in: int = 3600


class EtsyNotice(_Payload):
    """A webhook's body: which receipt something happened to."""

    event_type: str
    resource_url: str
    shop_id: str | None = None
