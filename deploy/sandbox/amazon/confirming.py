"""confirmShipment: what Amazon takes as the confirmation of a package, and what it makes of the order.

Source: the model ordersV0, operation confirmShipment; developer guide, "Confirm the shipment status".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.sandbox.amazon.orders import UNPAID, Order, iso
from deploy.sandbox.amazon.refusals import invalid
from deploy.sandbox.amazon.world import Amazon, Seller

#: Seller Central's spelling of the carriers, a part of its list.
CARRIERS = frozenset(
    [
        "USPS",
        "UPS",
        "UPSMI",
        "FedEx",
        "DHL",
        "DHL Global Mail",
        "DHL eCommerce",
        "UPS Mail Innovations",
        "FedEx SmartPost",
        "OnTrac",
        "Lasership",
        "Canada Post",
        "Royal Mail",
        "Parcelforce",
        "Hermes Logistik Gruppe",
        "GLS",
        "TNT",
        "Aramex",
        "China Post",
        "4PX",
        "Yanwen",
        "SF Express",
        "YamatoTransport",
        "SagawaExpress",
        "Singapore Post",
        "Ninjavan",
        "Qxpress",
        "Other",
    ]
)
_TEXTS = ("packageReferenceId", "carrierCode", "trackingNumber", "shipDate")
_OPTIONAL_TEXTS = ("carrierName", "shippingMethod", "shipFromSupplySourceId")
_NO_PACKAGE = "PackageToUpdateNotFound: Unable to find package to update for order."


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One package as the seller's software describes it; `units` by item id, `shipped` in Unix milliseconds."""

    reference: str
    carrier_code: str
    carrier: str
    tracking_number: str
    service: str | None
    shipped: int
    units: dict[str, int]
    codes: dict[str, list[str]]


def read_confirmation(body: Any, *, any_carrier: bool) -> Confirmation:
    """The request's body, checked as far as it can be without the order; 400 otherwise."""
    package = _object(_object({"body": body}, "body"), "packageDetail")
    _check_texts(package)
    reference = package["packageReferenceId"]
    if not (reference.isascii() and reference.isdecimal() and int(reference) > 0):
        raise invalid("PackageReferenceId is not a positive numeric value.")
    carrier = package["carrierCode"]
    if carrier not in CARRIERS and not any_carrier:
        raise invalid("carrierCode is not supported.")
    if carrier == "Other" and not package.get("carrierName"):
        raise invalid("carrierName is required when carrierCode is Other.")
    units, codes = _units(package.get("orderItems"))
    return Confirmation(
        reference=reference,
        carrier_code=carrier,
        carrier=package.get("carrierName") or carrier,
        tracking_number=package["trackingNumber"],
        service=package.get("shippingMethod"),
        shipped=_ship_date(package["shipDate"]),
        units=units,
        codes=codes,
    )


def check_request(body: dict[str, Any], order: Order) -> None:
    """The request's marketplace, and cash on delivery, which Japan alone has."""
    if body.get("marketplaceId") != order.market.id:
        raise invalid("marketplaceId is missing or not the order's.")
    method = body.get("codCollectionMethod")
    if method is not None and (method != "DirectPayment" or order.market.code != "JP"):
        raise invalid("codCollectionMethod is only supported in the JP marketplace.")


def check_confirmation(order: Order, sent: Confirmation, *, now: int, dates: bool) -> None:
    """Whether this order can take this package; 400 when it cannot."""
    if "FBM_SHIP_PLUS" in order.payload["programs"]:
        raise invalid("The order is in the Ship Plus program and cannot be confirmed manually.")
    if order.by_amazon or order.status in UNPAID or order.status in ("CANCELLED", "UNFULFILLABLE"):
        raise invalid(_NO_PACKAGE)
    if any(package["packageStatus"]["status"] == "PENDING" for package in order.payload.get("packages", [])):
        # Amazon sold the label, and confirms its package itself.
        raise invalid(_NO_PACKAGE)
    # Moments are whole milliseconds here, each rounded in its own way.
    if dates and not order.created - 1 <= sent.shipped <= now + 1:
        raise invalid("shipDate is in the future or before the order.")
    open_units = _open_units(order, sent.reference)
    if not sent.units.keys() <= open_units.keys():
        raise invalid("OrderItemId is invalid, please obtain the value through the getOrderItems API")
    if not any(open_units.values()):
        raise invalid(_NO_PACKAGE)
    if any(units > open_units[item_id] for item_id, units in sent.units.items()):
        partly = all(open_units[item_id] for item_id in sent.units)
        raise invalid("quantity is more than what is left to ship." if partly else _NO_PACKAGE)
    _check_codes(order, sent)


