"""The fields we read of eBay's orders, tokens, accounts, limits and notifications.

Nearly every field is optional in eBay's own specification; unknown fields are ignored. Amounts are text with as few
decimals as needed ("35.0"); times are ISO 8601 in UTC.
"""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class EbayAmount(_Payload):
    """An amount; the `original` ones are what it was before eBay converted it."""

    value: str
    currency: str
    original_value: str | None = Field(default=None, alias="convertedFromValue")
    original_currency: str | None = Field(default=None, alias="convertedFromCurrency")


class EbayPair(_Payload):
    """What the buyer chose of a listing with variations."""

    name: str = ""
    value: str = ""


class EbayRefund(_Payload):
    """Money given back; `status` is PENDING, REFUNDED or FAILED."""

    amount: EbayAmount | None = None
    status: str | None = Field(default=None, alias="refundStatus")


class EbayPromise(_Payload):
    """Until when a line is to be shipped."""

    ship_by: AwareDatetime | None = Field(default=None, alias="shipByDate")


class EbayLine(_Payload):
    """One line; `cost` is of all its units, before discounts."""

    id: str = Field(alias="lineItemId", min_length=1)
    title: str | None = None
    sku: str | None = None
    quantity: int = Field(ge=0)
    listing_id: str | None = Field(default=None, alias="legacyItemId")
    variation_id: str | None = Field(default=None, alias="legacyVariationId")
    cost: EbayAmount = Field(alias="lineItemCost")
    discounted_cost: EbayAmount | None = Field(default=None, alias="discountedLineItemCost")
    fulfilment: str | None = Field(default=None, alias="lineItemFulfillmentStatus")
    aspects: list[EbayPair] | None = Field(default=None, alias="variationAspects")
    marketplace: str | None = Field(default=None, alias="purchaseMarketplaceId")
    refunds: list[EbayRefund] | None = None
    promise: EbayPromise | None = Field(default=None, alias="lineItemFulfillmentInstructions")
    #: Only lines that are digital gift cards have it.
    gift: dict[str, object] | None = Field(default=None, alias="giftDetails")


class EbayPostalAddress(_Payload):
    """A postal address; its street lines are not told for orders older than 90 days."""

    line1: str | None = Field(default=None, alias="addressLine1")
    line2: str | None = Field(default=None, alias="addressLine2")
    city: str | None = None
    county: str | None = None
    region: str | None = Field(default=None, alias="stateOrProvince")
    postal_code: str | None = Field(default=None, alias="postalCode")
    country: str | None = Field(default=None, alias="countryCode")


class EbayPhone(_Payload):
    """A telephone number."""

    number: str | None = Field(default=None, alias="phoneNumber")


class EbayContact(_Payload):
    """Whom a parcel goes to. `email` is an alias, told for 14 days; the name and the phone are told for 90."""

    name: str | None = Field(default=None, alias="fullName")
    company: str | None = Field(default=None, alias="companyName")
    address: EbayPostalAddress | None = Field(default=None, alias="contactAddress")
    phone: EbayPhone | None = Field(default=None, alias="primaryPhone")
    email: str | None = None


class EbayShippingStep(_Payload):
    """Where a parcel goes; with `reference` it goes to a hub of eBay's that needs it on the label."""

    ship_to: EbayContact | None = Field(default=None, alias="shipTo")
    reference: str | None = Field(default=None, alias="shipToReferenceId")
    service: str | None = Field(default=None, alias="shippingServiceCode")


class EbayInstruction(_Payload):
    """How a parcel of the order is to be delivered."""

    type: str | None = Field(default=None, alias="fulfillmentInstructionsType")
    by_way_of_ebay: bool = Field(default=False, alias="ebaySupportedFulfillment")
    step: EbayShippingStep | None = Field(default=None, alias="shippingStep")


class EbayVault(_Payload):
    """eBay keeps the item in its vault."""

    type: str | None = Field(default=None, alias="fulfillmentType")


class EbayFulfilment(_Payload):
    """Who ships: only EBAY is ever told."""

    by: str | None = Field(default=None, alias="fulfilledBy")


class EbayLabel(_Payload):
    """Who provides the label."""

    by: str | None = Field(default=None, alias="shippingLabelProvidedBy")


class EbayProgram(_Payload):
    """eBay's programmes that the order takes part in."""

    vault: EbayVault | None = Field(default=None, alias="ebayVault")
    fulfilment: EbayFulfilment | None = Field(default=None, alias="fulfillmentProgram")
    label: EbayLabel | None = Field(default=None, alias="ebayShipping")


class EbayCancelRequest(_Payload):
    """A wish to cancel; getOrders never tells any."""

    state: str | None = Field(default=None, alias="cancelRequestState")
    reason: str | None = Field(default=None, alias="cancelReason")
    completed_at: AwareDatetime | None = Field(default=None, alias="cancelCompletedDate")


class EbayCancelStatus(_Payload):
    """Whether the order is, or is being, cancelled."""

    state: str = Field(default="NONE_REQUESTED", alias="cancelState")
    cancelled_at: AwareDatetime | None = Field(default=None, alias="cancelledDate")
    requests: list[EbayCancelRequest] | None = Field(default=None, alias="cancelRequests")


