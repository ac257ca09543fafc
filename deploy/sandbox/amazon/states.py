"""Brings a new order into the state that its scenario is an example of, and moves items out of the seller's hands."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.amazon.lines import WORDS, give
from deploy.sandbox.amazon.markets import Market, money
from deploy.sandbox.amazon.orders import Order, iso

_SURFACES = ("Name for the back", "What's the date?", "Text & font")
_REASONS = ("NoInventory", "BuyerRequested", "PricingError")


@dataclass(frozen=True, slots=True)
class Making:
    """What one order is made from; times are Unix milliseconds."""

    number: int
    market: Market
    created: int
    now: int
    rng: random.Random


def cancel_item(order: Order, item: dict[str, Any], *, by: str, reason: str) -> None:
    """Nothing of this item's open units will be shipped."""
    amounts = item["fulfillment"]
    order.gone[item["orderItemId"]] = order.gone.get(item["orderItemId"], 0) + amounts["quantityUnfulfilled"]
    amounts["quantityUnfulfilled"] = 0
    execution = {"cancellationExecution": {"cancelledBy": by, "cancelReason": reason}}
    item["cancellation"] = item.get("cancellation", {}) | execution


def ship_item_elsewhere(order: Order, item: dict[str, Any]) -> int:
    """This item's open units left without the seller's software; answers how many."""
    amounts = item["fulfillment"]
    units = int(amounts["quantityUnfulfilled"])
    order.gone[item["orderItemId"]] = order.gone.get(item["orderItemId"], 0) + units
    amounts["quantityFulfilled"] += units
    amounts["quantityUnfulfilled"] = 0
    return units


def add_foreign_package(order: Order, units: dict[str, int], *, at: int) -> None:
    """A package that was confirmed by other means."""
    packages = order.payload.setdefault("packages", [])
    packages.append(
        {
            "packageReferenceId": str(900 + len(packages)),
            "createdTime": iso(at),
            "packageStatus": {"status": "SHIPPED", "detailedStatus": "PICKED_UP"},
            "carrier": "USPS",
            "shipTime": iso(at),
            "shippingService": "Standard",
            "trackingNumber": f"94001{order.order_id.replace('-', '')}",
            "packageItems": [{"orderItemId": item_id, "quantity": number} for item_id, number in units.items()],
        }
    )


def _personalized(order: Order, making: Making) -> None:
    surfaces = _SURFACES[: making.rng.choice((1, 1, 2))]
    first = order.items[0]
    order.words[first["orderItemId"]] = [(surface, making.rng.choice(WORDS)) for surface in surfaces]
    if making.rng.randrange(3) == 0:
        give(first, rng=making.rng)


def _status(status: str) -> Callable[[Order, Making], None]:
    def settle(order: Order, _making: Making) -> None:
        order.status = status

    return settle


def _preorder(order: Order, _making: Making) -> None:
    order.status = "PENDING_AVAILABILITY"
    order.payload["programs"] = ["PREORDER"]


def _cancelled(order: Order, making: Making) -> None:
    by = making.rng.choice(("BUYER", "MERCHANT", "AMAZON"))
    for item in order.items:
        cancel_item(order, item, by=by, reason=making.rng.choice(_REASONS))
    order.status = "CANCELLED"


def _partly_refunded(order: Order, making: Making) -> None:
    """One unit of the first item will not be shipped, or the second item is cancelled as a whole."""
    order.refunded = "partially_refunded"
    first, second = order.items
    if making.rng.randrange(2):
        cancel_item(order, second, by="MERCHANT", reason="NoInventory")
    else:
        first["fulfillment"]["quantityUnfulfilled"] -= 1
        order.gone[first["orderItemId"]] = 1


def _shipped_elsewhere(order: Order, making: Making) -> None:
    units = {item["orderItemId"]: ship_item_elsewhere(order, item) for item in order.items}
    add_foreign_package(order, units, at=making.created)
    order.status = "SHIPPED"


def _partly_shipped(order: Order, making: Making) -> None:
    first = order.items[0]
    add_foreign_package(order, {first["orderItemId"]: ship_item_elsewhere(order, first)}, at=making.created)
    order.status = "PARTIALLY_SHIPPED"


