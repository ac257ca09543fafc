"""Translates a ShopBase order into a raw order; the same revision gives the same content by poll and by webhook."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.money import Money
from schemas.order import FulfilmentState, Payload, PaymentState, RawOrder, Risk, Way
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import unreadable
from services.ingest.platforms.shopbase.lines import amount, to_items, words
from services.ingest.platforms.shopbase.payloads import ShopbaseAddress, ShopbaseOrder

_PAYMENTS: dict[str, PaymentState] = {
    "authorized": "authorized",
    "paid": "paid",
    "partially_paid": "partially_paid",
    "partially_refunded": "partially_refunded",
    "pending": "pending",
    "refunded": "refunded",
    "unpaid": "pending",
    "voided": "voided",
}
#: "processing" is work that somebody began; nothing has left yet.
_FULFILMENTS: dict[str | None, FulfilmentState] = {
    None: "unfulfilled",
    "unfulfilled": "unfulfilled",
    "restocked": "unfulfilled",
    "processing": "unfulfilled",
    "partial": "partial",
    "partial-processing": "partial",
    "fulfilled": "fulfilled",
}
#: The buyer may still add items.
POST_PURCHASE = "POST_PURCHASE"
#: The buyer's bank asks for the money back, or asked: whatever came of it, a person should look.
CHARGEBACK = "CHARGEBACK"
#: ShopBase says something of the order's parcels that we do not know.
UNKNOWN_FULFILLMENT = "UNKNOWN_FULFILLMENT_STATUS"
_FORM = "rest"
_COUNTRY = 2


def to_raw_order(order: ShopbaseOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    """Return the order in our nouns; `body` is its JSON text. Raises UnreadablePayload."""
    try:
        return _order(order, store, body=body, way=way, fetched_at=fetched_at)
    except ValidationError as error:
        raise unreadable(error) from None


def to_deleted_order(external_id: str, store: StoreRef, *, body: str, at: datetime) -> RawOrder:
    """Return the revision in which an order is gone; ShopBase tells no more than its id, so it is gone since `at`."""
    return RawOrder(
        key=order_key(store.platform, store.store_id, external_id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=external_id,
        display_name=external_id,
        placed_at=at,
        revised_at=at,
        fetched_at=at,
        way="webhook",
        deleted=True,
        payment="paid",  # not told; anything else would read as a reason of its own beside the deletion
        total=Money.zero(store.currency or "USD"),
        items=(),
        payload=Payload(form=_FORM, body=body),
    )


def _order(order: ShopbaseOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime) -> RawOrder:
    currency = (order.currency or store.currency or "").upper()
    address = order.shipping_address
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.id,
        display_name=order.name or order.order_number or order.id,
        placed_at=order.processed_at or order.created_at,
        revised_at=order.updated_at,
        fetched_at=fetched_at,
        way=way,
        payment=_payment(order.financial_status),
        fulfilment=_FULFILMENTS.get(order.fulfillment_status, "unfulfilled"),
        cancelled_at=order.cancelled_at,
        cancel_reason=order.cancel_reason.lower() if order.cancel_reason else None,
        risk=_risk(order),
        holds=_holds(order, now=fetched_at),
        total=amount(order.total_price, currency, path="total_price"),
        ship_to=_address(address) if address else None,
        email=order.email or None,
        phone=order.phone or None,
        buyer_id=order.customer.id if order.customer else None,
        items=to_items(order, currency),
        shipping_service=next((line.title for line in order.shipping_lines if line.title), None),
        note=order.note or None,
        tax_number=(address.cpf_or_cnpj_number or None) if address else None,
        attributes=words(order.note_attributes),
        tags=tuple(sorted({tag.strip() for tag in (order.tags or "").split(",")} - {""})),
        payload=Payload(form=_FORM, body=body),
    )


def _payment(status: str | None) -> PaymentState:
    if status is None:
        return "pending"  # nothing was collected yet that ShopBase could give a name to
    try:
        return _PAYMENTS[status]
    except KeyError:
        raise UnreadablePayload("financial_status", "not a payment status that we know") from None


def _risk(order: ShopbaseOrder) -> Risk | None:
    return None if order.is_risk is None else "investigate" if order.is_risk else "accept"


def _holds(order: ShopbaseOrder, *, now: datetime) -> tuple[str, ...]:
    holds = []
    timeout = order.post_purchase_timeout_at
    # The time counts, not only the flag: nobody says that the order is revised when it runs out.
    if order.is_in_post_purchase and (timeout is None or timeout > now):
        holds.append(POST_PURCHASE)
    if order.chargeback_status:
        holds.append(CHARGEBACK)
    if order.fulfillment_status not in _FULFILMENTS:
        holds.append(UNKNOWN_FULFILLMENT)
    return tuple(sorted(holds))


def _address(address: ShopbaseAddress) -> Address | None:
    fields = {
        "name": address.name or f"{address.first_name or ''} {address.last_name or ''}".strip(),
        "company": address.company,
        "line1": address.address1,
        "line2": address.address2,
        "city": address.city,
        "region": _region(address) or address.province,
        "postal_code": address.zip,
        "country": _country(address),
        "phone": address.phone,
    }
    told = {name: value for name, value in fields.items() if value}
    return Address(**told) if told else None


def _country(address: ShopbaseAddress) -> str | None:
    """Return the country's code, which a shop's own form may have put where its name belongs."""
    code, named = address.country_code, address.country
    if not code and named and len(named) == _COUNTRY and named.isascii() and named.isalpha():
        code = named
    return code.upper() if code else None


def _region(address: ShopbaseAddress) -> str | None:
    """Return the region's code; some countries' come with the country before it ("JP-13")."""
    code = address.province_code
    return code.removeprefix(f"{address.country_code}-") if code and address.country_code else code
