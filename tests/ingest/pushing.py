"""Tells a platform in memory of parcels, with all that ingest keeps in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.ids import OrderKey, order_key
from schemas.production import (
    ProductionUpdate,
    Shipment,
    ShippedItem,
    UpdateDelivered,
    UpdateLabelReplaced,
    UpdateLabelVoided,
    UpdateScanned,
    UpdateShipped,
)
from schemas.stores import StoreSettings
from schemas.topics import PRODUCTION_UPDATES, TRACKING_PUSHES
from schemas.tracking import TrackingPushed
from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing
from services.ingest.contract.stores import Access
from services.ingest.tracking.ports import PushLease, PushStorage
from services.ingest.tracking.push import Push
from services.ingest.tracking.runs import PushRunner
from services.ingest.tracking.shipping_news import ShippingNews
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.kafka.subscriber import Record
from services.kit.limits import Limit, Limits
from tests.ingest.workbench import LEASE, NOBODY, SELLER, START, STORE, Workbench

NUMBER = "9400111899223197428490"
#: What a budget of a platform that counts calls is like.
BUDGET = Limit(10.0, 2.0)


@dataclass
class Told:
    """An order on the twin platform, with what it was told."""

    standing: Standing = "open"
    parcels: list[KnownParcel] = field(default_factory=list)
    mails: int = 0
    until: datetime | None = None
    ship_by: datetime | None = None


@dataclass
class TwinWriter:
    """The parcels of one platform. `faults` are raised by the next writes before they take effect, `cuts` after.

    `drops` numbers are taken, announced to the buyer, and not kept. `shown_after` is how long a number takes to show.
    """

    clock: Clock
    proves_at_once: bool = True
    replaces: bool = True
    adds_units: bool = True
    orders: dict[str, Told] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)
    cuts: list[Exception] = field(default_factory=list)
    read_faults: list[Exception] = field(default_factory=list)
    drops: int = 0
    shown_after: timedelta = timedelta()
    token: str = "token-1"
    writes: list[Parcel] = field(default_factory=list)
    reads: int = 0
    calls_at: list[datetime] = field(default_factory=list)
    limits: Limits | None = None
    _shown_at: dict[str, datetime] = field(default_factory=dict)

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """What the order has."""
        self._refuse_other_token(access)
        self.reads += 1
        if self.read_faults:
            raise self.read_faults.pop(0)
        told = self.orders.get(external_id)
        if told is None:
            return None
        now = self.clock.now()
        shown = [one for one in told.parcels if self._shown_at.get(one.tracking_number or "", now) <= now]
        return Shipping(told.standing, tuple(shown), told.until, told.ship_by)

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Keep the parcel and mail the buyer."""
        del shipping
        self._refuse_other_token(access)
        if self.limits is not None:
            await self.limits.take("twin|writes", limit=BUDGET, patience=60)
        self.calls_at.append(self.clock.now())
        self.writes.append(parcel)
        if self.faults:
            raise self.faults.pop(0)
        told = self.orders[parcel.order_external_id]
        told.mails += parcel.notify_buyer
        if self.drops:
            self.drops -= 1
        else:
            if parcel.replaces:
                told.parcels = [one for one in told.parcels if one.tracking_number != parcel.replaces]
            told.parcels.append(KnownParcel(parcel.tracking_number, f"p-{parcel.number}"))
            self._shown_at[parcel.tracking_number] = self.clock.now() + self.shown_after
        if self.cuts:
            raise self.cuts.pop(0)
        return f"p-{parcel.number}"

    def _refuse_other_token(self, access: Access) -> None:
        if access.secrets["token"] != self.token:
            raise AuthorizationError("token revoked")


