"""Translates an order's lines into items: what is left to make of each after refunds, and after everybody's parcels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import NamedTuple

from schemas.currencies import MINOR_DIGITS
from schemas.money import Money
from schemas.order import ItemKind, NameValue, OrderItem
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import pair
from services.ingest.platforms.shopbase.payloads import (
    ShopbaseAttribute,
    ShopbaseFulfillment,
    ShopbaseLine,
    ShopbaseOrder,
    ShopbaseRefund,
)

#: What ShopBase, like Shopify, calls the only variant of a product without variants.
_NO_VARIANT = "Default Title"
#: Names with this prefix are hidden from buyers by convention: an app's bookkeeping, not the buyer's words.
_HIDDEN = "_"
#: Parcels that came to nothing.
_FAILED = frozenset({"cancelled", "error", "failure"})
_SHIPPED = "success"
#: Units refunded so had not left; of the others some may have, and are among the shipped.
_NOT_LEFT = frozenset({"cancel", "legacy_restock"})
#: A line that nobody may ship, and an order whose every line was put back into stock.
_NOT_SHIPPED = frozenset({"not_eligible", "fulfilled"})
_RESTOCKED = "restocked"
#: A float's noise: so much of a minor unit is none of the amount.
_NOISE = Decimal("0.0001")
_LARGEST = Decimal(10) ** 15
#: So many figures are below that in any currency.
_FIGURES = 10
#: Stands for the id of a tip that has no line of its own.
TIP = "tip"


class _Units(NamedTuple):
    """How many units of a line are gone."""

    cancelled: int = 0
    refunded: int = 0
    shipped: int = 0
    under_way: int = 0


_NONE = _Units()


def to_items(order: ShopbaseOrder, currency: str) -> tuple[OrderItem, ...]:
    """Return the lines as items, and the tip where it is no line. Raises UnreadablePayload."""
    gone = _gone(order.refunds, order.fulfillments)
    restocked = order.fulfillment_status == _RESTOCKED
    items = [
        _item(line, gone.get(line.id, _NONE), currency, path=f"line_items.{place}", restocked=restocked)
        for place, line in enumerate(order.line_items)
    ]
    if order.total_tip_received and not any(item.kind == "tip" for item in items):
        tip = amount(order.total_tip_received, currency, path="total_tip_received")
        if tip.amount:
            items.append(
                OrderItem(external_id=TIP, title="Tip", kind="tip", quantity=1, quantity_to_make=0, unit_price=tip)
            )
    return tuple(items)


def words(attributes: Iterable[ShopbaseAttribute]) -> tuple[NameValue, ...]:
    """Return what people wrote or chose."""
    return tuple(
        pair(attribute.name, attribute.value) for attribute in attributes if not attribute.name.startswith(_HIDDEN)
    )


def amount(value: str, currency: str, *, path: str) -> Money:
    """Return a JSON number as money. Raises UnreadablePayload when it is not exact.

    A sum that ShopBase made of floats may bear their noise ("45.900000000000006"), which is no part of it.
    """
    minor = _even(value, currency)
    if minor is None:
        found = _minor_units(value, currency, path=path)
        minor = int(found.to_integral_value(ROUND_HALF_UP))
        if abs(found - minor) > _NOISE:
            raise UnreadablePayload(path, "more decimals than the currency has")
    return Money(amount=minor, currency=currency)


def _unit_price(value: str, currency: str, *, path: str) -> Money:
    """Return one unit's price: parts of a minor unit, which a cheap thing may cost, are rounded."""
    minor = _even(value, currency)
    if minor is None:
        minor = int(_minor_units(value, currency, path=path).to_integral_value(ROUND_HALF_UP))
    return Money(amount=minor, currency=currency)


def _even(value: str, currency: str) -> int | None:
    """Return the minor units of an amount as nearly all are written, "19.95"; None for what takes a longer look."""
    whole, _, decimals = value.partition(".")
    missing = MINOR_DIGITS.get(currency, -1) - len(decimals)
    figures = whole + decimals
    if missing < 0 or len(figures) > _FIGURES or not (figures.isascii() and figures.isdecimal()):
        return None
    return int(figures + "0" * missing)


def _minor_units(value: str, currency: str, *, path: str) -> Decimal:
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        raise UnreadablePayload("currency", "not an ISO 4217 currency with a minor unit")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise UnreadablePayload(path, "not a decimal number") from None
    if not found.is_finite() or found.adjusted() > 15 or abs(found.scaleb(digits)) > _LARGEST:  # noqa: PLR2004
        raise UnreadablePayload(path, "not a finite amount, or too large to be one")
    return found.scaleb(digits)


def _item(line: ShopbaseLine, gone: _Units, currency: str, *, path: str, restocked: bool) -> OrderItem:
    kind = _kind(line)
    shown = line.variant_title
    makeable = kind == "physical" and not restocked and line.fulfillment_status not in _NOT_SHIPPED
    return OrderItem(
        external_id=line.id,
        title=line.title or line.name or "",
        variant_title=None if not shown or shown == _NO_VARIANT else shown,
        sku=line.sku or None,
        product_id=None if line.product_is_deleted else line.product_id,
        variant_id=None if line.product_is_deleted else line.variant_id,
        kind=kind,
        quantity=line.quantity,
        quantity_to_make=_left(line, gone) if makeable else 0,
        unit_price=_unit_price(line.price, currency, path=f"{path}.price"),
        personalization=words(line.properties),
    )


def _kind(line: ShopbaseLine) -> ItemKind:
    if line.gift_card:
        return "gift_card"
    # These are only there on tips.
    if line.tip_payment_gateway or line.tip_payment_method:
        return "tip"
    return "digital" if line.requires_shipping is False else "physical"


def _left(line: ShopbaseLine, gone: _Units) -> int:
    """Return the units that nobody has shipped, works on, or was given back.

    ShopBase's own number takes refunded units for shipped ones (quantity - max(refunded, fulfilled) - under way): of
    three units, one cancelled and one shipped, it says two are left. The refunds say which had not left.
    """
    left = line.quantity - gone.cancelled - max(gone.refunded, gone.shipped) - gone.under_way
    return max(min(left, line.quantity if line.fulfillable_quantity is None else line.fulfillable_quantity), 0)


def _gone(refunds: Sequence[ShopbaseRefund], parcels: Sequence[ShopbaseFulfillment]) -> dict[str, _Units]:
    found: dict[str, _Units] = {}
    for refund in refunds:
        for back in refund.refund_line_items:
            units, count = found.get(back.line_item_id or "", _NONE), back.quantity or 0
            found[back.line_item_id or ""] = (
                units._replace(cancelled=units.cancelled + count)
                if back.restock_type in _NOT_LEFT
                else units._replace(refunded=units.refunded + count)
            )
    for parcel in parcels:
        if parcel.status in _FAILED:
            continue
        for part in parcel.line_items:
            units, count = found.get(part.id or "", _NONE), part.quantity or 0
            found[part.id or ""] = (
                units._replace(shipped=units.shipped + count)
                if parcel.status == _SHIPPED
                else units._replace(under_way=units.under_way + count)
            )
    return found
