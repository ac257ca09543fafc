"""What Amazon has of an order's packages, and a parcel as one more of them, in Amazon's form; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing, plain_number
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.payloads import AmazonDispatch, AmazonDispatchedLine, AmazonPackage
from services.ingest.tracking.carriers import BY_ID

OTHER = "Other"
#: Carriers as Seller Central spells them (help page 641): `carrierCode` is exactly that. All others are "Other".
CARRIER_CODES: Mapping[str, str] = {
    "usps": "USPS",
    "ups": "UPS",
    "ups-mi": "UPS Mail Innovations",
    "fedex": "FedEx",
    "fedex-smartpost": "FedEx SmartPost",
    "dhl": "DHL",
    "dhl-ecommerce": "DHL eCommerce",
    "ontrac": "OnTrac",
    "lasership": "Lasership",
    "canada-post": "Canada Post",
    "royal-mail": "Royal Mail",
    "parcelforce": "Parcelforce",
    "gls": "GLS",
    "china-post": "China Post",
    "4px": "4PX",
    "yanwen": "Yanwen",
    "sf-express": "SF Express",
    "singapore-post": "Singapore Post",
}

#: Amazon confirms these itself, and answers 400 to everybody else.
_CONFIRMED_BY_AMAZON = "FBM_SHIP_PLUS"
_TRANSPARENCY = "TRANSPARENCY"
_CANCELLED = "CANCELLED"
_STANDINGS: Mapping[str, Standing] = {
    "PENDING_AVAILABILITY": "on_hold",
    "PENDING": "on_hold",
    "UNSHIPPED": "open",
    "PARTIALLY_SHIPPED": "open",
    "SHIPPED": "shipped",
    "INVOICE_UNCONFIRMED": "shipped",
    "CANCELLED": "cancelled",
    "UNFULFILLABLE": "exempt",
}
#: Where a reference is taken all the same, a parcel goes this much further.
_FURTHER = 1000
#: Other people's packages count from 1, as a rule. Ours begin at a number of nine digits that follows from the order.
_FIRST_REFERENCE, _REFERENCES = 100_000_000, 899_990_000


def package_of(parcel: Parcel, reference: str, ship_date: str, units: Mapping[str, int]) -> dict[str, Any]:
    """Return a `packageDetail`; `units` are by the order's item id."""
    code = CARRIER_CODES.get(parcel.carrier or "", OTHER)
    package: dict[str, Any] = {
        # Text of digits: since 2026 a JSON number is refused (selling-partner-api-models, issue 5094).
        "packageReferenceId": reference,
        "carrierCode": code,
        "trackingNumber": parcel.tracking_number.strip(),
        "shipDate": ship_date,
        "orderItems": [{"orderItemId": line, "quantity": count} for line, count in units.items()],
    }
    if code == OTHER:
        package["carrierName"] = name_of_carrier(parcel)
    if parcel.service:
        package["shippingMethod"] = parcel.service
    return package


def iso_of(moment: datetime) -> str:
    """Return a moment as confirmations take it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shipping_of(order: AmazonDispatch, detail: object) -> Shipping:
    """Return what Amazon has of the order's shipping, with what its writer needs."""
    window = order.fulfillment.ship_by_window
    return Shipping(
        standing=_standing(order),
        parcels=tuple(_known(package) for package in order.packages or () if not _is_cancelled(package)),
        ship_by=window.latest_date_time if window else None,
        left={line.order_item_id: _left(line) for line in order.order_items},
        detail=detail,
    )


def _standing(order: AmazonDispatch) -> Standing:
    if order.fulfillment.fulfilled_by == "AMAZON" or _CONFIRMED_BY_AMAZON in (order.programs or ()):
        return "exempt"
    # What the status means we cannot tell where it is new: nothing is confirmed until somebody does.
    standing = _STANDINGS.get(order.fulfillment.fulfillment_status, "on_hold")
    if standing != "open":
        return standing
    if not any(_left(line) for line in order.order_items):
        return "shipped"
    return "exempt" if _has_amazons_labels(order) else "open"


