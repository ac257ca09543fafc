"""The fields of an order as columns: what our template calls them and says of them, and what else they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.ingest.platforms.direct.files.places import folded

#: How a column's cells are read.
Reading = Literal["text", "number_like", "quantity", "amount", "moment", "yes", "country", "postal_code", "pairs"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    `path` is where it stands in an order as given by API; `of_item`: it is a line's, not the order's. `also` is what
    else a column may be called, in English and Vietnamese.
    """

    name: str
    title: str
    path: str
    explanation: str
    example: str = ""
    reading: Reading = "text"
    of_item: bool = False
    needed: bool = False
    also: str = ""


#: In the order of the template's columns.
FIELDS: tuple[Field, ...] = (
    Field(
        "reference",
        "Reference",
        "reference",
        "Your own number of the order. Rows with the same reference are one order; repeat it on each.",
        "W-1001",
        "number_like",
        needed=True,
        also="order, order number, order no, order id, order ref, order reference, order name, ref, mã đơn hàng, "
        "mã đơn, số đơn hàng, đơn hàng, mã tham chiếu, mã hóa đơn",
    ),
    Field(
        "placed_at",
        "Order date",
        "placed_at",
        "When the buyer ordered, like 2026-11-20. Empty: when you import it.",
        reading="moment",
        also="date, ordered at, purchase date, created at, sale date, placed at, ngày đặt hàng, ngày đặt, ngày, "
        "ngày tạo",
    ),
    Field(
        "name",
        "Name",
        "ship_to.name",
        "Who receives the parcel.",
        "Buyer 0042",
        needed=True,
        also="full name, recipient, recipient name, ship to, ship to name, shipping name, ship name, buyer, "
        "buyer name, customer, customer name, receiver, consignee, tên, họ tên, họ và tên, người nhận, "
        "tên người nhận, khách hàng, tên khách hàng",
    ),
    Field("company", "Company", "ship_to.company", "", also="company name, shipping company, công ty, tên công ty"),
    Field(
        "line1",
        "Address 1",
        "ship_to.line1",
        "Street and number.",
        "100 Example Street",
        needed=True,
        also="address, address line 1, address1, street, street address, street 1, shipping address, "
        "shipping address 1, shipping address1, ship address 1, địa chỉ, địa chỉ 1, địa chỉ giao hàng, số nhà, đường",
    ),
    Field(
        "line2",
        "Address 2",
        "ship_to.line2",
        "Apartment, floor, building.",
        also="address line 2, address2, street 2, apartment, suite, unit, shipping address 2, shipping address2, "
        "ship address 2, địa chỉ 2, căn hộ",
    ),
    Field(
        "city",
        "City",
        "ship_to.city",
        "",
        "Springfield",
        needed=True,
        also="town, shipping city, ship city, thành phố, quận huyện, tỉnh thành phố",
    ),
    Field(
        "region",
        "State",
        "ship_to.region",
        "State or province, best as its code.",
        "IL",
        also="province, region, county, state province, province code, state code, shipping province, ship state, "
        "shipping state, bang, tỉnh, tỉnh bang, tiểu bang",
    ),
    Field(
        "postal_code",
        "ZIP",
        "ship_to.postal_code",
        "Postal code. Format the column as text, so that zeros at its beginning stay.",
        "62701",
        "postal_code",
        also="zip code, zipcode, postal code, postcode, post code, shipping zip, ship zip, ship zipcode, mã bưu điện, "
        "mã bưu chính, mã zip, mã vùng bưu chính",
    ),
    Field(
        "country",
        "Country",
        "ship_to.country",
        "Code of two letters, or its name.",
        "US",
        "country",
        needed=True,
        also="country code, shipping country, ship country, destination country, quốc gia, nước, mã quốc gia",
    ),
    Field(
        "phone",
        "Phone",
        "ship_to.phone",
        "Format the column as text.",
        "",
        "number_like",
        also="phone number, telephone, tel, mobile, shipping phone, buyer phone, số điện thoại, điện thoại, sđt",
    ),
    Field(
        "email",
        "Email",
        "email",
        "The buyer's.",
        also="e mail, mail, email address, buyer email, thư điện tử, địa chỉ email",
    ),
    Field(
        "sku",
        "SKU",
        "items.sku",
        "What is ordered, one line a row.",
        "TEE-BLK-M",
        "number_like",
        of_item=True,
        also="variant sku, product sku, item sku, lineitem sku, seller sku, product code, mã sản phẩm, mã hàng, mã sku",
    ),
    Field(
        "quantity",
        "Quantity",
        "items.quantity",
        "How many of it.",
        "2",
        "quantity",
        of_item=True,
        needed=True,
        also="qty, amount ordered, count, pieces, pcs, units, số lượng, sl",
    ),
    Field(
        "unit_price",
        "Price",
        "items.unit_price",
        "What the buyer paid for one.",
        "19.99",
        "amount",
        of_item=True,
        also="unit price, item price, price each, lineitem price, giá, đơn giá, giá bán",
    ),
    Field(
        "title",
        "Product",
        "items.title",
        "What the product is called.",
        "Black tee, M",
        of_item=True,
        also="product name, title, item, item name, product title, description, lineitem name, tên sản phẩm, sản phẩm, "
        "tên hàng",
    ),
    Field(
        "options",
        "Options",
        "items.options",
        "Like Color: Black; Size: M",
        "Color: Black; Size: M",
        "pairs",
        of_item=True,
        also="variant, variation, variations, option, attributes, phân loại, biến thể, thuộc tính, tùy chọn",
    ),
    Field(
        "personalization",
        "Personalization",
        "items.personalization",
        "Like Name: RIVERA; Number: 10",
        "",
        "pairs",
        of_item=True,
        also="personalisation, custom text, customization, cá nhân hóa, nội dung cá nhân hóa",
    ),
    Field(
        "product_id",
        "Product id",
        "items.product_id",
        "Your listing, where there is no SKU.",
        "",
        "number_like",
        of_item=True,
        also="listing id, product number, mã listing",
    ),
    Field(
        "variant_id",
        "Variant id",
        "items.variant_id",
        "Your listing's variant, where there is no SKU.",
        "",
        "number_like",
        of_item=True,
        also="variation id",
    ),
    Field(
        "line_id",
        "Line id",
        "items.line_id",
        "Your own number of the line. Empty: its place in the order.",
        "",
        "number_like",
        of_item=True,
        also="line item id, item id, order item id, line, dòng, mã dòng",
    ),
    Field(
        "design_front",
        "Front design",
        "items.designs.front",
        "Address of the artwork for the front.",
        "https://files.example.com/front.png",
        of_item=True,
        also="design front, front design url, design url, design, front, front url, artwork, artwork url, print file, "
        "thiết kế, thiết kế mặt trước, mặt trước, link thiết kế",
    ),
    Field(
        "design_back",
        "Back design",
        "items.designs.back",
        "Address of the artwork for the back.",
        of_item=True,
        also="design back, back design url, back, back url, thiết kế mặt sau, mặt sau",
    ),
    Field(
        "shipping_service",
        "Shipping service",
        "shipping_service",
        "One of production's.",
        "standard",
        also="shipping, shipping method, service, ship service level, delivery method, phương thức vận chuyển, "
        "vận chuyển, dịch vụ vận chuyển",
    ),
    Field(
        "shipping_label_url",
        "Shipping label",
        "shipping_label_url",
        "Address of your own label, if you have one.",
        also="label, label url, shipping label url, nhãn vận chuyển",
    ),
    Field(
        "currency",
        "Currency",
        "currency",
        "Of all amounts of the order. Empty: USD.",
        "USD",
        also="currency code, tiền tệ, loại tiền, đơn vị tiền tệ",
    ),
    Field(
        "shipping_price",
        "Shipping price",
        "shipping_price",
        "What the buyer paid for shipping.",
        "4.99",
        "amount",
        also="shipping cost, shipping fee, postage, phí vận chuyển, phí ship",
    ),
    Field(
        "tax_value",
        "Tax",
        "tax_value",
        "The tax that the buyer paid, for customs.",
        "",
        "amount",
        also="taxes, tax value, sales tax, vat, thuế",
    ),
    Field(
        "total",
        "Total",
        "total",
        "What the buyer paid in all. Empty: it is added up.",
        "",
        "amount",
        also="order total, grand total, total price, amount, tổng tiền, tổng cộng, tổng, thành tiền",
    ),
    Field(
        "paid",
        "Paid",
        "paid",
        "yes, or no: it waits until it is paid. Empty: yes.",
        "yes",
        "yes",
        also="payment status, đã thanh toán, thanh toán",
    ),
    Field(
        "gift_message",
        "Gift message",
        "gift_message",
        "Printed for the buyer.",
        "",
        also="gift, gift note, lời nhắn, lời chúc, lời nhắn quà tặng",
    ),
    Field(
        "note",
        "Note",
        "note",
        "For production.",
        "",
        also="notes, comment, comments, remark, ghi chú, chú thích",
    ),
    Field("ioss_number", "IOSS number", "ioss_number", "For parcels into the EU.", "", "number_like", also="ioss"),
    Field(
        "tax_number",
        "Tax number",
        "tax_number",
        "The buyer's, where customs need it.",
        "",
        "number_like",
        also="tax id, vat number, mã số thuế",
    ),
    Field(
        "test",
        "Test",
        "test",
        "yes: it goes everywhere but into production. Empty: no.",
        "",
        "yes",
        also="test order, thử, đơn thử",
    ),
)

BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}
#: Folded title or synonym -> the field's name.
SYNONYMS: Mapping[str, str] = {
    folded(called): field.name
    for field in reversed(FIELDS)
    for called in (field.title, field.name, *field.also.split(","))
} | {folded(field.title): field.name for field in FIELDS}
