"""Translates an order's lines into items: what to make of each, and the buyer's own words."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from schemas.currencies import MINOR_DIGITS
from schemas.money import Money
from schemas.order import ItemKind, NameValue, OrderItem
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import pair
from services.ingest.platforms.woocommerce.payloads import WooFee, WooLine, WooMeta, WooRefund

#: Keys with this prefix are bookkeeping, of WooCommerce's or of plugins'.
_INTERNAL = "_"
#: Keys with this prefix are the attributes of the variation that the buyer chose.
_ATTRIBUTE = "pa_"
_REFUNDED_LINE = "_refunded_item_id"
#: How the gift card plugins in use mark their lines.
_GIFT_CARDS = ("wc_gc_giftcard", "pw_gift_card", "ywgc_")
_TIP = re.compile(r"\b(tip|gratuity)\b", re.IGNORECASE)
#: Only what ends with a semicolon is an escape: the "&copy" of "?size=1&copy=2" is none.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LARGEST = Decimal(10) ** 15
_NO_ID = "0"


def to_item(line: WooLine, currency: str, *, digital: bool, refunded: int, path: str) -> OrderItem:
    """Return a line as an item; `digital` says that the order ships nothing, `refunded` counts units given back."""
    meta = line.meta_data or ()
    options = tuple(_option(entry) for entry in meta if entry.key.startswith(_ATTRIBUTE))
    kind = _kind(meta, digital=digital)
    quantity = math.ceil(line.quantity)
    return OrderItem(
        external_id=line.id,
        title=words(line.name) or "",
        variant_title=" / ".join(option.value for option in options) or None,
        sku=words(line.sku),
        product_id=_id(line.product_id),
        variant_id=_id(line.variation_id),
        kind=kind,
        quantity=quantity,
        quantity_to_make=max(quantity - refunded, 0) if kind == "physical" else 0,
        unit_price=_unit_price(line, currency, path=f"{path}.total"),
        options=options,
        personalization=visible(meta, but_for=_ATTRIBUTE),
    )


def to_fee_item(fee: WooFee, currency: str, *, path: str) -> OrderItem:
    """Return a fee as an item that nobody makes."""
    title = words(fee.name) or ""
    return OrderItem(
        external_id=fee.id,
        title=title,
        kind="tip" if _TIP.search(title) else "digital",
        quantity=1,
        quantity_to_make=0,
        unit_price=amount(fee.total, currency, path=f"{path}.total"),
    )


def refunded_units(refunds: Iterable[WooRefund]) -> dict[str, int]:
    """Return how many units of each line were given back; a part of a unit counts as one that nobody wants made."""
    found: dict[str, int] = {}
    for refund in refunds:
        for line in refund.line_items or ():
            for entry in line.meta_data or ():
                if entry.key == _REFUNDED_LINE:
                    number = str(entry.value)
                    found[number] = found.get(number, 0) + math.ceil(abs(line.quantity))
    return found


def visible(meta: Sequence[WooMeta], *, but_for: str = _INTERNAL) -> tuple[NameValue, ...]:
    """Return what is not internal, under the name that people see; an uploaded file's value stays its URL."""
    return tuple(
        pair(words(entry.display_key) or words(entry.key) or "", _unescaped(entry.value))
        for entry in meta
        if not entry.key.startswith((_INTERNAL, but_for))
    )


def words(value: str | None) -> str | None:
    """Return a person's words as they were typed: escapes are undone once."""
    if not value:
        return None
    return (_unescaped_text(value) if "&" in value else value).strip() or None


def amount(value: str, currency: str, *, path: str) -> Money:
    """Return an amount as money, half a minor unit and more rounded up. Raises UnreadablePayload.

    A store may calculate with more decimals than its currency has (six are asked for): what it charges is rounded.
    """
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        raise UnreadablePayload("currency", "not an ISO 4217 currency with a minor unit")
    return _rounded(_decimal(value, path=path), digits, currency)


def _unit_price(line: WooLine, currency: str, *, path: str) -> Money:
    """Return what one unit cost after discounts: of 10.00 for 3 it is 3.33; the store's own `price` is a float."""
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        raise UnreadablePayload("currency", "not an ISO 4217 currency with a minor unit")
    total = _decimal(line.total, path=path)
    return _rounded(total / Decimal(str(line.quantity)) if line.quantity else total, digits, currency)


def _rounded(value: Decimal, digits: int, currency: str) -> Money:
    minor = value.scaleb(digits).to_integral_value(ROUND_HALF_UP)
    return Money(amount=int(minor), currency=currency)


def _decimal(value: str, *, path: str) -> Decimal:
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise UnreadablePayload(path, "not a decimal number") from None
    if not found.is_finite() or abs(found) >= _LARGEST:
        raise UnreadablePayload(path, "not a finite amount, or too large to be one")
    return found


def _kind(meta: Sequence[WooMeta], *, digital: bool) -> ItemKind:
    if any(entry.key.lstrip(_INTERNAL).startswith(_GIFT_CARDS) for entry in meta):
        return "gift_card"
    return "digital" if digital else "physical"


def _option(entry: WooMeta) -> NameValue:
    """Return an attribute under its label; `value` is a slug where `display_value` is the word."""
    shown = entry.display_value if isinstance(entry.display_value, str) and entry.display_value else entry.value
    return pair(words(entry.display_key) or entry.key, _unescaped(shown))


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return _unescaped_text(value)
    if isinstance(value, list):
        return [_unescaped(part) for part in value]
    if isinstance(value, dict):
        return {name: _unescaped(part) for name, part in value.items()}
    return value


def _unescaped_text(value: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found.group()), value)


def _id(value: str | None) -> str | None:
    return None if value in {None, "", _NO_ID} else value
