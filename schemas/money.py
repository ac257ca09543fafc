"""Money that cannot lose a cent: integer minor units with an ISO 4217 currency, never a float."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from schemas.base import Value
from schemas.currencies import MINOR_DIGITS


class MoneyError(ValueError):
    """The text is not an amount of that currency; the message never contains the text."""


def _known(code: str) -> str:
    if code not in MINOR_DIGITS:
        raise ValueError("not an ISO 4217 currency with a minor unit")
    return code


#: An upper-case ISO 4217 code, e.g. "USD".
Currency = Annotated[str, AfterValidator(_known)]

_LARGEST = 10**15  # minor units; above any order, below 2**53, so every JSON reader keeps it exact

#: How nearly every amount is written; it is read several times as fast as by way of a Decimal.
_PLAIN = re.compile(r"-?[0-9]{1,11}(?:\.([0-9]{1,4}))?")


class Money(Value):
    """An amount in minor units (`1250` USD is 12.50 dollars, `1250` JPY is 1250 yen). May be negative."""

    amount: int = Field(strict=True, ge=-_LARGEST, le=_LARGEST)
    currency: Currency

    @classmethod
    def parse(cls, value: str | int | Decimal, currency: str) -> Self:
        """Read major units ("12.50", 12, Decimal("12.5")). Raises MoneyError for anything inexact or unknown.

        A JSON number must be parsed with `parse_float=Decimal` before it comes here: a float is refused.
        Zeros after the currency's last decimal are harmless ("12.500" USD); other digits there are an error.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise MoneyError("an amount is a string, an integer or a Decimal, never a float")
        if currency not in MINOR_DIGITS:
            raise MoneyError("not an ISO 4217 currency with a minor unit")
        return cls(amount=_minor_units(value, MINOR_DIGITS[currency]), currency=currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return no money in that currency."""
        return cls(amount=0, currency=currency)

    def plus(self, other: "Money") -> "Money":
        """Add two amounts of one currency. Raises MoneyError when the currencies differ."""
        if other.currency != self.currency:
            raise MoneyError("amounts of different currencies cannot be added")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def times(self, count: int) -> "Money":
        """Return the price of `count` of these."""
        return Money(amount=self.amount * count, currency=self.currency)

    def text(self) -> str:
        """Return the amount in major units with all decimals of its currency, e.g. "12.50"."""
        digits = MINOR_DIGITS[self.currency]
        return str(Decimal(self.amount).scaleb(-digits)) if digits else str(self.amount)


def _minor_units(value: str | int | Decimal, digits: int) -> int:
    if isinstance(value, str) and (plain := _PLAIN.fullmatch(value)) and len(plain[1] or "") <= digits:
        whole, _, decimals = value.partition(".")
        return int(whole + decimals.ljust(digits, "0"))
    try:
        amount = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation as error:
        raise MoneyError("not a decimal number") from error
    if not amount.is_finite() or amount.adjusted() > 15:  # noqa: PLR2004 - see _LARGEST
        raise MoneyError("not a finite amount, or too large to be one")
    scaled = amount.scaleb(digits)
    if scaled != scaled.to_integral_value():
        raise MoneyError("more decimals than the currency has")
    if abs(scaled) > _LARGEST:
        raise MoneyError("not a finite amount, or too large to be one")
    return int(scaled)
