"""Takes in what production tells of parcels: each shipment becomes one push, whatever comes twice or late.

Only the pushes are written here. Whoever serves the platform tells it; see `services.ingest.tracking.runs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import ValidationError

from schemas.ids import OrderKeyParts, split_order_key
from schemas.production import (
    PRODUCTION_UPDATE,
    ProductionUpdate,
    Shipment,
    UpdateDelivered,
    UpdateLabelReplaced,
    UpdateLabelVoided,
    UpdateScanned,
    UpdateShipped,
)
from schemas.topics import PRODUCTION_UPDATES
from services.ingest.ports import Seen, SeenOrders, Stores
from services.ingest.registry import name_of as registered_name
from services.ingest.schedule import Wakeful
from services.ingest.stores.store import Store
from services.ingest.tracking.carriers import carrier_of, tracking_url_of
from services.ingest.tracking.ports import News, Pushes, PushStorage
from services.ingest.tracking.push import Push, PushOrder, push_id_of
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage
from services.kit.kafka.subscriber import Record, Subscription

log = structlog.get_logger()

ParcelUpdate = UpdateShipped | UpdateScanned | UpdateDelivered | UpdateLabelVoided | UpdateLabelReplaced
#: One group for all processes: the pushes are kept for whoever serves the platform.
GROUP = "ingest-tracking"
#: So many are worked on before whoever waits for an answer, such as a webhook, gets a turn.
_AT_A_STRETCH = 50


@dataclass(frozen=True, slots=True)
class ShippingNews:
    """The handler of `production.updates`."""

    stores: Stores
    seen: SeenOrders
    pushes: PushStorage
    schedule: Wakeful
    clock: Clock

    def subscription(self) -> Subscription:
        """Subscribe to production's answers."""
        return Subscription(
            group=GROUP,
            topics=[PRODUCTION_UPDATES.name],
            handler=self.handle,
            # Production answers in transactions; what it undid must not be told to anybody.
            isolation="read_committed",
            payload=UpdateShipped,
        )

    async def handle(self, records: Sequence[Record]) -> None:
        """Take each in. Raises TransientError when Postgres is away, UnreadableMessage for what says nothing."""
        updates = [update for record in records if (update := _parcel_update(record)) is not None]
        if not updates:
            return
        seen = await self.seen.seen({update.order_key for update in updates})
        stores = await self._stores(updates)
        news = [
            one
            for update in updates
            if (one := self._news(update, stores, known=seen.get(update.order_key))) is not None
        ]
        for start in range(0, len(news), _AT_A_STRETCH):
            await self.pushes.take(news[start : start + _AT_A_STRETCH], now=self.clock.now())
        if news:
            self.schedule.wake()

    async def _stores(self, updates: Sequence[ParcelUpdate]) -> Mapping[str, Store | None]:
        ids = {_parts(update).store_id for update in updates}
        return {store_id: await self.stores.get(store_id) for store_id in ids}

    def _news(self, update: ParcelUpdate, stores: Mapping[str, Store | None], *, known: Seen | None) -> News | None:
        parts = _parts(update)
        store = stores[parts.store_id]
        if store is None or store.seller_id != update.seller_id or store.platform != parts.platform:
            log.warning("shipping_news.of_no_store", type=update.type, store_id=parts.store_id)
            return None
        ship_by, now = known.ship_by if known else None, self.clock.now()
        order = PushOrder(update.order_key, parts.external_id, store.store_id, store.seller_id, store.platform, ship_by)
        return News(order, lambda pushes: after_update(pushes, update, order, now=now))


def _parts(update: ParcelUpdate) -> OrderKeyParts:
    try:
        return split_order_key(update.order_key)
    except ValueError as error:
        raise UnreadableMessage("order_key", "is not an order key") from error


def after_update(pushes: Pushes, update: ParcelUpdate, order: PushOrder, *, now: datetime) -> Sequence[Push]:
    """The pushes of an order that an update makes or changes; the same update again changes nothing. Pure."""
    name = _name_of(order)
    if isinstance(update, UpdateShipped):
        return _new(pushes, update.shipment, order, now=now)
    told = pushes.get(push_id_of(order.order_key, update.shipment_id))
    match update:
        case UpdateLabelReplaced():
            return _replaced(pushes, told, update.shipment, order, now=now)
        case UpdateScanned() | UpdateDelivered() if told is not None:
            at = update.scanned_at if isinstance(update, UpdateScanned) else update.delivered_at
            return [told.scanned(at=at, now=now)]
        case UpdateLabelVoided() if told is not None:
            return [told.voided(name, now=now)]
        case _:
            # What became of a parcel that we never heard of concerns no platform.
            return []


def _new(pushes: Pushes, shipment: Shipment, order: PushOrder, *, now: datetime) -> list[Push]:
    push_id = push_id_of(order.order_key, shipment.shipment_id)
    if push_id in pushes:
        return []
    carrier = carrier_of(shipment.carrier, shipment.tracking_number)
    lines: dict[str, int] = {}
    for item in shipment.items:
        lines[item.item_id] = lines.get(item.item_id, 0) + item.quantity
    return [
        Push(
            push_id=push_id,
            order=order,
            shipment_id=shipment.shipment_id,
            number=max((push.number for push in pushes.values()), default=0) + 1,
            tracking_number=shipment.tracking_number,
            carrier=carrier.id if carrier else None,
            carrier_name=shipment.carrier,
            tracking_url=tracking_url_of(carrier, shipment.tracking_number, told=shipment.tracking_url),
            shipped_at=shipment.shipped_at,
            lines=lines,
            created_at=now,
            changed_at=now,
            service=shipment.service,
            due_at=now,
        )
    ]


def _name_of(order: PushOrder) -> str:
    return registered_name(order.platform) or order.platform


def _replaced(pushes: Pushes, old: Push | None, shipment: Shipment, order: PushOrder, *, now: datetime) -> list[Push]:
    new = _new(pushes, shipment, order, now=now)
    if old is None or old.replaced_by or not new:
        return new
    return [old.left_to(new[0].push_id, _name_of(order)), new[0].in_place_of(old)]


def _parcel_update(record: Record) -> ParcelUpdate | None:
    """What a record tells of a parcel; None where it is about something else."""
    try:
        update: ProductionUpdate = PRODUCTION_UPDATE.validate_json(record.value)
    except ValidationError as error:
        raise UnreadableMessage.of(error) from None
    return update if isinstance(update, ParcelUpdate) else None
