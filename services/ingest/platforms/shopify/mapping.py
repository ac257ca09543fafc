"""Translates both of Shopify's forms of an order into a raw order; the same revision gives the same content in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import (
    FulfilmentState,
    Payload,
    PaymentState,
    RawOrder,
    Risk,
    Way,
)
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import money, pair, text, unreadable
from services.ingest.platforms.shopify.lines import Line, graphql_line, graphql_money, in_order, rest_line, rest_money
from services.ingest.platforms.shopify.naming import number_in
from services.ingest.platforms.shopify.payloads import (
    GraphqlAddress,
    GraphqlMoney,
    GraphqlOrder,
    RestAddress,
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
    lines = in_order(graphql_line(line, place) for place, line in enumerate(order.line_items.nodes))
    total = graphql_money(order.total_price_set, path="totalPriceSet")
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
        holds=tuple(sorted({_hold(told) for told in order.holds})),
        total=total,
        total_for_buyer=_graphql_for_buyer(order.total_price_set, total),
        ship_to=_address(order.shipping_address),
        email=text(order.email),
        phone=text(order.phone),
        buyer_id=number_in(order.customer.id, path="customer.id") if order.customer else None,
        items=tuple(line.item for line in lines),
        shipping_service=text(order.shipping_line.title) if order.shipping_line else None,
        note=text(order.note),
        attributes=tuple(pair(attribute.key, attribute.value) for attribute in order.custom_attributes or ()),
        tags=_tags(order.tags or ()),
        payload=Payload(form="graphql", body=body),
    )


def _from_rest(order: RestOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    lines = in_order(rest_line(line, place, order.currency) for place, line in enumerate(order.line_items))
    total = rest_money(order.total_price_set, order.total_price, order.currency, path="total_price")
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
        buyer_id=order.customer.id if order.customer else None,
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


def _payment(status: str | None, *, path: str) -> PaymentState:
    if status is None:
        return "pending"  # nothing was collected yet that Shopify could give a name to
    try:
        return _PAYMENTS[status.lower()]
    except KeyError:
        raise UnreadablePayload(path, "not a payment status that we know") from None


def _fulfilment(status: str | None, lines: Sequence[Line]) -> FulfilmentState:
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


def _graphql_for_buyer(bag: GraphqlMoney, total: Money) -> Money | None:
    shown = bag.presentment_money
    if shown is None or shown.currency_code == total.currency:
        return None
    return money(shown.amount, shown.currency_code, path="totalPriceSet.presentmentMoney")


def _rest_for_buyer(bag: RestMoney | None, total: Money) -> Money | None:
    shown = bag.presentment_money if bag else None
    if shown is None or shown.currency_code == total.currency:
        return None
    return money(shown.amount, shown.currency_code, path="total_price_set.presentment_money")


def _lower(value: str | None) -> str | None:
    return value.lower() if value else None


def _hold(told: str) -> str:
    """Return a hold by its reason in small letters; the lines that it is about keep theirs."""
    reason, space, lines = told.partition(" ")
    return f"{reason.lower()}{space}{lines}"
