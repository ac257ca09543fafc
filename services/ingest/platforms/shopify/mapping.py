"""Translates both of Shopify's forms of an order into a raw order; the same revision gives the same content in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import (
    FulfilmentState,
    ItemKind,
    NameValue,
    OrderItem,
    Payload,
    PaymentState,
    RawOrder,
    Risk,
    Way,
)
from services.ingest.connector import StoreRef, UnreadablePayload
from services.ingest.platforms.parsing import money, pair, text, unreadable
from services.ingest.platforms.shopify.payloads import (
    GraphqlAddress,
    GraphqlLine,
    GraphqlMoney,
    GraphqlOrder,
    RestAddress,
    RestLine,
    RestMoney,
    RestOrder,
)

_PAYMENTS: dict[str, PaymentState] = {
    "authorized": "authorized",
    "expired": "expired",
    "paid": "paid",
    "partially_paid": "partially_paid",
    "partially_refunded": "partially_refunded",
    "pending": "pending",
    "refunded": "refunded",
    "voided": "voided",
}
_RISKS: dict[str, Risk] = {"ACCEPT": "accept", "CANCEL": "cancel", "INVESTIGATE": "investigate"}
#: What Shopify calls the only variant of a product without variants.
_NO_VARIANT = "Default Title"
#: Names with this prefix are hidden from buyers by convention: an app's bookkeeping, not the buyer's words.
_HIDDEN = "_"


class _Line(NamedTuple):
    item: OrderItem
    #: Units that were ordered, not refunded, and have left already.
    shipped: int


def to_raw_order(
    order: GraphqlOrder | RestOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime
) -> RawOrder:
    """Return the order in our nouns; `body` is its verbatim JSON text. Raises UnreadablePayload."""
    try:
        if isinstance(order, GraphqlOrder):
            return _from_graphql(order, store, body=body, way=way, fetched_at=fetched_at)
        return _from_rest(order, store, body=body, way=way, fetched_at=fetched_at)
    except ValidationError as error:
        raise unreadable(error) from None


def to_deleted_order(external_id: str, store: StoreRef, *, body: str, at: datetime, fetched_at: datetime) -> RawOrder:
    """Return the revision in which an order is gone; Shopify tells no more than its id."""
    return RawOrder(
        key=order_key(store.platform, store.store_id, external_id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=external_id,
        display_name=external_id,
        placed_at=at,
        revised_at=at,
        fetched_at=fetched_at,
        way="webhook",
        deleted=True,
        payment="paid",  # not told; anything else would read as a reason of its own beside the deletion
        total=Money.zero(store.currency or "USD"),
        items=(),
        payload=Payload(form="rest", body=body),
    )


def _from_graphql(order: GraphqlOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    lines = _sorted(_graphql_line(line, place) for place, line in enumerate(order.line_items.nodes))
    total = _graphql_money(order.total_price_set, path="totalPriceSet")
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.legacy_resource_id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.legacy_resource_id,
        display_name=order.name,
        placed_at=order.processed_at or order.created_at,
        revised_at=order.updated_at,
        fetched_at=fetched_at,
        way=way,
        test=order.test,
        payment=_payment(order.display_financial_status, path="displayFinancialStatus"),
        fulfilment=_fulfilment(order.display_fulfillment_status, lines),
        cancelled_at=order.cancelled_at,
        cancel_reason=_lower(order.cancel_reason),
        risk=_RISKS.get(order.risk.recommendation or "") if order.risk else None,
        holds=tuple(sorted({hold.lower() for hold in order.holds})),
        total=total,
        total_for_buyer=_graphql_for_buyer(order.total_price_set, total),
        ship_to=_address(order.shipping_address),
        email=text(order.email),
        phone=text(order.phone),
        items=tuple(line.item for line in lines),
        shipping_service=text(order.shipping_line.title) if order.shipping_line else None,
        note=text(order.note),
        attributes=tuple(pair(attribute.key, attribute.value) for attribute in order.custom_attributes or ()),
        tags=_tags(order.tags or ()),
        payload=Payload(form="graphql", body=body),
    )


def _from_rest(order: RestOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    lines = _sorted(_rest_line(line, place, order.currency) for place, line in enumerate(order.line_items))
    total = _rest_money(order.total_price_set, order.total_price, order.currency, path="total_price")
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.id,
        display_name=order.name,
        placed_at=order.processed_at or order.created_at,
        revised_at=order.updated_at,
        fetched_at=fetched_at,
        way=way,
        test=order.test,
        payment=_payment(order.financial_status, path="financial_status"),
        fulfilment=_fulfilment(order.fulfillment_status, lines),
        cancelled_at=order.cancelled_at,
        cancel_reason=_lower(order.cancel_reason),
        total=total,
        total_for_buyer=_rest_for_buyer(order.total_price_set, total),
        ship_to=_address(order.shipping_address),
        email=text(order.email),
        phone=text(order.phone),
        items=tuple(line.item for line in lines),
        shipping_service=next(
            (text(line.title) for line in order.shipping_lines or () if not line.is_removed),
            None,
        ),
        note=text(order.note),
        attributes=tuple(pair(attribute.name, attribute.value) for attribute in order.note_attributes or ()),
        tags=_tags((order.tags or "").split(",")),
        payload=Payload(form="rest", body=body),
    )


def _graphql_line(line: GraphqlLine, place: int) -> _Line:
    path = f"lineItems.nodes.{place}"
    attributes = [*(line.custom_attributes or ())]
    if line.line_item_group is not None:
        attributes += line.line_item_group.custom_attributes or ()
    return _line(
        external_id=_tail(line.id, path=f"{path}.id"),
        title=line.title,
        variant_title=line.variant_title,
        sku=line.sku,
        product_id=_tail(line.product.id, path=f"{path}.product.id") if line.product else None,
        variant_id=_tail(line.variant.id, path=f"{path}.variant.id") if line.variant else None,
        kind=_kind(
            gift_card=line.is_gift_card, ships=line.requires_shipping, title=line.title, known=line.product is not None
        ),
        quantity=line.quantity,
        current=line.current_quantity,
        unfulfilled=line.unfulfilled_quantity,
        unit_price=_graphql_money(line.original_unit_price_set, path=f"{path}.originalUnitPriceSet"),
        words=[(attribute.key, attribute.value) for attribute in attributes],
    )


def _rest_line(line: RestLine, place: int, currency: str) -> _Line:
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
        unit_price=_rest_money(line.price_set, line.price, currency, path=f"{path}.price"),
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
) -> _Line:
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
    return _Line(item, shipped=max(0, current - remaining))


def _kind(*, gift_card: bool, ships: bool, title: str, known: bool) -> ItemKind:
    if gift_card:
        return "gift_card"
    if ships:
        return "physical"
    # Shopify marks a tip by nothing but its title and that no product belongs to it.
    return "tip" if title == "Tip" and not known else "digital"


def _sorted(lines: Iterable[_Line]) -> list[_Line]:
    """Lines by id: the two forms need not list them in the same order."""
    return sorted(lines, key=lambda line: int(line.item.external_id))


def _payment(status: str | None, *, path: str) -> PaymentState:
    if status is None:
        return "pending"  # nothing was collected yet that Shopify could give a name to
    try:
        return _PAYMENTS[status.lower()]
    except KeyError:
        raise UnreadablePayload(path, "not a payment status that we know") from None


def _fulfilment(status: str | None, lines: Sequence[_Line]) -> FulfilmentState:
    """Return the state from the lines, unless Shopify says fulfilled.

    The forms differ in everything else: a webhook knows null, partial, fulfilled and restocked, where GraphQL shows
    ON_HOLD, IN_PROGRESS, SCHEDULED and more, whether or not a part has left already.
    """
    if status is not None and status.lower() == "fulfilled":
        return "fulfilled"
    shipped = sum(line.shipped for line in lines if line.item.kind == "physical")
    left = sum(line.item.quantity_to_make for line in lines)
    if not shipped:
        return "unfulfilled"
    return "partial" if left else "fulfilled"


def _personalization(words: Iterable[tuple[str, object]]) -> tuple[NameValue, ...]:
    return tuple(pair(name, value) for name, value in words if not name.startswith(_HIDDEN))


def _address(address: GraphqlAddress | RestAddress | None) -> Address | None:
    if address is None:
        return None
    fields = {
        "name": text(address.name) or text(f"{address.first_name or ''} {address.last_name or ''}"),
        "company": text(address.company),
        "line1": text(address.address1),
        "line2": text(address.address2),
        "city": text(address.city),
        "region": _region(address) or text(address.province),
        "postal_code": text(address.zip),
        "country": text(address.country_code),
        "phone": text(address.phone),
    }
    return Address(**fields) if any(fields.values()) else None


def _region(address: GraphqlAddress | RestAddress) -> str | None:
    """Return the region's code; some countries' come with the country before it ("JP-13")."""
    code = text(address.province_code)
    return code.removeprefix(f"{address.country_code}-") if code and address.country_code else code


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags sorted: a list in GraphQL, one comma-joined text in webhooks."""
    return tuple(sorted({tag.strip() for tag in tags} - {""}))


