"""Takes in eligibility's questions: each is kept before its position is committed, for whoever serves its platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.looks import LookWanted
from schemas.topics import ORDERS_LOOKS
from services.ingest.looks.ports import Looks
from services.ingest.schedule import Wakeful
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage
from services.kit.kafka.subscriber import Record, Subscription

#: One group for all processes: the questions are kept for whoever serves the platform.
GROUP = "ingest-looks"


@dataclass(frozen=True, slots=True)
class LookQuestions:
    """The handler of `orders.looks`."""

    looks: Looks
    schedule: Wakeful
    clock: Clock

    def subscription(self) -> Subscription:
        """Subscribe to the questions; what a transaction of eligibility's undid was never asked."""
        return Subscription(
            group=GROUP,
            topics=[ORDERS_LOOKS.name],
            handler=self.handle,
            isolation="read_committed",
            payload=LookWanted,
        )

    async def handle(self, records: Sequence[Record]) -> None:
        """Keep each. Raises TransientError when Postgres is away, UnreadableMessage for what says nothing."""
        await self.looks.ask([_wanted(record.value) for record in records], now=self.clock.now())
        self.schedule.wake()


def _wanted(value: bytes) -> LookWanted:
    try:
        return LookWanted.model_validate_json(value)
    except ValidationError as error:
        raise UnreadableMessage.of(error) from None
