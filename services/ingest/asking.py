"""Takes what the report says to ingest: what it has beside a platform's list, and what sellers ask for on its page.

Everything may come twice, and to any process that serves the platform: it is kept in the database, by the report's ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from pydantic import ValidationError

from schemas.audits import SYNC_REQUEST, AuditRequested, OrdersCompared, SyncRequested, TrackingRetryRequested
from schemas.sessions import Window as Span
from schemas.topics import SYNC_COMPARISONS, SYNC_REQUESTS
from services.ingest.audits.audit import Audit, new_audit
from services.ingest.audits.ports import Audits
from services.ingest.audits.telling import told_end as told_audit_end
from services.ingest.audits.telling import told_start as told_audit_start
from services.ingest.contract.connector import Connector
from services.ingest.ports import Stores, Syncs, WebhookBooks
from services.ingest.registry import is_read
from services.ingest.schedule import Wakeful
from services.ingest.sessions import told_end, told_start
from services.ingest.stores.choosing import Reach
from services.ingest.stores.store import Store
from services.ingest.syncs.sync import Asked, Sync, new_sync
from services.ingest.tracking.ports import PushFilter, PushStorage
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, UnreadableMessage
from services.kit.kafka.subscriber import Record, Subscription
from services.kit.periods import Period, PeriodRefused, resolve

log = structlog.get_logger()

NOT_LINKED = "The store is not linked. Connect it again, then ask once more."
NOT_READ = "Orders are given to this store; there is nowhere to read them from."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asking:
    """The handlers of what the report says. `connectors` are those of this process: others' stores are left to them."""

    connectors: Mapping[str, Connector]
    stores: Stores
    syncs: Syncs
    audits: Audits
    books: WebhookBooks
    reach: Reach
    audit_schedule: Wakeful
    sync_schedule: Wakeful
    pushes: PushStorage
    push_schedule: Wakeful
    clock: Clock

    def subscription(self) -> Subscription:
        """Subscribe to the answers and the requests."""
        return Subscription(
            group=group_of(self.connectors),
            topics=[SYNC_COMPARISONS.name, SYNC_REQUESTS.name],
            handler=self.handle,
            payload=OrdersCompared,
        )

    async def handle(self, records: Sequence[Record]) -> None:
        """Keep each. Raises TransientError when Postgres is away, UnreadableMessage for what says nothing."""
        for record in records:
            if record.topic == SYNC_COMPARISONS.name:
                await self._compared(_parsed(OrdersCompared.model_validate_json, record.value))
            else:
                match _parsed(SYNC_REQUEST.validate_json, record.value):
                    case AuditRequested() as wanted:
                        await self._audit(wanted)
                    case SyncRequested() as wanted:
                        await self._sync(wanted)
                    case TrackingRetryRequested() as wanted:
                        await self._retry_tracking(wanted)

    async def _compared(self, compared: OrdersCompared) -> None:
        if compared.platform in self.connectors and await self.audits.answer(compared, now=self.clock.now()):
            self.audit_schedule.wake()

    async def _audit(self, wanted: AuditRequested) -> None:
        store = await self._own(wanted)
        if store is None or await self.audits.get(wanted.audit_id) is not None:
            return
        window = Span(start=wanted.window.start, end=wanted.window.end)
        audit = new_audit(
            wanted.audit_id,
            store,
            "asked",
            due_at=self.clock.now(),
            started_by=wanted.asked_by,
            by=wanted.by,
            window=window,
        )
        problem = _refusal(store)
        if problem is not None or window.start >= window.end:
            await self._refuse_audit(audit, problem or "The period ends before it begins.")
            return
        await self.audits.add([audit])
        self.audit_schedule.wake()

    async def _refuse_audit(self, audit: Audit, problem: str) -> None:
        """Have the seller told why, as of any other audit that failed."""
        now = self.clock.now()
        ended = audit.began(audit.window, now=now).ended("failed", now=now, problem=problem)
        await self.audits.add([ended], messages=[told_audit_start(ended), told_audit_end(ended)])

    async def _sync(self, wanted: SyncRequested) -> None:
        store = await self._own(wanted)
        if store is None or await self.syncs.get(wanted.sync_id) is not None:
            return
        try:
            # What lay ahead when it was asked for does, whenever it is read: the period ends there.
            period = resolve(wanted.start, wanted.end, zone=wanted.zone, now=wanted.occurred_at)
        except PeriodRefused as error:
            await self._refuse_sync(self._new_sync(wanted, store, _nothing(wanted)), str(error))
            return
        sync = self._new_sync(wanted, store, period)
        problem = _refusal(store)
        if problem is None:
            try:
                sync = self._new_sync(wanted, store, period, reaches_back_to=await self.reach.of(store))
            except AuthorizationError:
                problem = NOT_LINKED
        if problem is not None:
            await self._refuse_sync(sync, problem)
            return
        await self.syncs.add([sync])
        self.sync_schedule.wake()

    async def _retry_tracking(self, wanted: TrackingRetryRequested) -> None:
        store = await self._own(wanted)
        if store is None:
            return
        now = self.clock.now()
        push = await self.pushes.get(wanted.push_id) if wanted.push_id else None
        if push is not None and push.order.store_id == store.store_id:
            await self.pushes.retry(push.push_id, now=now)
        elif wanted.code is not None:
            await self.pushes.retry_all(PushFilter(store.seller_id, None, wanted.code, store.store_id), now=now)
        self.push_schedule.wake()

    def _new_sync(
        self, wanted: SyncRequested, store: Store, period: Period, *, reaches_back_to: datetime | None = None
    ) -> Sync:
        return new_sync(
            wanted.sync_id,
            store,
            Asked(wanted.start, wanted.end, period.zone, wanted.by),
            period,
            pace=self.connectors[store.platform].pace,
            by_key=wanted.asked_by,
            reaches_back_to=reaches_back_to,
            now=self.clock.now(),
        )

    async def _refuse_sync(self, sync: Sync, problem: str) -> None:
        """Have the seller told why, as of any other sync that failed."""
        now = self.clock.now()
        ended = sync.began(now=now).ended("failed", now=now, problem=problem)
        await self.books.record([], seen={}, messages=[told_start(ended.session), told_end(ended.session)])
        await self.syncs.add([ended])

    async def _own(self, wanted: AuditRequested | SyncRequested | TrackingRetryRequested) -> Store | None:
        """The store that a request is about; None where it is another seller's, or another process's."""
        store = await self.stores.get(wanted.store_id)
        if store is None or store.seller_id != wanted.seller_id:
            log.warning("request.refused", type=wanted.type, store_id=wanted.store_id)
            return None
        return store if store.platform in self.connectors else None


def group_of(platforms: Collection[str]) -> str:
    """The consumer group of the processes that serve the same platforms; each such group reads everything."""
    return ".".join(["ingest", *sorted(platforms)])


def _refusal(store: Store) -> str | None:
    if not is_read(store.platform):
        return NOT_READ
    return None if store.state == "linked" else NOT_LINKED


def _nothing(wanted: SyncRequested) -> Period:
    return Period(wanted.occurred_at, wanted.occurred_at, wanted.zone)


def _parsed(read: Callable[[bytes], T], value: bytes) -> T:
    try:
        return read(value)
    except ValidationError as error:
        raise UnreadableMessage.of(error) from None
