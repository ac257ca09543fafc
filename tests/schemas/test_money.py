"""Money stays exact, or says why it cannot."""

from decimal import Decimal

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.currencies import MINOR_DIGITS
from schemas.money import Money, MoneyError

currencies = st.sampled_from(sorted(MINOR_DIGITS))
amounts = st.integers(min_value=-(10**15), max_value=10**15)


@given(amount=amounts, currency=currencies)
def test_text_and_parse_are_inverse(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)

    assert Money.parse(money.text(), currency) == money


@given(amount=amounts, currency=currencies)
def test_the_wire_keeps_every_amount(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)

    assert Money.model_validate_json(money.model_dump_json()) == money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "USD", 1250),
        ("12.500", "USD", 1250),
        ("1250", "JPY", 1250),
        ("1250.00", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("-0.01", "EUR", -1),
        (" 7 ", "GBP", 700),
        ("1E+2", "USD", 10000),
    ],
)
def test_a_decimal_string_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency).amount == minor


@pytest.mark.parametrize("value", ["12.505", "1.5 USD", "", "NaN", "Infinity", "1e400", "0x10", "12,50"])
def test_what_is_not_an_exact_amount_is_refused(value: str) -> None:
    with pytest.raises(MoneyError) as refused:
        Money.parse(value, "USD")

    assert not value or value not in str(refused.value)


def test_a_float_is_refused_wherever_it_comes_in() -> None:
    with pytest.raises(MoneyError):
        Money.parse(12.5, "USD")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 12.0, "currency": "USD"})


def test_a_json_number_is_read_through_decimal() -> None:
    assert Money.parse(Decimal("0.1"), "USD").plus(Money.parse(Decimal("0.2"), "USD")) == Money.parse("0.3", "USD")


def test_amounts_of_different_currencies_are_not_added() -> None:
    with pytest.raises(MoneyError):
        Money.parse(1, "USD").plus(Money.parse(1, "EUR"))


def test_the_table_of_decimals_is_that_of_iso_4217() -> None:
    official = {c.code: c.exponent for c in iso4217.Currency if c.exponent is not None}

    assert official == MINOR_DIGITS


@pytest.mark.parametrize("code", ["XXX", "XAU", "usd", "US", "BTC"])
def test_a_code_without_a_minor_unit_is_no_currency(code: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse("1", code)
