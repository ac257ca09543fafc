"""WooCommerce: reads the orders of stores that each run on a server, a version and a clock of their own.

`addresses` knows a store by where it is, `signing` proves our key in the way that the store lets through, `client`
keeps to two calls at a time a store. `discovery` finds the API and the way, `linking` and `probing` use it, `paging`
and `reading` follow the orders by change time. Webhooks (`subscriptions`, `webhook`) only say what to read again.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector, connect
from services.ingest.platforms.woocommerce.settings import WooCommerceSettings

PLATFORM = Platform(
    slug=WooCommerceConnector.slug, name=WooCommerceConnector.name, settings=WooCommerceSettings, connect=connect
)
