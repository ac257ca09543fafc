"""An order that a seller gives us is taken when its reference is ours to keep and Kafka has it, and not before.

A reference is claimed before its order is published; who asks again after a crash in between publishes the same event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.ids import OrderKey, SessionId
from schemas.order import RawOrder, Way
from services.ingest.contract.stores import StoreRef
from services.ingest.direct.given import Given, GivenOrders, content_of, first_form, key_of
from services.ingest.listing import Listed, judge_page
from services.ingest.platforms.direct.orders import DirectOrder, timely, to_raw_order
from services.ingest.platforms.direct.problems import FieldProblem
from services.ingest.ports import SeenOrders
from services.kit.clock import Clock
from services.kit.kafka.publisher import Publisher

#: An event holds an order twice, in our nouns and as it was given; a message of Kafka's takes 4 MiB.
LARGEST_ORDER_BYTES = 1_000_000
#: So many orders of a batch are worked on before whoever waits for an answer, such as a webhook, gets a turn.
_AT_A_STRETCH = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """An order that is in Kafka. `raw` is its present revision, None when there was nothing to tell."""

    given: Given
    result: Literal["new", "updated", "existing"]
    raw: RawOrder | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that was not taken, and why: `code` for programs, a sentence and the fields for people."""

    code: Literal["invalid_order", "reference_taken", "reference_repeated", "order_too_large"]
    sentence: str
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of each order, in their order, and what a session is to keep of those that were taken."""

    results: tuple[Taken | Refused, ...]
    listed: Listed


@dataclass(frozen=True, slots=True)
class Giving:
    """Takes orders from sellers."""

    given: GivenOrders
    seen: SeenOrders
    publisher: Publisher
    clock: Clock

    async def give(
        self, store: StoreRef, orders: Sequence[DirectOrder], *, way: Way, session_id: SessionId | None
    ) -> Handed:
        """Take each order that can be taken; what is there already with the same content is taken again.

        Raises:
            TransientError: Kafka or Postgres is away; asking again is safe and completes what was begun.
        """
        now = self.clock.now()
        places = _first_places(orders)
        refused = {place: why for place, order in enumerate(orders) if (why := _refusal(order, orders, places, now))}
        raws: dict[str, RawOrder] = {}
        mine: dict[str, Given] = {}
        for place, order in enumerate(orders):
            if place not in refused and places[order.reference] == place:
                raws[order.reference] = raw = to_raw_order(order, store, revised_at=now, way=way)
                mine[order.reference] = first_form(order, raw)
            if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                await asyncio.sleep(0)
        standing = await self.given.claim(list(mine.values()))
        results = [
            refused.get(place)
            or _taken(order, store, mine[order.reference], standing, raws, is_first=places[order.reference] == place)
            for place, order in enumerate(orders)
        ]
        return Handed(tuple(results), await self._told(store, results, session_id))

    async def replace(self, store: StoreRef, order: DirectOrder, *, session_id: SessionId | None) -> Taken | None:
        """Take the newer form of an order that was given; None when there is none.

        Raises:
            NotChangeable: it is cancelled, or would become a test.
            TransientError: as above.
        """
        now = self.clock.now()
        before, after = await self._changed(
            key_of(store, order.reference), lambda held: held.replaced(order, store, now=now)
        )
        if before is None or after is None:
            return None
        raw = after.told_again(order, store, way="api")
        taken = Taken(after, "updated" if after != before else "existing", raw)
        await self._told(store, [taken], session_id)
        return taken

    async def cancel(
        self, store: StoreRef, reference: str, *, reason: str | None, session_id: SessionId | None
    ) -> Taken | None:
        """Tell that an order is not wanted any more; None when there is none. Raises TransientError."""
        now = self.clock.now()
        before, after = await self._changed(key_of(store, reference), lambda held: held.cancelled(reason, now=now))
        if before is None or after is None:
            return None
        raw = after.raw_order()
        taken = Taken(after, "updated" if after != before else "existing", raw)
        await self._told(store, [taken], session_id)
        return taken

    async def find(self, store: StoreRef, reference: str) -> Given | None:
        """What is kept of an order."""
        key = key_of(store, reference)
        return (await self.given.get([key])).get(key)

    async def _changed(self, key: OrderKey, change: Callable[[Given], Given]) -> tuple[Given | None, Given | None]:
        before: list[Given] = []

        def remembering(held: Given) -> Given:
            before[:] = [held]
            return change(held)

        after = await self.given.change(key, remembering)
        return (before[0] if before else None), after

    async def _told(self, store: StoreRef, results: Sequence[Taken | Refused], session_id: SessionId | None) -> Listed:
        taken = [each for each in results if isinstance(each, Taken) and each.raw is not None]
        # What is new here was never told; of the rest, what Kafka has for certain need not be told again.
        known = {each.given.order_key for each in taken if each.result != "new"}
        seen = await self.seen.seen(known) if known else {}
        raws = [each.raw for each in taken if each.raw is not None]
        listed, now = Listed(), self.clock.now()
        for start in range(0, len(raws), _AT_A_STRETCH):
            part = raws[start : start + _AT_A_STRETCH]
            judged = judge_page(part, store=store, seen=seen, session_id=session_id, paid_only=False, now=now)
            listed.messages += judged.messages
            listed.outcomes += judged.outcomes
            listed.seen |= judged.seen
            await asyncio.sleep(0)
        await self.publisher.publish(listed.messages)
        return listed


def _first_places(orders: Sequence[DirectOrder]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, order in enumerate(orders):
        places.setdefault(order.reference, place)
    return places


def _refusal(
    order: DirectOrder, orders: Sequence[DirectOrder], places: dict[str, int], now: datetime
) -> Refused | None:
    untimely = timely(order, now=now)
    if untimely is not None:
        return Refused("invalid_order", untimely.sentence, (untimely,))
    first = orders[places[order.reference]]
    if first is not order and content_of(first) != content_of(order):
        return Refused(
            "reference_repeated",
            f"Order {places[order.reference] + 1} of this batch has the same reference and other content: "
            "give each order a reference of its own.",
        )
    if _size(order) > LARGEST_ORDER_BYTES:
        return Refused("order_too_large", f"The order is larger than {LARGEST_ORDER_BYTES} bytes: shorten its texts.")
    return None


def _size(order: DirectOrder) -> int:
    # Only texts can make an order large, and only these are long.
    texts = (pair.value for item in order.items for pair in (*item.personalization, *item.options))
    return sum(4 * len(text) for text in (*texts, order.note or "", order.gift_message or ""))


def _taken(
    order: DirectOrder,
    store: StoreRef,
    mine: Given,
    standing: Mapping[OrderKey, Given],
    raws: Mapping[str, RawOrder],
    *,
    is_first: bool,
) -> Taken | Refused:
    held, raw = standing[mine.order_key], raws[order.reference]
    if held.content != mine.content:
        return Refused(
            "reference_taken",
            "The store has an order with this reference and other content: update that one with PUT, or give this "
            "one another reference.",
        )
    if held is mine and is_first:
        return Taken(held, "new", raw)
    if held is mine or held.state == "cancelled":
        return Taken(held, "existing")
    return Taken(held, "existing", held.told_again(order, store, way=raw.way))
