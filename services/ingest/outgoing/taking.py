"""Decisions and production's answers become deliveries, once each, before their positions are committed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from schemas.decisions import OrderDecided
from schemas.production import PRODUCTION_UPDATE
from schemas.topics import ORDERS_DECISIONS, PRODUCTION_UPDATES
from services.ingest.outgoing.endpoints import Endpoint, Outgoing, deliveries
from services.ingest.outgoing.notices import Notice, of_decision, of_update
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage
from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import Subscription

#: One group for all ingest processes: whichever hears a fact keeps it for all.
GROUP = "ingest.outgoing"
_BATCH = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taking:
    """The handler of facts that sellers' systems may wait for."""

    outgoing: Outgoing
    clock: Clock

    def subscription(self) -> Subscription:
        """Subscribe to the facts."""
        return Subscription(
            group=GROUP,
            topics=[ORDERS_DECISIONS.name, PRODUCTION_UPDATES.name],
            handler=self.handle,
            max_records=_BATCH,
            payload=OrderDecided,
        )

    async def handle(self, records: Sequence[Record]) -> None:
        """Keep what is to be sent; where nobody wants to be told, nothing is even read.

        Raises:
            TransientError: the database is away.
            UnreadableMessage: one of the records can never be read; nothing of the batch was kept.
        """
        if not await self.outgoing.is_wanted():
            return
        notices = [notice for record in records if record.value and (notice := _notice(record)) is not None]
        if not notices:
            return
        endpoints: defaultdict[str, list[Endpoint]] = defaultdict(list)
        for endpoint in await self.outgoing.of_sellers({notice.seller_id for notice in notices}):
            endpoints[endpoint.seller_id].append(endpoint)
        await self.outgoing.put(deliveries(notices, endpoints, now=self.clock.now()))


def _notice(record: Record) -> Notice | None:
    if record.topic == ORDERS_DECISIONS.name:
        return of_decision(_read(OrderDecided.model_validate_json, record.value or b""))
    return of_update(_read(PRODUCTION_UPDATE.validate_json, record.value or b""))


def _read(read: Callable[[bytes], T], value: bytes) -> T:
    try:
        return read(value)
    except ValidationError as error:
        raise UnreadableMessage.of(error) from None
