"""Records become rows: read, reduced and written a batch at a time, each exactly once in effect."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import Subscription
from services.reporting.facts import Reader
from services.reporting.ports import Projections

log = structlog.get_logger()

GROUP = "reporting"
#: More records a batch spare round trips; fewer let the page see them sooner.
BATCH_RECORDS = 1000


class Projector:
    """Hands batches of records to the projections."""

    def __init__(self, projections: Projections, *, reader: Reader) -> None:
        self._projections = projections
        self._reader = reader

    async def handle(self, records: Sequence[Record]) -> None:
        """Take a batch in.

        Raises:
            UnreadableMessage: one of the records can never be read; nothing of the batch was taken in.
            TransientError: the database is away; nothing of the batch was taken in.
        """
        facts = [self._reader.read(record.topic, record.partition, record.offset, record.value) for record in records]
        await self._projections.apply(facts)

    def subscription(self, *, group: str = GROUP) -> Subscription:
        """Return what to read, starting wherever the tables are."""
        return Subscription(
            group=group,
            topics=[topic.name for topic in self._reader.topics],
            handler=self.handle,
            max_records=BATCH_RECORDS,
            isolation="read_committed",
            start_positions=self._projections.positions,
        )
