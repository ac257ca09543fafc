"""Files of orders as sellers have them: our template, filled, and the exports of platforms in their own columns; pure.

The columns are those of the downloads that sellers get: Shopify, "Orders" export; Etsy, "Orders" and "Order Items";
Amazon, "Unshipped Orders" report.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import xlsxwriter

from deploy.demo.direct.samples import US, Sample, samples

Row = Mapping[str, str]
#: Writes the orders of a kind, given the template's header and the time.
Writer = Callable[[Sequence[Sample], Sequence[str], datetime], bytes]

_SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Billing Name,Billing Street,Billing Address1,Billing Address2,Billing Company,"
    "Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,Shipping Street,"
    "Shipping Address1,Shipping Address2,Shipping Company,Shipping City,Shipping Zip,Shipping Province,"
    "Shipping Country,Shipping Phone,Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,"
    "Refunded Amount,Vendor,Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,"
    "Lineitem discount,Tax 1 Name,Tax 1 Value,Tax 2 Name,Tax 2 Value,Tax 3 Name,Tax 3 Value,Tax 4 Name,Tax 4 Value,"
    "Tax 5 Name,Tax 5 Value,Phone,Receipt Number,Duties,Billing Province Name,Shipping Province Name,Payment ID,"
    "Payment Terms Name,Next Payment Due At,Payment References"
)
_ETSY_ORDERS = (
    "Sale Date,Order ID,Buyer User ID,Full Name,First Name,Last Name,Number of Items,Payment Method,Date Shipped,"
    "Street 1,Street 2,Ship City,Ship State,Ship Zipcode,Ship Country,Currency,Order Value,Coupon Code,Coupon Details,"
    "Discount Amount,Shipping Discount,Shipping,Sales Tax,Order Total,Status,Card Processing Fees,Order Net,"
    "Adjusted Order Total,Adjusted Card Processing Fees,Adjusted Net Order Amount,Buyer,Order Type,Payment Type,"
    "InPerson Discount,InPerson Location,SKU"
)
_ETSY_ITEMS = (
    "Sale Date,Item Name,Buyer,Quantity,Price,Coupon Code,Coupon Details,Discount Amount,Shipping Discount,"
    "Order Shipping,Order Sales Tax,Item Total,Currency,Transaction ID,Listing ID,Date Paid,Date Shipped,Ship Name,"
    "Ship Address1,Ship Address2,Ship City,Ship State,Ship Zipcode,Ship Country,Order ID,Variations,Order Type,"
    "Listings Type,Payment Type,InPerson Discount,InPerson Location,VAT Paid by Buyer,SKU"
)
_AMAZON = (
    "order-id,order-item-id,purchase-date,payments-date,reporting-date,promise-date,days-past-promise,buyer-email,"
    "buyer-name,buyer-phone-number,sku,product-name,quantity-purchased,quantity-shipped,quantity-to-ship,"
    "ship-service-level,recipient-name,ship-address-1,ship-address-2,ship-address-3,ship-city,ship-state,"
    "ship-postal-code,ship-country,is-business-order,purchase-order-number,price-designation"
)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: the layout that ingest shall know it by, and its orders."""

    name: str
    layout: str
    file_name: str
    orders: Sequence[Sample]
    written: Writer

    def content(self, header: Sequence[str], now: datetime) -> bytes:
        """The file; `header` is that of the template as it was downloaded."""
        return self.written(self.orders, header, now)


def kinds() -> list[Kind]:
    """A file of every kind that is taken, each with orders that are made and some that must not be."""
    numbers = range(1, 9)
    own = samples([f"W-{1000 + number}" for number in numbers], last=("unmatched", "refused"))
    book = samples([f"X-{1000 + number}" for number in numbers], last=("unmatched", "refused"))
    shopify = samples([f"#{1000 + number}" for number in numbers])
    etsy = samples([f"340000000{number}" for number in numbers])
    items = samples([f"340000010{number}" for number in numbers])
    amazon = samples([f"111-000000{number}-000000{number}" for number in numbers], places=US)
    return [
        Kind("our template as CSV", "template", "orders.csv", own, _template_csv),
        Kind("our template as xlsx", "template", "orders.xlsx", book, _template_xlsx),
        Kind("Shopify export", "shopify_orders", "orders_export_1.csv", shopify, _shopify),
        Kind("Etsy orders", "etsy_orders", "EtsySoldOrders.csv", etsy, _etsy_orders),
        Kind("Etsy order items", "etsy_order_items", "EtsySoldOrderItems.csv", items, _etsy_items),
        Kind("Amazon unshipped orders", "amazon_unshipped", "unshipped-orders.txt", amazon, _amazon),
    ]


