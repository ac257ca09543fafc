"""Every platform is told of all that production shipped, while it fails and those who tell it are killed.

What `services.ingest.tracking.runs` promises, over each platform's own writer and stand-in: one parcel and one mail an
order, by the platform's own books.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from schemas.ids import OrderKey, order_key
from schemas.production import Shipment, ShippedItem, UpdateShipped
from schemas.topics import PRODUCTION_UPDATES
from services.ingest.adapters.memory.pushes import MemoryPushes
from services.ingest.tracking.ports import PushStorage
from services.ingest.tracking.push import Push
from services.ingest.tracking.runs import PushRunner
from services.ingest.tracking.shipping_news import ShippingNews
from services.kit.kafka.subscriber import Record
from tests.ingest.platforms.test_every_parcel import SLUGS, Desk, desk, units
from tests.ingest.pushing import Killed, Life, Mortal
from tests.ingest.workbench import LEASE, NOBODY

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

ORDERS = 12
#: How the platform fails, each of some calls: before its work is done, and after.
BEFORE = ("status_429", "status_500", "status_503", "cut_connection", "truncated_json", "html_200")
AFTER = ("status_500", "cut_connection", "html_200")
RATE = 0.03
#: More rounds than any bad luck needs.
ROUNDS = 400


class Dispatch:
    """Processes that tell one store's platform of parcels, of which every other is killed before long."""

    def __init__(self, found: Desk) -> None:
        self.found = found
        self.ingest = found.shop.ingest
        self.pushes = MemoryPushes(self.ingest.memory)
        self.processes = self.killed = 0

    async def hear(self, orders: Sequence[dict[str, Any]]) -> None:
        """Production shipped these; it says so twice."""
        news = ShippingNews(self.ingest.stores, self.ingest.seen, self.pushes, NOBODY, self.ingest.clock)
        for _ in range(2):
            await news.handle([self._record(order, place) for place, order in enumerate(orders)])

    async def work(self) -> None:
        """Until nothing is due any more, ever."""
        for _ in range(ROUNDS):
            now = self.ingest.clock.now()
            for lease in await self.pushes.claim(
                owner="process-1", platforms=[self.found.shop.slug], limit=ORDERS, now=now, until=now + LEASE
            ):
                try:
                    await self._process().run(lease)
                except Killed:
                    self.killed += 1
            due = [row.due_at for row in self.pushes.orders.values() if row.due_at is not None]
            if not due:
                return
            nearest = (min(due) - self.ingest.clock.now()).total_seconds()
            # Whoever was killed holds an order for a while.
            self.found.shop.pass_time(max(nearest, LEASE.total_seconds() / 10))
        raise AssertionError("there is always something to do")

    def told(self) -> list[Push]:
        return [push for row in self.pushes.orders.values() for push in row.pushes.values()]

    def _process(self) -> PushRunner:
        self.processes += 1
        kept: PushStorage = self.pushes
        if self.processes % 2:
            kept = cast("PushStorage", Mortal(self.pushes, Life(1 + self.processes % 11)))
        ingest = self.ingest
        return PushRunner(ingest.connectors, ingest.stores, kept, ingest.tokens, ingest.clock, ingest.metrics)

    def _record(self, order: dict[str, Any], place: int) -> Record:
        store = self.found.shop.store
        key = OrderKey(order_key(self.found.shop.slug, store.store_id, order["id"]))
        items = tuple(ShippedItem(item_id=line, quantity=count) for line, count in units(order).items())
        sent = self.ingest.clock.now() - timedelta(minutes=1)
        shipment = Shipment(
            shipment_id=f"s-{place}", carrier="USPS", tracking_number=_number(place), shipped_at=sent, items=items
        )
        update = UpdateShipped(
            event_id=f"{key}-shipped", occurred_at=sent, seller_id=store.seller_id, order_key=key, shipment=shipment
        )
        return Record(PRODUCTION_UPDATES.name, 0, 0, key, update.to_bytes(), {}, 0)


def _number(place: int) -> str:
    return f"94001118992231974{place:05d}"


@pytest.mark.parametrize("slug", SLUGS)
async def test_every_parcel_is_told_once_though_calls_fail_and_processes_die(slug: str) -> None:
    async with desk(slug) as found:
        body = {"count": ORDERS, "state": "ready", "created_ago": "PT20M", "webhooks": False}
        made = (await found.control("POST", "/orders", body))["ids"]
        truth, mails = await found.shop.truth(), await found.books("emails")
        again = await found.books("emails_again")
        dispatch = Dispatch(found)
        await dispatch.hear([truth[number] for number in made])
        for when, kinds in (("before", BEFORE), ("after", AFTER)):
            for kind in kinds:
                await found.shop.control("POST", "/faults", {"kind": kind, "when": when, "rate": RATE})
        await found.shop.control("POST", "/settings", dict(found.ways.lossy))

        await dispatch.work()

        await found.shop.control("DELETE", "/faults")
        truth = await found.shop.truth()
        assert dispatch.killed > 0
        assert await found.books("faults") > 0
        assert {(push.state, push.code) for push in dispatch.told()} == {("verified", None)}
        shipments = {number: [one["tracking_number"] for one in truth[number]["shipments"]] for number in made}
        assert shipments == {number: [_number(place)] for place, number in enumerate(made)}
        assert await found.books("emails") - mails == ORDERS * found.ways.mails
        assert await found.books("emails_again") == again
