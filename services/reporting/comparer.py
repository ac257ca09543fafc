"""Every part of a platform's list is answered, at least once, with what the report lacks of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.audits import OrdersCompared, OrdersListed
from schemas.topics import SYNC_COMPARISONS, SYNC_LISTINGS
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage
from services.kit.kafka.publisher import Message, Publisher
from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import Subscription
from services.reporting.comparing import compared, counted
from services.reporting.ports import Holdings

#: A group of its own: a long list must not keep the report waiting, nor a busy report the audits.
GROUP = "reporting.comparer"
#: Parts of a batch: each is one statement and one answer.
BATCH_PARTS = 20


class Comparer:
    """Compares lists with the report. `prefix` stands before every topic's name."""

    def __init__(self, holdings: Holdings, publisher: Publisher, *, clock: Clock, prefix: str = "") -> None:
        self._holdings = holdings
        self._publisher = publisher
        self._clock = clock
        self._prefix = prefix

    async def handle(self, records: Sequence[Record]) -> None:
        """Answer a batch; its positions are committed once Kafka has the answers.

        Raises:
            UnreadableMessage: one of the records can never be read; none was answered.
            TransientError: the database or Kafka is away; some may have been answered, and are answered again.
        """
        parts = [_read(record.value) for record in records if record.value]
        answers = []
        for listed in parts:
            answer = await self._answer(listed)
            answers.append(Message(self._prefix + SYNC_COMPARISONS.name, answer.store_id, answer.to_bytes()))
        await self._publisher.publish(answers)

    async def _answer(self, listed: OrdersListed) -> OrdersCompared:
        told = listed.counted
        if told is not None:
            held = await self._holdings.held_in(listed.seller_id, listed.store_id, told.span)
            return counted(listed, told, held, now=self._clock.now())
        return compared(listed, await self._holdings.beside(listed), now=self._clock.now())

    def subscription(self) -> Subscription:
        """Return what to read."""
        return Subscription(
            group=self._prefix + GROUP,
            topics=[self._prefix + SYNC_LISTINGS.name],
            handler=self.handle,
            max_records=BATCH_PARTS,
            payload=OrdersListed,
        )


def _read(value: bytes) -> OrdersListed:
    try:
        return OrdersListed.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "message"
        raise UnreadableMessage(path, first["type"]) from None
