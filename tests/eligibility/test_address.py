from __future__ import annotations

import pytest

from schemas.address import Address
from services.eligibility.address import problems


def address(**fields: str) -> Address:
    return Address(**({"name": "Buyer", "line1": "1 Street"} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"city": "Los Angeles", "region": "CA", "postal_code": "90210", "country": "US"},
        {"city": "Los Angeles", "region": "California", "postal_code": "90210-1234", "country": "us"},
        {"city": "San Juan", "region": "PR", "postal_code": "00901", "country": "US"},
        {"city": "London", "postal_code": "sw1a 1aa", "country": "GB"},
        {"city": "München", "postal_code": "80331", "country": "DE"},
        {"city": "Montréal", "region": "QC", "postal_code": "H2X 1Y4", "country": "CA"},
        {"region": "JP-13", "postal_code": "100-0001", "country": "JP"},
        {"region": "東京都", "postal_code": "100-0001", "country": "JP"},
        {"city": "Dublin", "country": "IE"},
        {"city": "Hà Nội", "country": "VN"},
        {"city": "Ciudad", "region": "CDMX", "postal_code": "06000", "country": "MX"},
    ],
)
def test_complete_addresses_have_no_problems(fields: dict[str, str]) -> None:
    assert problems(address(**fields)) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"city": "Austin", "region": "TX", "postal_code": "90210", "country": "US"}, ("postal_code",)),
        ({"city": "Austin", "region": "TX", "country": "US"}, ("postal_code",)),
        ({"city": "Austin", "region": "ZZ", "postal_code": "73301", "country": "US"}, ("region",)),
        ({"region": "TX", "postal_code": "73301", "country": "US"}, ("city",)),
        ({"city": " ", "postal_code": "80331", "country": "DE"}, ("city",)),
        ({"city": "München", "postal_code": "8033", "country": "DE"}, ("postal_code",)),
        ({"city": "X", "postal_code": "1"}, ("country",)),
        ({"city": "X", "postal_code": "1", "country": "ZZ"}, ("country",)),
        ({"city": "X", "postal_code": "1", "country": "../"}, ("country",)),
        ({"name": "", "line1": "", "country": "US"}, ("name", "line1", "city", "region", "postal_code")),
    ],
)
def test_problems_name_their_fields(fields: dict[str, str], expected: tuple[str, ...]) -> None:
    assert problems(address(**fields)) == expected
