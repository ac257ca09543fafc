"""Amounts as eBay writes them: a string with as few decimals as needed, and at least one."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

#: Decimals of the currencies that have no two (ISO 4217).
_DECIMALS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}
_TWO = 2


@lru_cache(maxsize=8192)
def amount_text(minor: int, currency: str) -> str:
    """4085.00 dollars are "4085.0", 2.80 are "2.8", 12.345 dinars are "12.345", 1500 yen are "1500.0"."""
    decimals = _DECIMALS.get(currency, _TWO)
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{sign}{whole}.{digits or '0'}"


def minor_units(text: str, currency: str) -> int:
    """The other way round: "2.8" dollars are 280 cents."""
    return int(Decimal(text).scaleb(_DECIMALS.get(currency, _TWO)))


def price_in(cents: int, currency: str) -> int:
    """What a good of that many US cents costs, in the minor units of a currency."""
    decimals = _DECIMALS.get(currency, _TWO)
    return cents * 10 + 5 if decimals > _TWO else cents


class Purse:
    """Writes amounts of one order, told beside in `shown_in` where the buyer saw another currency."""

    def __init__(self, currency: str, *, shown_in: str | None = None) -> None:
        self.currency = currency
        self._shown_in = shown_in

    def amount(self, minor: int) -> dict[str, Any]:
        """Minor units as an Amount; `value` is after conversion, `convertedFromValue` before."""
        value = {"value": amount_text(minor, self.currency), "currency": self.currency}
        if self._shown_in is not None:
            # One to 0.8: any rate will do, as long as both sides differ.
            before = minor * 8 // 10
            value["convertedFromValue"] = amount_text(before, self._shown_in)
            value["convertedFromCurrency"] = self._shown_in
        return value
