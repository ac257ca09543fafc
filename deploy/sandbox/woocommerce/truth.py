"""What is true of an order, in the words that all stand-in platforms share."""

from __future__ import annotations

from datetime import UTC, datetime

from deploy.sandbox.catalog_of_goods import GOODS
from deploy.sandbox.people import Address, is_deliverable
from deploy.sandbox.standin import LineTruth, OrderTruth, ShipmentTruth
from deploy.sandbox.woocommerce.orders import Fulfillment, Line, Order, Parcel, Tracking
from deploy.sandbox.woocommerce.site import Site

_CATALOG = frozenset(good.sku for good in GOODS)


def order_truth(site: Site, order: Order) -> OrderTruth:
    """The order's facts; a cash-on-delivery order in processing is to be made though nobody paid."""
    lines = [_line(order, line) for line in order.lines]
    wanted = [line for line in lines if line["to_make"] and line["left"]]
    return OrderTruth(
        store=site.name,
        id=str(order.id),
        name=order.number,
        scenario=order.scenario,
        makeable=bool(wanted) and _can_go(order) and all(line["sku"] in _CATALOG for line in wanted),
        payment=_payment(order),
        paid=order.paid is not None,
        cancelled=order.status in ("cancelled", "trash"),
        test=False,
        deleted=order.deleted or order.status == "trash",
        address_valid=_is_deliverable(order),
        currency=order.currency,
        units_to_make=sum(line["left"] for line in wanted),
        created_at=_iso(order.created),
        updated_at=_iso(order.modified),
        lines=lines,
        shipments=_shipments(order),
    )


def _can_go(order: Order) -> bool:
    ours = order.status == "completed" and not order.elsewhere
    whole = all(float(line.quantity).is_integer() for line in order.lines)
    return (order.status == "processing" or ours) and not order.deleted and _is_deliverable(order) and whole


def _payment(order: Order) -> str:
    if order.status == "refunded":
        return "refunded"
    if order.refunds:
        return "partially_refunded"
    return "paid" if order.paid is not None else "pending"


def _is_deliverable(order: Order) -> bool:
    """By the address it ships to: the billing address where the other is empty."""
    fields = order.shipping if order.shipping["address_1"] else order.billing
    return is_deliverable(
        Address(
            name=f"{fields['first_name']} {fields['last_name']}",
            line1=fields["address_1"],
            line2=fields["address_2"],
            city=fields["city"],
            region=fields["state"],
            region_name="",
            zip=fields["postcode"],
            country=fields["country"],
            country_name="",
            phone="",
        )
    )


def _line(order: Order, line: Line) -> LineTruth:
    return LineTruth(
        id=str(line.id),
        sku=line.sku or None,
        quantity=int(line.quantity),
        left=order.left(line),
        to_make=not line.virtual,
    )


def _shipments(order: Order) -> list[ShipmentTruth]:
    whole = {str(line.id): order.left(line) for line in order.lines if not line.virtual}
    sent = [each for each in order.fulfillments if each.is_fulfilled and each.deleted is None]
    return [
        *(_fulfillment(each) for each in sent),
        *(_tracking(each, whole) for each in order.trackings),
        *(_parcel(each) for each in order.parcels),
    ]


def _fulfillment(sent: Fulfillment) -> ShipmentTruth:
    """The code reads `_shipment_provider`, whatever the documentation calls it."""
    return ShipmentTruth(
        id=f"fulfillment-{sent.id}",
        carrier=sent.value("_shipment_provider"),
        tracking_number=sent.value("_tracking_number"),
        tracking_url=sent.value("_tracking_url"),
        at=_iso(sent.updated),
        notified=sent.notified,
        lines={str(item["item_id"]): int(item["qty"]) for item in sent.value("_items") or ()},
    )


def _tracking(parcel: Tracking, whole: dict[str, int]) -> ShipmentTruth:
    return ShipmentTruth(
        id=f"tracking-{parcel.id}",
        carrier=parcel.provider or None,
        tracking_number=parcel.number,
        tracking_url=parcel.link,
        at=_iso(parcel.at),
        notified=False,
        lines=whole,
    )


def _parcel(parcel: Parcel) -> ShipmentTruth:
    return ShipmentTruth(
        id=f"order-{parcel.id}",
        carrier=None,
        tracking_number=parcel.number,
        at=_iso(parcel.at),
        notified=parcel.notified,
        lines=parcel.lines,
    )


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
