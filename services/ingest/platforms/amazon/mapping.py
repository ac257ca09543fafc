"""Translates an Amazon order into a raw order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import UNREAD, FulfilmentState, OrderItem, Payload, PaymentState, RawOrder, Way
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import named, text, unreadable
from services.ingest.platforms.amazon.custom import Customizations, link_of
from services.ingest.platforms.amazon.lines import cancellation_is_asked_for, gift_of, priced, to_items
from services.ingest.platforms.amazon.marketplaces import MARKETPLACES
from services.ingest.platforms.amazon.payloads import (
    AmazonAddress,
    AmazonMoney,
    AmazonOrder,
    AmazonRecipient,
)

#: What each status says of payment and fulfilment. No field says "paid": while an order is PENDING its payment is not
#: authorized, and Amazon has only UNSHIPPED and PARTIALLY_SHIPPED orders sent. It charges when they are, so a
#: cancelled order was never paid for.
_STATES: dict[str, tuple[PaymentState, FulfilmentState]] = {
    "PENDING_AVAILABILITY": ("pending", "unfulfilled"),
    "PENDING": ("pending", "unfulfilled"),
    "UNSHIPPED": ("paid", "unfulfilled"),
    "PARTIALLY_SHIPPED": ("paid", "partial"),
    "SHIPPED": ("paid", "fulfilled"),
    # Only Amazon's migration guide has this one, after v0's InvoiceUnconfirmed: shipped, the invoice is still to come.
    "INVOICE_UNCONFIRMED": ("paid", "fulfilled"),
    "CANCELLED": ("voided", "unfulfilled"),
    "UNFULFILLABLE": ("paid", "unfulfilled"),
}
_CANCELLED = "CANCELLED"
_UNFULFILLABLE = "UNFULFILLABLE"
#: Requests to cancel are the seller's to answer as long as something may still be sent.
_UNSENT = frozenset({"PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED"})
#: What Amazon Custom's file says is not known yet, or names pictures that have no address of their own.
CUSTOMIZATION_UNREAD, IMAGES_ONLY_IN_FILE = f"CUSTOMIZATION{UNREAD}", "CUSTOMIZATION_IMAGES_ONLY_IN_FILE"
_FULFILLERS = frozenset({"MERCHANT", "AMAZON"})
_SELLER_ORDER_ID = "SELLER_ORDER_ID"
_REPLACED = {"REPLACEMENT_ORIGINAL_ID": "replacement_of", "EXCHANGE_ORIGINAL_ID": "exchange_of"}
#: Where a county is no part of a postal address.
_WITHOUT_COUNTIES = frozenset({"US", "CA", "GB", "IE", "AU"})
#: Nothing of Amazon Custom was read.
_NO_FILES: Customizations = {}


def to_raw_order(
    order: AmazonOrder,
    store: StoreRef,
    *,
    body: str,
    way: Way,
    fetched_at: datetime,
    custom: Customizations = _NO_FILES,
) -> RawOrder:
    """Return the order in our nouns; `body` is its verbatim JSON text, `custom` what was read of its items' files.

    Raises UnreadablePayload.
    """
    try:
        return _order(order, store, body=body, way=way, fetched_at=fetched_at, custom=custom)
    except ValidationError as error:
        raise unreadable(error) from None


def _order(
    order: AmazonOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime, custom: Customizations
) -> RawOrder:
    status = order.fulfillment.fulfillment_status
    if status not in _STATES:
        raise UnreadablePayload("fulfillment.fulfillmentStatus", "not a status that we know")
    payment, fulfilment = _STATES[status]
    currency = _currency(order, store)
    items = to_items(order, currency=currency, custom=custom)
    gifts = [gift for line in order.order_items if (gift := gift_of(line))]
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.order_id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.order_id,
        display_name=order.order_id,
        placed_at=order.created_time,
        revised_at=order.last_updated_time,
        fetched_at=fetched_at,
        way=way,
        payment=payment,
        fulfilment=fulfilment,
        # Amazon tells that it was cancelled, not when: the change that told it is the nearest we know.
        cancelled_at=order.last_updated_time if status == _CANCELLED else None,
        cancel_reason=_cancel_reason(order) if status == _CANCELLED else None,
        holds=_holds(order, status, items, custom),
        total=_total(order, currency),
        ship_to=_address(order),
        email=text(order.buyer.buyer_email) if order.buyer else None,
        items=items,
        shipping_service=text(order.fulfillment.fulfillment_service_level),
        is_gift=bool(gifts),
        gift_message="\n".join(dict.fromkeys(words for gift in gifts if (words := text(gift.gift_message)))) or None,
        ioss_number=_ioss_number(order),
        attributes=named(_attributes(order)),
        tags=_tags(order),
        ship_by=order.fulfillment.ship_by_window.latest_date_time if order.fulfillment.ship_by_window else None,
        payload=Payload(form="orders-2026-01-01", body=body),
    )


def _currency(order: AmazonOrder, store: StoreRef) -> str:
    """Return the currency of the order, for amounts that are not told: orders may come without any price."""
    for value in _amounts(order):
        if value is not None:
            return value.currency_code
    channel = order.sales_channel
    marketplace = MARKETPLACES.get(channel.marketplace_id or "") if channel else None
    currency = marketplace.currency if marketplace else store.currency
    if currency is None:
        raise UnreadablePayload("proceeds.grandTotal", "no amount, and no marketplace that tells the currency")
    return currency


def _amounts(order: AmazonOrder) -> Iterator[AmazonMoney | None]:
    yield order.proceeds.grand_total if order.proceeds else None
    for line in order.order_items:
        yield line.proceeds.proceeds_total if line.proceeds else None
        yield line.product.price.unit_price if line.product.price else None


def _total(order: AmazonOrder, currency: str) -> Money:
    """Return the order's total; without one, what its lines bring in, as far as they tell it in one currency."""
    if order.proceeds and order.proceeds.grand_total:
        return priced(order.proceeds.grand_total, path="proceeds.grandTotal")
    total = Money.zero(currency)
    for place, line in enumerate(order.order_items):
        if line.proceeds and line.proceeds.proceeds_total:
            amount = priced(line.proceeds.proceeds_total, path=f"orderItems.{place}.proceeds.proceedsTotal")
        elif line.product.price and line.product.price.unit_price:
            path = f"orderItems.{place}.product.price.unitPrice"
            amount = priced(line.product.price.unit_price, path=path).times(line.quantity_ordered)
        else:
            continue
        if amount.currency != currency:
            raise UnreadablePayload(f"orderItems.{place}", "lines in several currencies, and no total")
        total = total.plus(amount)
    return total


