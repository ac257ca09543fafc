"""Export files of platforms, taken as they are and told apart by their headers."""

from __future__ import annotations

import pytest

from services.ingest.platforms.direct.files.assembling import Faulty, LeftOut, Ready
from tests.ingest.platforms.direct.files.table_files import csv_of, faults, made_of, ready, why_left_out

SHOPIFY = {
    "Name": "#1001",
    "Email": "buyer@example.com",
    "Financial Status": "paid",
    "Paid at": "2026-11-20 08:00:00 -0500",
    "Fulfillment Status": "unfulfilled",
    "Currency": "USD",
    "Subtotal": "52.48",
    "Shipping": "4.99",
    "Taxes": "1.00",
    "Total": "58.47",
    "Shipping Method": "Standard",
    "Created at": "2026-11-20 08:00:00 -0500",
    "Lineitem quantity": "2",
    "Lineitem name": "Tee - Black / M",
    "Lineitem price": "19.99",
    "Lineitem sku": "TEE-BLK-M",
    "Lineitem requires shipping": "true",
    "Lineitem fulfillment status": "pending",
    "Billing Name": "Payer 0001",
    "Shipping Name": "Buyer 0001",
    "Shipping Street": "100 Example Street",
    "Shipping Address1": "100 Example Street",
    "Shipping City": "Boston",
    "Shipping Zip": "'02134",
    "Shipping Province": "MA",
    "Shipping Country": "US",
    "Shipping Phone": "'+15550100",
    "Cancelled at": "",
    "Id": "5551",
}
LINE = {"Name": "#1001", "Lineitem quantity": "1", "Lineitem name": "Mug", "Lineitem price": "12.50"}
ETSY_ITEM = {
    "Sale Date": "11/05/26",
    "Item Name": "Black tee",
    "Buyer": "",
    "Quantity": "1",
    "Price": "19.99",
    "Order Shipping": "4.99",
    "Order Sales Tax": "0",
    "Item Total": "19.99",
    "Currency": "USD",
    "Transaction ID": "4001",
    "Listing ID": "9001",
    "Date Paid": "11/05/2026",
    "Date Shipped": "",
    "Ship Name": "Buyer 0001",
    "Ship Address1": "100 Example Street",
    "Ship City": "Springfield",
    "Ship State": "IL",
    "Ship Zipcode": "62701",
    "Ship Country": "United States",
    "Order ID": "3001",
    "Variations": "Color:Black,Personalization:For Ann&#39;s dad, with love",
    "SKU": "TEE-BLK-M",
}
ETSY_ORDER = {
    "Sale Date": "11/05/26",
    "Order ID": "3001",
    "Full Name": "Buyer 0001",
    "Number of Items": "3",
    "Date Shipped": "",
    "Street 1": "100 Example Street",
    "Ship City": "Springfield",
    "Ship State": "IL",
    "Ship Zipcode": "62701",
    "Ship Country": "United States",
    "Currency": "USD",
    "Order Total": "58.47",
    "SKU": "TEE-BLK-M,TEE-BLK-M,MUG",
}
AMAZON = {
    "order-id": "111-0000001-0000001",
    "order-item-id": "50001",
    "purchase-date": "2026-11-20T08:00:00-08:00",
    "payments-date": "2026-11-20T08:00:00-08:00",
    "promise-date": "2026-11-25T08:00:00-08:00",
    "days-past-promise": "-3",
    "buyer-email": "x@marketplace.example.com",
    "buyer-phone-number": "555 0100",
    "sku": "TEE-BLK-M",
    "product-name": "Black tee",
    "quantity-purchased": "3",
    "quantity-shipped": "1",
    "quantity-to-ship": "2",
    "ship-service-level": "Standard",
    "recipient-name": "Buyer 0001",
    "ship-address-1": "100 Example Street",
    "ship-address-2": "Floor 3",
    "ship-address-3": "Door 2",
    "ship-city": "Springfield",
    "ship-state": "IL",
    "ship-postal-code": "62701",
    "ship-country": "US",
}


def test_a_shopify_export_is_read_as_it_is() -> None:
    order = ready(csv_of(SHOPIFY, {**LINE, "Lineitem sku": "MUG"})).order

    assert (order.reference, order.currency, order.total, order.paid) == ("#1001", "USD", "58.47", True)
    assert (order.ship_to.postal_code, order.ship_to.phone) == ("02134", "+15550100")
    assert [(item.sku, item.quantity, item.unit_price) for item in order.items] == [
        ("TEE-BLK-M", 2, "19.99"),
        ("MUG", 1, "12.50"),
    ]
    assert str(order.placed_at) == "2026-11-20 13:00:00+00:00"


def test_a_code_that_begins_with_a_letter_loses_its_apostrophe_too() -> None:
    there = {"Shipping City": "London", "Shipping Zip": "'SW1A 1AA", "Shipping Province": "", "Shipping Country": "GB"}

    assert ready(csv_of(SHOPIFY | there)).order.ship_to.postal_code == "SW1A 1AA"


