"""The bodies of webhooks: orders in the REST form, with numeric ids and the shop's local time.

Source: the documented payloads of orders/create, refunds/create and fulfillments/create.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deploy.sandbox.people import Address, Buyer
from deploy.sandbox.shopify.money import rest_amount
from deploy.sandbox.shopify.world import Fulfillment, Line, Order, Refund, Store

Body = dict[str, Any]

_FULFILLMENT = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}
#: Fields that are left out for apps that were not approved for level 2 of protected customer data.
_BUYER_FIELDS = ("email", "contact_email", "phone", "customer", "shipping_address", "billing_address")


def order_body(order: Order) -> Body:
    """An order's webhook body."""
    return {
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "app_id": 580111,
        "browser_ip": None,
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason.lower() if order.cancel_reason else None,
        "cancelled_at": local(order.cancelled_at, order.store),
        "cart_token": None,
        "checkout_token": None,
        "client_details": None,
        "closed_at": local(order.cancelled_at, order.store),
        "confirmation_number": f"C{order.id % 10**9:09d}",
        "confirmed": True,
        "created_at": local(order.created_at, order.store),
        "currency": order.currency,
        "customer_locale": "en",
        "device_id": None,
        "discount_applications": [],
        "discount_codes": [],
        "duties_included": False,
        "estimated_taxes": False,
        "financial_status": order.financial.lower(),
        "fulfillment_status": _FULFILLMENT.get(order.fulfillment_status),
        "landing_site": None,
        "landing_site_ref": None,
        "line_item_groups": [],
        "location_id": None,
        "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
        "merchant_of_record_app_id": None,
        "name": order.name,
        "note": order.note,
        "note_attributes": _pairs(order.attributes),
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://{order.store.domain}/{order.store.id}/orders/{order.id}/authenticate",
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        "payment_gateway_names": ["bogus"],
        "payment_terms": None,
        "po_number": None,
        "presentment_currency": order.presentment,
        "processed_at": local(order.created_at, order.store),
        "reference": None,
        "referring_site": None,
        "returns": [],
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": ", ".join(order.tags),
        "tax_exempt": False,
        "tax_lines": [],
        "taxes_included": False,
        "test": order.test,
        "token": f"{order.id:032x}",
        "total_weight": sum(line.grams * line.quantity for line in order.lines),
        "updated_at": local(order.updated_at, order.store),
        "user_id": None,
        **_buyer(order),
        **_money(order),
        "fulfillments": [fulfillment_body(sent) for sent in order.fulfillments],
        "line_items": [_line(order, line) for line in order.lines],
        "refunds": [refund_body(order, refund) for refund in order.refunds],
        "shipping_lines": [_shipping_line(order)] if order.address else [],
    }


def without_buyer(body: Body) -> Body:
    """An order's body as apps see it that may not see buyers."""
    return {name: value for name, value in body.items() if name not in _BUYER_FIELDS}


def refund_body(order: Order, refund: Refund) -> Body:
    """A refund, alone (refunds/create) or inside its order."""
    return {
        "id": refund.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund.id}",
        "order_id": order.id,
        "created_at": local(refund.at, order.store),
        "processed_at": local(refund.at, order.store),
        "note": None,
        "restock": True,
        "user_id": None,
        "order_adjustments": [],
        "transactions": [],
        "refund_line_items": [
            {
                "id": refund.id * 100 + place,
                "line_item_id": line.id,
                "quantity": units,
                "restock_type": "cancel",
                "location_id": order.store.location.id,
                "subtotal": rest_amount(order.bag(line.price * units).shop),
                "total_tax": "0.00",
                "line_item": _line(order, line),
            }
            for place, (line, units) in enumerate(refund.lines)
        ],
    }


def fulfillment_body(sent: Fulfillment) -> Body:
    """A fulfilment, alone (fulfillments/create) or inside its order."""
    first = sent.tracking[0] if sent.tracking else None
    return {
        "id": sent.id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{sent.id}",
        "order_id": sent.order.id,
        "status": {"SUCCESS": "success", "CANCELLED": "cancelled"}.get(sent.status),
        "created_at": local(sent.created_at, sent.order.store),
        "updated_at": local(sent.updated_at, sent.order.store),
        "service": "manual",
        "location_id": sent.location.id,
        "origin_address": {},
        "receipt": {},
        "name": f"{sent.order.name}.{sent.number}",
        "shipment_status": None,
        "tracking_company": first.company if first else None,
        "tracking_number": first.number if first else None,
        "tracking_numbers": [tracking.number for tracking in sent.tracking],
        "tracking_url": first.url if first else None,
        "tracking_urls": [tracking.url for tracking in sent.tracking if tracking.url],
        "line_items": [_line(sent.order, line.source.line) | {"quantity": line.quantity} for line in sent.lines],
    }


