"""Translates an Etsy receipt into a raw order."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.address import Address
from schemas.currencies import MINOR_DIGITS
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import FulfilmentState, NameValue, OrderItem, Payload, PaymentState, RawOrder, Way
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import text, unreadable
from services.ingest.platforms.etsy.payloads import EtsyMoney, EtsyReceipt, EtsyTransaction, EtsyVariation

#: The property under which the buyer's answers to the seller's questions stand, whatever their name.
PERSONALIZATION = 54

#: Etsy's statuses and what each says of the payment once `is_paid` is true.
_PAID_AS: dict[str, PaymentState] = {
    "paid": "paid",
    "completed": "paid",
    "canceled": "paid",
    "fully refunded": "refunded",
    "partially refunded": "partially_refunded",
    "open": "pending",
    "payment processing": "pending",
}
_CANCELED = "canceled"
_NOTHING_LEFT = frozenset({_CANCELED, "fully refunded"})
#: The last second that fits every calendar we use (the end of the year 9999).
LAST_SECOND = 253_402_300_799


def to_raw_order(receipt: EtsyReceipt, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    """Return the order in our nouns; `body` is its verbatim JSON text. Raises UnreadablePayload."""
    try:
        return _order(receipt, store, body=body, way=way, fetched_at=fetched_at)
    except ValidationError as error:
        raise unreadable(error) from None


def _order(receipt: EtsyReceipt, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    status = _status(receipt.status)
    revised_at = _moment(receipt.updated, path="updated_timestamp")
    return RawOrder(
        key=order_key(store.platform, store.store_id, receipt.receipt_id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=receipt.receipt_id,
        display_name=receipt.receipt_id,
        placed_at=_moment(receipt.created, path="created_timestamp"),
        revised_at=revised_at,
        fetched_at=fetched_at,
        way=way,
        payment=_payment(receipt, status),
        fulfilment=_fulfilment(receipt),
        # Etsy tells that it was cancelled, not when: the change that told it is the nearest we know.
        cancelled_at=revised_at if status == _CANCELED else None,
        total=_money(receipt.grandtotal, path="grandtotal"),
        ship_to=_address(receipt),
        email=text(receipt.buyer_email),
        buyer_id=receipt.buyer_user_id,
        items=tuple(
            _item(transaction, place, receipt, status) for place, transaction in enumerate(receipt.transactions)
        ),
        shipping_service=_shipping_service(receipt.transactions),
        buyer_message=_words(receipt.message_from_buyer),
        is_gift=receipt.is_gift,
        gift_message=_words(receipt.gift_message),
        attributes=_gift_sender(receipt),
        ship_by=ship_by(receipt),
        payload=Payload(form="receipt", body=body),
    )


def ship_by(receipt: EtsyReceipt) -> datetime | None:
    """Return until when Etsy expects the first line that ships to be on its way; what cannot be a time is none."""
    told = [line.expected_ship_date for line in receipt.transactions if line.expected_ship_date and not line.is_digital]
    return datetime.fromtimestamp(min(told), tz=UTC) if told and 0 < min(told) <= LAST_SECOND else None


def is_over(receipt: EtsyReceipt) -> bool:
    """Tell whether nothing of it is to be sent any more: it was cancelled, or all its money was given back."""
    return _status(receipt.status) in _NOTHING_LEFT


def _status(status: str) -> str:
    known = status.strip().lower()
    if known not in _PAID_AS:
        raise UnreadablePayload("status", "not a status that we know")
    return known


def _payment(receipt: EtsyReceipt, status: str) -> PaymentState:
    if not receipt.is_paid:
        return "voided" if status == _CANCELED else "pending"
    payment = _PAID_AS[status]
    # A refund may be listed before, or without, the status that names it.
    if payment == "paid" and status != _CANCELED and any(refund.amount for refund in receipt.refunds or ()):
        return "partially_refunded"
    return payment


def _fulfilment(receipt: EtsyReceipt) -> FulfilmentState:
    if receipt.is_shipped:
        return "fulfilled"
    shipped = [transaction.shipped_timestamp is not None for transaction in receipt.transactions]
    return "partial" if any(shipped) and not all(shipped) else "unfulfilled"


def _item(transaction: EtsyTransaction, place: int, receipt: EtsyReceipt, status: str) -> OrderItem:
    options = tuple(_pair(variation) for variation in _variations(transaction, personal=False))
    gone = receipt.is_shipped or transaction.shipped_timestamp is not None or status in _NOTHING_LEFT
    return OrderItem(
        external_id=transaction.transaction_id,
        title=_words(transaction.title) or "",
        variant_title=" / ".join(option.value for option in options) or None,
        sku=_words(transaction.sku),
        product_id=transaction.listing_id,
        variant_id=transaction.product_id,
        kind="digital" if transaction.is_digital else "physical",
        quantity=transaction.quantity,
        quantity_to_make=0 if gone or transaction.is_digital else transaction.quantity,
        unit_price=_money(transaction.price, path=f"transactions.{place}.price"),
        options=options,
        personalization=tuple(_pair(variation) for variation in _variations(transaction, personal=True)),
    )


def _variations(transaction: EtsyTransaction, *, personal: bool) -> list[EtsyVariation]:
    return [
        variation
        for variation in transaction.variations or ()
        if (variation.property_id == PERSONALIZATION) == personal
    ]


def _pair(variation: EtsyVariation) -> NameValue:
    """Return a choice or an answer. A file upload's value is its URL, kept as it is but for the HTML escapes."""
    return NameValue(
        name=html.unescape(variation.formatted_name or ""), value=html.unescape(variation.formatted_value or "")
    )


def _address(receipt: EtsyReceipt) -> Address | None:
    """Return the address, or None where Etsy hides it: the name alone stays visible and is no address."""
    fields = (receipt.first_line, receipt.city, receipt.zip, receipt.country_iso, receipt.formatted_address)
    if not any(fields):
        return None
    return Address(
        name=_words(receipt.name),
        line1=_words(receipt.first_line),
        line2=_words(receipt.second_line),
        city=_words(receipt.city),
        region=_words(receipt.state),
        postal_code=_words(receipt.zip),
        country=_words(receipt.country_iso),
    )


def _words(value: str | None) -> str | None:
    """Return a person's words as they were typed: Etsy escapes them as HTML, once."""
    return text(html.unescape(value)) if value else None


def _shipping_service(transactions: Sequence[EtsyTransaction]) -> str | None:
    for transaction in transactions:
        chosen = _words(transaction.shipping_upgrade) or _words(transaction.shipping_method)
        if chosen:
            return chosen
    return None


def _gift_sender(receipt: EtsyReceipt) -> tuple[NameValue, ...]:
    sender = _words(receipt.gift_sender)
    return (NameValue(name="gift_sender", value=sender),) if sender else ()


def _money(value: EtsyMoney, *, path: str) -> Money:
    """Return amount / divisor exactly; the divisor need not be the currency's own number of minor units."""
    digits = MINOR_DIGITS.get(value.currency_code)
    if digits is None:
        raise UnreadablePayload(f"{path}.currency_code", "not an ISO 4217 currency with a minor unit")
    minor, rest = divmod(value.amount * 10**digits, value.divisor)
    if rest:
        raise UnreadablePayload(path, "more decimals than the currency has")
    return Money(amount=minor, currency=value.currency_code)


def _moment(seconds: int, *, path: str) -> datetime:
    if not 0 < seconds <= LAST_SECOND:
        raise UnreadablePayload(path, "not a time in Unix seconds")
    return datetime.fromtimestamp(seconds, tz=UTC)
