"""Orders as ShopBase writes them: the Swagger's OrderDto with what live answers add to it."""

from __future__ import annotations

from typing import Any

import orjson

from deploy.sandbox.people import Address
from deploy.sandbox.shopbase.event_bodies import fulfillment_body, refund_body
from deploy.sandbox.shopbase.line_bodies import line_body
from deploy.sandbox.shopbase.money import amount
from deploy.sandbox.shopbase.totals import TAX_PERCENT, Totals, totals_of
from deploy.sandbox.shopbase.world import Order
from deploy.sandbox.shopbase.zeros import Form, form_for

Body = dict[str, Any]


def order_wire(order: Order, *, zero_values: str) -> bytes:
    """The order's JSON, kept until it changes."""
    form = form_for(order.number, zero_values=zero_values)
    kept = order.wire.get(form.name)
    if kept is None:
        kept = order.wire[form.name] = orjson.dumps(order_body(order, form))
    return kept


def order_body(order: Order, form: Form) -> Body:
    """OrderDto; `customer` is seen in live answers though the Swagger does not know it."""
    body = {
        **_identity(order, form),
        **_times(order, form),
        **_sums(order, totals_of(order)),
        **_states(order, form),
        **_buyer(order, form),
        **_notes(order, form),
        "line_items": [line_body(line, order, form) for line in order.lines],
        "shipping_lines": form.rows(_shipping_lines(order, form)),
        "fulfillments": form.rows([fulfillment_body(sent, order, form) for sent in order.fulfillments]),
        "refunds": form.rows([refund_body(refund, order, form) for refund in order.refunds]),
        "tax_lines": form.rows(_tax_lines(order)),
        "discount_code": form.rows(_discount_codes(order)),
        "discount_applications": form.rows([]),
    }
    if form.name != "zero":
        body["customer"] = _customer(order, form)
    return body


def _identity(order: Order, form: Form) -> Body:
    token = f"{order.id:032x}"
    return {
        "id": order.id,
        "name": order.name,
        "order_number": order.number,
        "shop_id": order.shop.id,
        "token": token,
        "access_key": token[::-1],
        "cart_token": form.text,
        "checkout_token": token,
        "order_status_url": f"https://{order.shop.handle}.example.com/checkouts/{token}/orders",
        "source_name": "sandbox-importer" if order.shop.api_made else "web",
        "referring_site": form.text,
        "payment_gateway": "paypal-express",
        "payment_gateway_names": ["paypal-express"],
    }


def _times(order: Order, form: Form) -> Body:
    zone = order.shop.zone
    return {
        "created_at": form.at(order.created_at, zone),
        "created_at_in_timezone": order.created_at.astimezone(zone).isoformat(),
        "updated_at": form.at(order.updated_at, zone),
        "processed_at": form.at(order.created_at, zone),
        "cancelled_at": form.at(order.cancelled_at, zone),
        "closed_at": form.at(order.closed_at, zone),
        "post_purchase_timeout_at": form.at(order.upsell_until, zone),
        "chargeback_deadline_at": form.at(None, zone),
    }


def _sums(order: Order, sums: Totals) -> Body:
    code = order.currency
    owed = 0 if order.paid or order.financial in {"refunded", "voided"} else sums.total
    return {
        "currency": code,
        "total_price": amount(sums.total, code),
        "original_total_price": amount(order.original_total or sums.total, code),
        "subtotal_price": amount(sums.subtotal, code),
        "total_tax": amount(sums.tax, code),
        "total_discounts": amount(sums.discount, code),
        "total_line_items_discount": amount(sums.discount, code),
        "total_line_items_price": amount(sums.goods, code),
        "total_shipping": amount(sums.shipping, code),
        "shipping_fee": amount(sums.shipping, code),
        "previous_shipping_fee": amount(sums.shipping, code),
        "shipping_discount": 0,
        "shipping_tax": 0,
        "total_tip_received": amount(sums.tip, code),
        "not_explicit_discount": 0,
        "balance": amount(owed, code),
        "taxes_included": False,
        "total_quantity": sum(line.quantity for line in order.lines),
        "total_weight": sum(line.grams * line.quantity for line in order.lines),
        "weight_unit": "g",
    }


def _states(order: Order, form: Form) -> Body:
    return {
        "financial_status": order.financial,
        "fulfillment_status": order.fulfillment_status or form.text,
        "cancel_reason": order.cancel_reason or form.text,
        "is_risk": order.risk,
        "is_in_post_purchase": order.upsell_until is not None,
        "chargeback_status": order.chargeback or form.text,
        "chargeback_amount": 0,
        "chargeback_dispute_id": form.text,
    }


def _buyer(order: Order, form: Form) -> Body:
    address = _address(order.address, form)
    return {
        "email": order.buyer.email,
        "phone": order.buyer.phone,
        "customer_locale": "en",
        "buyer_accepts_marketing": False,
        "shipping_address": address,
        "billing_address": address,
        "client_details": None,
        "additional_information": None,
        "applied_discount": None,
    }


def _customer(order: Order, form: Form) -> Body:
    """The one `0` where a time belongs that ShopBase's own sample shows: `last_order_at`."""
    return {
        "id": 6_000_000_000_000_000 + order.id % 1_000_000_000,
        "email": order.buyer.email,
        "first_name": order.buyer.first_name,
        "last_name": order.buyer.last_name,
        "phone": order.buyer.phone or form.text,
        "last_order_at": 0,
    }


def _address(address: Address | None, form: Form) -> Body | None:
    if address is None:
        return None
    first, _, last = address.name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "name": address.name,
        "company": address.company or form.text,
        "address1": address.line1,
        "address2": address.line2 or form.text,
        "city": address.city,
        "province": address.region_name or form.text,
        "province_code": address.region or form.text,
        "country": address.country_name,
        "country_name": address.country_name,
        "country_code": address.country,
        "zip": address.zip,
        "phone": address.phone,
        "cpf_or_cnpj_number": form.text,
    }


def _notes(order: Order, form: Form) -> Body:
    return {
        "note": order.note or form.text,
        "tags": ", ".join(order.tags),
        "note_attributes": form.rows([{"name": name, "value": value} for name, value in order.attributes]),
    }


def _shipping_lines(order: Order, form: Form) -> list[Body]:
    if order.address is None and not order.shipping:
        return []
    price = amount(order.shipping, order.currency)
    return [
        {
            "title": "Standard",
            "code": "standard",
            "price": price,
            "discounted_price": price,
            "source": "shopbase",
            "carrier_identifier": form.text,
            "tax_lines": form.rows([]),
        }
    ]


def _tax_lines(order: Order) -> list[Body]:
    tax = totals_of(order).tax
    return [{"title": "State tax", "rate": TAX_PERCENT / 100, "price": amount(tax, order.currency)}] if tax else []


def _discount_codes(order: Order) -> list[Body]:
    if not order.discount_code:
        return []
    value = amount(totals_of(order).discount, order.currency)
    return [{"code": order.discount_code, "amount": value, "type": "fixed_amount"}]
