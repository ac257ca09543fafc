"""Reads orders by their ids for an audit: each is in Kafka as it is now, or known to be gone, unread or passed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.ids import OrderKey, order_key
from schemas.order import RawOrder, order_gone, order_revised
from schemas.topics import ORDERS_RAW
from services.ingest.audits.audit import IN_FLIGHT, Audit, Difference, Differences, has_no_time
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Unreadable
from services.ingest.contract.stores import StoreRef
from services.ingest.listing import UNPAID, dead_letter, event_message, result_of, seen_as, too_large
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.ports import Seen, SeenOrders
from services.ingest.stores.reading import ReadInTurn, StoreReading, is_believable, publish
from services.ingest.stores.store import Store
from services.kit.clock import Clock
from services.kit.kafka.publisher import Message, Publisher
from services.kit.metrics import Metrics

_LOOK_AGAIN_SECONDS = 600.0


@dataclass(slots=True)
class Fetched:
    """What became of some orders. `listed` are those that the platform has, with the times of their last changes.

    `messages` are in Kafka before anything of it is kept. `stopped` is what kept those after `last` from being read.
    """

    changed: list[Difference] = field(default_factory=list)
    listed: dict[str, datetime] = field(default_factory=dict)
    seen: dict[OrderKey, Seen] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    last: str | None = None
    stopped: OutOfPatience | None = None


@dataclass(frozen=True, slots=True)
class Fetching:
    """Reads orders of one store."""

    reading: StoreReading
    connector: Connector
    seen: SeenOrders
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    async def fetch(
        self, wanted: Sequence[Difference], audit: Audit, store: Store, *, differences: Differences
    ) -> Fetched:
        """Read orders that differ and publish them; those that are on their way to the report stay as they are.

        `differences` are all that the audit found until now.
        """
        keys = {one.external_id: _key(store.ref, one.external_id) for one in wanted}
        known = await patiently(lambda: self.seen.seen(list(keys.values())), clock=self.clock)
        now, fetched = self.clock.now(), Fetched()
        to_read = []
        for one in wanted:
            held = known.get(keys[one.external_id])
            if one.finding == "missing" and held is None and is_from_before(one, audit, store):
                fetched.changed.append(one.explained("filtered"))
            elif not is_in_flight(one, held, audit, now=now):
                to_read.append(one)
        read = await self._read([one.external_id for one in to_read], differences, listed=0)
        fetched.stopped = read.stopped
        for one in to_read:
            if one.external_id in read.found:
                held = known.get(keys[one.external_id])
                fetched.changed.append(self._judged(one, read.found[one.external_id], held, audit, store, fetched))
        await self._publish(fetched)
        return fetched

    async def reread(self, orders: Sequence[tuple[str, Seen]], differences: Differences, *, listed: int) -> Fetched:
        """Read open orders again, as far as the platform lets us, and publish what changed.

        Until now the audit found the `differences`, and as many orders there as are `listed`.
        """
        read = await self._read([external_id for external_id, _ in orders], differences, listed=listed)
        fetched = Fetched(last=orders[len(read.found) - 1][0], stopped=read.stopped)
        for external_id, held in orders[: len(read.found)]:
            self._reread(external_id, held, read.found[external_id], fetched)
        await self._publish(fetched)
        return fetched

    async def _read(self, external_ids: Sequence[str], differences: Differences, *, listed: int) -> ReadInTurn:
        read = await self.reading.orders_in_turn(external_ids)
        before = [one for one in differences.values() if one.read_at and one.external_id not in read.found]
        gone, number = read.gone + sum(one.explanation == "deleted" for one in before), len(read.found)
        _believe(read.gone, of=number)
        if read.gone:
            # Where calls are few, orders are read by ones and twos, and show only together what cannot be believed.
            _believe(gone, of=number + len(before) + listed)
        return read

    def _judged(
        self,
        one: Difference,
        order: RawOrder | Unreadable | None,
        held: Seen | None,
        audit: Audit,
        store: Store,
        fetched: Fetched,
    ) -> Difference:
        now = self.clock.now()
        if order is None:
            if held is not None or one.finding != "missing":
                self._gone(one.external_id, held.revised_at if held else one.at, held, fetched)
            return one.explained("deleted", now=now)
        if isinstance(order, Unreadable):
            fetched.messages.append(dead_letter(order, store=store.ref, now=now))
            return one.explained("dead_letter", now=now)
        if one.finding == "missing" and held is None and _is_passed_over(order, store):
            return one.explained("filtered", now=now)
        # Told again even if Kafka has it: the event is the same, and somewhere behind Kafka it was lost.
        if not self._tell(order, held, fetched):
            return one.explained("dead_letter", now=now)
        if one.finding == "unknown" and audit.window is not None and _time_of(order, audit) >= audit.window.end:
            return one.explained("changed_since", now=now)
        return replace(one, wanted=order.revised_at, read_at=now)

    def _reread(self, external_id: str, held: Seen, order: RawOrder | Unreadable | None, fetched: Fetched) -> None:
        now = self.clock.now()
        if order is None:
            self._gone(external_id, held.revised_at, held, fetched)
            fetched.changed.append(Difference(external_id, "unknown", held.revised_at).explained("deleted", now=now))
        elif isinstance(order, Unreadable):
            fetched.messages.append(dead_letter(order, store=self.reading.store.ref, now=now))
            fetched.changed.append(Difference(external_id, "stale", held.revised_at).explained("dead_letter", now=now))
        else:
            event = order_revised(order)
            fetched.listed[external_id] = order.revised_at
            if result_of(event, held) != "existing":
                self._tell(order, held, fetched)
            elif event.event_id == held.event_id:
                fetched.seen[order.key] = replace(held, open=seen_as(event).open)

    def _tell(self, order: RawOrder, held: Seen | None, fetched: Fetched) -> bool:
        """Add an order to what is told; False where it is too large for that and becomes a dead letter."""
        event = order_revised(order)
        message = event_message(event)
        if message is None:
            store = self.reading.store.ref
            fetched.messages.append(dead_letter(too_large(order), store=store, now=self.clock.now()))
            return False
        fetched.messages.append(message)
        fetched.seen[order.key] = replace(seen_as(event), session_id=held.session_id if held else None)
        self.metrics.increment(
            "syncorder_orders_listed_total", platform=order.platform, way=order.way, result=result_of(event, held)
        )
        return True

    def _gone(self, external_id: str, after: datetime, held: Seen | None, fetched: Fetched) -> None:
        store = self.reading.store.ref
        event = order_gone(
            _key(store, external_id),
            seller_id=store.seller_id,
            store_id=store.store_id,
            platform=store.platform,
            external_id=external_id,
            after=after,
            noticed_at=self.clock.now(),
        )
        fetched.messages.append(Message(ORDERS_RAW.name, event.order_key, event.to_bytes()))
        if held is not None:
            fetched.seen[event.order_key] = replace(held, open=False)

    async def _publish(self, fetched: Fetched) -> None:
        await patiently(
            lambda: publish(self.publisher, fetched.messages, way="backfill", metrics=self.metrics), clock=self.clock
        )


def _believe(gone: int, *, of: int) -> None:
    if not is_believable(gone, of=of):
        problem = f"it says that {gone} of {of} orders are gone at once, which is not believed"
        raise OutOfPatience(problem, retry_after=_LOOK_AGAIN_SECONDS)


def is_in_flight(one: Difference, held: Seen | None, audit: Audit, *, now: datetime) -> bool:
    """Whether Kafka took the revision so lately that the report has just not shown it yet."""
    if held is None or held.read_at is None or one.finding == "unknown" or now - held.read_at >= IN_FLIGHT:
        return False
    return audit.by == "created" or held.revised_at >= one.at


def is_from_before(one: Difference, audit: Audit, store: Store) -> bool:
    """Whether a listed order is from before the store began to import.

    By creation it may have changed since then; audits by change find that, and a year of orders is not read for it.
    """
    return one.at < store.import_since and not has_no_time(one, audit)


def _is_passed_over(order: RawOrder, store: Store) -> bool:
    unpaid = store.settings.paid_only and order.payment in UNPAID
    return unpaid or order.revised_at < store.import_since


def _time_of(order: RawOrder, audit: Audit) -> datetime:
    return order.placed_at if audit.by == "created" else order.revised_at


def _key(store: StoreRef, external_id: str) -> OrderKey:
    return order_key(store.platform, store.store_id, external_id)
