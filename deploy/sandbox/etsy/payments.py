"""The payment behind a paid receipt, in the form of getShopPaymentByReceiptId."""

from __future__ import annotations

from typing import Any

#: Etsy's transaction and processing fees together, in percent, near enough for a stand-in.
_FEE_PERCENT = 10


def payment_of(shop_id: int, receipt: dict[str, Any]) -> dict[str, Any]:
    """One settled payment; amounts are Money of the shop's currency."""
    total = receipt["grandtotal"]
    fees = total["amount"] * _FEE_PERCENT // 100
    currency = total["currency_code"]
    return {
        "payment_id": receipt["receipt_id"] + 1,
        "buyer_user_id": receipt["buyer_user_id"],
        "shop_id": shop_id,
        "receipt_id": receipt["receipt_id"],
        "amount_gross": total,
        "amount_fees": total | {"amount": fees},
        "amount_net": total | {"amount": total["amount"] - fees},
        "posted_gross": total,
        "posted_fees": total | {"amount": fees},
        "posted_net": total | {"amount": total["amount"] - fees},
        "adjusted_gross": None,
        "adjusted_fees": None,
        "adjusted_net": None,
        "currency": currency,
        "shop_currency": currency,
        "buyer_currency": currency,
        "shipping_user_id": receipt["buyer_user_id"],
        "shipping_address_id": receipt["receipt_id"] + 2,
        "billing_address_id": receipt["receipt_id"] + 2,
        "status": "settled",
        "shipped_timestamp": None,
        "create_timestamp": receipt["created_timestamp"],
        "created_timestamp": receipt["created_timestamp"],
        "update_timestamp": receipt["created_timestamp"],
        "updated_timestamp": receipt["created_timestamp"],
        "payment_adjustments": [],
    }