def _by_amazon(order: Order, making: Making) -> None:
    """FBA: Amazon's own warehouse ships it; the seller reads it and does nothing."""
    order.payload["fulfillment"]["fulfilledBy"] = "AMAZON"
    order.payload["programs"] = ["PRIME"]
    order.payload["fulfillmentOrders"] = [{"fulfillmentOrderId": f"FO{making.number:07d}"}]
    order.gone = {item["orderItemId"]: item["quantityOrdered"] for item in order.items}
    if making.rng.randrange(2):
        order.status = "SHIPPED"
        for item in order.items:
            item["fulfillment"] |= {"quantityFulfilled": item["quantityOrdered"], "quantityUnfulfilled": 0}


def _unfulfillable(order: Order, making: Making) -> None:
    """Ordered at the seller's own shop, to be shipped by Amazon, which cannot."""
    _by_amazon(order, making)
    order.status = "UNFULFILLABLE"
    order.payload["salesChannel"] = {"channelName": "NON_AMAZON"}


def _cancel_requested(order: Order, _making: Making) -> None:
    for item in order.items:
        item["cancellation"] = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Changed my mind"}}


def _business(order: Order, making: Making) -> None:
    order.payload["programs"] = ["AMAZON_BUSINESS"]
    order.payload["buyer"] |= {"buyerCompanyName": "Example GmbH", "buyerPurchaseOrderNumber": f"PO-{making.number}"}
    for item in order.items:
        price = item["product"]["price"] | {"priceDesignation": "BUSINESS_PRICE"}
        item["product"] = item["product"] | {"price": price}


def _gift(order: Order, making: Making) -> None:
    for item in order.items:
        give(item, rng=making.rng)


def _replacement(order: Order, making: Making) -> None:
    """Sent again for nothing."""
    original = f"{100 + making.number % 900:03d}-0000000-{making.number % 10**7:07d}"
    order.payload["associatedOrders"] = [{"orderId": original, "associationType": "REPLACEMENT_ORIGINAL_ID"}]
    nothing = money(0, making.market.currency)
    for item in order.items:
        item["product"] = item["product"] | {"price": {"unitPrice": nothing}}
        item["proceeds"] = {"proceedsTotal": nothing, "breakdowns": []}
    order.payload |= {"proceeds": {"grandTotal": nothing, "breakdowns": []}, "payment": {"paymentExecutions": []}}


def _ship_plus(order: Order, _making: Making) -> None:
    order.payload["programs"] = ["FBM_SHIP_PLUS"]


def _label_bought(order: Order, making: Making) -> None:
    """The seller bought Amazon's label: the package waits for its carrier, and Amazon confirms it itself."""
    add_foreign_package(
        order, {item["orderItemId"]: item["quantityOrdered"] for item in order.items}, at=making.created
    )
    [package] = order.payload["packages"]
    package["packageStatus"] = {"status": "PENDING", "detailedStatus": "PENDING_PICK_UP"}
    del package["shipTime"]


def _transparency(order: Order, _making: Making) -> None:
    for item in order.items:
        item["programs"] = ["TRANSPARENCY"]


def _ioss(order: Order, _making: Making) -> None:
    for item in order.items:
        item["fulfillment"]["shipping"] = {"internationalShipping": {"iossNumber": "IM4420001201"}}
        item["tax"] = item["tax"] | {"taxCalculationBreakdowns": [{"reportingScheme": "IOSS"}]}


#: What becomes of a new order, by scenario; the others stay UNSHIPPED.
SETTLE: dict[str, Callable[[Order, Making], None]] = {
    "personalized": _personalized,
    "unpaid_pending": _status("PENDING"),
    "pending_availability": _preorder,
    "cancelled": _cancelled,
    "partly_refunded": _partly_refunded,
    "partly_shipped": _partly_shipped,
    "shipped_elsewhere": _shipped_elsewhere,
    "fulfilled_by_amazon": _by_amazon,
    "unfulfillable": _unfulfillable,
    "cancel_requested": _cancel_requested,
    "business": _business,
    "gift": _gift,
    "replacement": _replacement,
    "ship_plus": _ship_plus,
    "label_bought": _label_bought,
    "transparency": _transparency,
    "ioss": _ioss,
}