def _holds(order: AmazonOrder, status: str, items: tuple[OrderItem, ...], custom: Customizations) -> tuple[str, ...]:
    if status == _UNFULFILLABLE:
        return ("UNFULFILLABLE",)
    found = []
    if status in _UNSENT and any(cancellation_is_asked_for(line) for line in order.order_items):
        found.append("BUYER_CANCELLATION_REQUESTED")
    if order.fulfillment.fulfilled_by not in _FULFILLERS:
        # Might Amazon send it, or somebody else, then it must not be made a second time.
        found.append("FULFILLER_UNKNOWN")
    return (*found, *_missing_files(order, items, custom))


def _missing_files(order: AmazonOrder, items: tuple[OrderItem, ...], custom: Customizations) -> Iterator[str]:
    """Name what is not known of items that are still to be made: without it they would be made like any others."""
    to_make = {item.external_id for item in items if item.quantity_to_make}
    asked = [
        custom.get(line.order_item_id) for line in order.order_items if line.order_item_id in to_make and link_of(line)
    ]
    if None in asked:
        yield CUSTOMIZATION_UNREAD
    if any(found.images_elsewhere for found in asked if found):
        yield IMAGES_ONLY_IN_FILE


def _cancel_reason(order: AmazonOrder) -> str | None:
    for line in order.order_items:
        done = line.cancellation.cancellation_execution if line.cancellation else None
        if done and (reason := text(done.cancel_reason) or text(done.cancelled_by)):
            return reason
    return None


