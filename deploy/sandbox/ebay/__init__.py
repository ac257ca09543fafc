"""A stand-in for eBay, written from its documentation: consent by RuName, orders, tracking, quotas, notifications.

Like eBay it tells of new orders only, one message a line item, and never of a cancellation, a refund or an address: a
client must poll. Lists are sorted by nothing in particular, show no cancel requests, and forget who the buyer was.
"""

from __future__ import annotations

from deploy.sandbox.ebay.sandbox import EbaySandbox

SANDBOX = EbaySandbox

__all__ = ["SANDBOX"]
