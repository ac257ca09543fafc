"""A stand-in for WooCommerce stores, written from what its documentation says and what real stores were seen to do.

Every store is a server of its own: one address hosts them all here, each below a path, as WordPress in a folder. Like
real ones they differ by version, storage, plugins, clock and host; webhooks are hints without retries.
"""

from __future__ import annotations

from deploy.sandbox.woocommerce.sandbox import WooCommerceSandbox

SANDBOX = WooCommerceSandbox

__all__ = ["SANDBOX"]