def apply_confirmation(amazon: Amazon, seller: Seller, order: Order, sent: Confirmation, *, at: int) -> None:
    """Record the package; the same reference again edits the package that it named."""
    packages = order.payload.setdefault("packages", [])
    known = _package(order, sent.reference)
    for item in order.items:
        amounts, item_id = item["fulfillment"], item["orderItemId"]
        change = sent.units.get(item_id, 0) - _packed(known, item_id)
        amounts["quantityFulfilled"] += change
        amounts["quantityUnfulfilled"] -= change
    entry = _entry(sent, created=known["createdTime"] if known else iso(at))
    if known is None:
        packages.append(entry)
        amazon.books.count("fulfillments")
        # Amazon writes to the buyer when a package leaves, not when its facts are corrected.
        amazon.books.mail(order.order_id, sent.tracking_number)
    else:
        packages[packages.index(known)] = entry
    left = sum(item["fulfillment"]["quantityUnfulfilled"] for item in order.items)
    order.status = "PARTIALLY_SHIPPED" if left else "SHIPPED"
    amazon.touch(seller, order, at=at)
    amazon.announce(seller, order, "OrderStatusChange", "Order status changed")


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    if not isinstance(value, dict):
        raise invalid(f"{name} is missing or not an object.")
    return value


def _check_texts(package: dict[str, Any]) -> None:
    wrong = [name for name in (*_TEXTS, *_OPTIONAL_TEXTS) if not isinstance(package.get(name, ""), str)]
    if wrong:
        raise invalid(f"fields with invalid type [{', '.join(f'packageDetail.{name}' for name in wrong)}]")
    missing = [name for name in _TEXTS if not package.get(name)]
    if missing:
        raise invalid(f"missing required fields [{', '.join(f'packageDetail.{name}' for name in missing)}]")


def _ship_date(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("shipDate is not in ISO 8601 format.") from None
    if at.tzinfo is None or "T" not in text:
        raise invalid("shipDate is not an ISO 8601 date-time with a time zone.")
    return round(at.timestamp() * 1000)


def _units(items: Any) -> tuple[dict[str, int], dict[str, list[str]]]:
    if not isinstance(items, list) or not items:
        raise invalid("missing required fields [packageDetail.orderItems]")
    units: dict[str, int] = {}
    codes: dict[str, list[str]] = {}
    for item in items:
        item_id, quantity = (item.get("orderItemId"), item.get("quantity")) if isinstance(item, dict) else (None, None)
        if not isinstance(item_id, str) or not isinstance(quantity, int) or isinstance(quantity, bool):
            raise invalid("fields with invalid type [packageDetail.orderItems]")
        if quantity < 1 or item_id in units:
            raise invalid("orderItems names an item twice, or no units of it.")
        units[item_id] = quantity
        codes[item_id] = item.get("transparencyCodes") or []
    return units, codes


def _check_codes(order: Order, sent: Confirmation) -> None:
    for item in order.items:
        units = sent.units.get(item["orderItemId"], 0)
        if "TRANSPARENCY" in item.get("programs", ()) and len(sent.codes.get(item["orderItemId"], [])) != units:
            raise invalid("transparencyCodes are required, one for each unit of a Transparency item.")


def _open_units(order: Order, reference: str) -> dict[str, int]:
    """What a package of this reference may hold of each item: all that is open, and what it holds already."""
    known = _package(order, reference)
    return {
        item["orderItemId"]: item["fulfillment"]["quantityUnfulfilled"] + _packed(known, item["orderItemId"])
        for item in order.items
    }


def _package(order: Order, reference: str) -> dict[str, Any] | None:
    packages = order.payload.get("packages", [])
    return next((package for package in packages if package["packageReferenceId"] == reference), None)


def _packed(package: dict[str, Any] | None, item_id: str) -> int:
    if package is None:
        return 0
    return sum(item["quantity"] for item in package["packageItems"] if item["orderItemId"] == item_id)


def _entry(sent: Confirmation, *, created: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for item_id, units in sent.units.items():
        item: dict[str, Any] = {"orderItemId": item_id, "quantity": units}
        if sent.codes[item_id]:
            item["transparencyCodes"] = sent.codes[item_id]
        items.append(item)
    entry: dict[str, Any] = {
        "packageReferenceId": sent.reference,
        "createdTime": created,
        "packageStatus": {"status": "SHIPPED", "detailedStatus": "PICKED_UP"},
        "carrier": sent.carrier,
        "shipTime": iso(sent.shipped),
        "trackingNumber": sent.tracking_number,
        "packageItems": items,
    }
    return entry if sent.service is None else entry | {"shippingService": sent.service}