def _has_amazons_labels(order: AmazonDispatch) -> bool:
    """Tell whether all that is left is in packages already: labels that Amazon sold, which it confirms itself."""
    packed = [
        item
        for package in order.packages or ()
        if package.package_status and package.package_status.status == "PENDING"
        for item in package.package_items or ()
    ]
    in_packages = {line.order_item_id: 0 for line in order.order_items}
    for item in packed:
        in_packages[item.order_item_id] = in_packages.get(item.order_item_id, 0) + item.quantity
    return all(in_packages[line.order_item_id] >= _left(line) for line in order.order_items)


def _left(line: AmazonDispatchedLine) -> int:
    counts = line.fulfillment
    if counts is None:
        return line.quantity_ordered
    unsent = line.quantity_ordered - (counts.quantity_fulfilled or 0)
    return max(unsent if counts.quantity_unfulfilled is None else counts.quantity_unfulfilled, 0)


def _is_cancelled(package: AmazonPackage) -> bool:
    return package.package_status is not None and package.package_status.status == _CANCELLED


def _known(package: AmazonPackage) -> KnownParcel:
    lines = {item.order_item_id: item.quantity for item in package.package_items or ()}
    return KnownParcel(package.tracking_number, package.package_reference_id, package.carrier, lines or None)


def reference_of(order: AmazonDispatch, parcel: Parcel) -> str:
    """Return the reference of the package that is replaced, or one that no other package has."""
    replaced = _replaced(order, parcel)
    if replaced is not None:
        return replaced.package_reference_id
    taken = {package.package_reference_id.lstrip("0") for package in order.packages or ()}
    number = own_reference(parcel)
    while str(number) in taken:
        number += _FURTHER
    return str(number)


def own_reference(parcel: Parcel) -> int:
    """Return the parcel's own reference: the same for every call that tells of it, whoever makes it."""
    return _FIRST_REFERENCE + crc32(parcel.order_external_id.encode()) % _REFERENCES + parcel.number


def _replaced(order: AmazonDispatch, parcel: Parcel) -> AmazonPackage | None:
    wanted = plain_number(parcel.replaces or "")
    for package in order.packages or ():
        if wanted and plain_number(package.tracking_number or "") == wanted and not _is_cancelled(package):
            return package
    return None


def units_of(order: AmazonDispatch, parcel: Parcel) -> dict[str, int]:
    """Return what to confirm of each line: never more than is left, for it may have become less since it was made."""
    replaced = _replaced(order, parcel)
    held = {item.order_item_id: item.quantity for item in (replaced.package_items if replaced else None) or ()}
    left = {line.order_item_id: _left(line) + held.get(line.order_item_id, 0) for line in order.order_items}
    sent = dict(parcel.lines) or held or left
    if not sent.keys() & left.keys():
        raise bad_lines()
    units = {line: min(sent[line], left.get(line, 0)) for line in sent if min(sent[line], left.get(line, 0)) > 0}
    if not units:
        raise _nothing_left()
    if any(_TRANSPARENCY in (line.programs or ()) for line in order.order_items if line.order_item_id in units):
        raise PushRefused(
            "seller",
            "Amazon wants the Transparency code of each unit with this confirmation: confirm the shipment in Seller "
            "Central and enter the codes there.",
            code="TRANSPARENCY_CODES",
        )
    return units


def name_of_carrier(parcel: Parcel) -> str:
    """Return the carrier's name where its code is not known here."""
    known = BY_ID.get(parcel.carrier or "")
    return parcel.carrier_name.strip() or (known.name if known else OTHER)


def marketplace_of(order: AmazonDispatch, access: Access) -> str:
    """Return where the order was made. Raises PushRefused where nobody knows."""
    told = order.sales_channel.marketplace_id if order.sales_channel else None
    chosen = [name for name in access.secrets.get("marketplaces", "").split(",") if name]
    if not told and len(chosen) != 1:
        raise PushRefused(
            "seller",
            "Amazon does not say in which marketplace this order was made: confirm it in Seller Central.",
            code="MARKETPLACE_UNKNOWN",
        )
    return told or chosen[0]


def bad_lines() -> PushRefused:
    """Say that Amazon does not take the parcel's lines."""
    sentence = "Amazon does not take the lines of this parcel: confirm it in Seller Central."
    return PushRefused("seller", sentence, code="LINES_REFUSED")


def _nothing_left() -> PushRefused:
    return PushRefused(
        "final",
        "Nothing of this parcel is left to confirm on Amazon: it was confirmed by other means. If the number is "
        "missing there, edit the shipment in Seller Central.",
        code="SHIPPED_BY_HAND",
    )
