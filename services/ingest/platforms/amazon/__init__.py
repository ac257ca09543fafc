"""Amazon: searches orders through the Selling Partner API (Orders v2026-01-01), with personal data as roles allow.

`payloads` are the fields we read, `mapping` and `lines` turn an order into a raw order. `client` keeps each seller's
budget of each operation, `reading` pages closed windows, `linking` holds the authorization with Login with Amazon.
Amazon calls nobody: its notifications go to an SQS queue, which `queue` reads and `subscriptions` asks for.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.amazon.connector import AmazonConnector, connect, listen
from services.ingest.platforms.amazon.reading import reaches_back_to
from services.ingest.platforms.amazon.settings import AmazonSettings

PLATFORM = Platform(
    slug=AmazonConnector.slug,
    name=AmazonConnector.name,
    settings=AmazonSettings,
    connect=connect,
    listen=listen,
    history=reaches_back_to,
)
