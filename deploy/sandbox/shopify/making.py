"""Makes orders: each scenario in the form that Shopify gives it, repeatable by the generator's seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, GOODS_BY_SKU, LEGACY, Good
from deploy.sandbox.people import is_deliverable, make_address, make_buyer, make_invalid_address
from deploy.sandbox.scenarios import Scenario
from deploy.sandbox.shopify.money import convert
from deploy.sandbox.shopify.world import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Ids,
    Line,
    Order,
    Refund,
    Store,
)

#: What buyers write: entities that a shop's form left behind, unicode, emoji, a line break, a hidden property.
_WORDS = (
    (("Engraving", "Tom &amp; Jerry &lt;3"), ("Font", "Serif")),
    (("Name", "Zoë 🎉"), ("Date", "12/31/2026"), ("_preview_id", "p-4711")),
    (("Message", "Chúc mừng sinh nhật!\nWith love, Mum & Dad"),),
    (("Text", "«Ça va?» — 日本語"), ("Gift note", "&quot;Enjoy&quot;")),
)
_MANY = 60
_SPEED = timedelta(minutes=3)


def make_order(scenario: Scenario, *, store: Store, at: datetime, rng: random.Random, ids: Ids) -> Order:
    """A new order of this scenario, created at `at` (whole seconds, UTC); the caller adds it to the store."""
    buyer = make_buyer(rng)
    address = make_address(rng, buyer)
    created = at.replace(microsecond=0)
    store.last_number += 1
    order = Order(
        id=ids.next(),
        number=store.last_number,
        store=store,
        scenario=scenario,
        created_at=created,
        updated_at=created,
        lines=[],
        currency=store.currency,
        presentment=store.currency,
        buyer=buyer,
        address=address,
        financial="PAID",
        shipping=convert(rng.choice((0, 499, 799)), source="USD", target=store.currency),
    )
    _SHAPES[scenario](order, rng, ids)
    order.address_valid = is_deliverable(order.address)
    order.fulfillment_orders = _fulfillment_orders(order, ids)
    return order


def make_line(good: Good, quantity: int, *, currency: str, ids: Ids, make: bool = True) -> Line:
    """A line of `quantity` units of a good, priced in the order's currency."""
    place = GOODS.index(good) if good in GOODS else len(GOODS)
    return Line(
        id=ids.next(),
        title=good.title,
        price=convert(good.price, source="USD", target=currency),
        quantity=quantity,
        current=quantity,
        sku=good.sku or None,
        variant_title=good.variant_title or None,
        product_id=7_000_000_000_000 + sum(map(ord, good.title)),
        variant_id=44_000_000_000_000 + place,
        requires_shipping=make,
        grams=good.grams,
    )


def line_for_sku(sku: str, quantity: int, *, currency: str, ids: Ids) -> Line:
    """A line by SKU; an unknown SKU becomes a custom item without product and variant."""
    good = GOODS_BY_SKU.get(sku)
    if good is None:
        price = convert(1000, source="USD", target=currency)
        return Line(id=ids.next(), title="Custom item", price=price, quantity=quantity, current=quantity, sku=sku)
    return make_line(good, quantity, currency=currency, ids=ids, make=good is not DOWNLOAD)


def _fulfillment_orders(order: Order, ids: Ids) -> list[FulfillmentOrder]:
    lines = [
        FulfillmentOrderLine(id=ids.next(), line=line, total=line.current, remaining=line.current)
        for line in order.lines
        if line.current and not line.gift_card
    ]
    if not lines:
        return []
    part = FulfillmentOrder(
        id=ids.next(),
        order=order,
        lines=lines,
        created_at=order.created_at,
        updated_at=order.updated_at,
        location=order.store.location,
    )
    return [part]


def _ready(order: Order, rng: random.Random, ids: Ids) -> None:
    for good in rng.sample(GOODS, rng.choice((1, 1, 1, 2, 2, 3))):
        order.lines.append(make_line(good, rng.choice((1, 1, 1, 2)), currency=order.currency, ids=ids))


