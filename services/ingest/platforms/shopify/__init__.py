"""Shopify: pushes its orders by webhooks and lists them through the Admin GraphQL API.

`queries` are the documents we send, `payloads` the fields we read of both forms of an order, `mapping` turns either
into the same raw order. `client` keeps to the store's points, `reading` pages, `linking` and `subscriptions` set up.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.shopify.connector import ShopifyConnector, connect
from services.ingest.platforms.shopify.reading import reaches_back_to
from services.ingest.platforms.shopify.settings import ShopifySettings

PLATFORM = Platform(
    slug=ShopifyConnector.slug,
    name=ShopifyConnector.name,
    settings=ShopifySettings,
    connect=connect,
    history=reaches_back_to,
)
