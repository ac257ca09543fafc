"""ShopBase: lists orders through its Admin REST API and pushes them by webhooks, one address a topic.

It looks like Shopify's REST API of 2019 and differs: pages are numbered and end at 100,000 orders, money is a JSON
number, and what is empty is null, "" or 0. `client` keeps to the shop's bucket, `slices` cuts a window until each part
of it fits one page, `reading` reads those. `payloads` are the fields we read, `lines` and `mapping` turn them into a
raw order. `signatures` checks ShopBase's, `linking`, `probing` and `subscriptions` set a store up.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.shopbase.connector import ShopbaseConnector, connect
from services.ingest.platforms.shopbase.settings import ShopbaseSettings

PLATFORM = Platform(
    slug=ShopbaseConnector.slug, name=ShopbaseConnector.name, settings=ShopbaseSettings, connect=connect
)
