"""A form asks what its country needs, calls it as it is called there, and its check agrees with the decision's."""

from __future__ import annotations

import pytest

from schemas.address import Address
from services.eligibility.address import problems
from services.eligibility.address_forms import countries, faults, form_of

US = {
    "name": "Buyer",
    "line1": "1 Example Street",
    "city": "Springfield",
    "region": "IL",
    "postal_code": "62701",
    "country": "US",
}


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        (
            "US",
            ["Name*", "Company", "Street and number*", "Apartment, floor, building", "City*", "State*", "ZIP code*"],
        ),
        ("DE", ["Name*", "Company", "Street and number*", "Apartment, floor, building", "Postal code*", "City*"]),
        ("GB", ["Name*", "Company", "Street and number*", "Apartment, floor, building", "Post town*", "Postal code*"]),
        ("IE", ["Name*", "Company", "Street and number*", "Apartment, floor, building", "City*", "County", "Eircode"]),
        (
            "JP",
            [
                *("Name*", "Postal code*", "Prefecture*", "Street and number*", "Apartment, floor, building", "City*"),
                "Company",
            ],
        ),
    ],
)
def test_a_form_asks_what_its_country_needs_in_its_order(country: str, expected: list[str]) -> None:
    form = form_of(country)

    assert form is not None
    assert [field.label + "*" * field.required for field in form.fields] == [*expected, "Phone"]


def test_regions_are_chosen_by_what_an_order_carries() -> None:
    form = form_of("US")

    assert form is not None
    [region] = [field for field in form.fields if field.name == "region"]
    assert {choice.value: choice.name for choice in region.choices}["IL"] == "Illinois"
    assert len({choice.value for choice in region.choices}) == len(region.choices)


def test_every_country_has_a_name_and_a_form() -> None:
    listed = {choice.value: choice.name for choice in countries()}

    assert len(listed) == 249
    assert (listed["US"], listed["TT"]) == ("United States", "Trinidad and Tobago")
    assert all(form_of(code) is not None for code in listed)
    assert form_of("XX") is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"postal_code": "ABC"},
            [("postal_code", "It is no ZIP code of United States", "It looks like 95014.", False)],
        ),
        ({"postal_code": "90210"}, [("postal_code", "It is none of this state", "Check it, or the state.", False)]),
        ({"region": "Bavaria"}, [("region", "United States has none of this name", "Choose one of the list.", False)]),
        ({"city": " "}, [("city", "City is missing", "Give it.", True)]),
        ({"country": "Narnia"}, [("country", "It is no country that we know", "Choose a country.", False)]),
        (
            {"country": None, "name": ""},
            [("name", "Name is missing", "Give it.", True), ("country", "It is missing", "Choose a country.", True)],
        ),
    ],
)
def test_a_check_says_what_is_wrong_where_and_what_to_do(
    changes: dict[str, str | None], expected: list[tuple[str, str, str, bool]]
) -> None:
    address = Address(**(US | changes))

    found = faults(address)

    assert [(each.field, each.problem, each.remedy, each.missing) for each in found] == expected
    assert [each.field for each in found] == list(problems(address))
