"""An order, a refund and a note in the form of the REST API v3, as the store's version shows it."""

from __future__ import annotations

import functools
from typing import Any

from deploy.sandbox.woocommerce.orders import Line, Meta, Note, Order, Refund
from deploy.sandbox.woocommerce.site import Site, symbol
from deploy.sandbox.woocommerce.wire import decimal, encode, gmt, local, number

_EDITABLE = ("pending", "on-hold", "auto-draft", "checkout-draft")
_UNPAID = ("pending", "failed")


def order_bytes(site: Site, order: Order, places: int | None = None) -> bytes:
    """The order's JSON with so many decimals (the store's own by default), kept until the next change."""
    places = site.options.price_decimals if places is None else places
    found = order.wire.get(places)
    if found is None:
        found = order.wire[places] = encode(order_payload(site, order, places))
    return found


def order_payload(site: Site, order: Order, places: int) -> dict[str, Any]:
    """The order as a dict; 11.x shows more fields than 7.9 did, and that more than 5.7."""
    money = functools.partial(decimal, places=places)
    return {
        **_head(site, order, money),
        "billing": order.billing,
        "shipping": order.shipping,
        "payment_method": order.payment_method,
        "payment_method_title": order.payment_title,
        "transaction_id": order.transaction,
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": order.created_via,
        "customer_note": order.customer_note,
        "date_completed": local(order.completed, site.zone),
        "date_paid": local(order.paid, site.zone),
        "cart_hash": "",
        "number": order.number,
        "meta_data": [_plain_meta(meta) for meta in order.meta],
        "line_items": [line_payload(site, order, line, places) for line in order.lines],
        "tax_lines": _tax_lines(order, money),
        "shipping_lines": _shipping_lines(order, money),
        "fee_lines": [_fee_line(fee, money) for fee in order.fees],
        "coupon_lines": _coupon_lines(order, money),
        "refunds": [_short_refund(refund, money) for refund in order.refunds],
        **_newer_fields(site, order),
        "date_created_gmt": gmt(order.created),
        "date_modified_gmt": gmt(order.modified),
        "date_completed_gmt": gmt(order.completed),
        "date_paid_gmt": gmt(order.paid),
        "currency_symbol": symbol(order.currency),
        "_links": _links(site, f"orders/{order.id}", "orders") | _customer_link(site, order),
    }


def _head(site: Site, order: Order, money: Any) -> dict[str, Any]:
    discount = order.subtotal - sum(line.total for line in order.lines)
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": order.currency,
        "version": site.options.wc_version,
        "prices_include_tax": order.prices_include_tax,
        "date_created": local(order.created, site.zone),
        "date_modified": local(order.modified, site.zone),
        "discount_total": money(discount),
        "discount_tax": money(sum(line.subtotal_tax - line.total_tax for line in order.lines)),
        "shipping_total": money(order.shipping_total),
        "shipping_tax": money(0),
        "cart_tax": money(order.cart_tax),
        "total": money(order.total),
        "total_tax": money(order.cart_tax),
        "customer_id": order.customer_id,
        "order_key": order.key,
    }


def _newer_fields(site: Site, order: Order) -> dict[str, Any]:
    if site.options.release < (7, 0):
        return {}
    unpaid = order.status in _UNPAID
    return {
        "payment_url": f"{site.url}/checkout/order-pay/{order.id}/?pay_for_order=true&key={order.key}",
        "is_editable": order.status in _EDITABLE,
        "needs_payment": unpaid and order.total > 0,
        "needs_processing": order.needs_processing,
    }


def line_payload(site: Site, order: Order, line: Line, places: int, *, sign: int = 1) -> dict[str, Any]:
    """A line; `price` is a JSON number and unrounded, while the other amounts are rounded strings."""
    money = functools.partial(decimal, places=places)
    total, tax, subtotal, subtotal_tax = (
        sign * amount for amount in (line.total, line.total_tax, line.subtotal, line.subtotal_tax)
    )
    shown: dict[str, Any] = {
        "id": line.id,
        "name": line.name,
        "product_id": line.product_id,
        "variation_id": line.variation_id,
        "quantity": sign * line.quantity,
        "tax_class": "",
        "subtotal": money(subtotal),
        "subtotal_tax": money(subtotal_tax),
        "total": money(total),
        "total_tax": money(tax),
        "taxes": [{"id": 1, "total": money(tax), "subtotal": money(subtotal_tax)}] if order.tax_percent else [],
        "meta_data": [_line_meta(meta) for meta in line.meta],
        "sku": line.sku,
        "price": number(line.total / 1_000_000 / line.quantity) if line.quantity else 0,
    }
    if site.options.release >= (11, 0):
        shown["global_unique_id"] = ""
    if site.options.release >= (7, 0):
        shown["image"] = _image(site, line)
    shown["parent_name"] = line.parent_name
    return shown