def _template_csv(orders: Sequence[Sample], header: Sequence[str], _now: datetime) -> bytes:
    return _delimited(header, _template_rows(orders), mark="\ufeff")


def _template_xlsx(orders: Sequence[Sample], header: Sequence[str], _now: datetime) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Orders")
        for place, title in enumerate(header):
            sheet.write_string(0, place, title)
        for number, row in enumerate(_template_rows(orders), 1):
            for place, title in enumerate(header):
                _write_cell(sheet, number, place, row.get(title, ""))
    return target.getvalue()


def _write_cell(sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, cell: str) -> None:
    # As people type them: what looks like a number becomes one, and a ZIP code loses its zeros.
    if cell.isdecimal():
        sheet.write_number(row, column, int(cell))
    elif cell:
        sheet.write_string(row, column, cell)


def _template_rows(orders: Sequence[Sample]) -> Iterator[Row]:
    for order in orders:
        place = order.place if order.fate != "refused" else replace(order.place, country="Atlantis")
        for number, (good, quantity) in enumerate(order.lines):
            of_order = {
                "Name": order.buyer,
                "Address 1": place.line1,
                "City": place.city,
                "State": place.region,
                "ZIP": place.postal_code,
                "Country": place.country,
            }
            yield {
                "Reference": order.reference,
                "SKU": good.sku,
                "Quantity": str(quantity),
                "Price": _money(good.price),
                "Product": good.title,
                # What stands in an order's first row need not be repeated.
                **(of_order if not number else {}),
            }


def _shopify(orders: Sequence[Sample], _header: Sequence[str], now: datetime) -> bytes:
    return _delimited(_SHOPIFY.split(","), _shopify_rows(orders, f"{now - _DAY:%Y-%m-%d %H:%M:%S} +0000"))


def _shopify_rows(orders: Sequence[Sample], at: str) -> Iterator[Row]:
    for number, order in enumerate(orders):
        shipped = order.fate == "shipped"
        for place, (good, quantity) in enumerate(order.lines):
            line = {
                "Name": order.reference,
                "Created at": at,
                "Lineitem quantity": str(quantity),
                "Lineitem name": f"{good.title} - {good.variant_title}",
                "Lineitem price": _money(good.price),
                "Lineitem sku": good.sku,
                "Lineitem requires shipping": "true",
                "Lineitem taxable": "true",
                "Lineitem fulfillment status": "fulfilled" if shipped else "pending",
            }
            head = {
                "Email": "buyer@example.com",
                "Financial Status": "paid",
                "Paid at": at,
                "Fulfillment Status": "fulfilled" if shipped else "unfulfilled",
                "Currency": "USD",
                "Subtotal": _money(order.cents),
                "Shipping": "4.99",
                "Taxes": "0.00",
                "Total": _money(order.cents + 499),
                "Shipping Method": "Standard",
                "Shipping Name": order.buyer,
                "Shipping Street": order.place.line1,
                "Shipping Address1": order.place.line1,
                "Shipping City": order.place.city,
                "Shipping Zip": f"'{order.place.postal_code}",
                "Shipping Province": order.place.region,
                "Shipping Country": order.place.country,
                "Id": str(5_000_000_001 + number),
                "Source": "web",
            }
            yield line if place else head | line