def test_two_equal_lines_of_a_shopify_export_are_two_lines() -> None:
    line = {**LINE, "Lineitem sku": "MUG"}

    assert len(ready(csv_of(SHOPIFY, line, line)).order.items) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"Financial Status": "refunded"},
        {"Financial Status": "voided"},
        {"Fulfillment Status": "fulfilled"},
        {"Cancelled at": "2026-11-20 09:00:00 -0500"},
        {"Lineitem requires shipping": "false"},
        {"Lineitem fulfillment status": "fulfilled"},
    ],
)
def test_what_shopify_says_is_done_or_undone_is_left_out(changed: dict[str, str]) -> None:
    assert why_left_out(csv_of({**SHOPIFY, **changed}))


def test_an_unpaid_shopify_order_waits_and_a_partly_refunded_one_is_asked_for() -> None:
    assert not ready(csv_of({**SHOPIFY, "Financial Status": "pending"})).order.paid
    [(number, column, _)] = faults(csv_of({**SHOPIFY, "Financial Status": "partially_refunded"}))
    assert (number, column) == (2, "Financial Status")


def test_only_the_unshipped_lines_of_a_partly_shipped_shopify_order_are_made() -> None:
    shipped = {**SHOPIFY, "Fulfillment Status": "partial", "Lineitem fulfillment status": "fulfilled"}

    order = ready(csv_of(shipped, {**LINE, "Lineitem sku": "MUG", "Lineitem fulfillment status": "pending"})).order

    assert [item.sku for item in order.items] == ["MUG"]
    assert order.ship_to.name == "Buyer 0001"


def test_etsys_order_items_are_read_as_they_are() -> None:
    second = {**ETSY_ITEM, "Transaction ID": "4002", "SKU": "", "Listing ID": "9002", "Variations": ""}

    order = ready(csv_of(ETSY_ITEM, second)).order

    assert (order.reference, order.paid, str(order.placed_at)[:10]) == ("3001", True, "2026-11-05")
    assert [(item.line_id, item.sku, item.product_id) for item in order.items] == [
        ("4001", "TEE-BLK-M", "9001"),
        ("4002", None, "9002"),
    ]
    assert [(pair.name, pair.value) for pair in order.items[0].options] == [("Color", "Black")]
    assert order.items[0].personalization[0].value == "For Ann's dad, with love"


def test_etsys_british_headers_mean_the_same() -> None:
    renamed = {name.replace("Ship ", "Delivery ").replace("Date Shipped", "Date Posted"): cell
               for name, cell in ETSY_ITEM.items()}  # fmt: skip

    assert ready(csv_of(renamed)).order == ready(csv_of(ETSY_ITEM)).order


def test_a_shipped_etsy_order_is_left_out_and_an_unpaid_one_waits() -> None:
    assert why_left_out(csv_of({**ETSY_ITEM, "Date Shipped": "11/06/2026"}))
    assert why_left_out(csv_of({**ETSY_ORDER, "Date Shipped": "11/06/2026"}))
    assert not ready(csv_of({**ETSY_ITEM, "Date Paid": ""})).order.paid


def test_etsys_orders_are_read_where_they_name_every_item() -> None:
    order = ready(csv_of(ETSY_ORDER)).order

    assert [(item.sku, item.quantity) for item in order.items] == [("TEE-BLK-M", 2), ("MUG", 1)]
    assert order.total == "58.47"


def test_etsys_orders_that_do_not_say_how_many_of_what_are_asked_for() -> None:
    [made] = made_of(csv_of({**ETSY_ORDER, "SKU": "MUG"}))

    assert isinstance(made, Faulty)
    assert made.problems[0].column == "SKU"
    assert '"Order Items"' in made.problems[0].remedy


def test_amazons_unshipped_orders_are_read_as_they_are() -> None:
    second = {**AMAZON, "order-item-id": "50002", "sku": "MUG", "quantity-to-ship": "1"}

    order = ready(csv_of(AMAZON, second, delimiter="\t", encoding="cp1252")).order

    assert (order.reference, order.shipping_service) == ("111-0000001-0000001", "Standard")
    assert (order.ship_to.line2, order.ship_to.phone) == ("Floor 3, Door 2", "555 0100")
    assert [(item.line_id, item.sku, item.quantity) for item in order.items] == [
        ("50001", "TEE-BLK-M", 2),
        ("50002", "MUG", 1),
    ]


def test_what_amazon_says_is_shipped_is_left_out() -> None:
    assert isinstance(made_of(csv_of({**AMAZON, "quantity-to-ship": "0"}))[0], LeftOut)


def test_amazons_price_of_a_line_is_divided_by_its_items() -> None:
    report = {name: cell for name, cell in AMAZON.items() if name != "quantity-to-ship"}

    [made] = made_of(csv_of({**report, "currency": "USD", "item-price": "59.97"}))

    assert isinstance(made, Ready)
    assert (made.order.items[0].quantity, made.order.items[0].unit_price) == (3, "19.99")
