"""ShopBase's money: integer minor units here, JSON numbers without trailing zeros on the wire."""

from __future__ import annotations

#: Minor units in one unit of a currency, where they are not a hundred.
_UNITS = {"JPY": 1, "VND": 1, "KRW": 1, "KWD": 1000}
_CENTS = 100

#: Made-up but steady exchange rates: units of a currency for one US dollar.
RATES = {
    "USD": 1.0,
    "EUR": 0.92,
    "GBP": 0.79,
    "CAD": 1.37,
    "AUD": 1.52,
    "JPY": 150.0,
    "VND": 25_400.0,
    "KWD": 0.307,
}


def amount(minor: int, currency: str) -> float | int:
    """The number that stands in the JSON: 19.95, 6, 1200, 3.071; never a string."""
    unit = _UNITS.get(currency, _CENTS)
    return minor // unit if minor % unit == 0 else minor / unit


def from_dollars(cents: int, currency: str) -> int:
    """US cents in the currency's minor units, rounded to the nearest."""
    if currency == "USD":
        return cents
    return round(cents * RATES[currency] * _UNITS.get(currency, _CENTS) / _CENTS)