def _etsy_orders(orders: Sequence[Sample], _header: Sequence[str], now: datetime) -> bytes:
    day = f"{now - _DAY:%m/%d/%y}"
    rows = (
        {
            "Sale Date": day,
            "Order ID": order.reference,
            "Full Name": order.buyer,
            "First Name": "Buyer",
            "Last Name": order.buyer.removeprefix("Buyer "),
            "Number of Items": str(sum(quantity for _, quantity in order.lines)),
            "Payment Method": "Credit Card",
            "Date Shipped": f"{now:%m/%d/%Y}" if order.fate == "shipped" else "",
            "Street 1": order.place.line1,
            "Ship City": order.place.city,
            "Ship State": order.place.region,
            "Ship Zipcode": order.place.postal_code,
            "Ship Country": order.place.country_name,
            "Currency": "USD",
            "Order Value": _money(order.cents),
            "Shipping": "4.99",
            "Sales Tax": "0",
            "Order Total": _money(order.cents + 499),
            "Order Type": "online",
            "Payment Type": "online_cc",
            "SKU": ",".join(good.sku for good, quantity in order.lines for _ in range(quantity)),
        }
        for order in orders
    )
    return _delimited(_ETSY_ORDERS.split(","), rows)


def _etsy_items(orders: Sequence[Sample], _header: Sequence[str], now: datetime) -> bytes:
    return _delimited(_ETSY_ITEMS.split(","), _etsy_item_rows(orders, now))


def _etsy_item_rows(orders: Sequence[Sample], now: datetime) -> Iterator[Row]:
    for order in orders:
        for number, (good, quantity) in enumerate(order.lines):
            yield {
                "Sale Date": f"{now - _DAY:%m/%d/%y}",
                "Item Name": good.title,
                "Quantity": str(quantity),
                "Price": _money(good.price),
                "Order Shipping": "4.99",
                "Order Sales Tax": "0",
                "Item Total": _money(good.price * quantity),
                "Currency": "USD",
                "Transaction ID": f"{order.reference}{number}",
                "Listing ID": "9001",
                "Date Paid": f"{now - _DAY:%m/%d/%Y}",
                "Date Shipped": f"{now:%m/%d/%Y}" if order.fate == "shipped" else "",
                "Ship Name": order.buyer,
                "Ship Address1": order.place.line1,
                "Ship City": order.place.city,
                "Ship State": order.place.region,
                "Ship Zipcode": order.place.postal_code,
                "Ship Country": order.place.country_name,
                "Order ID": order.reference,
                "Variations": ",".join(f"{name}:{value}" for name, value in good.options),
                "Order Type": "online",
                "Listings Type": "listing",
                "Payment Type": "online_cc",
                "SKU": good.sku,
            }


def _amazon(orders: Sequence[Sample], _header: Sequence[str], now: datetime) -> bytes:
    return _delimited(_AMAZON.split(","), _amazon_rows(orders, now), delimiter="\t")


def _amazon_rows(orders: Sequence[Sample], now: datetime) -> Iterator[Row]:
    at, promised = f"{now - _DAY:%Y-%m-%dT%H:%M:%S+00:00}", f"{now + 3 * _DAY:%Y-%m-%dT%H:%M:%S+00:00}"
    for order in orders:
        for number, (good, quantity) in enumerate(order.lines):
            shipped = quantity if order.fate == "shipped" else 0
            yield {
                "order-id": order.reference,
                "order-item-id": f"{order.reference[4:11]}{number:04}",
                "purchase-date": at,
                "payments-date": at,
                "reporting-date": at,
                "promise-date": promised,
                "days-past-promise": "-3",
                "buyer-email": "buyer@example.com",
                "sku": good.sku,
                "product-name": good.title,
                "quantity-purchased": str(quantity),
                "quantity-shipped": str(shipped),
                "quantity-to-ship": str(quantity - shipped),
                "ship-service-level": "Standard",
                "recipient-name": order.buyer,
                "ship-address-1": order.place.line1,
                "ship-city": order.place.city,
                "ship-state": order.place.region,
                "ship-postal-code": order.place.postal_code,
                "ship-country": order.place.country,
                "is-business-order": "false",
            }


def _delimited(header: Sequence[str], rows: Iterable[Row], *, delimiter: str = ",", mark: str = "") -> bytes:
    target = io.StringIO()
    target.write(mark)
    writer = csv.DictWriter(target, header, restval="", delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(dict(row) for row in rows)
    return target.getvalue().encode()


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
