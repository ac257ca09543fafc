"""Reads eligibility's topics: every record is parsed once, straight from its bytes, and handed to who decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.catalog import CatalogVariant
from schemas.order import RAW_ORDER_EVENT, OrderRevised, RawOrderEvent
from schemas.production import PRODUCTION_UPDATE
from schemas.stores import StoreRecord
from schemas.topics import (
    CATALOG_VARIANTS,
    ORDERS_DECISIONS,
    ORDERS_LOOKS,
    ORDERS_PRODUCTION,
    ORDERS_RAW,
    PRIVACY_REQUESTS,
    PRODUCTION_UPDATES,
    SELLERS,
    STORES,
    Topic,
)
from services.eligibility.decisions import DECISIONS, PRODUCTION
from services.eligibility.judging import Arrival, Judge
from services.eligibility.looks import LOOKS
from services.eligibility.ports import Repository
from services.eligibility.production import Answer, concerns_decisions
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage
from services.kit.kafka.subscriber import OnPartitions, Record, Subscription

TakeAnswers = Callable[[Sequence[Answer]], Awaitable[None]]

#: Records a batch: more make each cheaper, and hold a shard's lock for longer.
BATCH = 500
#: How long the first orders of a store wait for the store itself, which comes by another topic.
STORE_WAIT_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics under their names in Kafka; a prefix keeps installations that share one apart."""

    prefix: str = ""

    def name(self, topic: Topic) -> str:
        """Return a topic's name."""
        return self.prefix + topic.name

    def all(self) -> tuple[Topic, ...]:
        """Return every topic that eligibility reads or writes, as it is to be created."""
        topics = (*_READ, ORDERS_DECISIONS, ORDERS_PRODUCTION, ORDERS_LOOKS)
        return tuple(replace(topic, name=self.name(topic)) for topic in topics)

    def written(self) -> dict[str, str]:
        """Return the name of each topic that the outbox writes to."""
        written = {DECISIONS: ORDERS_DECISIONS, PRODUCTION: ORDERS_PRODUCTION, LOOKS: ORDERS_LOOKS}
        return {kind: self.name(topic) for kind, topic in written.items()}


_READ = (SELLERS, STORES, CATALOG_VARIANTS, ORDERS_RAW, PRODUCTION_UPDATES, PRIVACY_REQUESTS)


class Reading:
    """The handlers of eligibility's topics."""

    def __init__(
        self, topics: Topics, *, judge: Judge, repository: Repository, take_answers: TakeAnswers, clock: Clock
    ) -> None:
        self._clock = clock
        self._awaited: set[str] = set()
        self._topics = topics
        self._judge = judge
        self._repository = repository
        self._take_answers = take_answers

    def of_orders(self, *, on_assigned: OnPartitions, on_revoked: OnPartitions) -> Subscription:
        """Subscribe to what is told about orders. Whoever has a partition of it has the shard."""
        return Subscription(
            group=f"{self._topics.prefix}eligibility",
            topics=[self._topics.name(ORDERS_RAW), self._topics.name(PRODUCTION_UPDATES)],
            handler=self.handle_orders,
            max_records=BATCH,
            # Production answers in transactions; what it undid must not be believed.
            isolation="read_committed",
            on_assigned=on_assigned,
            on_revoked=on_revoked,
            payload=OrderRevised,
        )

    def of_facts(self) -> Subscription:
        """Subscribe to the stores and the catalog."""
        return Subscription(
            group=f"{self._topics.prefix}eligibility.facts",
            topics=[self._topics.name(STORES), self._topics.name(CATALOG_VARIANTS)],
            handler=self.handle_facts,
            max_records=2_000,
            payload=CatalogVariant,
        )

    async def handle_orders(self, records: Sequence[Record]) -> None:
        """Judge the revisions, then take in the answers."""
        raw = self._topics.name(ORDERS_RAW)
        arrivals = [_arrival(record) for record in records if record.topic == raw]
        updates = [
            (_parsed(PRODUCTION_UPDATE, record.value), record.partition) for record in records if record.topic != raw
        ]
        answers = [Answer(update, shard) for update, shard in updates if concerns_decisions(update)]
        if arrivals:
            await self._await_stores({_store_of(arrival.event) for arrival in arrivals})
            await self._judge.judge_arrivals(arrivals)
        if answers:
            await self._take_answers(answers)

    async def _await_stores(self, stores: set[str]) -> None:
        """Give a store that was linked a moment ago the time to be heard of, once.

        Its orders would be held and released at once otherwise, which is right but reads like a mistake.
        """
        for store in sorted(stores - self._awaited):
            waited = 0.0
            while waited < STORE_WAIT_SECONDS and await self._repository.seller_of_store(store) is None:
                await self._clock.sleep(_LOOK_EVERY_SECONDS)
                waited += _LOOK_EVERY_SECONDS
            self._awaited.add(store)

    async def handle_facts(self, records: Sequence[Record]) -> None:
        """Keep the stores and the variants; an empty record says that a SKU is gone."""
        stores_topic = self._topics.name(STORES)
        stores = [_read(StoreRecord, each.value) for each in records if each.topic == stores_topic and each.value]
        if stores:
            await self._repository.put_stores(stores)
        last = {record.key: record.value for record in records if record.topic != stores_topic}
        variants = [_read(CatalogVariant, value) for value in last.values() if value]
        gone = [key for key, value in last.items() if key and not value]
        if variants or gone:
            await self._repository.put_variants(variants, gone)


def _arrival(record: Record) -> Arrival:
    return Arrival(_parsed(RAW_ORDER_EVENT, record.value), record.value, record.partition, record.trace())


def _store_of(event: RawOrderEvent) -> str:
    return event.order.store_id if isinstance(event, OrderRevised) else event.store_id


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], value: bytes) -> M:
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        raise _unreadable(error) from None


def _parsed(adapter: TypeAdapter[T], value: bytes) -> T:
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        raise _unreadable(error) from None


def _unreadable(error: ValidationError) -> UnreadableMessage:
    found: Any = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # A topic of several types names the type first ("order.revised"), which is no field.
    path = found["loc"][1:] if found["loc"] and "." in str(found["loc"][0]) else found["loc"]
    return UnreadableMessage(".".join(map(str, path)) or "message", found["type"])
