"""Shopify's stand-in: the Admin GraphQL API's order and fulfilment part, OAuth, and classic webhooks.

Versions 2026-07 and 2026-10 are served. Sources: shopify.dev/docs/api/admin-graphql (schema), apps/build/
authentication-authorization (tokens), apps/build/webhooks (delivery), apis/graphql-admin/rate-limits (cost).
"""

from __future__ import annotations

from deploy.sandbox.shopify.sandbox import ShopifySandbox

SANDBOX = ShopifySandbox

__all__ = ["SANDBOX"]
