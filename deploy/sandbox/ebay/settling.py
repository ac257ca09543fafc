"""Brings an order into a state: paid or not, held, cancelled, refunded, adjusted, shipped by somebody else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from deploy.sandbox.ebay.amounts import Purse, minor_units, price_in
from deploy.sandbox.ebay.ledger import Order, moment

#: A goodwill refund, in US cents: less than any unit costs, so that it says nothing of units.
GOODWILL = 100
#: The program of orders that go through a hub, and whose lines may share a shipment.
INTERNATIONAL = {"ebayInternationalShipping": {"returnsManagedBy": "EBAY"}}


def settle(order: Order, *, purse: Purse) -> None:
    """Bring a newly made order, which is paid, into the state of its scenario."""
    payload, at = order.payload, order.modified_ms
    match order.scenario:
        case "unpaid_pending" | "unpaid_authorized" | "unpaid_checkout":
            set_payment(order, "PENDING", at=None)
            order.listed = order.scenario != "unpaid_checkout"
        case "payment_failed":
            set_payment(order, "FAILED", at=None)
        case "payment_hold":
            hold_payout(order, at=at)
        case "cancel_requested":
            request_cancel(order, by="Buyer", reason="BUYER_ASKED_CANCEL", at=at)
        case "cancelled":
            cancel(order, by="Buyer", reason="BUYER_ASKED_CANCEL", at=at)
        case "adjusted":
            _adjust(payload, purse=purse)
        case "shipped_elsewhere" | "partly_shipped":
            lines = payload["lineItems"][: 1 if order.scenario == "partly_shipped" else None]
            ship_elsewhere(order, {line["lineItemId"]: line["quantity"] for line in lines}, at=at)
        case _:
            _give_back(order, purse=purse, at=at)
            _join_program(order)


def _give_back(order: Order, *, purse: Purse, at: int) -> None:
    first = order.payload["lineItems"][0]
    match order.scenario:
        case "refunded":
            refund_all(order, at=at)
        case "partly_refunded":
            _goodwill(order, purse=purse, at=at)
        case "partly_refunded_line":
            refund_line(order, first, amount=first["total"], at=at)


def set_payment(order: Order, status: str, *, at: int | None) -> None:
    """The payment is PENDING, FAILED, or PAID at a time."""
    order.payload["orderPaymentStatus"] = status
    for payment in order.payload["paymentSummary"]["payments"]:
        payment["paymentStatus"] = status
        payment.pop("paymentDate", None)
        if at is not None:
            payment["paymentDate"] = moment(at)


def hold_payout(order: Order, *, at: int) -> None:
    """EBay keeps the seller's money for a while; the order ships as ever."""
    payment = order.payload["paymentSummary"]["payments"][0]
    payment["paymentHolds"] = [
        {
            "holdState": "HELD",
            "holdReason": "NEW_SELLER",
            "holdAmount": payment["amount"],
            "expectedReleaseDate": moment(at + 21 * 86_400_000),
            "sellerActionsToRelease": [{"sellerActionToRelease": "UPLOAD_TRACKING_INFO"}],
        }
    ]


def request_cancel(order: Order, *, by: str, reason: str, at: int) -> None:
    """Somebody asks to cancel; who and why is told of the single order only."""
    order.payload["cancelStatus"]["cancelState"] = "IN_PROGRESS"
    order.cancel_requests.append(
        {
            "cancelRequestId": str(5_000_000_000 + int(order.payload["salesRecordReference"])),
            "cancelRequestState": "REQUESTED",
            "cancelInitiator": by,
            "cancelReason": reason,
            "cancelRequestedDate": moment(at),
        }
    )


def reject_cancel(order: Order) -> None:
    """The seller declines: the order goes on, and remembers the request."""
    order.payload["cancelStatus"]["cancelState"] = "NONE_REQUESTED"
    order.cancel_requests[-1]["cancelRequestState"] = "REJECTED"


def cancel(order: Order, *, by: str, reason: str, at: int) -> None:
    """The order is cancelled, and what was paid goes back."""
    if order.payload["cancelStatus"]["cancelState"] != "IN_PROGRESS":
        request_cancel(order, by=by, reason=reason, at=at)
    order.cancel_requests[-1] |= {"cancelRequestState": "COMPLETED", "cancelCompletedDate": moment(at)}
    order.payload["cancelStatus"] |= {"cancelState": "CANCELED", "cancelledDate": moment(at)}
    if order.payload["orderPaymentStatus"] in ("PAID", "PARTIALLY_REFUNDED"):
        refund_all(order, at=at)


