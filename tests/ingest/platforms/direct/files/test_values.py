"""Cells as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.ingest.platforms.direct.files.places import country_code
from services.ingest.platforms.direct.files.values import (
    Amount,
    DateOrder,
    Mended,
    Misread,
    amount,
    cleaned,
    moment,
    postal_code,
    quantity,
    yes,
)


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("12.50", "USD", "12.50"),
        ("12,5", "USD", "12.5"),
        ("1.234,56", "EUR", "1234.56"),
        ("1,234.56", "USD", "1234.56"),
        ("1 234,50", "EUR", "1234.50"),
        ("1'234.50", "CHF", "1234.50"),
        ("1.234.567", "USD", "1234567"),
        ("250.000", "VND", "250000"),
        ("250.000 ₫", None, "250000"),
        ("$5", "USD", "5"),
        ("USD 5.00", "USD", "5.00"),
        ("1,234", "USD", None),
        ("12.500", "USD", None),
        ("1.2.3", "USD", None),
        ("1.23E+12", "USD", None),
        ("twelve", "USD", None),
        ("", "USD", None),
    ],
)
def test_amounts_are_read_only_when_they_mean_one_thing(text: str, currency: str | None, expected: str | None) -> None:
    read = amount(text, currency=currency)

    assert (read.text if isinstance(read, Amount) else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2), ("2.0", 2), ("2,00", 2), ("-1", -1), ("1.5", None), ("1,000", None), ("1e3", None), ("two", None)],
)
def test_quantities_are_whole_numbers(text: str, expected: int | None) -> None:
    read = quantity(text)

    assert (None if isinstance(read, Misread) else read) == expected


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2026-11-20", "unknown", "2026-11-20T00:00"),
        ("2026-11-20 08:30:00 -0500", "unknown", "2026-11-20T13:30"),
        ("2026-11-20T08:30:00Z", "unknown", "2026-11-20T08:30"),
        ("11/20/26", "unknown", "2026-11-20T00:00"),
        ("20/11/2026 4:05 PM", "unknown", "2026-11-20T16:05"),
        ("05.11.2026", "unknown", "2026-11-05T00:00"),
        ("11/05/26", "month first", "2026-11-05T00:00"),
        ("Nov 5, 2026", "unknown", "2026-11-05T00:00"),
        ("5 November 2026", "unknown", "2026-11-05T00:00"),
        ("46331.5", "unknown", "2026-11-05T12:00"),
        ("11/05/2026", "unknown", None),
        ("2026-02-30", "unknown", None),
        ("1926-11-05", "unknown", None),
        ("soon", "unknown", None),
    ],
)
def test_dates_are_read_only_when_they_mean_one_day(text: str, order: DateOrder, expected: str | None) -> None:
    read = moment(text, order=order, zone=UTC)

    shown = read.astimezone(UTC).isoformat()[:16] if isinstance(read, datetime) else None
    assert shown == expected


@pytest.mark.parametrize(
    ("text", "country", "region", "expected"),
    [
        ("2134", "US", "MA", "02134"),
        ("501", "US", "New York", "00501"),
        ("21341234", "US", "Massachusetts", "02134-1234"),
        ("934", "PR", None, "00934"),
        ("2134", "US", "IL", None),
        ("2134", "US", None, None),
        ("1067", "DE", "Sachsen", None),
        ("62701", "US", "IL", "62701"),
        ("SW1A 1AA", "GB", None, "SW1A 1AA"),
        ("2000", "BE", None, "2000"),
    ],
)
def test_zeros_come_back_only_where_the_state_makes_it_certain(
    text: str, country: str, region: str | None, expected: str | None
) -> None:
    read = postal_code(text, country=country, region=region)

    shown = read.text if isinstance(read, Mended) else None if isinstance(read, Misread) else read
    assert shown == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("yes", True), ("Có", True), ("đã thanh toán", True), ("0", False), ("Không", False), ("maybe", None)],
)
def test_yes_and_no_are_read_in_both_languages(text: str, expected: bool | None) -> None:  # noqa: FBT001
    read = yes(text)

    assert (None if isinstance(read, Misread) else read) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("us", "US"), ("United States", "US"), ("Việt Nam", "VN"), ("UK", "UK"), ("Đức", "DE"), ("Atlantis", "Atlantis")],
)
def test_countries_are_known_by_code_and_name(text: str, expected: str) -> None:
    assert country_code(text) == expected


@pytest.mark.parametrize(
    ("cell", "expected"), [(" x ", "x"), ('="02134"', "02134"), ("'02134", "02134"), ("'=1", "=1"), ("'s", "'s")]
)
def test_what_spreadsheets_put_around_texts_comes_off(cell: str, expected: str) -> None:
    assert cleaned(cell) == expected