def refund_payload(site: Site, order: Order, refund: Refund, places: int) -> dict[str, Any]:
    """A refund with its lines, whose quantities and amounts are negative."""
    money = functools.partial(decimal, places=places)
    return {
        "id": refund.id,
        "parent_id": order.id,
        "date_created": local(refund.at, site.zone),
        "date_created_gmt": gmt(refund.at),
        "amount": money(refund.amount),
        "reason": refund.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": [_refunded_line(site, order, refund, line, places) for line in refund.lines],
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
        "_links": _links(site, f"orders/{order.id}/refunds/{refund.id}", f"orders/{order.id}/refunds", up=order.id),
    }


def note_payload(site: Site, order: Order, note: Note) -> dict[str, Any]:
    """A note on the order."""
    return {
        "id": note.id,
        "author": note.author,
        "date_created": local(note.at, site.zone),
        "date_created_gmt": gmt(note.at),
        "note": note.text,
        "customer_note": note.for_customer,
        "_links": _links(site, f"orders/{order.id}/notes/{note.id}", f"orders/{order.id}/notes", up=order.id),
    }


def _refunded_line(site: Site, order: Order, refund: Refund, line_id: int, places: int) -> dict[str, Any]:
    units = refund.lines[line_id]
    source = order.line(line_id)
    share = units / source.quantity if source and source.quantity else 0
    total = round((source.total if source else 0) * share)
    tax = round((source.total_tax if source else 0) * share)
    line = Line(
        id=refund.line_ids[line_id],
        name=source.name if source else "",
        product_id=source.product_id if source else 0,
        variation_id=source.variation_id if source else 0,
        quantity=units,
        sku=source.sku if source else None,
        subtotal=total,
        subtotal_tax=tax,
        total=total,
        total_tax=tax,
        meta=[Meta(refund.line_ids[line_id], "_refunded_item_id", str(line_id))],
    )
    return line_payload(site, order, line, places, sign=-1) | {"price": -number(total / 1_000_000 / units)}


def _line_meta(meta: Meta) -> dict[str, Any]:
    display_value = meta.value if meta.display_value is None else meta.display_value
    return _plain_meta(meta) | {"display_key": meta.display_key or meta.key, "display_value": display_value}


def _plain_meta(meta: Meta) -> dict[str, Any]:
    return {"id": meta.id, "key": meta.key, "value": meta.value}


def _image(site: Site, line: Line) -> dict[str, Any]:
    if not line.product_id:
        return {"id": "", "src": ""}
    return {"id": str(line.product_id + 1), "src": f"{site.url}/wp-content/uploads/{line.product_id}.png"}


def _tax_lines(order: Order, money: Any) -> list[dict[str, Any]]:
    if not order.tax_percent:
        return []
    return [
        {
            "id": order.tax_line,
            "rate_code": "TAX-1",
            "rate_id": 1,
            "label": "Tax",
            "compound": False,
            "tax_total": money(order.cart_tax),
            "shipping_tax_total": money(0),
            "rate_percent": order.tax_percent,
            "meta_data": [],
        }
    ]


def _shipping_lines(order: Order, money: Any) -> list[dict[str, Any]]:
    if not order.shipping_line:
        return []
    items = ", ".join(f"{line.name} &times; {line.quantity}" for line in order.lines)
    return [
        {
            "id": order.shipping_line,
            "method_title": "Flat rate",
            "method_id": "flat_rate",
            "instance_id": "1",
            "total": money(order.shipping_total),
            "total_tax": money(0),
            "taxes": [],
            "meta_data": [
                {
                    "id": order.shipping_line,
                    "key": "Items",
                    "value": items,
                    "display_key": "Items",
                    "display_value": items,
                }
            ],
        }
    ]


def _fee_line(fee: tuple[int, str, int], money: Any) -> dict[str, Any]:
    return {
        "id": fee[0],
        "name": fee[1],
        "tax_class": "",
        "tax_status": "none",
        "amount": money(fee[2]),
        "total": money(fee[2]),
        "total_tax": money(0),
        "taxes": [],
        "meta_data": [],
    }


def _coupon_lines(order: Order, money: Any) -> list[dict[str, Any]]:
    if order.coupon is None:
        return []
    number_of_line, code, discount = order.coupon
    return [
        {"id": number_of_line, "code": code, "discount": money(discount), "discount_tax": money(0), "meta_data": []}
    ]


def _short_refund(refund: Refund, money: Any) -> dict[str, Any]:
    return {"id": refund.id, "reason": refund.reason, "total": money(-refund.amount)}


def _customer_link(site: Site, order: Order) -> dict[str, Any]:
    """A guest has no customer to point to."""
    if not order.customer_id:
        return {}
    return {"customer": [{"href": f"{site.url}/wp-json/wc/v3/customers/{order.customer_id}"}]}


def _links(site: Site, path: str, collection: str, *, up: int | None = None) -> dict[str, Any]:
    base = f"{site.url}/wp-json/wc/v3/"
    links: dict[str, Any] = {"self": [{"href": base + path}], "collection": [{"href": base + collection}]}
    if site.options.release >= (11, 0) and up is None:
        links["self"][0]["targetHints"] = {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
    if up is not None:
        links["up"] = [{"href": f"{base}orders/{up}"}]
    return links
