"""Translates an eBay order into a raw order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import FulfilmentState, ItemKind, OrderItem, Payload, PaymentState, RawOrder, Way
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import money, named, text, unreadable
from services.ingest.platforms.ebay.payloads import (
    EbayAmount,
    EbayContact,
    EbayInstruction,
    EbayLine,
    EbayOrder,
    EbayRefund,
    EbayShippingStep,
)

T = TypeVar("T")

#: A failed payment may be made good yet, and then eBay confirms the order again: it is awaited, not voided.
_PAYMENTS: dict[str, PaymentState] = {
    "PENDING": "pending",
    "FAILED": "pending",
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "FULLY_REFUNDED": "refunded",
}
_FULFILMENTS: dict[str, FulfilmentState] = {
    "NOT_STARTED": "unfulfilled",
    "IN_PROGRESS": "partial",
    "FULFILLED": "fulfilled",
}
_CANCELED = "CANCELED"
#: What each cancel state but CANCELED holds the order by; one that we do not know holds it too.
_CANCEL_HOLDS = {"NONE_REQUESTED": None, _CANCELED: None, "IN_PROGRESS": "CANCELLATION_IN_PROGRESS"}
_EBAY, _DIGITAL, _PICKUP, _BY_EBAY = "EBAY", "DIGITAL", "PREPARE_FOR_PICKUP", "FULFILLED_BY_EBAY"
#: Ways of delivery that we know; with one that we do not know the order waits for a person.
_WAYS_OR_NONE = frozenset({None, "SHIP_TO", "SELLER_DEFINED", _DIGITAL, _PICKUP, _BY_EBAY})
_NO_SHIPMENTS: Mapping[str, int] = MappingProxyType({})


def to_raw_order(
    order: EbayOrder,
    store: StoreRef,
    *,
    body: str,
    way: Way,
    fetched_at: datetime,
    shipped: Mapping[str, int] = _NO_SHIPMENTS,
) -> RawOrder:
    """Return the order in our nouns; `body` is its verbatim JSON text. Raises UnreadablePayload.

    `shipped` is how many units of a line are in parcels already: the order itself only says "some".
    """
    try:
        return _order(order, store, body=body, way=way, fetched_at=fetched_at, shipped=shipped)
    except ValidationError as error:
        raise unreadable(error) from None


def _order(
    order: EbayOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime, shipped: Mapping[str, int]
) -> RawOrder:
    step = _shipping_step(order)
    contact = step.ship_to if step else None
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.id,
        display_name=order.id,
        placed_at=order.created_at,
        revised_at=order.modified_at,
        fetched_at=fetched_at,
        way=way,
        payment=_payment(order),
        fulfilment=_known(_FULFILMENTS, order.fulfilment, path="orderFulfillmentStatus"),
        cancelled_at=_cancelled_at(order),
        cancel_reason=_cancel_reason(order),
        holds=tuple(_holds(order)),
        total=_money(order.prices.total, path="pricingSummary.total"),
        total_for_buyer=_original(order.prices.total),
        ship_to=_address(contact),
        email=text(contact.email) if contact else None,
        buyer_id=text(order.buyer.username) if order.buyer else None,
        tax_number=text(order.buyer.tax_id.number) if order.buyer and order.buyer.tax_id else None,
        items=tuple(_item(line, place, order, shipped) for place, line in enumerate(order.lines)),
        shipping_service=text(step.service) if step else None,
        note=_label_note(step),
        buyer_message=text(order.notes),
        attributes=named(_attributes(order, step)),
        ship_by=ship_by(order),
        payload=Payload(form="order", body=body),
    )


def _payment(order: EbayOrder) -> PaymentState:
    payment = _known(_PAYMENTS, order.payment, path="orderPaymentStatus")
    # A refund may be listed before the status that names it.
    if payment == "paid" and any(_given_back(refunds) for refunds in _all_refunds(order)):
        return "partially_refunded"
    return payment


def _known(table: Mapping[str, T], word: str, *, path: str) -> T:
    if word not in table:
        raise UnreadablePayload(path, "not a status that we know")
    return table[word]


def _all_refunds(order: EbayOrder) -> Iterable[list[EbayRefund] | None]:
    yield order.payments.refunds if order.payments else None
    for line in order.lines:
        yield line.refunds


def _given_back(refunds: list[EbayRefund] | None) -> list[EbayAmount]:
    """Return what was, or is about to be, given back: a refund that failed gave nothing."""
    return [refund.amount for refund in refunds or () if refund.amount and refund.status != "FAILED"]


def _cancelled_at(order: EbayOrder) -> datetime | None:
    if order.cancel.state != _CANCELED:
        return None
    completed = [request.completed_at for request in order.cancel.requests or () if request.completed_at]
    # Where eBay tells no moment, the change that told it is the nearest we know.
    return order.cancel.cancelled_at or max(completed, default=order.modified_at)


def _cancel_reason(order: EbayOrder) -> str | None:
    asked = [request for request in order.cancel.requests or () if request.state != "REJECTED"]
    return text(asked[-1].reason) if asked and order.cancel.state == _CANCELED else None


def _holds(order: EbayOrder) -> Iterable[str]:
    cancelling = _CANCEL_HOLDS.get(order.cancel.state, "UNKNOWN_CANCEL_STATE")
    if cancelling:
        yield cancelling
    # eBay sells the label too, and the seller downloads it there: a parcel with another label must not leave.
    if has_label_of_ebay(order):
        yield "LABEL_PROVIDED_BY_EBAY"
    instructions = order.instructions or ()
    ways = {instruction.type for instruction in instructions}
    if _PICKUP in ways:
        yield "PICKUP_IN_STORE"
    if not ways <= _WAYS_OR_NONE:
        yield "UNKNOWN_WAY_OF_DELIVERY"
    if len(instructions) > 1 and len({_place(instruction) for instruction in instructions} - {None}) > 1:
        yield "SEVERAL_ADDRESSES"


def has_label_of_ebay(order: EbayOrder) -> bool:
    """Tell whether eBay provides the label, and so knows its number."""
    return bool(order.program and order.program.label and order.program.label.by == _EBAY)


def ship_by(order: EbayOrder) -> datetime | None:
    """Return until when the first line is to be shipped."""
    return min((line.promise.ship_by for line in order.lines if line.promise and line.promise.ship_by), default=None)


def _place(instruction: EbayInstruction) -> str | None:
    contact = instruction.step.ship_to if instruction.step else None
    return contact.model_dump_json(exclude={"email"}) if contact else None


def _item(line: EbayLine, place: int, order: EbayOrder, shipped: Mapping[str, int]) -> OrderItem:
    path = f"lineItems.{place}.lineItemCost"
    options = named((aspect.name, aspect.value) for aspect in line.aspects) if line.aspects else ()
    kind = _kind(line, order)
    return OrderItem(
        external_id=line.id,
        # The listing's id stands here while eBay holds the listing back.
        title=text(line.title) or "",
        variant_title=" / ".join(option.value for option in options) or None,
        sku=text(line.sku),
        product_id=text(line.listing_id),
        variant_id=None if line.variation_id == "0" else text(line.variation_id),
        kind=kind,
        quantity=line.quantity,
        quantity_to_make=0 if kind != "physical" or _is_settled(line, place, order) else _left(line, shipped),
        unit_price=_unit_price(_money(line.cost, path=path), line.quantity),
        options=options,
    )


def _kind(line: EbayLine, order: EbayOrder) -> ItemKind:
    if line.gift is not None:
        return "gift_card"
    instructions = order.instructions
    is_digital = instructions and all(instruction.type == _DIGITAL for instruction in instructions)
    return "digital" if is_digital else "physical"


def _is_settled(line: EbayLine, place: int, order: EbayOrder) -> bool:
    """Tell whether nothing of the line is for us to make any more, or ever was."""
    return (
        order.cancel.state == _CANCELED
        or order.payment == "FULLY_REFUNDED"
        or order.fulfilment == "FULFILLED"
        or line.fulfilment == "FULFILLED"
        or is_shipped_by_ebay(order)
        or _is_refunded(line, place)
    )


def is_shipped_by_ebay(order: EbayOrder) -> bool:
    """Tell whether eBay itself sends the order on its way."""
    program = order.program
    if program and program.fulfilment and program.fulfilment.by == _EBAY:
        return True
    # An item in eBay's vault leaves it without the seller; only on its way in ("Seller to Vault") the seller ships.
    if program and program.vault and (program.vault.type or "").upper().replace(" ", "_").startswith("VAULT"):
        return True
    return any(instruction.type == _BY_EBAY for instruction in order.instructions or ())


def _is_refunded(line: EbayLine, place: int) -> bool:
    amounts = _given_back(line.refunds)
    if not amounts:
        return False
    given_back = [_money(amount, path=f"lineItems.{place}.refunds") for amount in amounts]
    cost = _money(line.discounted_cost or line.cost, path=f"lineItems.{place}.discountedLineItemCost")
    alike = [amount.amount for amount in given_back if amount.currency == cost.currency]
    return bool(alike) and sum(alike) >= cost.amount


def _left(line: EbayLine, shipped: Mapping[str, int]) -> int:
    return max(line.quantity - shipped.get(line.id, 0), 0)


def _unit_price(cost: Money, quantity: int) -> Money:
    """Return the price of one unit: eBay tells that of all. A cost that it converted may not divide evenly."""
    return Money(amount=cost.amount // quantity, currency=cost.currency) if quantity > 1 else cost


def _shipping_step(order: EbayOrder) -> EbayShippingStep | None:
    return next((instruction.step for instruction in order.instructions or () if instruction.step), None)


def _address(contact: EbayContact | None) -> Address | None:
    """Return where to ship to: a hub where eBay forwards the parcel, never the buyer's home behind it.

    None once the order is older than 90 days: what eBay goes on telling is no address.
    """
    if contact is None or contact.address is None or not text(contact.address.line1):
        return None
    address = contact.address
    return Address(
        name=text(contact.name),
        company=text(contact.company),
        line1=text(address.line1),
        line2=text(address.line2),
        city=text(address.city),
        region=text(address.region) or text(address.county),
        postal_code=text(address.postal_code),
        country=text(address.country),
        phone=text(contact.phone.number) if contact.phone else None,
    )


def _label_note(step: EbayShippingStep | None) -> str | None:
    """Return what the label must show beside the address, or eBay's hub cannot tell whose parcel it is."""
    reference = text(step.reference) if step else None
    return f"Put this reference on the label: {reference}" if reference else None


def _attributes(order: EbayOrder, step: EbayShippingStep | None) -> list[tuple[str, str]]:
    found = []
    if step and step.reference and text(step.reference):
        found.append(("shipToReferenceId", step.reference))
    if any(instruction.by_way_of_ebay for instruction in order.instructions or ()):
        found.append(("ebaySupportedFulfillment", "true"))
    marketplaces = dict.fromkeys(line.marketplace for line in order.lines)
    return found + [("purchaseMarketplaceId", marketplace) for marketplace in marketplaces if marketplace]


def _money(amount: EbayAmount, *, path: str) -> Money:
    return money(amount.value, amount.currency, path=path)


def _original(total: EbayAmount) -> Money | None:
    """Return what the buyer saw, where eBay converted it into the seller's currency."""
    if not total.original_value or not total.original_currency:
        return None
    return money(total.original_value, total.original_currency, path="pricingSummary.total.convertedFromValue")
