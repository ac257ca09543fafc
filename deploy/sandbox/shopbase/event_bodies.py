"""Parcels, refunds, transactions, registrations and the shop as ShopBase writes them."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.shopbase.line_bodies import line_body
from deploy.sandbox.shopbase.money import amount
from deploy.sandbox.shopbase.world import Fulfillment, Line, Order, Refund, Shop, Subscription, Transaction
from deploy.sandbox.shopbase.zeros import Form

Body = dict[str, Any]


def fulfillment_body(sent: Fulfillment, order: Order, form: Form) -> Body:
    """OrderFulfillmentDto; a line's `quantity` is what is in this parcel."""
    zone = order.shop.zone
    done = sent.updated_at if sent.status == "success" else None
    return {
        "id": sent.id,
        "order_id": order.id,
        "name": f"{order.name}.{sent.number}",
        "status": sent.status,
        "service": sent.service,
        "shipment_status": sent.shipment_status or form.text,
        "tracking_company": sent.company or form.text,
        "tracking_number": sent.numbers[0] if sent.numbers else form.text,
        "tracking_numbers": form.rows(sent.numbers),
        "tracking_url": sent.urls[0] if sent.urls else form.text,
        "tracking_urls": form.rows(sent.urls),
        "notify_customer": sent.notify,
        "line_items": [line_body(line, order, form) | {"quantity": units} for line, units in sent.units],
        "created_at": form.nested(sent.created_at, zone),
        "updated_at": form.nested(sent.updated_at, zone),
        "date_done": form.nested(done, zone),
        "variant_inventory_management": form.text,
    }


def refund_body(refund: Refund, order: Order, form: Form) -> Body:
    """RefundDto; shipping and money for nothing in particular are adjustments."""
    at, code = form.nested(refund.at, order.shop.zone), order.currency
    adjustments = [
        {"order_id": order.id, "kind": kind, "amount": amount(-minor, code), "tax_amount": 0, "reason": reason}
        for kind, minor, reason in (
            ("shipping_refund", refund.shipping, "Shipping refund"),
            ("refund_discrepancy", refund.other, "Refund discrepancy"),
        )
        if minor
    ]
    whole = Transaction(refund.id + 1, "refund", refund.amount + refund.other + refund.shipping, refund.at)
    return {
        "id": refund.id,
        "order_id": order.id,
        "created_at": at,
        "processed_at": at,
        "note": form.text,
        "restock": True,
        "user_id": 0,
        "refund_line_items": form.rows([_refunded(line, units, order, form) for line, units in refund.lines]),
        "order_adjustments": form.rows(adjustments),
        "transactions": [transaction_body(whole, order, form) | {"created_at": at, "processed_at": at}],
    }


def _refunded(line: Line, units: int, order: Order, form: Form) -> Body:
    subtotal = amount(line.price * units, order.currency)
    return {
        "line_item_id": line.id,
        "line_item": line_body(line, order, form),
        "quantity": units,
        "restock_type": "cancel",
        "title": line.title,
        "variant_title": line.variant_title or form.text,
        "subtotal": subtotal,
        "total_refund": subtotal,
        "total_tax": 0,
        "discount_amount": 0,
    }


def transaction_body(moved: Transaction, order: Order, form: Form) -> Body:
    """TransactionDto; unlike parcels and refunds its times are text in the Swagger too."""
    at = form.at(moved.at, order.shop.zone)
    return {
        "id": moved.id,
        "order_id": order.id,
        "kind": moved.kind,
        "status": "success",
        "amount": amount(moved.amount, order.currency),
        "currency": order.currency,
        "gateway": "paypal-express",
        "message": form.text,
        "source_name": "web",
        "test": False,
        "created_at": at,
        "processed_at": at,
    }


def webhook_body(known: Subscription, shop: Shop, form: Form) -> Body:
    """Webhook."""
    return {
        "id": known.id,
        "topic": known.topic,
        "address": known.address,
        "format": "json",
        "fields": form.rows(list(known.fields)),
        "metafield_namespaces": form.rows(list(known.metafield_namespaces)),
        "created_at": form.nested(known.created_at, shop.zone),
        "updated_at": form.nested(known.updated_at, shop.zone),
    }


def shop_body(shop: Shop) -> Body:
    """ShopDto; its times are seconds."""
    at = int(shop.created_at.timestamp())
    return {
        "id": shop.id,
        "name": shop.name,
        "email": f"owner@{shop.handle}.example.com",
        "customer_email": f"help@{shop.handle}.example.com",
        "domain": shop.domain,
        "onshopbase_domain": shop.domain,
        "primary_domain": f"{shop.handle}.example.com",
        "country": shop.country,
        "country_code": shop.country,
        "currency": shop.currency,
        "iana_timezone": shop.zone.key,
        "timezone": shop.zone.key,
        "money_format": "{{amount}}",
        "primary_locale": "en",
        "shop_owner": "Sandbox Owner",
        "weight_unit": "g",
        "taxes_included": False,
        "created_at": at,
        "updated_at": at,
        "end_free_trial_at": 0,
        "subscription_expired_at": 0,
    }
