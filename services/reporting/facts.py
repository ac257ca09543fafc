"""Every record on the topics that the report reads becomes one typed fact, or is refused by name and path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted
from schemas.decisions import OrderDecided
from schemas.production import (
    UpdateAccepted,
    UpdateCancelled,
    UpdateCancelRefused,
    UpdateDelivered,
    UpdateInProduction,
    UpdateLabelReplaced,
    UpdateLabelVoided,
    UpdateOnHold,
    UpdateScanned,
    UpdateShipped,
)
from schemas.sessions import SessionFinished, SessionProgressed, SessionStarted
from schemas.stores import SellerRecord, StoreRecord
from schemas.topics import (
    ORDERS_DECISIONS,
    PRODUCTION_UPDATES,
    SELLERS,
    STORES,
    SYNC_AUDITS,
    SYNC_SESSIONS,
    TRACKING_PUSHES,
    WEBHOOK_ENDPOINTS,
    Topic,
)
from schemas.tracking import TrackingPushed
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.kit.errors import UnreadableMessage

#: What the report is made of: topics without personal data, compacted or kept for ever.
SOURCES: tuple[Topic, ...] = (
    SELLERS,
    STORES,
    WEBHOOK_ENDPOINTS,
    SYNC_SESSIONS,
    SYNC_AUDITS,
    ORDERS_DECISIONS,
    PRODUCTION_UPDATES,
    TRACKING_PUSHES,
)

#: What production tells of a parcel after it left.
ParcelUpdate = UpdateScanned | UpdateDelivered | UpdateLabelVoided | UpdateLabelReplaced
Update = (
    UpdateAccepted
    | UpdateOnHold
    | UpdateInProduction
    | UpdateShipped
    | UpdateCancelled
    | UpdateCancelRefused
    | ParcelUpdate
)
SessionFact = SessionStarted | SessionProgressed | SessionFinished
AuditFact = AuditStarted | AuditProgressed | AuditFinished
Record = SellerRecord | StoreRecord | WebhookEndpointRecord
Fact = Record | SessionFact | AuditFact | OrderDecided | Update | TrackingPushed

#: A topic's partition.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Located:
    """A fact and where in Kafka it stands. `fact` is None for a tombstone, which only moves the position."""

    topic: str
    partition: int
    offset: int
    fact: Fact | None

    @property
    def place(self) -> Place:
        """The partition it stands in."""
        return (self.topic, self.partition)


class Reader:
    """Reads records of the source topics; `prefix` stands before every topic's name (tests side by side)."""

    def __init__(self, *, prefix: str = "") -> None:
        self.topics = tuple(replace(topic, name=prefix + topic.name) for topic in SOURCES)
        self._adapters: Mapping[str, TypeAdapter[Fact]] = {topic.name: _adapter(topic) for topic in self.topics}

    def read(self, topic: str, partition: int, offset: int, value: bytes | None) -> Located:
        """Return the fact in `value`.

        Raises:
            UnreadableMessage: it is not a message of that topic; names the first field at fault, not its value.
        """
        if not value:
            return Located(topic, partition, offset, None)
        try:
            fact = self._adapters[topic].validate_json(value)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            path = ".".join(str(part) for part in first["loc"]) or "message"
            raise UnreadableMessage(path, first["type"]) from None
        return Located(topic, partition, offset, fact)


def _adapter(topic: Topic) -> TypeAdapter[Fact]:
    adapter: TypeAdapter[Fact] = TypeAdapter(topic.message)
    return adapter
