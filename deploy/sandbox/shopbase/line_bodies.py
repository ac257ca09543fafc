"""Line items as ShopBase writes them, the same in orders, fulfillments and refunds."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.shopbase.money import amount
from deploy.sandbox.shopbase.world import Line, Order
from deploy.sandbox.shopbase.zeros import Form


def line_body(line: Line, order: Order, form: Form) -> dict[str, Any]:
    """OrderLineItemDto with the `id` that the Swagger forgets."""
    price, discount = amount(line.price, order.currency), amount(line.discount, order.currency)
    total = amount(line.price * line.quantity - line.discount, order.currency)
    return {
        "id": line.id,
        "order_id": order.id,
        "product_id": line.product_id or form.number,
        "variant_id": line.variant_id or form.number,
        "sku": line.sku or form.text,
        "title": line.title,
        "variant_title": line.variant_title or form.text,
        "name": f"{line.title} - {line.variant_title}" if line.variant_title else line.title,
        "quantity": line.quantity,
        "fulfillable_quantity": line.fulfillable,
        "fulfillment_status": _status(line) or form.text,
        "fulfillment_service": "manual",
        "price": price,
        "raw_price": price,
        "line_item_price": amount(line.price * line.quantity, order.currency),
        "discount_amount": discount,
        "total_discount": discount,
        "total_line_with_discount_price": total,
        "tax_amount": 0,
        "tax_lines": form.rows([]),
        "taxable": not line.gift_card,
        "discount_allocations": form.rows([]),
        "requires_shipping": line.requires_shipping,
        "gift_card": line.gift_card,
        "vendor": "Sandbox Goods",
        "product_type": form.text,
        "image_src": f"https://img.example.com/{line.product_id}.jpg" if line.product_id else form.text,
        "weight": line.grams,
        "weight_unit": "g",
        "is_post_purchase_item": line.post_purchase,
        "product_is_deleted": line.product_deleted,
        "properties": form.rows([{"name": name, "value": value} for name, value in line.properties]),
        **({"tip_payment_gateway": "shopbase_payments", "tip_payment_method": "Visa"} if line.tip else {}),
    }


def _status(line: Line) -> str:
    if not line.eligible:
        return "not_eligible"
    if line.waiting:
        return "partial-processing" if line.fulfillable else "processing"
    if line.sent:
        return "partial" if line.fulfillable else "fulfilled"
    return ""
