"""Translates the lines of both of Shopify's forms of an order into items, and says what has shipped of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.money import Money
from schemas.order import ItemKind, NameValue, OrderItem
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import money, pair, text
from services.ingest.platforms.shopify.naming import number_in
from services.ingest.platforms.shopify.payloads import GraphqlLine, GraphqlMoney, RestLine, RestMoney

#: What Shopify calls the only variant of a product without variants.
_NO_VARIANT = "Default Title"
#: Names with this prefix are hidden from buyers by convention: an app's bookkeeping, not the buyer's words.
_HIDDEN = "_"


class Line(NamedTuple):
    """A line as an item, with what only its order needs to know."""

    item: OrderItem
    #: Units that were ordered, not refunded, and have left already.
    shipped: int


def graphql_line(line: GraphqlLine, place: int) -> Line:
    """Return a line of the GraphQL form; `place` is its index, for the path of what cannot be read."""
    path = f"lineItems.nodes.{place}"
    attributes = [*(line.custom_attributes or ())]
    if line.line_item_group is not None:
        attributes += line.line_item_group.custom_attributes or ()
    return _line(
        external_id=number_in(line.id, path=f"{path}.id"),
        title=line.title,
        variant_title=line.variant_title,
        sku=line.sku,
        product_id=number_in(line.product.id, path=f"{path}.product.id") if line.product else None,
        variant_id=number_in(line.variant.id, path=f"{path}.variant.id") if line.variant else None,
        kind=_kind(
            gift_card=line.is_gift_card, ships=line.requires_shipping, title=line.title, known=line.product is not None
        ),
        quantity=line.quantity,
        current=line.current_quantity,
        unfulfilled=line.unfulfilled_quantity,
        unit_price=graphql_money(line.original_unit_price_set, path=f"{path}.originalUnitPriceSet"),
        words=[(attribute.key, attribute.value) for attribute in attributes],
    )


def rest_line(line: RestLine, place: int, currency: str) -> Line:
    """Return a line of the REST form; `currency` is the order's, for a price that does not name its own."""
    path = f"line_items.{place}"
    return _line(
        external_id=line.id,
        title=line.title,
        variant_title=line.variant_title,
        sku=line.sku,
        product_id=line.product_id,
        variant_id=line.variant_id,
        kind=_kind(
            gift_card=line.gift_card,
            ships=line.requires_shipping,
            title=line.title,
            known=line.product_id is not None,
        ),
        quantity=line.quantity,
        current=line.current_quantity,
        unfulfilled=line.fulfillable_quantity,
        unit_price=rest_money(line.price_set, line.price, currency, path=f"{path}.price"),
        words=[(attribute.name, attribute.value) for attribute in line.properties or ()],
    )


def _line(
    *,
    external_id: str,
    title: str,
    variant_title: str | None,
    sku: str | None,
    product_id: str | None,
    variant_id: str | None,
    kind: ItemKind,
    quantity: int,
    current: int,
    unfulfilled: int,
    unit_price: Money,
    words: Sequence[tuple[str, object]],
) -> Line:
    # `quantity` counts refunded and removed units too. What is left to ship is neither refunded nor fulfilled;
    # the smaller number wins, for the two forms count refunded units differently in what is not fulfilled yet.
    remaining = max(0, min(current, unfulfilled))
    shown = text(variant_title)
    item = OrderItem(
        external_id=external_id,
        title=title,
        variant_title=None if shown == _NO_VARIANT else shown,
        sku=text(sku),
        product_id=product_id,
        variant_id=variant_id,
        kind=kind,
        quantity=quantity,
        quantity_to_make=remaining if kind == "physical" else 0,
        unit_price=unit_price,
        personalization=_personalization(words),
    )
    return Line(item, shipped=max(0, current - remaining))


def _kind(*, gift_card: bool, ships: bool, title: str, known: bool) -> ItemKind:
    if gift_card:
        return "gift_card"
    if ships:
        return "physical"
    # Shopify marks a tip by nothing but its title and that no product belongs to it.
    return "tip" if title == "Tip" and not known else "digital"


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Lines by id: the two forms need not list them in the same order."""
    return sorted(lines, key=lambda line: int(line.item.external_id))


def graphql_money(bag: GraphqlMoney, *, path: str) -> Money:
    """Return the amount in the store's currency."""
    return money(bag.shop_money.amount, bag.shop_money.currency_code, path=path)


def rest_money(bag: RestMoney | None, amount: str | None, currency: str, *, path: str) -> Money:
    """Return the amount in the store's currency: of the bag, or else the plain one."""
    if bag is not None:
        return money(bag.shop_money.amount, bag.shop_money.currency_code, path=f"{path}_set.shop_money")
    if amount is None:
        raise UnreadablePayload(path, "Field required")
    return money(amount, currency, path=path)


def _personalization(words: Iterable[tuple[str, object]]) -> tuple[NameValue, ...]:
    return tuple(pair(name, value) for name, value in words if not name.startswith(_HIDDEN))
