"""What a seller asks for in the report reaches ingest once Kafka has it; asking again under one name asks once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.audits import AuditBy, AuditRequested, SyncRequested, TrackingRetryRequested
from schemas.ids import SellerId, SessionId, StoreId, fact_id
from schemas.sessions import Window
from schemas.topics import SYNC_REQUESTS
from services.kit.clock import Clock
from services.kit.kafka.publisher import Message, Publisher
from services.kit.periods import Period, resolve


@dataclass(frozen=True, slots=True)
class Wish:
    """A period of a store in the seller's words.

    `name` tells wishes of a store apart: the same name is the same wish, however often it is sent.
    """

    seller_id: str
    store_id: str
    start: str
    end: str
    zone: str
    by: AuditBy
    asked_by: str
    name: str


@dataclass(frozen=True, slots=True)
class RetryWish:
    """Another try for one parcel, or for all with a code (of one store, or of all)."""

    seller_id: str
    asked_by: str
    push_id: str | None = None
    code: str | None = None
    store_id: str | None = None


class Asker:
    """Publishes wishes. `prefix` stands before the topic's name."""

    def __init__(self, publisher: Publisher, *, clock: Clock, prefix: str = "") -> None:
        self._publisher = publisher
        self._clock = clock
        self._topic = prefix + SYNC_REQUESTS.name

    def period(self, wish: Wish) -> Period:
        """Return what the period means now. Raises PeriodRefused."""
        return resolve(wish.start, wish.end, zone=wish.zone, now=self._clock.now())

    async def audit(self, wish: Wish) -> tuple[str, Period]:
        """Ask for an audit and return its id. Raises PeriodRefused, or TransientError when Kafka is away."""
        period, now = self.period(wish), self._clock.now()
        audit_id = fact_id("audit.asked", wish.seller_id, wish.store_id, wish.name)
        request = AuditRequested(
            event_id=fact_id("audit.requested", audit_id),
            occurred_at=now,
            seller_id=SellerId(wish.seller_id),
            audit_id=audit_id,
            store_id=StoreId(wish.store_id),
            by=wish.by,
            window=Window(start=period.start, end=period.end),
            asked_by=wish.asked_by,
        )
        await self._publish(request)
        return audit_id, period

    async def sync(self, wish: Wish) -> tuple[str, Period]:
        """Ask for a sync and return its id. Raises PeriodRefused, or TransientError when Kafka is away."""
        period, now = self.period(wish), self._clock.now()
        sync_id = SessionId(fact_id("sync.asked", wish.seller_id, wish.store_id, wish.name))
        request = SyncRequested(
            event_id=fact_id("sync.requested", sync_id),
            occurred_at=now,
            seller_id=SellerId(wish.seller_id),
            sync_id=sync_id,
            store_id=StoreId(wish.store_id),
            by=wish.by,
            start=wish.start,
            end=wish.end,
            zone=wish.zone,
            asked_by=wish.asked_by,
        )
        await self._publish(request)
        return sync_id, period

    async def retry(self, wish: RetryWish, store_id: str) -> None:
        """Ask to tell the platform of a store again. Raises TransientError when Kafka is away."""
        now = self._clock.now()
        asked = (store_id, wish.push_id or "", wish.code or "", now.isoformat())
        request = TrackingRetryRequested(
            event_id=fact_id("tracking.retry_requested", *asked),
            occurred_at=now,
            seller_id=SellerId(wish.seller_id),
            store_id=StoreId(store_id),
            push_id=wish.push_id,
            code=wish.code,
            asked_by=wish.asked_by,
        )
        await self._publish(request)

    async def _publish(self, request: AuditRequested | SyncRequested | TrackingRetryRequested) -> None:
        await self._publisher.publish([Message(self._topic, request.store_id, request.to_bytes())])


def instant(text: str) -> datetime | None:
    """Return a moment with an offset, as APIs write it; None for a local date or time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
