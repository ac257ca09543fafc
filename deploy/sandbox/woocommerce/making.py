"""Makes orders in a store's true form, one for each scenario, repeatable by the generator's seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, GOODS_BY_SKU, LEGACY, Good
from deploy.sandbox.people import Address, make_address, make_buyer, make_invalid_address
from deploy.sandbox.scenarios import Scenario, deal
from deploy.sandbox.woocommerce.goods import forget_product, make_line, payable, price
from deploy.sandbox.woocommerce.orders import CUSTOM_STATUS, Meta, Order, Refund
from deploy.sandbox.woocommerce.site import Site

#: WooCommerce has neither test orders nor a second currency of the buyer's own.
_INSTEAD: dict[Scenario, str] = {"test": "failed", "presentment_currency": "other_currency"}
_SAMPLE_SHARE = 10
_MANY = 60
#: What buyers write: entities that a form left behind, unicode, emoji, a line break; and what plugins store.
_WORDS = (
    "Tom &amp; Jerry &lt;3",
    "Zoë 🎉",
    "Chúc mừng sinh nhật!\nWith love, Mum & Dad",
    "«Ça va?» — 日本語",
    'Say "hello" &times; 2',
)
_ODD_VALUES: tuple[Any, ...] = (
    {"text": "Zoë & Max", "font": "Serif", "size": 12},
    ["red", "green"],
    42,
    3.5,
    "Plain &amp; simple",
)

Shape = Callable[[Site, Order, random.Random], None]


def deal_scenarios(count: int, *, state: str, seed: int) -> list[str]:
    """`count` scenarios as they exist on WooCommerce; ValueError for a state that nobody knows."""
    if state in OWN_SCENARIOS:
        return [state] * count
    return [_INSTEAD.get(scenario, scenario) for scenario in deal(count, state=state, seed=seed)]


def make_order(scenario: str, *, site: Site, created: int, now: int, rng: random.Random) -> Order:
    """A new order, created at `created` and last changed between then and `now` (Unix seconds)."""
    buyer = make_buyer(rng)
    invalid = scenario == "invalid_address"
    address = make_invalid_address(rng, buyer) if invalid else make_address(rng, buyer)
    at = min(now, created + rng.randrange(1, 6))
    number = site.next_post(rng.randrange(1, 4))
    order = Order(
        id=number,
        number=site.next_number(number),
        key=f"wc_order_{rng.getrandbits(64):016x}"[:22],
        scenario=scenario,
        status="processing",
        currency=site.options.currency,
        created=created,
        modified=at,
        billing=address_fields(address) | {"email": buyer.email, "phone": buyer.phone},
        shipping=address_fields(address) | {"phone": ""},
        lines=[],
        paid=at,
        transaction=f"ch_{rng.getrandbits(48):012x}",
        customer_id=rng.choice((0, 0, rng.randrange(2, 500))),
        tax_percent=site.options.tax_percent,
        prices_include_tax=site.options.prices_include_tax,
    )
    _SHAPES[scenario](site, order, rng)
    if order.tax_percent:
        order.tax_line = site.next_id()
    return order


def address_fields(address: Address) -> dict[str, str]:
    """An address in WooCommerce's fields: empty strings, never null; a state's short code where it has one."""
    first, _, last = address.name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "company": address.company,
        "address_1": address.line1,
        "address_2": address.line2,
        "city": address.city,
        "state": address.region.replace("-", ""),
        "postcode": address.zip,
        "country": address.country,
    }


def empty_address() -> dict[str, str]:
    """The shipping address of an order that needs none, or that ships to the billing address."""
    names = ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country")
    return {**dict.fromkeys(names, ""), "phone": ""}


def _ready(site: Site, order: Order, rng: random.Random) -> None:
    for good in rng.sample(GOODS, rng.choice((1, 1, 1, 2, 2, 3))):
        order.lines.append(make_line(site, order, good, rng.choice((1, 1, 1, 2, 3))))
    _ship(site, order, rng)
    match rng.randrange(_SAMPLE_SHARE):
        case 0:
            _billing_only(order)
        case 1:
            _discount(site, order)
        case 2:
            order.fees.append((site.next_id(), "Gift wrap &amp; card", price(300, order.currency)))
            order.customer_note = "Please don't fold, thanks!\nMerci ♥"
        case _:
            pass


def _ship(site: Site, order: Order, rng: random.Random) -> None:
    order.shipping_line = site.next_id()
    order.shipping_total = price(rng.choice((0, 499, 799)), order.currency)


def _billing_only(order: Order) -> None:
    """An order that ships to its billing address: the other one is empty though shipping was paid for."""
    order.shipping = empty_address()


def _discount(site: Site, order: Order) -> None:
    """A coupon of 10 %: `subtotal` is before it, `total` after."""
    discount = 0
    for line in order.lines:
        line.total = payable(line.subtotal * 9 // 10, order.currency)
        line.total_tax = line.subtotal_tax * 9 // 10
        discount += line.subtotal - line.total
    order.coupon = (site.next_id(), "welcome10", discount)


def _billed_elsewhere(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    _billing_only(order)


def _personalized(site: Site, order: Order, rng: random.Random) -> None:
    """The buyer's words are meta data of the line: by the Product Add-Ons plugin, or by one nobody knows."""
    _ready(site, order, rng)
    line = order.lines[0]
    line.meta.extend(_add_ons(site, rng) if site.has("product-addons") else _odd_meta(site, rng))
    line.meta.append(Meta(site.next_id(), "_reduced_stock", str(line.quantity)))
    order.meta.append(Meta(site.next_id(), "_wc_order_attribution_source_type", "typein"))
    order.customer_note = "It&#8217;s a gift &amp; must be on time ♥"


