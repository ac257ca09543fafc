"""Shopify's money: kept as integer minor units here, shown as the decimal strings that each API writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

#: Decimal places by currency, where they are not two.
_PLACES = {"JPY": 0, "VND": 0, "KRW": 0}

#: Made-up but steady exchange rates: units of a currency for one US dollar.
RATES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79, "CAD": 1.37, "AUD": 1.52, "JPY": 150.0, "VND": 25_400.0}


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in minor units of a currency."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Bag:
    """The same amount in the shop's currency and in the one that the buyer saw."""

    shop: Price
    presentment: Price


def places(currency: str) -> int:
    """How many decimals the currency has."""
    return _PLACES.get(currency, 2)


def convert(minor: int, *, source: str, target: str) -> int:
    """The amount in another currency's minor units, rounded to the nearest."""
    if source == target:
        return minor
    major = minor / float(10 ** places(source)) * RATES[target] / RATES[source]
    return round(major * float(10 ** places(target)))


def rest_amount(price: Price) -> str:
    """As REST bodies write it: "12.50", and "1200" where there are no decimals."""
    decimals = places(price.currency)
    if decimals == 0:
        return str(price.minor)
    sign = "-" if price.minor < 0 else ""
    whole, rest = divmod(abs(price.minor), 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}"


@lru_cache(maxsize=4096)
def graph_amount(price: Price) -> str:
    """As GraphQL's Decimal writes it: without trailing zeros but one, "12.5" and "1200.0"."""
    if places(price.currency) == 0:
        return f"{price.minor}.0"
    text = rest_amount(price)
    return text.removesuffix("0")
