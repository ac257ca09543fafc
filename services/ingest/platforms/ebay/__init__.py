"""eBay: lists orders through the Sell Fulfillment API; its notifications only name what to read again.

`payloads` are the fields we read, `mapping` turns an order into a raw order. `client` keeps to the app's calls a day,
which `budgets` learns from eBay; `tokens` asks for tokens, `linking` holds the consent by RuName. `reading` pages
through closed windows, `slices` decides where to go on. `subscribing` keeps the notifications coming, `signatures`
proves them, `webhook` says what they tell, `probing` finds out what a seller's account may do.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.ebay.connector import EbayConnector, connect
from services.ingest.platforms.ebay.reading import reaches_back_to
from services.ingest.platforms.ebay.settings import EbaySettings

PLATFORM = Platform(
    slug=EbayConnector.slug,
    name=EbayConnector.name,
    settings=EbaySettings,
    connect=connect,
    history=reaches_back_to,
)