class PushBench(Workbench):
    """One ingest process that tells the twin platform of parcels."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = TwinWriter(self.clock)
        self.platform.parcels = self.writer
        self.news = ShippingNews(self.stores, self.seen, self.pushes, NOBODY, self.clock)
        self.push_runner = self.runner()

    def runner(self, pushes: PushStorage | None = None) -> PushRunner:
        """What one process tells platforms with."""
        return PushRunner(self.connectors, self.stores, pushes or self.pushes, self.tokens, self.clock, self.metrics)

    async def linked(self, **settings: bool) -> PushBench:
        """The bench with a store of these settings."""
        store = await self.add_store()
        await self.stores.change(
            store.store_id, lambda held: replace(held, settings=StoreSettings(**settings), grants=1)
        )
        return self

    async def hear(self, *updates: ProductionUpdate) -> None:
        """Have production tell this."""
        await self.news.handle([record(update) for update in updates])

    async def ship(self, number: str = "o1", **changes: Any) -> Push:
        """Have an order on the platform shipped, and return its push."""
        self.writer.orders.setdefault(number, Told())
        update = shipped(number, **changes)
        await self.hear(update)
        return await self.push(update.shipment.shipment_id)

    async def push(self, shipment_id: str = "s1") -> Push:
        """The push of a shipment."""
        for row in self.pushes.orders.values():
            for push in row.pushes.values():
                if push.shipment_id == shipment_id:
                    return push
        raise AssertionError(f"{shipment_id} was never heard of")

    async def claim_push(self, owner: str = "process-1") -> PushLease | None:
        """A lease, when an order is due and free."""
        now = self.clock.now()
        leases = await self.pushes.claim(owner=owner, platforms=["twin"], limit=1, now=now, until=now + LEASE)
        return leases[0] if leases else None

    async def work(self) -> None:
        """Do everything that is due now."""
        while (lease := await self.claim_push()) is not None:
            await self.push_runner.run(lease)

    async def work_for(self, period: timedelta, *, step: timedelta = timedelta(seconds=1)) -> None:
        """Do everything that becomes due within a period."""
        end = self.clock.now() + period
        while self.clock.now() < end:
            await self.work()
            due = [row.due_at for row in self.pushes.orders.values() if row.due_at is not None]
            nearest = min(due, default=end)
            self.clock.advance(max(step, min(nearest, end) - self.clock.now()).total_seconds())
        await self.work()

    def events(self) -> list[TrackingPushed]:
        """What `tracking.pushes` tells."""
        found = [message for message in self.memory.outbox if message.topic == TRACKING_PUSHES.name]
        return [TrackingPushed.model_validate_json(message.value) for message in found]


def shipment(*, tracking: str = NUMBER, shipment_id: str = "s1", lines: Mapping[str, int] | None = None) -> Shipment:
    """A parcel."""
    items = tuple(ShippedItem(item_id=line, quantity=units) for line, units in (lines or {"line-1": 1}).items())
    return Shipment(shipment_id=shipment_id, carrier="USPS", tracking_number=tracking, shipped_at=START, items=items)


def _told(number: str, kind: str) -> dict[str, Any]:
    key = order_key("twin", STORE, number)
    return {"event_id": f"{key}-{kind}", "occurred_at": START, "seller_id": SELLER, "order_key": OrderKey(key)}


def shipped(number: str = "o1", **changes: Any) -> UpdateShipped:
    """Production's word that a parcel left."""
    return UpdateShipped(**_told(number, "shipped"), shipment=shipment(**changes))


def scanned(number: str = "o1", shipment_id: str = "s1") -> UpdateScanned:
    """Its word that the carrier has it."""
    return UpdateScanned(**_told(number, "scanned"), shipment_id=shipment_id, scanned_at=START)


def delivered(number: str = "o1", shipment_id: str = "s1") -> UpdateDelivered:
    """Its word that it arrived."""
    return UpdateDelivered(**_told(number, "delivered"), shipment_id=shipment_id, delivered_at=START)


def voided(number: str = "o1", shipment_id: str = "s1") -> UpdateLabelVoided:
    """Its word that the label was given back."""
    return UpdateLabelVoided(**_told(number, "voided"), shipment_id=shipment_id, reason="not used")


def replaced(
    number: str = "o1", shipment_id: str = "s1", *, by: str = "s2", tracking: str = "9400111899223197428506"
) -> UpdateLabelReplaced:
    """Its word that another label took its place."""
    new = shipment(tracking=tracking, shipment_id=by)
    return UpdateLabelReplaced(**_told(number, "replaced"), shipment_id=shipment_id, shipment=new)


def record(update: ProductionUpdate) -> Record:
    """An update as it stands in Kafka."""
    return Record(PRODUCTION_UPDATES.name, 0, 0, update.order_key, update.to_bytes(), {}, 0)


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """Whatever it wraps, in a process that is killed right before or right after the `at`-th call of it."""

    def __init__(self, wrapped: object, life: Life) -> None:
        self._wrapped = wrapped
        self._life = life

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._wrapped, name)
        return self._life.around(method) if callable(method) else method


@dataclass
class Life:
    """Counts what a process does; it ends at the `at`-th moment."""

    at: int
    moments: int = 0

    def around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The call with a moment before and after it."""

        async def called(*values: Any, **named: Any) -> Any:
            self.passes()
            answer = await call(*values, **named)
            self.passes()
            return answer

        return called

    def passes(self) -> None:
        """Live on, or not."""
        self.moments += 1
        if self.moments == self.at:
            raise Killed


def refused(remedy: str = "seller", *, code: str = "RIGHT_MISSING", store_wide: bool = False) -> PushRefused:
    """A refusal."""
    return PushRefused(remedy, "Grant the right.", code=code, store_wide=store_wide)  # type: ignore[arg-type]


def away(retry_after: float | None = None) -> TransientError:
    """No answer."""
    return TransientError("no answer", retry_after=retry_after)
