"""A stand-in for ShopBase, written from its documentation: OAuth and private apps, orders by page number, webhooks.

It looks like Shopify's REST API of 2019 and is not: pages are numbered and end at 100,000 rows, money is a JSON number,
nothing is null twice in the same way, the list filter is `order_status`, and the token endpoint ends in `.json`.
"""

from __future__ import annotations

from deploy.sandbox.shopbase.sandbox import ShopbaseSandbox

SANDBOX = ShopbaseSandbox

__all__ = ["SANDBOX"]