def refund_all(order: Order, *, at: int) -> None:
    """All that was paid goes back."""
    total = order.payload["pricingSummary"]["total"]
    order.payload["paymentSummary"]["refunds"].append(_refund(order, total, at=at) | {"refundStatus": "REFUNDED"})
    order.payload["orderPaymentStatus"] = "FULLY_REFUNDED"


def refund_line(order: Order, line: dict[str, Any], *, amount: dict[str, Any], at: int) -> None:
    """Money for one line goes back; eBay tells the amount, never of how many units."""
    line["refunds"] = [*line["refunds"], _refund(order, amount, at=at)]
    order.payload["orderPaymentStatus"] = "PARTIALLY_REFUNDED"


def ship_elsewhere(order: Order, units: dict[str, int], *, at: int) -> None:
    """The seller ships these units by hand, without tracking."""
    for line, number in units.items():
        order.units_elsewhere[line] = order.units_elsewhere.get(line, 0) + number
    add_fulfillment(order, {"fulfillmentId": "999", "shippedDate": moment(at), "lineItems": _references(units)})


def add_fulfillment(order: Order, fulfillment: dict[str, Any]) -> None:
    """Keep a shipment, and tell how far the order is."""
    order.fulfillments.append(fulfillment)
    payload = order.payload
    payload["fulfillmentHrefs"].append(fulfillment_path(order.order_id, fulfillment["fulfillmentId"]))
    shipped: dict[str, int] = {}
    for reference in (each for sent in order.fulfillments for each in sent["lineItems"]):
        shipped[reference["lineItemId"]] = shipped.get(reference["lineItemId"], 0) + reference["quantity"]
    for line in payload["lineItems"]:
        line["lineItemFulfillmentStatus"] = _progress(shipped.get(line["lineItemId"], 0), line["quantity"])
    states = {line["lineItemFulfillmentStatus"] for line in payload["lineItems"]}
    payload["orderFulfillmentStatus"] = "FULFILLED" if states == {"FULFILLED"} else "IN_PROGRESS"


def fulfillment_path(order_id: str, fulfillment_id: str) -> str:
    """Where a shipment is read."""
    return f"https://api.ebay.com/sell/fulfillment/v1/order/{order_id}/shipping_fulfillment/{fulfillment_id}"


def is_line_refunded(line: dict[str, Any]) -> bool:
    """Whether all that a line cost went back."""
    refunded = sum((Decimal(each["amount"]["value"]) for each in line["refunds"]), Decimal(0))
    return bool(line["refunds"]) and refunded >= Decimal(line["total"]["value"])


def _goodwill(order: Order, *, purse: Purse, at: int) -> None:
    """A small amount goes back, of the order or of a line by turns: it says nothing of units."""
    amount = purse.amount(price_in(GOODWILL, purse.currency))
    if int(order.payload["salesRecordReference"]) % 2:
        refund_line(order, order.payload["lineItems"][0], amount=amount, at=at)
        return
    order.payload["paymentSummary"]["refunds"].append(_refund(order, amount, at=at) | {"refundStatus": "REFUNDED"})
    order.payload["orderPaymentStatus"] = "PARTIALLY_REFUNDED"


def _refund(order: Order, amount: dict[str, Any], *, at: int) -> dict[str, Any]:
    place = sum(len(line["refunds"]) for line in order.payload["lineItems"])
    place += len(order.payload["paymentSummary"]["refunds"])
    number = str(7_000_000_000 + int(order.payload["salesRecordReference"]) * 100 + place)
    return {"amount": amount, "refundDate": moment(at), "refundId": number, "refundReferenceId": number}


def _adjust(payload: dict[str, Any], *, purse: Purse) -> None:
    """The seller and the buyer agreed on another price after the purchase."""
    pricing = payload["pricingSummary"]
    adjustment = -price_in(GOODWILL, purse.currency)
    pricing["adjustment"] = purse.amount(adjustment)
    pricing["total"] = purse.amount(minor_units(pricing["total"]["value"], purse.currency) + adjustment)


def _join_program(order: Order) -> None:
    program = _PROGRAMS.get(order.scenario)
    if program is not None:
        order.payload["program"] = program


def _references(units: dict[str, int]) -> list[dict[str, Any]]:
    return [{"lineItemId": line, "quantity": number} for line, number in units.items()]


def _progress(shipped: int, quantity: int) -> str:
    if shipped >= quantity:
        return "FULFILLED"
    return "IN_PROGRESS" if shipped else "NOT_STARTED"


_PROGRAMS: dict[str, dict[str, Any]] = {
    "fulfilled_by_ebay": {"fulfillmentProgram": {"fulfilledBy": "EBAY"}},
    "ebay_label": {"ebayShipping": {"shippingLabelProvidedBy": "EBAY"}},
    "international_shipping": INTERNATIONAL,
    "authenticity": {"authenticityVerification": {"status": "PENDING"}},
}
