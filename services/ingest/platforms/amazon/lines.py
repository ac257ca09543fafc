"""Translates the lines of an Amazon order, and what is charged beside them, into order items."""

from __future__ import annotations

from schemas.money import Money
from schemas.order import NameValue, OrderItem
from services.ingest.parsing import money, text
from services.ingest.platforms.amazon.custom import Customization, Customizations
from services.ingest.platforms.amazon.payloads import AmazonGift, AmazonLine, AmazonMoney, AmazonOrder

#: In these states Amazon counts nothing as left to send yet: what was ordered will be, once it is paid.
_PENDING = frozenset({"PENDING_AVAILABILITY", "PENDING"})
_OPEN = _PENDING | {"UNSHIPPED", "PARTIALLY_SHIPPED"}
_BY_AMAZON = "AMAZON"
_TIP = "DELIVERY_TIP"
_NOTHING_ASKED = Customization()


def to_items(order: AmazonOrder, *, currency: str, custom: Customizations) -> tuple[OrderItem, ...]:
    """Return the lines, and the tip where one was given; `currency` is for prices that are not told.

    `custom` is what buyers had written on the items, as far as it was read.
    """
    status = order.fulfillment.fulfillment_status
    ours = order.fulfillment.fulfilled_by != _BY_AMAZON and status in _OPEN
    lines = [
        _item(
            line,
            place,
            left=_left(line, pending=status in _PENDING) if ours else 0,
            currency=currency,
            asked=custom.get(line.order_item_id) or _NOTHING_ASKED,
        )
        for place, line in enumerate(order.order_items)
    ]
    return (*lines, *_tips(order))


def gift_of(line: AmazonLine) -> AmazonGift | None:
    """Return what says that the line is a gift."""
    packing = line.fulfillment.packing if line.fulfillment else None
    gift = packing.gift_option if packing else None
    return gift if gift and (text(gift.gift_message) or text(gift.gift_wrap_level)) else None


def cancellation_is_asked_for(line: AmazonLine) -> bool:
    """Tell whether a request to cancel waits for the seller's answer."""
    found = line.cancellation
    return found is not None and found.cancellation_request is not None and found.cancellation_execution is None


def priced(value: AmazonMoney, *, path: str) -> Money:
    """Return the exact amount. Raises UnreadablePayload."""
    return money(value.amount, value.currency_code, path=path)


def _item(line: AmazonLine, place: int, *, left: int, currency: str, asked: Customization) -> OrderItem:
    product, gift = line.product, gift_of(line)
    unit_price = product.price.unit_price if product.price else None
    wrap = text(gift.gift_wrap_level) if gift else None
    sku, asin = text(product.seller_sku), text(product.asin)
    return OrderItem(
        external_id=line.order_item_id,
        title=text(product.title) or sku or asin or "",
        sku=sku,
        product_id=asin,
        quantity=line.quantity_ordered,
        quantity_to_make=left,
        unit_price=_unit_price(unit_price, place, currency=currency),
        options=(NameValue(name="gift_wrap", value=wrap),) if wrap else (),
        # The link itself would only tell where this was, and is another one at each reading.
        personalization=asked.words,
        designs=asked.designs,
    )


def _left(line: AmazonLine, *, pending: bool) -> int:
    """Return how many are left to send: none of a line that was cancelled, whatever its counts say."""
    if line.cancellation and line.cancellation.cancellation_execution:
        return 0
    counts = line.fulfillment
    if counts is None or pending:
        return line.quantity_ordered
    unsent = line.quantity_ordered - (counts.quantity_fulfilled or 0)
    left = unsent if counts.quantity_unfulfilled is None else min(counts.quantity_unfulfilled, unsent)
    return max(left, 0)


def _unit_price(value: AmazonMoney | None, place: int, *, currency: str) -> Money:
    """Return the price of one; orders that are still pending may come without prices."""
    if value is None:
        return Money.zero(currency)
    return priced(value, path=f"orderItems.{place}.product.price.unitPrice")


def _tips(order: AmazonOrder) -> list[OrderItem]:
    """Return the tip for the delivery, which is charged apart and belongs to no line."""
    return [
        OrderItem(
            external_id=_TIP,
            title="Delivery tip",
            kind="tip",
            quantity=1,
            quantity_to_make=0,
            unit_price=priced(part.subtotal, path="proceeds.breakdowns.subtotal"),
        )
        for part in (order.proceeds.breakdowns if order.proceeds else None) or ()
        if part.type == _TIP
    ]
