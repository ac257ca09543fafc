"""How the fields of an order and its parts are read from the stand-in's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from deploy.sandbox.people import Address
from deploy.sandbox.shopify.bodies import buyer_number
from deploy.sandbox.shopify.money import Bag, graph_amount
from deploy.sandbox.shopify.naming import gid, utc
from deploy.sandbox.shopify.world import FulfillmentOrder, Line, Order

Plain = Mapping[str, Callable[[Any], Any]]

_RECOMMENDATIONS = {"LOW": "ACCEPT", "MEDIUM": "INVESTIGATE", "HIGH": "CANCEL"}


def kind_of(kind: str) -> Callable[[Any], str]:
    """Reads `id` as a global id of this kind."""
    return lambda source: gid(kind, source.id)


def id_text(source: Any) -> str:
    """Reads `legacyResourceId`: the number as text."""
    return str(source.id)


def at_time(name: str) -> Callable[[Any], str | None]:
    """Reads a moment."""
    read = attrgetter(name)
    return lambda source: utc(read(source))


def _or_none(name: str) -> Callable[[Any], Any]:
    read = attrgetter(name)
    return lambda source: read(source) or None


def same(value: Any) -> Callable[[Any], Any]:
    """Reads what is the same for every source."""
    return lambda _source: value


def _bag(amount: Callable[[Order], int]) -> Callable[[Order], Bag]:
    return lambda order: order.bag(amount(order))


def _buyer(name: str) -> Callable[[Order], Any]:
    read = attrgetter(name)
    return lambda order: read(order.buyer) if order.buyer else None


_ORDER: Plain = {
    "id": kind_of("Order"),
    "legacyResourceId": id_text,
    "name": attrgetter("name"),
    "number": attrgetter("number"),
    "confirmationNumber": lambda order: f"C{order.id % 10**9:09d}",
    "confirmed": same(value=True),
    "createdAt": at_time("created_at"),
    "updatedAt": at_time("updated_at"),
    "processedAt": at_time("created_at"),
    "cancelledAt": at_time("cancelled_at"),
    "cancelReason": attrgetter("cancel_reason"),
    "closed": lambda order: order.cancelled_at is not None,
    "closedAt": at_time("cancelled_at"),
    "test": attrgetter("test"),
    "edited": attrgetter("edited"),
    "email": _buyer("email"),
    "phone": _buyer("phone"),
    "customer": attrgetter("buyer"),
    "customerLocale": same("en"),
    "note": attrgetter("note"),
    "poNumber": same(None),
    "tags": lambda order: list(order.tags),
    "customAttributes": attrgetter("attributes"),
    "discountCodes": lambda _order: [],
    "displayFinancialStatus": attrgetter("financial"),
    "displayFulfillmentStatus": attrgetter("fulfillment_status"),
    "fulfillable": lambda order: any(part.fulfillable for part in order.fulfillment_orders),
    "fullyPaid": lambda order: order.financial in {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"},
    "unpaid": lambda order: order.financial in {"PENDING", "AUTHORIZED"},
    "requiresShipping": lambda order: any(line.requires_shipping for line in order.lines),
    "currencyCode": attrgetter("currency"),
    "presentmentCurrencyCode": attrgetter("presentment"),
    "paymentGatewayNames": lambda _order: ["bogus"],
    "sourceName": same("web"),
    "taxesIncluded": same(value=False),
    "shippingAddress": lambda order: order.address and Place(order, order.address),
    "billingAddress": lambda order: order.address and Place(order, order.address),
    "shippingLine": lambda order: ShippingLineOf(order) if order.address else None,
    "risk": attrgetter("risk"),
    "currentSubtotalLineItemsQuantity": lambda order: sum(line.current for line in order.lines),
    "subtotalPriceSet": _bag(lambda order: order.subtotal),
    "currentSubtotalPriceSet": _bag(lambda order: order.current_subtotal),
    "totalPriceSet": _bag(lambda order: order.subtotal + order.shipping),
    "originalTotalPriceSet": _bag(lambda order: order.subtotal + order.shipping),
    "currentTotalPriceSet": _bag(lambda order: order.subtotal + order.shipping - order.refunded),
    "totalShippingPriceSet": _bag(lambda order: order.shipping),
    "totalRefundedSet": _bag(lambda order: order.refunded),
    "totalReceivedSet": _bag(lambda order: order.subtotal + order.shipping if order.paid else 0),
    "totalOutstandingSet": _bag(lambda order: 0 if order.paid else order.subtotal + order.shipping),
    "totalDiscountsSet": _bag(lambda _order: 0),
    "currentTotalDiscountsSet": _bag(lambda _order: 0),
    "totalTaxSet": _bag(lambda _order: 0),
    "currentTotalTaxSet": _bag(lambda _order: 0),
    "totalWeight": lambda order: str(sum(line.grams * line.quantity for line in order.lines)),
}


class Owned:
    """A part of an order that needs the order to be read."""

    __slots__ = ("order", "part")

    def __init__(self, order: Order, part: Any) -> None:
        self.order = order
        self.part = part

    @property
    def id(self) -> int:
        """The part's number."""
        return int(self.part.id)


