"""The kinds of files that are taken, told apart by their headers: our template, and what platforms export.

Columns and their meaning, of the exports: Shopify, "Orders" export (admin, Orders, Export); Etsy, "Orders" and "Order
Items" (Shop Manager, Settings, Options, Download Data; its British form says "Delivery" for "Ship"); Amazon, "Unshipped
Orders" report (Seller Central, Order Reports). The platforms describe these files incompletely, so what a column may
hold beside what was seen in files is UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.ingest.platforms.direct.files.fields import BY_NAME, SYNONYMS
from services.ingest.platforms.direct.files.places import folded
from services.ingest.platforms.direct.files.values import DateOrder

#: What a row says beside an order's fields; names of ours, for what `exports` decides by.
Meaning = str


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file.

    `marks` are headers (folded) that together only this kind has, each with its alternatives. `columns` gives each
    header its field, or a meaning that begins with "_". `repeats_whole_rows`: rows that are the same in every cell may
    still be two lines.
    """

    slug: str
    name: str
    marks: tuple[frozenset[str], ...]
    columns: Mapping[str, Meaning] = field(repr=False)
    dates: DateOrder = "unknown"
    repeats_whole_rows: bool = False


def _columns(text: str) -> dict[str, Meaning]:
    pairs = (entry.split("=") for entry in text.split("|"))
    return {folded(header): meaning.strip() for header, meaning in pairs}


def _marks(*headers: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(folded, alternatives.split("/"))) for alternatives in headers)


_SHOPIFY = Layout(
    "shopify_orders",
    "Shopify orders export",
    _marks("Name", "Lineitem quantity", "Lineitem name", "Lineitem price"),
    _columns(
        "Name=reference|Email=email|Financial Status=_payment|Fulfillment Status=_fulfilment|Currency=currency|"
        "Shipping=shipping_price|Taxes=tax_value|Total=total|Shipping Method=shipping_service|Created at=placed_at|"
        "Lineitem quantity=quantity|Lineitem name=title|Lineitem price=unit_price|Lineitem sku=sku|"
        "Lineitem requires shipping=_ships|Lineitem fulfillment status=_line_fulfilment|Shipping Name=name|"
        "Shipping Address1=line1|Shipping Address2=line2|Shipping Company=company|Shipping City=city|"
        "Shipping Zip=postal_code|Shipping Province=region|Shipping Country=country|Shipping Phone=phone|Notes=note|"
        "Cancelled at=_cancelled"
    ),
    dates="month first",
    repeats_whole_rows=True,
)
_ETSY_ITEMS = Layout(
    "etsy_order_items",
    "Etsy order items",
    _marks("Order ID", "Transaction ID", "Item Name", "Quantity", "Ship Name/Delivery Name/Ship Address1"),
    _columns(
        "Sale Date=placed_at|Item Name=title|Quantity=quantity|Price=unit_price|Order Shipping=shipping_price|"
        "Order Delivery=shipping_price|Order Sales Tax=tax_value|Currency=currency|Transaction ID=line_id|"
        "Listing ID=product_id|Date Paid=_date_paid|Date Shipped=_date_shipped|Date Posted=_date_shipped|"
        "Ship Name=name|Delivery Name=name|Ship Address1=line1|Delivery Address1=line1|Ship Address2=line2|"
        "Delivery Address2=line2|"
        "Ship City=city|Delivery City=city|Ship State=region|Delivery State=region|Ship Zipcode=postal_code|"
        "Delivery Zipcode=postal_code|Ship Country=country|Delivery Country=country|Order ID=reference|"
        "Variations=_variations|SKU=sku"
    ),
    dates="month first",
)
_ETSY_ORDERS = Layout(
    "etsy_orders",
    "Etsy orders",
    _marks("Order ID", "Full Name", "Number of Items", "Street 1"),
    _columns(
        "Sale Date=placed_at|Order ID=reference|Full Name=name|Number of Items=_number_of_items|"
        "Date Shipped=_date_shipped|Date Posted=_date_shipped|Street 1=line1|Street 2=line2|Ship City=city|"
        "Delivery City=city|Ship State=region|Delivery State=region|Ship Zipcode=postal_code|"
        "Delivery Zipcode=postal_code|Ship Country=country|Delivery Country=country|Currency=currency|"
        "Shipping=shipping_price|Delivery=shipping_price|Sales Tax=tax_value|Order Total=total|SKU=_skus"
    ),
    dates="month first",
)
_AMAZON = Layout(
    "amazon_unshipped",
    "Amazon unshipped orders report",
    _marks("order-id", "order-item-id", "quantity-to-ship/quantity-purchased", "recipient-name/ship-address-1"),
    _columns(
        "order-id=reference|order-item-id=line_id|purchase-date=placed_at|buyer-email=email|buyer-phone-number=phone|"
        "ship-phone-number=phone|sku=sku|product-name=title|quantity-purchased=_purchased|quantity-to-ship=quantity|"
        "ship-service-level=shipping_service|recipient-name=name|ship-address-1=line1|ship-address-2=line2|"
        "ship-address-3=_line3|ship-city=city|ship-state=region|ship-postal-code=postal_code|ship-country=country|"
        "currency=currency|item-price=_line_price"
    ),
)
TEMPLATE = Layout("template", "Our template, or a table like it", (), SYNONYMS)
#: The more particular ones first.
LAYOUTS: tuple[Layout, ...] = (_SHOPIFY, _ETSY_ITEMS, _ETSY_ORDERS, _AMAZON, TEMPLATE)
_SAYS_WHAT = {"sku", "product_id", "variant_id"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: its place from 0, its header as it stands, and what it means (None: it is passed over)."""

    place: int
    header: str
    meaning: Meaning | None


def layout_of(header: Sequence[str]) -> Layout | None:
    """Return the kind of file whose header this row is, None when it is no header."""
    found = {folded(cell) for cell in header}
    for layout in LAYOUTS:
        if layout.marks and all(alternatives & found for alternatives in layout.marks):
            return layout
    return TEMPLATE if "reference" in {SYNONYMS.get(cell) for cell in found} and score(header) > 1 else None


def score(row: Sequence[str]) -> int:
    """How many of a row's cells are headers that some kind of file has."""
    return sum(any(name in layout.columns for layout in LAYOUTS) for name in map(folded, row) if name)


def columns_of(layout: Layout, header: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns; where two mean the same, the first counts and the other is passed over."""
    taken: set[Meaning] = set()
    columns = []
    for place, cell in enumerate(header):
        meaning = layout.columns.get(folded(cell)) if cell.strip() else None
        columns.append(Column(place, cell.strip(), None if meaning in taken else meaning))
        if meaning is not None:
            taken.add(meaning)
    return tuple(columns)


def missing_columns(columns: Sequence[Column]) -> list[str]:
    """Return the titles of columns without which no row can be an order."""
    there = {column.meaning for column in columns}
    missing = [known.title for known in BY_NAME.values() if known.needed and known.name not in there]
    if "_skus" in there or "_purchased" in there:
        missing = [title for title in missing if title != BY_NAME["quantity"].title]
    if not there & {*_SAYS_WHAT, "_skus"}:
        missing.append(BY_NAME["sku"].title)
    return missing
