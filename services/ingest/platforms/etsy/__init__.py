"""Etsy: lists receipts through the Open API v3; its webhooks only name what to read again.

`payloads` are the fields we read, `mapping` turns a receipt into a raw order. `client` keeps to the app's calls a
second and a day, `reading` pages by time, `linking` holds the authorization with PKCE, `tracking` tells of parcels.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.etsy.connector import EtsyConnector, connect
from services.ingest.platforms.etsy.settings import EtsySettings

PLATFORM = Platform(slug=EtsyConnector.slug, name=EtsyConnector.name, settings=EtsySettings, connect=connect)