def _add_ons(site: Site, rng: random.Random) -> list[Meta]:
    """One entry an answer, the label with the question's type as its key; an uploaded file's value is its address."""
    words = rng.choice(_WORDS)
    answers = [
        Meta(site.next_id(), "Name on the back (text)", words, "Name on the back (text)", words),
        Meta(site.next_id(), "Extra glitter (multiple choice)", "Yes &ndash; gold"),
    ]
    if rng.random() < 0.5:  # noqa: PLR2004 - some sellers ask for a picture
        upload = f"{site.url}/wp-content/uploads/product_addons_uploads/{rng.getrandbits(40):010x}/photo.png"
        answers.append(Meta(site.next_id(), "Your photo (file upload)", upload, None, "photo.png"))
    ids = [{"key": meta.key, "value": meta.value, "id": str(meta.id)} for meta in answers]
    return [*answers, Meta(site.next_id(), "_pao_ids", ids)]


def _odd_meta(site: Site, rng: random.Random) -> list[Meta]:
    return [
        Meta(site.next_id(), "Engraving", rng.choice(_WORDS)),
        Meta(site.next_id(), "design", rng.choice(_ODD_VALUES)),
        Meta(site.next_id(), "_designer_id", rng.getrandbits(32)),
    ]


def _other_currency(site: Site, order: Order, rng: random.Random) -> None:
    """A plugin sells in the buyer's currency; the decimals stay those of the store's own setting."""
    order.currency = rng.choice([code for code in ("EUR", "GBP", "JPY", "CAD", "KWD") if code != order.currency])
    _ready(site, order, rng)


