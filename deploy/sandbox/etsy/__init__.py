"""A stand-in for Etsy, written from its documentation: OAuth with PKCE, receipts, tracking, budgets and webhooks.

Like Etsy it must be polled: there are no order webhooks unless an endpoint is set up by hand, lists are cut by
offset up to 12,000, change times are whole seconds, and every recorded shipment writes to the buyer once more.
"""

from __future__ import annotations

from deploy.sandbox.etsy.sandbox import EtsySandbox

SANDBOX = EtsySandbox

__all__ = ["SANDBOX"]
