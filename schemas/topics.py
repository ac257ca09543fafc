"""The one declaration of every topic: its key, how long it is kept, and which messages it carries."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from schemas.audits import AuditEvent, OrdersCompared, OrdersListed, SyncRequest
from schemas.catalog import CatalogVariant
from schemas.decisions import OrderDecided
from schemas.looks import LookWanted
from schemas.order import RawOrderEvent
from schemas.privacy import PrivacyRequested
from schemas.production import ProductionCommand, ProductionUpdate
from schemas.sessions import SessionEvent
from schemas.stores import SellerRecord, StoreRecord
from schemas.tracking import TrackingPushed
from schemas.webhook_endpoints import WebhookEndpointRecord

#: Kafka keeps buyers' data for at most this long (see docs/adr/0003-personal-data.md).
PERSONAL_DATA_RETENTION = timedelta(days=7)
#: What one service asks another is of no use once it was answered, or after so long.
ASKING_RETENTION = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: what its messages are and how long they stay.

    `message` is the type of its values. `retention` None keeps them for ever; `compacted` keeps the newest of each key.

    `partitions` None takes the deployment's number. Topics keyed by order key must all have the same number: the
    partition of an order is the shard in which its decisions are ordered.
    """

    name: str
    key: str
    message: Any
    compacted: bool = False
    retention: timedelta | None = None
    partitions: int | None = None
    has_dead_letters: bool = False

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """Reads and describes the topic's messages."""
        return TypeAdapter(self.message)

    @property
    def dead_letters(self) -> str:
        """The name of the topic that keeps what could not be processed."""
        return f"{self.name}.dlq"


SELLERS = Topic("sellers", "seller id", SellerRecord, compacted=True, partitions=1)
STORES = Topic("stores", "store id", StoreRecord, compacted=True, partitions=1)
WEBHOOK_ENDPOINTS = Topic("webhook.endpoints", "endpoint id", WebhookEndpointRecord, compacted=True, partitions=1)
CATALOG_VARIANTS = Topic("catalog.variants", "SKU", CatalogVariant, compacted=True, partitions=1, has_dead_letters=True)
ORDERS_RAW = Topic("orders.raw", "order key", RawOrderEvent, retention=PERSONAL_DATA_RETENTION, has_dead_letters=True)
ORDERS_LOOKS = Topic("orders.looks", "order key", LookWanted, retention=ASKING_RETENTION, has_dead_letters=True)
ORDERS_DECISIONS = Topic("orders.decisions", "order key", OrderDecided, has_dead_letters=True)
ORDERS_PRODUCTION = Topic("orders.production", "order key", ProductionCommand, retention=PERSONAL_DATA_RETENTION)
PRODUCTION_UPDATES = Topic("production.updates", "order key", ProductionUpdate, has_dead_letters=True)
TRACKING_PUSHES = Topic("tracking.pushes", "order key", TrackingPushed, has_dead_letters=True)
PRIVACY_REQUESTS = Topic(
    "privacy.requests",
    "store id or platform",
    PrivacyRequested,
    retention=PERSONAL_DATA_RETENTION,
    has_dead_letters=True,
)
SYNC_SESSIONS = Topic("sync.sessions", "session id", SessionEvent, has_dead_letters=True)
SYNC_AUDITS = Topic("sync.audits", "store id", AuditEvent, has_dead_letters=True)
SYNC_LISTINGS = Topic("sync.listings", "store id", OrdersListed, retention=ASKING_RETENTION, has_dead_letters=True)
SYNC_COMPARISONS = Topic(
    "sync.comparisons", "store id", OrdersCompared, retention=ASKING_RETENTION, has_dead_letters=True
)
SYNC_REQUESTS = Topic("sync.requests", "store id", SyncRequest, retention=ASKING_RETENTION, has_dead_letters=True)

TOPICS: tuple[Topic, ...] = (
    SELLERS,
    STORES,
    WEBHOOK_ENDPOINTS,
    CATALOG_VARIANTS,
    ORDERS_RAW,
    ORDERS_LOOKS,
    ORDERS_DECISIONS,
    ORDERS_PRODUCTION,
    PRODUCTION_UPDATES,
    TRACKING_PUSHES,
    SYNC_SESSIONS,
    SYNC_AUDITS,
    SYNC_LISTINGS,
    SYNC_COMPARISONS,
    SYNC_REQUESTS,
    PRIVACY_REQUESTS,
)