class LineOf(Owned):
    """A line item with its order's currencies."""

    __slots__ = ()
    part: Line


class Place(Owned):
    """An address of an order; its id is derived from the order's."""

    __slots__ = ()
    part: Address

    @property
    def id(self) -> int:
        """The order's number."""
        return self.order.id


class ShippingLineOf(Owned):
    """What the buyer chose for shipping."""

    __slots__ = ()

    def __init__(self, order: Order) -> None:
        super().__init__(order, order)


def of_part(name: str) -> Callable[[Any], Any]:
    """Reads the owned part, not its order."""
    read = attrgetter(name)
    return lambda line: read(line.part)


def _line_bag(amount: Callable[[Line], int]) -> Callable[[LineOf], Bag]:
    return lambda line: line.order.bag(amount(line.part))


_LINE: Plain = {
    "id": kind_of("LineItem"),
    "name": of_part("name"),
    "title": of_part("title"),
    "variantTitle": of_part("variant_title"),
    "sku": of_part("sku"),
    "vendor": of_part("vendor"),
    "quantity": of_part("quantity"),
    "currentQuantity": of_part("current"),
    "refundableQuantity": of_part("current"),
    "fulfillableQuantity": of_part("unfulfilled"),
    "unfulfilledQuantity": of_part("unfulfilled"),
    "nonFulfillableQuantity": lambda line: line.part.quantity - line.part.unfulfilled,
    "requiresShipping": of_part("requires_shipping"),
    "isGiftCard": of_part("gift_card"),
    "taxable": same(value=True),
    "customAttributes": of_part("attributes"),
    "lineItemGroup": same(None),
    "product": lambda line: line.part if line.part.product_id else None,
    "variant": lambda line: line.part if line.part.variant_id else None,
    "originalUnitPriceSet": _line_bag(lambda line: line.price),
    "discountedUnitPriceSet": _line_bag(lambda line: line.price),
    "originalTotalSet": _line_bag(lambda line: line.price * line.quantity),
    "totalDiscountSet": _line_bag(lambda _line: 0),
}

_ADDRESS: Plain = {
    "id": kind_of("MailingAddress"),
    "name": of_part("name"),
    "firstName": lambda place: place.part.name.partition(" ")[0],
    "lastName": lambda place: place.part.name.partition(" ")[2],
    "company": lambda place: place.part.company or None,
    "address1": lambda place: place.part.line1 or None,
    "address2": lambda place: place.part.line2 or None,
    "city": lambda place: place.part.city or None,
    "province": lambda place: place.part.region_name or None,
    "provinceCode": lambda place: place.part.region or None,
    "zip": lambda place: place.part.zip or None,
    "country": of_part("country_name"),
    "countryCode": of_part("country"),
    "countryCodeV2": of_part("country"),
    "phone": of_part("phone"),
}


_ACTIONS: dict[str, tuple[str, ...]] = {
    "OPEN": ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT"),
    "IN_PROGRESS": ("CREATE_FULFILLMENT", "HOLD", "MARK_AS_OPEN"),
    "ON_HOLD": ("RELEASE_HOLD", "HOLD", "MOVE"),
    "SCHEDULED": ("MARK_AS_OPEN", "MOVE"),
}


def _actions(part: FulfillmentOrder) -> tuple[str, ...]:
    if part.location.service and part.status in {"OPEN", "IN_PROGRESS"}:
        return ("REQUEST_FULFILLMENT", "MOVE")
    return _ACTIONS.get(part.status, ())


_FULFILLMENT_ORDER: Plain = {
    "id": kind_of("FulfillmentOrder"),
    "status": attrgetter("status"),
    "requestStatus": same("UNSUBMITTED"),
    "createdAt": at_time("created_at"),
    "updatedAt": at_time("updated_at"),
    "fulfillAt": lambda part: utc(part.fulfill_at or part.created_at),
    "fulfillBy": at_time("fulfill_by"),
    "fulfillmentHolds": attrgetter("holds"),
    "assignedLocation": attrgetter("location"),
    "supportedActions": _actions,
    "order": attrgetter("order"),
    "orderId": lambda part: gid("Order", part.order.id),
    "orderName": lambda part: part.order.name,
    "orderProcessedAt": lambda part: utc(part.order.created_at),
}


