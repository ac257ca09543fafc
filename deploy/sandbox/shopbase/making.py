"""Makes orders: each scenario in the form that ShopBase gives it, repeatable by the generator's seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, GOODS_BY_SKU, LEGACY, Good
from deploy.sandbox.people import is_deliverable, make_address, make_buyer, make_invalid_address
from deploy.sandbox.scenarios import Scenario, deal
from deploy.sandbox.shopbase.money import from_dollars
from deploy.sandbox.shopbase.totals import totals_of
from deploy.sandbox.shopbase.world import Fulfillment, Ids, Line, Order, Refund, Shop, Transaction

#: ShopBase has no test orders, and no currency but the shop's: these become cases of its own.
_INSTEAD: dict[Scenario, str] = {"test": "shipped_elsewhere", "presentment_currency": "discounted"}

#: What buyers write: entities that a form left behind, unicode, emoji, a line break, a hidden property.
_WORDS = (
    (("Engraving", "Tom &amp; Jerry &lt;3"), ("Font", "Serif")),
    (("Name", "Zoë 🎉"), ("Date", "12/31/2026"), ("_preview_id", "p-4711")),
    (("Message", "Chúc mừng sinh nhật!\nWith love, Mum & Dad"),),
    (("Text", "«Ça va?» — 日本語"), ("Gift note", "&quot;Enjoy&quot;")),
)
_MANY = 60
_SPEED = timedelta(minutes=3)
_UPSELL = timedelta(minutes=15)
_TAXED_REGIONS = ("CA", "NY")
_PERCENT_WITH_TIP = 2

Shape = Callable[[Order, random.Random, Ids], None]


def deal_scenarios(count: int, *, state: str, seed: int) -> list[str]:
    """`count` scenarios as they exist on ShopBase; ValueError for a state that nobody knows."""
    if state in OWN_SCENARIOS:
        return [state] * count
    return [_INSTEAD.get(scenario, scenario) for scenario in deal(count, state=state, seed=seed)]


def make_order(scenario: str, *, shop: Shop, at: datetime, rng: random.Random, ids: Ids) -> Order:
    """A new order of this scenario, last changed at `at` (UTC); the caller adds it to the shop."""
    buyer = make_buyer(rng)
    created = at.replace(microsecond=0)
    shop.last_number += 1
    order = Order(
        id=ids.next(),
        number=shop.last_number,
        shop=shop,
        scenario=scenario,
        created_at=created,
        updated_at=created,
        currency=shop.currency,
        buyer=buyer,
        address=make_address(rng, buyer),
        shipping=from_dollars(rng.choice((0, 499, 799)), shop.currency),
    )
    order.taxed = order.address is not None and order.address.region in _TAXED_REGIONS
    _SHAPES[scenario](order, rng, ids)
    order.address_valid = is_deliverable(order.address)
    _settle(order, ids)
    return order


def make_line(good: Good, quantity: int, *, currency: str, ids: Ids, ship: bool = True) -> Line:
    """A line of `quantity` units of a good, priced in the order's currency."""
    place = GOODS.index(good) if good in GOODS else len(GOODS)
    return Line(
        id=ids.next(),
        title=good.title,
        price=from_dollars(good.price, currency),
        quantity=quantity,
        sku=good.sku,
        variant_title=good.variant_title,
        product_id=1_000_000_000_000_000 + sum(map(ord, good.title)),
        variant_id=1_000_000_100_000_000 + place,
        requires_shipping=ship,
        grams=good.grams,
    )


def line_for_sku(sku: str, quantity: int, *, currency: str, ids: Ids) -> Line:
    """A line by SKU; an unknown SKU becomes a custom item without product and variant."""
    good = GOODS_BY_SKU.get(sku)
    if good is None:
        price = from_dollars(1000, currency)
        return Line(id=ids.next(), title="Custom item", price=price, quantity=quantity, sku=sku)
    return make_line(good, quantity, currency=currency, ids=ids, ship=good is not DOWNLOAD)


