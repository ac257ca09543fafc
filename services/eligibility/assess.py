"""Judges one order by its facts: eligible with what production makes, held with every reason, or rejected."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.address import Address
from schemas.money import Money
from schemas.order import UNREAD, OrderItem, RawOrder
from schemas.production import ProductionItem, ProductionOrder, ShipTo
from schemas.reasons import Reason, ReasonCode
from services.eligibility.facts import Facts
from services.eligibility.matching import Making, items_to_make, making_of
from services.eligibility.rules import FINAL, RESOLVABLE, address_of, objections


@dataclass(frozen=True, slots=True)
class Eligible:
    """Production may make it, once it is paid for."""

    production_order: ProductionOrder


@dataclass(frozen=True, slots=True)
class Price:
    """What production will cost, as far as it is known: not `is_whole` while some item is made by nothing yet."""

    amount: Money
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """All reasons, each of which can be resolved. `price` None: nothing of the order has a price yet."""

    reasons: tuple[Reason, ...]
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """All reasons, final for this revision."""

    reasons: tuple[Reason, ...]


Assessment = Eligible | Held | Rejected


def assess(order: RawOrder, facts: Facts, *, revision: int = 1) -> Assessment:
    """Judge the order. `revision` numbers what production would be told.

    A final reason makes resolvable ones moot: nobody should correct the address of a cancelled order.
    """
    final = objections(FINAL, order, facts)
    if final:
        return Rejected(final)
    return _assess_resolvable(order, facts, revision=revision)


def assess_released(order: RawOrder, facts: Facts, *, revision: int) -> Assessment:
    """Judge a newer state of an order that production already has.

    What the platform counts as shipped then is our own shipping, and whatever held the order before its release
    (payment, approval, holds) was resolved: only what takes the order away, or keeps its new form from being made,
    still counts.
    """
    final = tuple(reason for reason in objections(FINAL, order, facts) if _takes_away(reason, order))
    if final:
        return Rejected(final)
    if not items_to_make(order):
        return Held(())
    reasons = objections(RESOLVABLE, order, facts)
    blocking = tuple(reason for reason in reasons if _keeps_from_making(reason))
    if blocking:
        return Held(blocking, _price(order, facts))
    return Eligible(_production_order(order, facts, revision))


def _assess_resolvable(order: RawOrder, facts: Facts, *, revision: int) -> Assessment:
    reasons = objections(RESOLVABLE, order, facts)
    if reasons:
        return Held(reasons, _price(order, facts))
    return Eligible(_production_order(order, facts, revision))


_KEEPS_FROM_MAKING = {
    ReasonCode.ADDRESS_NOT_VISIBLE,
    ReasonCode.ADDRESS_INCOMPLETE,
    ReasonCode.ITEM_NOT_MATCHED,
    ReasonCode.VARIANT_UNAVAILABLE,
    ReasonCode.ARTWORK_MISSING,
}


def _keeps_from_making(reason: Reason) -> bool:
    """Tell whether the order's new form cannot be made; what is not known of it yet is not to be left out either."""
    if reason.code is ReasonCode.PLATFORM_HOLD:
        return reason.evidence.get("hold", "").endswith(UNREAD)
    return reason.code in _KEEPS_FROM_MAKING


def _takes_away(reason: Reason, order: RawOrder) -> bool:
    if reason.code is ReasonCode.NOTHING_TO_MAKE:
        return order.fulfilment == "unfulfilled"
    return reason.code in {ReasonCode.CANCELLED, ReasonCode.DELETED_ON_PLATFORM, ReasonCode.REFUNDED}


def _production_order(order: RawOrder, facts: Facts, revision: int) -> ProductionOrder:
    makings = [(item, making_of(order, item, facts)) for item in items_to_make(order)]
    made = [(item, making) for item, making in makings if making is not None]
    return ProductionOrder(
        order_key=order.key,
        order_ref=order.display_name,
        external_id=order.external_id,
        platform=order.platform,
        store_id=order.store_id,
        revision=revision,
        placed_at=order.placed_at,
        ship_to=_ship_to(order, address_of(order, facts) or Address()),
        items=tuple(_production_item(item, making) for item, making in made),
        shipping_service=order.shipping_service,
        shipping_label_url=order.shipping_label_url,
        gift_message=order.gift_message,
        note=note_of(order),
        ioss_number=order.ioss_number,
        tax_number=order.tax_number,
        tax_value=order.tax_value,
        cost=_cost(made),
    )


def note_of(order: RawOrder) -> str | None:
    """Return all that production is told in words: the note, and the buyer's own message.

    Some platforms keep the buyer's wishes apart from the note.
    """
    return "\n".join(text for text in (order.note, order.buyer_message) if text) or None


def _production_item(item: OrderItem, making: Making) -> ProductionItem:
    variant = making.variant
    return ProductionItem(
        item_id=item.external_id,
        sku=making.sku,
        quantity=item.quantity_to_make,
        product_name=variant.product_name if variant else item.title,
        product_style=variant.product_style if variant else None,
        options=variant.options if variant else (),
        designs=making.designs,
        personalization=item.personalization,
    )


def _ship_to(order: RawOrder, address: Address) -> ShipTo:
    return ShipTo(
        name=address.name or "",
        company=address.company,
        address1=address.line1 or "",
        address2=address.line2,
        city=address.city or "",
        province_code=address.region,
        zip=address.postal_code,
        country_code=address.country or "",
        phone=address.phone or order.phone,
        email=order.email,
        method=order.shipping_service,
    )


def _price(order: RawOrder, facts: Facts) -> Price | None:
    items = items_to_make(order)
    made = [
        (item, making) for item in items if (making := making_of(order, item, facts)) is not None and making.variant
    ]
    if not made:
        return None
    currency = made[0][1].variant.cost.currency if made[0][1].variant else ""
    alike = [(item, making) for item, making in made if making.variant and making.variant.cost.currency == currency]
    return Price(_cost(alike), is_whole=len(alike) == len(items))


def _cost(made: list[tuple[OrderItem, Making]]) -> Money:
    costs = [making.variant.cost.times(item.quantity_to_make) for item, making in made if making.variant]
    total = costs[0]
    for cost in costs[1:]:
        total = total.plus(cost)
    return total