#: Readers by type and field.
ORDER_READERS: Mapping[str, Plain] = {
    "Order": _ORDER,
    "LineItem": _LINE,
    "MailingAddress": _ADDRESS,
    "FulfillmentOrder": _FULFILLMENT_ORDER,
    "Customer": {
        "id": lambda buyer: gid("Customer", buyer_number(buyer)),
        "legacyResourceId": lambda buyer: str(buyer_number(buyer)),
        "displayName": attrgetter("name"),
        "firstName": attrgetter("first_name"),
        "lastName": attrgetter("last_name"),
        "email": attrgetter("email"),
        "phone": attrgetter("phone"),
    },
    # No order of the sandbox has bundles: a query may ask for them all the same, and gets null.
    "LineItemGroup": dict.fromkeys(
        ("customAttributes", "id", "productId", "quantity", "title", "variantId", "variantSku"), same(None)
    ),
    "Attribute": {"key": lambda pair: pair[0], "value": lambda pair: pair[1]},
    "MoneyBag": {"shopMoney": attrgetter("shop"), "presentmentMoney": attrgetter("presentment")},
    "MoneyV2": {"amount": graph_amount, "currencyCode": attrgetter("currency")},
    "OrderRiskSummary": {
        "recommendation": lambda level: _RECOMMENDATIONS.get(level, "NONE"),
        "assessments": lambda level: [level],
    },
    "OrderRiskAssessment": {"riskLevel": lambda level: level},
    "Product": {
        "id": lambda line: gid("Product", line.product_id),
        "legacyResourceId": lambda line: str(line.product_id),
        "title": attrgetter("title"),
    },
    "ProductVariant": {
        "id": lambda line: gid("ProductVariant", line.variant_id),
        "legacyResourceId": lambda line: str(line.variant_id),
        "sku": attrgetter("sku"),
        "title": lambda line: line.variant_title or "Default Title",
    },
    "ShippingLine": {
        "id": lambda line: gid("ShippingLine", line.order.id),
        "title": same("Standard"),
        "code": same("Standard"),
        "carrierIdentifier": same(None),
        "custom": same(value=False),
        "deliveryCategory": same(None),
        "isRemoved": same(value=False),
        "phone": same(None),
        "source": same("shopify"),
        "originalPriceSet": lambda line: line.order.bag(line.order.shipping),
        "discountedPriceSet": lambda line: line.order.bag(line.order.shipping),
    },
    "FulfillmentHold": {
        "id": kind_of("FulfillmentHold"),
        "reason": attrgetter("reason"),
        "reasonNotes": attrgetter("notes"),
        "displayReason": lambda hold: hold.reason.replace("_", " ").capitalize(),
        "heldByRequestingApp": same(value=False),
    },
    "FulfillmentOrderSupportedAction": {"action": lambda action: action, "externalUrl": same(None)},
    "FulfillmentOrderAssignedLocation": {
        "name": attrgetter("name"),
        "countryCode": attrgetter("country"),
        "location": lambda location: location,
    },
    "FulfillmentOrderLineItem": {
        "id": kind_of("FulfillmentOrderLineItem"),
        "lineItem": lambda line: LineOf(line.order, line.part.line),
        "productTitle": of_part("line.title"),
        "variantTitle": of_part("line.variant_title"),
        "sku": of_part("line.sku"),
        "vendor": of_part("line.vendor"),
        "requiresShipping": of_part("line.requires_shipping"),
        "totalQuantity": of_part("total"),
        "remainingQuantity": of_part("remaining"),
    },
    "Fulfillment": {
        "id": kind_of("Fulfillment"),
        "legacyResourceId": id_text,
        "name": lambda sent: f"{sent.order.name}.{sent.number}",
        "status": attrgetter("status"),
        "createdAt": at_time("created_at"),
        "updatedAt": at_time("updated_at"),
        "order": attrgetter("order"),
        "location": attrgetter("location"),
        "totalQuantity": lambda sent: sum(line.quantity for line in sent.lines),
    },
    "FulfillmentLineItem": {
        "id": kind_of("FulfillmentLineItem"),
        "quantity": of_part("quantity"),
        "lineItem": lambda line: LineOf(line.order, line.part.source.line),
    },
    "FulfillmentTrackingInfo": {name: attrgetter(name) for name in ("company", "number", "url")},
}