def _settle(order: Order, ids: Ids) -> None:
    """The movements of money that led to the order's financial state."""
    total, at = totals_of(order).total, order.created_at
    match order.financial:
        case "pending":
            return
        case "authorized" | "voided":
            kinds = [("authorization", total)]
        case "partially_paid":
            kinds = [("sale", total // 2)]
        case _:
            kinds = [("sale", total)]
    kinds += [("void", total)] if order.financial == "voided" else []
    kinds += [("refund", refund.amount + refund.other + refund.shipping) for refund in order.refunds]
    order.transactions = [Transaction(ids.next(), kind, money, at) for kind, money in kinds]


def _ready(order: Order, rng: random.Random, ids: Ids) -> None:
    for good in rng.sample(GOODS, rng.choice((1, 1, 1, 2, 2, 3))):
        order.lines.append(make_line(good, rng.choice((1, 1, 1, 2)), currency=order.currency, ids=ids))
    if rng.randrange(100) < _PERCENT_WITH_TIP:
        price = from_dollars(300, order.currency)
        order.lines.append(Line(ids.next(), "Tip", price, 1, requires_shipping=False, tip=True))


def _discounted(order: Order, rng: random.Random, ids: Ids) -> None:
    """A tenth off every line, by a code."""
    _ready(order, rng, ids)
    order.discount_code = "WELCOME10"
    for line in order.lines:
        line.discount = 0 if line.tip else line.price * line.quantity // 10


def _personalized(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.lines[0].properties = rng.choice(_WORDS)
    order.note = "Please wrap it &amp; hide the price.\nMerci beaucoup ♥"
    order.attributes = (("delivery_date", "2026-12-20"), ("gift", "yes"))
    order.tags = ("gift", "personalized")


def _other_currency(order: Order, rng: random.Random, ids: Ids) -> None:
    """From before the shop changed its currency: an order keeps the one that it was made in."""
    order.currency = rng.choice([code for code in ("EUR", "GBP", "JPY", "KWD", "VND") if code != order.currency])
    order.shipping = from_dollars(499, order.currency)
    _ready(order, rng, ids)


def _edited(order: Order, rng: random.Random, ids: Ids) -> None:
    """The buyer took the offer after the purchase."""
    _ready(order, rng, ids)
    order.original_total = totals_of(order).total
    line = make_line(GOODS_BY_SKU["MUG-11OZ"], 1, currency=order.currency, ids=ids)
    line.post_purchase = True
    order.lines.append(line)
    _later(order)


def _post_purchase(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.upsell_until = order.created_at + _UPSELL


def _many_lines(order: Order, rng: random.Random, ids: Ids) -> None:
    for place in range(_MANY):
        line = make_line(GOODS[place % len(GOODS)], 1, currency=order.currency, ids=ids)
        line.properties = (("Player", f"Nº {rng.randrange(100)}"),)
        order.lines.append(line)


def _partly_refunded(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(rng.choice(GOODS), rng.choice((2, 3)), currency=order.currency, ids=ids)
    line.refunded = 1
    order.lines.append(line)
    order.financial = "partially_refunded"
    _later(order)
    order.refunds.append(Refund(ids.next(), order.updated_at, [(line, 1)], line.price, 0, 0))


def _with_status(financial: str) -> Shape:
    def shape(order: Order, rng: random.Random, ids: Ids) -> None:
        _ready(order, rng, ids)
        order.financial = financial

    return shape


def _cancelled(order: Order, rng: random.Random, ids: Ids) -> None:
    _refunded(order, rng, ids)
    order.cancelled_at = order.updated_at
    order.cancel_reason = rng.choice(("customer", "fraud", "inventory", "declined", "other"))


def _refunded(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    _later(order)
    lines = [(line, line.quantity) for line in order.lines]
    for line in order.lines:
        line.refunded = line.quantity
    order.financial = "refunded"
    money = totals_of(order).total - order.shipping
    order.refunds.append(Refund(ids.next(), order.updated_at, lines, money, 0, order.shipping))


def _gift_card_only(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(GIFT_CARD, rng.choice((1, 2)), currency=order.currency, ids=ids, ship=False)
    line.gift_card = True
    _without_shipping(order, line)


def _digital_only(order: Order, _rng: random.Random, ids: Ids) -> None:
    _without_shipping(order, make_line(DOWNLOAD, 1, currency=order.currency, ids=ids, ship=False))


def _without_shipping(order: Order, line: Line) -> None:
    order.lines.append(line)
    order.address = None
    order.taxed = False
    order.shipping = 0


def _deleted_product(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(rng.choice(GOODS), 1, currency=order.currency, ids=ids)
    gone = replace(line, sku="", product_id=0, variant_id=0, variant_title="", product_deleted=True)
    order.lines.append(gone)


def _invalid_address(order: Order, rng: random.Random, ids: Ids) -> None:
    """An address that cannot be right, or none at all."""
    _ready(order, rng, ids)
    order.address = make_invalid_address(rng, order.buyer) if rng.randrange(5) else None


def _unmatched_sku(order: Order, rng: random.Random, ids: Ids) -> None:
    line = make_line(LEGACY, 1, currency=order.currency, ids=ids)
    order.lines.append(line if rng.randrange(10) < 7 else replace(line, sku=""))  # noqa: PLR2004 - a share of ten
    if rng.randrange(2):
        order.lines.append(make_line(rng.choice(GOODS), 1, currency=order.currency, ids=ids))


def _shipped_elsewhere(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    _later(order)
    send_elsewhere(order, {line.id: line.fulfillable for line in order.lines}, at=order.updated_at, ids=ids)


def _processing(order: Order, rng: random.Random, ids: Ids) -> None:
    """Placed with another supplier, who has not shipped yet."""
    _ready(order, rng, ids)
    units = {line.id: line.fulfillable for line in order.lines}
    send_elsewhere(order, units, at=order.updated_at, ids=ids, status="pending")


def _risky(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.risk = True


def _charged_back(order: Order, rng: random.Random, ids: Ids) -> None:
    _ready(order, rng, ids)
    order.chargeback = rng.choice(("open", "submitted", "won", "lost"))


def _later(order: Order) -> None:
    """Last changed when it was to be created, so created some minutes before: never changed in the future."""
    order.created_at -= _SPEED


def send_elsewhere(
    order: Order, units: dict[int, int], *, at: datetime, ids: Ids, status: str = "success"
) -> Fulfillment:
    """Somebody else ships these units, or takes them to ship (status pending)."""
    chosen = [(line, units[line.id]) for line in order.lines if units.get(line.id)]
    number = len(order.fulfillments) + 1
    tracking = [f"SB{order.id}{number:02d}"] if status == "success" else []
    sent = Fulfillment(
        id=ids.next(),
        number=number,
        units=chosen,
        company="USPS" if tracking else "",
        numbers=tracking,
        urls=[f"https://track.example.com/{tracking[0]}"] if tracking else [],
        service="manual" if tracking else "another-supplier",
        status=status,
        shipment_status="in_transit" if tracking else "",
        notify=True,
        ours=False,
        created_at=at,
        updated_at=at,
    )
    for line, count in chosen:
        line.elsewhere += count
        if tracking:
            line.sent += count
        else:
            line.waiting += count
    if order.fulfillment_status == "fulfilled":
        order.fulfilled_at = at
    order.fulfillments.append(sent)
    return sent


_SHAPES: dict[str, Shape] = {
    "ready": _ready,
    "personalized": _personalized,
    "other_currency": _other_currency,
    "edited": _edited,
    "many_lines": _many_lines,
    "partly_refunded": _partly_refunded,
    "unpaid_pending": _with_status("pending"),
    "unpaid_authorized": _with_status("authorized"),
    "cancelled": _cancelled,
    "refunded": _refunded,
    "gift_card_only": _gift_card_only,
    "digital_only": _digital_only,
    "deleted_product": _deleted_product,
    "invalid_address": _invalid_address,
    "unmatched_sku": _unmatched_sku,
    "discounted": _discounted,
    "post_purchase": _post_purchase,
    "partially_paid": _with_status("partially_paid"),
    "voided": _with_status("voided"),
    "shipped_elsewhere": _shipped_elsewhere,
    "processing": _processing,
    "risky": _risky,
    "charged_back": _charged_back,
}
#: Scenarios of ShopBase's own that a control request may name.
OWN_SCENARIOS = (
    "discounted",
    "post_purchase",
    "partially_paid",
    "voided",
    "shipped_elsewhere",
    "processing",
    "risky",
    "charged_back",
)