def _edited(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.lines.append(make_line(site, order, GOODS_BY_SKU["MUG-11OZ"], 1))


def _many_lines(site: Site, order: Order, rng: random.Random) -> None:
    for place in range(_MANY):
        line = make_line(site, order, GOODS[place % len(GOODS)], 1)
        line.meta.append(Meta(site.next_id(), "Player (text)", f"Nº {rng.randrange(100)}"))
        order.lines.append(line)
    _ship(site, order, rng)


def _partly_refunded(site: Site, order: Order, rng: random.Random) -> None:
    """One unit of a line was given back; the line and the order's total still show all of them."""
    line = make_line(site, order, rng.choice(GOODS), rng.choice((2, 3)))
    order.lines.append(line)
    _ship(site, order, rng)
    amount = (line.total + line.total_tax) // int(line.quantity)
    order.refunds.append(new_refund(site, order, amount, {line.id: 1}, reason="Bought one too many"))


def new_refund(site: Site, order: Order, amount: int, lines: dict[int, int], *, reason: str = "") -> Refund:
    """A refund as of the order's last change, with ids of its own."""
    ids = {line: site.next_id() for line in lines}
    return Refund(site.next_post(), order.modified, amount, reason, lines, ids)


def _unpaid(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.status, order.paid, order.transaction = "pending", None, ""


def _on_hold(site: Site, order: Order, rng: random.Random) -> None:
    _unpaid(site, order, rng)
    order.status, order.payment_method, order.payment_title = "on-hold", "bacs", "Direct bank transfer"


def _failed(site: Site, order: Order, rng: random.Random) -> None:
    _unpaid(site, order, rng)
    order.status = "failed"


def _draft(site: Site, order: Order, rng: random.Random) -> None:
    _unpaid(site, order, rng)
    order.status, order.created_via = "checkout-draft", "store-api"


def _cash_on_delivery(site: Site, order: Order, rng: random.Random) -> None:
    """To be made and shipped, and not paid until it is delivered."""
    _ready(site, order, rng)
    order.paid, order.transaction = None, ""
    order.payment_method, order.payment_title = "cod", "Cash on delivery"


def _cancelled(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.status = "cancelled"


def _refunded(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.status = "refunded"
    lines = {line.id: int(line.quantity) for line in order.lines}
    order.refunds.append(new_refund(site, order, order.total, lines))


def _completed(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.status, order.completed, order.elsewhere = "completed", order.modified, True


def _without_shipping(site: Site, order: Order, good: Good) -> None:
    order.lines.append(make_line(site, order, good, 1))
    order.shipping = empty_address()


def _gift_card_only(site: Site, order: Order, _rng: random.Random) -> None:
    """A virtual product of a gift card plugin: nothing is shipped, and the order still waits in processing."""
    _without_shipping(site, order, GIFT_CARD)
    order.lines[0].meta.append(Meta(site.next_id(), "wc_gc_giftcard_to_multiple", order.billing["email"]))


def _digital_only(site: Site, order: Order, _rng: random.Random) -> None:
    """Only downloads: the store completes such an order once it is paid."""
    _without_shipping(site, order, DOWNLOAD)
    order.status, order.completed = "completed", order.modified


def _physical_and_digital(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.lines.append(make_line(site, order, DOWNLOAD, 1))


def _deleted_product(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    forget_product(order.lines[0])


def _unmatched_sku(site: Site, order: Order, rng: random.Random) -> None:
    line = make_line(site, order, LEGACY, 1)
    if rng.random() < 0.5:  # noqa: PLR2004 - the other half has a SKU that nobody knows
        line.sku = ""
    order.lines.append(line)
    _ship(site, order, rng)


def _custom_status(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.status = CUSTOM_STATUS


def _by_rest(site: Site, order: Order, rng: random.Random) -> None:
    _ready(site, order, rng)
    order.created_via = "rest-api"


def _fractional(site: Site, order: Order, rng: random.Random) -> None:
    """Sold by length: a plugin allows parts of a unit."""
    order.lines.append(make_line(site, order, GOODS_BY_SKU["POSTER-A3"], 1.5))
    _ship(site, order, rng)


_SHAPES: dict[str, Shape] = {
    "ready": _ready,
    "personalized": _personalized,
    "other_currency": _other_currency,
    "edited": _edited,
    "many_lines": _many_lines,
    "partly_refunded": _partly_refunded,
    "unpaid_pending": _unpaid,
    "unpaid_authorized": _on_hold,
    "cancelled": _cancelled,
    "refunded": _refunded,
    "gift_card_only": _gift_card_only,
    "digital_only": _digital_only,
    "deleted_product": _deleted_product,
    "invalid_address": _ready,
    "unmatched_sku": _unmatched_sku,
    "failed": _failed,
    "checkout_draft": _draft,
    "cash_on_delivery": _cash_on_delivery,
    "completed": _completed,
    "billing_only": _billed_elsewhere,
    "custom_status": _custom_status,
    "by_rest": _by_rest,
    "fractional": _fractional,
    "physical_and_digital": _physical_and_digital,
}
#: Scenarios of WooCommerce's own that a control request may name.
OWN_SCENARIOS = (
    "failed",
    "checkout_draft",
    "cash_on_delivery",
    "completed",
    "billing_only",
    "custom_status",
    "by_rest",
    "fractional",
    "physical_and_digital",
)