class EbayTaxId(_Payload):
    """The buyer's tax number; only a single order tells it, and only of some countries."""

    number: str | None = Field(default=None, alias="taxpayerId")


class EbayBuyer(_Payload):
    """The buyer: for some developers `username` is an immutable user id instead."""

    username: str | None = None
    tax_id: EbayTaxId | None = Field(default=None, alias="taxIdentifier")


class EbayPrices(_Payload):
    """The order's sums."""

    total: EbayAmount


class EbayPayments(_Payload):
    """What was given back of the order as a whole. Payout holds are no matter of ours: they do not stop shipping."""

    refunds: list[EbayRefund] | None = None


class EbayListed(_Payload):
    """What tells which order it is, and when it was placed and changed."""

    id: str = Field(alias="orderId", min_length=1)
    created_at: AwareDatetime = Field(alias="creationDate")
    modified_at: AwareDatetime = Field(alias="lastModifiedDate")


class EbayOrder(EbayListed):
    """An order, of getOrders or getOrder."""

    payment: str = Field(alias="orderPaymentStatus")
    fulfilment: str = Field(alias="orderFulfillmentStatus")
    cancel: EbayCancelStatus = Field(default_factory=EbayCancelStatus, alias="cancelStatus")
    buyer: EbayBuyer | None = None
    notes: str | None = Field(default=None, alias="buyerCheckoutNotes")
    prices: EbayPrices = Field(alias="pricingSummary")
    payments: EbayPayments | None = Field(default=None, alias="paymentSummary")
    instructions: list[EbayInstruction] | None = Field(default=None, alias="fulfillmentStartInstructions")
    program: EbayProgram | None = None
    lines: list[EbayLine] = Field(alias="lineItems")


class EbayShippedLine(_Payload):
    """Units of a line in one parcel; eBay takes a missing quantity for 1."""

    id: str = Field(alias="lineItemId")
    quantity: int = Field(default=1, ge=0)


class EbayShipment(_Payload):
    """One parcel; its id is its tracking number, and any number where it has none."""

    id: str | None = Field(default=None, alias="fulfillmentId")
    number: str | None = Field(default=None, alias="shipmentTrackingNumber")
    carrier: str | None = Field(default=None, alias="shippingCarrierCode")
    lines: list[EbayShippedLine] = Field(default_factory=list, alias="lineItems")


class EbayShipments(_Payload):
    """GET /order/{orderId}/shipping_fulfillment."""

    shipments: list[EbayShipment] = Field(default_factory=list, alias="fulfillments")


class EbayTokens(_Payload):
    """The token endpoint's reply. Only the exchange of a code gives a refresh token."""

    access_token: str = Field(min_length=1)
    expires_in: int = 7200
    refresh_token: str | None = None
    refresh_token_expires_in: int | None = None


class EbayUser(_Payload):
    """GET /commerce/identity/v1/user/: whose account it is."""

    user_id: str = Field(alias="userId", min_length=1)
    username: str | None = None
    marketplace: str | None = Field(default=None, alias="registrationMarketplaceId")


class EbayRate(_Payload):
    """How many calls of a kind are left until `reset`."""

    limit: int
    remaining: int
    reset: AwareDatetime | None = None


class EbayResource(_Payload):
    """A kind of call."""

    rates: list[EbayRate] | None = None


class EbayRateLimit(_Payload):
    """The kinds of call of one API."""

    resources: list[EbayResource] | None = None


class EbayRateLimits(_Payload):
    """GET /developer/analytics/v1_beta/rate_limit/."""

    limits: list[EbayRateLimit] | None = Field(default=None, alias="rateLimits")


class EbayPublicKey(_Payload):
    """GET /commerce/notification/v1/public_key/{kid}. The PEM has no line breaks."""

    key: str
    digest: str = "SHA1"


class EbaySignature(_Payload):
    """What the header X-EBAY-SIGNATURE holds, in base64."""

    alg: str
    kid: str
    signature: str


class EbayNoticeOrder(_Payload):
    """The order of an ORDER_CONFIRMATION."""

    order_id: str | None = Field(default=None, alias="orderId")


class EbayNoticeUser(_Payload):
    """The seller of an ORDER_CONFIRMATION."""

    user_id: str | None = Field(default=None, alias="userId")


class EbayNoticeData(_Payload):
    """What a notification tells; which fields are there depends on its topic."""

    user: EbayNoticeUser | None = None
    order: EbayNoticeOrder | None = None
    username: str | None = None
    user_id: str | None = Field(default=None, alias="userId")
    reason: str | None = Field(default=None, alias="revokeReason")
    revoked_at: str | None = Field(default=None, alias="revocationDate")


class EbayNoticeMeta(_Payload):
    """What kind of notification it is."""

    topic: str


class EbayNoticeBody(_Payload):
    """The notification itself; a resend has the same id."""

    id: str = Field(alias="notificationId", min_length=1)
    happened_at: str | None = Field(default=None, alias="eventDate")
    data: EbayNoticeData


class EbayNotice(_Payload):
    """A notification."""

    metadata: EbayNoticeMeta
    notification: EbayNoticeBody