def _address(order: AmazonOrder) -> Address | None:
    """Return the address; None where the app lacks the role: city and country alone, which stay, are no address."""
    found = order.recipient.delivery_address if order.recipient else None
    if found is None:
        return None
    line1 = text(found.address_line1) or _street(found)
    if not any((text(found.name), line1, text(found.address_line2), text(found.postal_code))):
        return None
    municipality, district = text(found.municipality), text(found.district_or_county)
    return Address(
        name=text(found.name),
        company=text(found.company_name),
        line1=line1,
        line2=_second_line(found),
        city=text(found.city) or municipality or district,
        region=text(found.state_or_region),
        postal_code=text(found.postal_code),
        country=text(found.country_code),
        phone=text(found.phone),
    )


def _street(found: AmazonAddress) -> str | None:
    """Return street and number as Brazilian addresses name them apart."""
    parts = found.extended_fields
    if parts is None:
        return None
    return ", ".join(part for part in (text(parts.street_name), text(parts.street_number)) if part) or None


def _second_line(found: AmazonAddress) -> str | None:
    """Return what follows the street: lines two and three, and the parts of a town that a letter there needs."""
    parts, city = found.extended_fields, text(found.city)
    second = [found.address_line2, found.address_line3]
    if parts:
        second += [parts.complement, parts.neighborhood]
    if city and text(found.country_code) not in _WITHOUT_COUNTIES:
        second += [found.municipality, found.district_or_county]
    present = dict.fromkeys(part for value in second if value and (part := value.strip()) and part != city)
    return ", ".join(present) or None


def _attributes(order: AmazonOrder) -> list[tuple[str, str]]:
    """Name what production and the seller may want to know and no other field holds."""
    found = [
        ("seller_order_id", alias.alias_id)
        for alias in order.order_aliases or ()
        if alias.alias_type == _SELLER_ORDER_ID
    ]
    for other in order.associated_orders or ():
        name = _REPLACED.get(other.association_type or "")
        if name and other.order_id:
            found.append((name, other.order_id))
    channel, way = order.sales_channel, order.fulfillment
    if channel and channel.marketplace_id:
        found.append(("marketplace_id", channel.marketplace_id))
    if way.fulfilled_by:
        found.append(("fulfilled_by", way.fulfilled_by))
    periods = (
        ("ship", way.ship_by_window),
        ("deliver", way.deliver_by_window),
        ("print_label", way.label_printing_window),
    )
    for name, period in periods:
        if period and period.earliest_date_time:
            found.append((f"{name}_from", period.earliest_date_time.isoformat()))
        if period and period.latest_date_time:
            found.append((f"{name}_by", period.latest_date_time.isoformat()))
    return found + _delivery(order.recipient)


def _delivery(recipient: AmazonRecipient | None) -> list[tuple[str, str]]:
    if recipient is None:
        return []
    address, wish = recipient.delivery_address, recipient.delivery_preference
    said = (
        ("address_type", address.address_type if address else None),
        ("drop_off_location", wish.drop_off_location if wish else None),
        ("address_instruction", wish.address_instruction if wish else None),
    )
    return [(name, words) for name, value in said if value and (words := text(value))]


def _ioss_number(order: AmazonOrder) -> str | None:
    for line in order.order_items:
        shipping = line.fulfillment.shipping if line.fulfillment else None
        abroad = shipping.international_shipping if shipping else None
        if abroad and (number := text(abroad.ioss_number)):
            return number
    return None


def _tags(order: AmazonOrder) -> tuple[str, ...]:
    """Return the programs of the order and of its lines: a TRANSPARENCY line ships with a code of its own."""
    found = dict.fromkeys(order.programs or ())
    for line in order.order_items:
        found |= dict.fromkeys(line.programs or ())
    return tuple(found)
