"""Rows become orders, or say what is wrong by row and column."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.ingest.platforms.direct.files.assembling import Faulty, Ready
from tests.ingest.platforms.direct.files.table_files import NOW, csv_of, faults, made_of, ready, row


def test_rows_of_one_reference_are_one_order_wherever_they_stand() -> None:
    first, second = row(), row(Reference="W-2")
    more = {"Reference": "W-1", "SKU": "MUG-WHT-11", "Quantity": "1", "Price": "12.50"}

    made = made_of(csv_of(first, second, more))

    assert [each.rows for each in made] == [(2, 4), (3,)]
    assert isinstance(made[0], Ready)
    assert [(item.sku, item.quantity) for item in made[0].order.items] == [("TEE-BLK-M", 2), ("MUG-WHT-11", 1)]


def test_a_row_that_repeats_another_counts_once_and_says_so() -> None:
    made = ready(csv_of(row(), row()))

    assert len(made.order.items) == 1
    assert made.notices == ("Row 3 repeats row 2 and counts once.",)


def test_the_same_reference_with_other_content_names_both_rows() -> None:
    found = faults(csv_of(row(), row(City="Shelbyville", SKU="MUG-WHT-11")))

    assert found == [(3, "City", "Rows 2 and 3 have the same reference and differ here")]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Quantity": "-2"}, (2, "Quantity", "Input should be greater than or equal to 1")),
        ({"Quantity": "0"}, (2, "Quantity", "Input should be greater than or equal to 1")),
        ({"Quantity": "999999"}, (2, "Quantity", "Input should be less than or equal to 10000")),
        ({"Quantity": "two"}, (2, "Quantity", "It is not a whole number")),
        ({"Quantity": ""}, (2, "Quantity", "Field required")),
        ({"Price": "-5"}, (2, "Price", "It is no amount: digits with a point, not negative")),
        ({"Price": "€5.00"}, (2, "Price", "The amount is in another currency than the order")),
        ({"Currency": "XXX"}, (2, "Currency", "It is no currency that we know")),
        ({"Country": "Atlantis"}, (2, "Country", "It is no country that we know")),
        ({"Order_date": "2027-11-20"}, (2, "Order date", "It lies in the future")),
        ({"Order_date": "02/03/2026"}, (2, "Order date", "It does not say which number is the month")),
        ({"Name": ""}, (2, "Name", "Field required")),
        ({"SKU": ""}, (2, "SKU", "It does not say what is ordered")),
        ({"Reference": ""}, (2, "Reference", "The reference is missing")),
        ({"Name": "=HYPERLINK(1)"}, (2, "Name", "It is a formula, which is not run")),
        ({"ZIP": "2134"}, (2, "ZIP", "The postal code is too short")),
        ({"Front_design": "front.png"}, (2, "Front design", "It is no address that production can fetch from")),
        ({"Options": "Black"}, (2, "Options", "It is not a list of names and values")),
        ({"Paid": "perhaps"}, (2, "Paid", "It is neither yes nor no")),
        ({"Phone": "1.23E+12"}, (2, "Phone", "A spreadsheet shortened this number")),
        ({"Name": "x" * 300}, (2, "Name", "String should have at most 200 characters")),
    ],
)
def test_what_is_wrong_is_told_by_row_and_column(changed: dict[str, str], expected: tuple[int, str, str]) -> None:
    [(number, column, problem)] = faults(csv_of(row(**changed)))

    assert (number, column) == expected[:2]
    assert problem.startswith(expected[2])


def test_a_problem_never_says_what_stood_in_the_cell() -> None:
    secret = "Buyer Who Must Not Be Named"

    [made] = made_of(csv_of(row(Country=secret, ZIP=secret * 20, Quantity=secret, Order_date=secret, Paid=secret)))

    assert isinstance(made, Faulty)
    assert len(made.problems) == 5
    assert secret not in repr(made)


def test_mixed_currencies_in_one_order_are_refused() -> None:
    found = faults(csv_of(row(Currency=""), row(Currency="", SKU="MUG", Price="5 EUR"), row(SKU="CAP", Price="5 USD")))

    assert (3, "Price", "The amount is in another currency than the order") in found


def test_a_zip_whose_zeros_are_lost_is_mended_and_told() -> None:
    made = ready(csv_of(row(ZIP="2134", State="MA")))

    assert made.order.ship_to.postal_code == "02134"
    assert made.notices == ("Row 2: The zeros at the beginning of the postal code were put back.",)


def test_everything_of_the_template_arrives() -> None:
    file = csv_of(
        row(
            Order_date="2026-11-20",
            Company="Example Ltd",
            Address_2="Floor 3",
            Phone="+1 555 0100",
            Email="buyer@example.com",
            Product="Black tee",
            Options="Color: Black; Size: M",
            Personalization="Name: RIVERA",
            Product_id="77",
            Variant_id="78",
            Line_id="a",
            Front_design="https://files.example.com/f.png",
            Back_design="https://files.example.com/b.png",
            Shipping_service="express",
            Shipping_label="https://files.example.com/l.pdf",
            Shipping_price="4,99",
            Tax="1.00",
            Total="45.97",
            Paid="no",
            Gift_message="Hi",
            Note="Careful",
            IOSS_number="IM123",
            Tax_number="T1",
            Test="yes",
        )
    )

    order = ready(file).order

    assert order.model_dump(exclude_defaults=True, mode="json") == {
        "reference": "W-1",
        "placed_at": "2026-11-20T00:00:00Z",
        "email": "buyer@example.com",
        "ship_to": {
            "name": "Buyer 0001",
            "company": "Example Ltd",
            "line1": "100 Example Street",
            "line2": "Floor 3",
            "city": "Springfield",
            "region": "IL",
            "postal_code": "62701",
            "country": "US",
            "phone": "+1 555 0100",
        },
        "items": [
            {
                "line_id": "a",
                "sku": "TEE-BLK-M",
                "product_id": "77",
                "variant_id": "78",
                "title": "Black tee",
                "quantity": 2,
                "unit_price": "19.99",
                "options": [{"name": "Color", "value": "Black"}, {"name": "Size", "value": "M"}],
                "personalization": [{"name": "Name", "value": "RIVERA"}],
                "designs": [
                    {"area": "front", "url": "https://files.example.com/f.png"},
                    {"area": "back", "url": "https://files.example.com/b.png"},
                ],
            }
        ],
        "shipping_service": "express",
        "shipping_label_url": "https://files.example.com/l.pdf",
        "shipping_price": "4.99",
        "tax_value": "1.00",
        "total": "45.97",
        "ioss_number": "IM123",
        "tax_number": "T1",
        "gift_message": "Hi",
        "note": "Careful",
        "paid": False,
        "test": True,
    }


def test_the_stores_currency_counts_where_a_file_names_none() -> None:
    assert ready(csv_of(row(Currency="")), currency="EUR").order.currency == "EUR"


def test_an_order_of_today_is_not_in_the_future() -> None:
    made = ready(csv_of(row(Order_date=NOW.date().isoformat())))

    assert made.order.placed_at == datetime(2026, 11, 23, tzinfo=UTC)