def local(at: datetime | None, store: Store) -> str | None:
    """A moment with the shop's offset, as REST bodies write it."""
    return None if at is None else at.astimezone(store.zone).isoformat(timespec="seconds")


def _buyer(order: Order) -> Body:
    buyer = order.buyer
    address = _address(order.address, buyer) if order.address and buyer else None
    return {
        "email": buyer.email if buyer else "",
        "contact_email": buyer.email if buyer else None,
        "phone": buyer.phone if buyer else None,
        "customer": _customer(buyer) if buyer else None,
        "billing_address": address,
        "shipping_address": address,
    }


def _customer(buyer: Buyer) -> Body:
    number = buyer_number(buyer)
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Customer/{number}",
        "email": buyer.email,
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "phone": buyer.phone,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "tax_exempt": False,
        "tags": "",
    }


def buyer_number(buyer: Buyer) -> int:
    """A customer id that is the same for the same buyer."""
    return 6_000_000_000_000 + int("".join(filter(str.isdigit, buyer.email)) or 0)


def _address(address: Address, buyer: Buyer) -> Body:
    return {
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "name": address.name,
        "company": address.company or None,
        "address1": address.line1,
        "address2": address.line2 or None,
        "city": address.city,
        "province": address.region_name or None,
        "province_code": address.region or None,
        "zip": address.zip,
        "country": address.country_name,
        "country_code": address.country,
        "phone": address.phone,
        "latitude": None,
        "longitude": None,
    }


def _money(order: Order) -> Body:
    total = order.subtotal + order.shipping
    amounts = {
        "subtotal_price": order.subtotal,
        "total_line_items_price": order.subtotal,
        "total_price": total,
        "total_shipping_price": order.shipping,
        "total_tax": 0,
        "total_discounts": 0,
        "current_subtotal_price": order.current_subtotal,
        "current_total_price": total - order.refunded,
        "current_total_tax": 0,
        "current_total_discounts": 0,
        "current_shipping_price": order.shipping,
        "total_cash_rounding_payment_adjustment": 0,
        "total_cash_rounding_refund_adjustment": 0,
    }
    only_sets = {
        "total_shipping_price",
        "current_shipping_price",
        "total_cash_rounding_payment_adjustment",
        "total_cash_rounding_refund_adjustment",
    }
    body: Body = {f"{name}_set": _set(order, minor) for name, minor in amounts.items()}
    body |= {name: rest_amount(order.bag(minor).shop) for name, minor in amounts.items() if name not in only_sets}
    zero = rest_amount(order.bag(0).shop)
    return body | {
        "current_total_additional_fees_set": None,
        "current_total_duties_set": None,
        "total_outstanding": zero if order.paid else rest_amount(order.bag(total).shop),
        "total_tip_received": zero,
    }


def _set(order: Order, minor: int) -> Body:
    bag = order.bag(minor)
    return {
        "shop_money": {"amount": rest_amount(bag.shop), "currency_code": bag.shop.currency},
        "presentment_money": {
            "amount": rest_amount(bag.presentment),
            "currency_code": bag.presentment.currency,
        },
    }


def _line(order: Order, line: Line) -> Body:
    price = order.bag(line.price).shop
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "attributed_staffs": [],
        "current_quantity": line.current,
        "fulfillable_quantity": line.unfulfilled,
        "fulfillment_service": "gift_card" if line.gift_card else "manual",
        "fulfillment_status": "fulfilled" if line.fulfilled and not line.unfulfilled else None,
        "gift_card": line.gift_card,
        "grams": line.grams,
        "name": line.name,
        "price": rest_amount(price),
        "price_set": _set(order, line.price),
        "product_exists": line.product_id is not None,
        "product_id": line.product_id,
        "properties": _pairs(line.attributes),
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sales_line_item_group_id": None,
        "sku": line.sku,
        "taxable": True,
        "title": line.title,
        "total_discount": rest_amount(order.bag(0).shop),
        "total_discount_set": _set(order, 0),
        "variant_id": line.variant_id,
        "variant_inventory_management": "shopify",
        "variant_title": line.variant_title,
        "vendor": line.vendor,
        "tax_lines": [],
        "duties": [],
        "discount_allocations": [],
    }


def _shipping_line(order: Order) -> Body:
    price = rest_amount(order.bag(order.shipping).shop)
    return {
        "id": order.id,
        "carrier_identifier": None,
        "code": "Standard",
        "current_discounted_price_set": _set(order, order.shipping),
        "discounted_price": price,
        "discounted_price_set": _set(order, order.shipping),
        "is_removed": False,
        "phone": None,
        "price": price,
        "price_set": _set(order, order.shipping),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[Body]:
    return [{"name": name, "value": value} for name, value in pairs]
