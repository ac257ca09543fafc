"""Direct: orders that sellers give us themselves, by API, by file and by form; nothing is read from anywhere.

`orders` is the order as it is given and how it becomes a raw order, `problems` what is told of one that is refused,
`files` reads orders from spreadsheets.
"""

from services.ingest.contract.connector import Platform
from services.ingest.platforms.direct.connector import DirectConnector, connect
from services.ingest.platforms.direct.settings import DirectSettings

PLATFORM = Platform(
    slug=DirectConnector.slug, name=DirectConnector.name, settings=DirectSettings, connect=connect, reads=False
)