def _graphql_money(bag: GraphqlMoney, *, path: str) -> Money:
    return money(bag.shop_money.amount, bag.shop_money.currency_code, path=path)


def _graphql_for_buyer(bag: GraphqlMoney, total: Money) -> Money | None:
    shown = bag.presentment_money
    if shown is None or shown.currency_code == total.currency:
        return None
    return money(shown.amount, shown.currency_code, path="totalPriceSet.presentmentMoney")


def _rest_money(bag: RestMoney | None, amount: str | None, currency: str, *, path: str) -> Money:
    if bag is not None:
        return money(bag.shop_money.amount, bag.shop_money.currency_code, path=f"{path}_set.shop_money")
    if amount is None:
        raise UnreadablePayload(path, "Field required")
    return money(amount, currency, path=path)


def _rest_for_buyer(bag: RestMoney | None, total: Money) -> Money | None:
    shown = bag.presentment_money if bag else None
    if shown is None or shown.currency_code == total.currency:
        return None
    return money(shown.amount, shown.currency_code, path="total_price_set.presentment_money")


def _lower(value: str | None) -> str | None:
    return value.lower() if value else None


def _tail(gid: str, *, path: str) -> str:
    """Return the digits of a gid such as gid://shopify/LineItem/N, the id that webhooks carry."""
    digits = gid.rpartition("/")[2]
    if not digits.isdecimal():
        raise UnreadablePayload(path, "not a global id that ends in digits")
    return digits
