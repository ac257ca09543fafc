"""A stand-in for Amazon's Selling Partner API, written from its documentation.

Orders are read by v2026-01-01 (searchOrders, getOrder) and confirmed by v0 (confirmShipment). Like Amazon it never
shows the last two minutes, promises no order within a page, refills a search about every three minutes, answers 403
where others say 401, and says 204 to a confirmation that it may still lose.
"""

from __future__ import annotations

from deploy.sandbox.amazon.sandbox import AmazonSandbox

SANDBOX = AmazonSandbox

__all__ = ["SANDBOX"]