def _personalized(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.lines[0].attributes = rng.choice(_WORDS)
    order.note = "Please wrap it &amp; hide the price.\nMerci beaucoup ♥"
    order.attributes = (("delivery_date", "2026-12-20"), ("gift", "yes"))
    order.tags = ("gift", "personalized")


def _other_currency(order: Order, rng: random.Random, ids: Ids) -> None:
    order.currency = order.presentment = rng.choice(("EUR", "GBP", "JPY", "CAD"))
    order.shipping = convert(499, source="USD", target=order.currency)
    _ready(order, rng, ids)


def _presentment_currency(order: Order, rng: random.Random, ids: Ids) -> None:
    order.presentment = rng.choice([code for code in ("EUR", "JPY", "GBP") if code != order.currency])
    _ready(order, rng, ids)


def _edited(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.lines.append(make_line(GOODS_BY_SKU["MUG-11OZ"], 1, currency=order.currency, ids=ids))
    order.edited = True
    _later(order)


def _many_lines(order: Order, rng: random.Random, ids: Ids) -> None:
    for place in range(_MANY):
        line = make_line(GOODS[place % len(GOODS)], 1, currency=order.currency, ids=ids)
        line.attributes = (("Player", f"Nº {rng.randrange(100)}"),)
        order.lines.append(line)


def _partly_refunded(order: Order, rng: random.Random, ids: Ids) -> None:
    quantity = rng.choice((2, 3))
    line = make_line(rng.choice(GOODS), quantity, currency=order.currency, ids=ids)
    line.current = quantity - 1
    order.lines.append(line)
    order.financial = "PARTIALLY_REFUNDED"
    _later(order)
    order.refunds.append(Refund(ids.next(), order.updated_at, [(line, 1)], line.price))


def _unpaid_pending(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.financial = "PENDING"


def _unpaid_authorized(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.financial = "AUTHORIZED"


def _cancelled(order: Order, rng: random.Random, ids: Ids) -> None:
    _refunded(order, rng, ids)
    order.cancelled_at = order.updated_at
    order.cancel_reason = rng.choice(("CUSTOMER", "INVENTORY", "FRAUD", "OTHER"))


def _refunded(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    _later(order)
    refunded = [(line, line.quantity) for line in order.lines]
    for line in order.lines:
        line.current = 0
    order.financial = "REFUNDED"
    order.refunds.append(Refund(ids.next(), order.updated_at, refunded, order.subtotal + order.shipping))


def _test(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.test = True


def _gift_card_only(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(GIFT_CARD, rng.choice((1, 2)), currency=order.currency, ids=ids, make=False)
    line.gift_card = True
    _without_shipping(order, line)


def _digital_only(order: Order, _rng: random.Random, ids: Ids) -> None:
    _without_shipping(order, make_line(DOWNLOAD, 1, currency=order.currency, ids=ids, make=False))


def _without_shipping(order: Order, line: Line) -> None:
    order.lines.append(line)
    order.address = None
    order.shipping = 0


def _deleted_product(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(rng.choice(GOODS), 1, currency=order.currency, ids=ids)
    order.lines.append(replace(line, sku=None, product_id=None, variant_id=None, variant_title=None))


def _invalid_address(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    if order.buyer is not None:
        order.address = make_invalid_address(rng, order.buyer)


def _unmatched_sku(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(LEGACY, 1, currency=order.currency, ids=ids)
    order.lines.append(line if rng.random() < 0.7 else replace(line, sku=None))  # noqa: PLR2004 - a share
    if rng.random() < 0.5:  # noqa: PLR2004 - a share
        order.lines.append(make_line(rng.choice(GOODS), 1, currency=order.currency, ids=ids))


def _later(order: Order) -> None:
    """Last changed when it was to be created, so created some minutes before: never changed in the future."""
    order.created_at -= _SPEED


_SHAPES: dict[Scenario, Callable[[Order, random.Random, Ids], None]] = {
    "ready": _ready,
    "personalized": _personalized,
    "other_currency": _other_currency,
    "presentment_currency": _presentment_currency,
    "edited": _edited,
    "many_lines": _many_lines,
    "partly_refunded": _partly_refunded,
    "unpaid_pending": _unpaid_pending,
    "unpaid_authorized": _unpaid_authorized,
    "cancelled": _cancelled,
    "refunded": _refunded,
    "test": _test,
    "gift_card_only": _gift_card_only,
    "digital_only": _digital_only,
    "deleted_product": _deleted_product,
    "invalid_address": _invalid_address,
    "unmatched_sku": _unmatched_sku,
}
