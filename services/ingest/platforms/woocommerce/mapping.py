"""Translates a WooCommerce order into a raw order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from pydantic import ValidationError

from schemas.address import Address
from schemas.ids import order_key
from schemas.order import FulfilmentState, OrderItem, Payload, PaymentState, RawOrder, Way
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import unreadable
from services.ingest.platforms.woocommerce.lines import amount, refunded_units, to_fee_item, to_item, visible, words
from services.ingest.platforms.woocommerce.payloads import WooOrder, WooShippingLine
from services.ingest.platforms.woocommerce.statuses import STATUSES, meaning

#: Nobody has paid, and maybe nobody will.
_UNPAID = frozenset({"pending", "checkout-draft", "failed"})
#: Paid by what they mean: cash on delivery has no date of payment until long after the parcel left.
_PAID = frozenset({"processing", "completed"})
_CANCELLED = frozenset({"cancelled", "trash"})
#: Nothing is left to make of these.
_OVER = _CANCELLED | {"completed", "refunded"}
#: Once such an order was completed, its parcels have left.
_MAY_HAVE_SHIPPED = frozenset({"refunded", "cancelled", "trash"})
#: Where Shipment Tracking and its like keep an order's parcels, where we keep those that we told, and what the core's
#: own fulfilments come to.
PARCELS = "_wc_shipment_tracking_items"
OUR_PARCELS = "_ordersync_tracking"
_FULFILLED_STATUS = "_fulfillment_status"
_GUEST = "0"
_LONGEST_HOLD = 60


def to_raw_order(
    order: WooOrder,
    store: StoreRef,
    *,
    body: str,
    way: Way,
    fetched_at: datetime,
    statuses: Mapping[str, str],
) -> RawOrder:
    """Return the order in our nouns; `body` is its verbatim JSON text, `statuses` what plugins' statuses mean.

    Raises UnreadablePayload.
    """
    try:
        return _order(order, store, body=body, way=way, fetched_at=fetched_at, statuses=statuses)
    except ValidationError as error:
        raise unreadable(error) from None


def _order(
    order: WooOrder, store: StoreRef, *, body: str, way: Way, fetched_at: datetime, statuses: Mapping[str, str]
) -> RawOrder:
    status = meaning(order.status, statuses)
    revised_at = _utc(order.date_modified_gmt or order.date_created_gmt, path="date_modified_gmt")
    digital, fulfilment = ships_nothing(order), _fulfilment(order, status)
    is_over = status in _OVER or fulfilment == "fulfilled"
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.id),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.id,
        display_name=order.number or order.id,
        placed_at=_utc(order.date_created_gmt or order.date_modified_gmt, path="date_created_gmt"),
        revised_at=revised_at,
        fetched_at=fetched_at,
        way=way,
        payment=_payment(order, status),
        fulfilment=fulfilment,
        # WooCommerce tells that it was cancelled, not when: the change that told it is the nearest we know.
        cancelled_at=revised_at if status in _CANCELLED else None,
        cancel_reason="trash" if status == "trash" else None,
        holds=_holds(order, status),
        total=amount(order.total, order.currency, path="total"),
        ship_to=None if digital else _address(order),
        email=words(order.billing.email),
        phone=words(order.shipping.phone) or words(order.billing.phone),
        buyer_id=None if order.customer_id in {None, "", _GUEST} else order.customer_id,
        items=_items(order, digital=digital, is_over=is_over),
        shipping_service=_shipping_service(order.shipping_lines or ()),
        buyer_message=words(order.customer_note),
        attributes=visible(order.meta_data or ()),
        payload=Payload(form="rest", body=body),
    )


def _items(order: WooOrder, *, digital: bool, is_over: bool) -> tuple[OrderItem, ...]:
    refunded = refunded_units(order.refund_details or ())
    lines = [
        to_item(line, order.currency, digital=digital, refunded=refunded.get(line.id, 0), path=f"line_items.{place}")
        for place, line in enumerate(order.line_items)
    ]
    if is_over:
        lines = [line.model_copy(update={"quantity_to_make": 0}) for line in lines]
    fees = [
        to_fee_item(fee, order.currency, path=f"fee_lines.{place}") for place, fee in enumerate(order.fee_lines or ())
    ]
    return (*lines, *fees)


def _payment(order: WooOrder, status: str) -> PaymentState:
    if status == "refunded":
        return "refunded"
    if status in _UNPAID:
        return "pending"
    if status not in _PAID and order.date_paid_gmt is None:
        return "voided" if status in _CANCELLED else "pending"
    if not order.refunds:
        return "paid"
    # `total` stays what was charged; the refunds are negative.
    back = sum((_sum(refund.total) for refund in order.refunds), Decimal())
    return "refunded" if -back >= _sum(order.total) else "partially_refunded"


def _sum(value: str | None) -> Decimal:
    try:
        return Decimal(value or "0")
    except InvalidOperation:
        raise UnreadablePayload("refunds", "not a decimal number") from None


def _fulfilment(order: WooOrder, status: str) -> FulfilmentState:
    if status == "completed" or (status in _MAY_HAVE_SHIPPED and order.date_completed_gmt is not None):
        return "fulfilled"
    if not order.meta_data:
        return "unfulfilled"
    told = {entry.key: entry.value for entry in order.meta_data}
    # Fulfilments leave the order's status alone, and so do tracking plugins, which do not say what a parcel holds.
    if told.get(_FULFILLED_STATUS) == "fulfilled":
        return "fulfilled"
    parcels = told.get(_FULFILLED_STATUS) == "partially_fulfilled" or told.get(PARCELS) or told.get(OUR_PARCELS)
    return "partial" if parcels else "unfulfilled"


def _holds(order: WooOrder, status: str) -> tuple[str, ...]:
    holds = []
    if status == "on-hold":
        holds.append("ON_HOLD")
    elif status not in STATUSES:
        # A plugin's word: it may mean printed, or returned, or suspicious.
        slug = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in status.upper())
        holds.append(f"STATUS_{slug}"[:_LONGEST_HOLD])
    if any(not line.quantity.is_integer() for line in order.line_items):
        holds.append("FRACTIONAL_QUANTITY")
    return tuple(holds)


def ships_nothing(order: WooOrder) -> bool:
    """Tell an order of downloads from one that ships to the billing address: both have no shipping address."""
    return order.needs_processing is False and not words(order.shipping.address_1) and not order.shipping_lines


def _address(order: WooOrder) -> Address | None:
    """Return where the parcel goes: the shipping address, or billing where that one's first line is empty."""
    found = order.shipping if words(order.shipping.address_1) else order.billing
    if not (words(found.address_1) or words(found.city) or words(found.postcode)):
        return None
    country = words(found.country)
    return Address(
        name=words(f"{found.first_name or ''} {found.last_name or ''}"),
        company=words(found.company),
        line1=words(found.address_1),
        line2=words(found.address_2),
        city=words(found.city),
        region=_region(words(found.state), country),
        postal_code=words(found.postcode),
        country=country,
        phone=words(found.phone) or words(order.billing.phone),
    )


def _region(state: str | None, country: str | None) -> str | None:
    """Return the region's ISO part: WooCommerce writes JP13, TR34 and TH-10 for some countries, CA for others."""
    if state is None or country is None or not state.startswith(country):
        return state
    rest = state[len(country) :].removeprefix("-")
    return rest if len(rest) == 2 and rest.isdecimal() else state  # noqa: PLR2004


def _shipping_service(lines: Sequence[WooShippingLine]) -> str | None:
    return next((title for line in lines if (title := words(line.method_title))), None)


def _utc(moment: datetime | None, *, path: str) -> datetime:
    """Return one of the `_gmt` times: UTC that does not say so."""
    if moment is None:
        raise UnreadablePayload(path, "Field required")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
