"""A day on which one seller ships thousands of Amazon orders at once: hours of it pass as fast as their work.

Calls are held against Amazon's plans as its stand-in counts them; the seller's orders are polled meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from deploy.sandbox.amazon.usage import Operation, Usage
from schemas.ids import OrderKey, order_key
from schemas.production import Shipment, ShippedItem, UpdateShipped
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.pushes import MemoryPushes
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.client import MARGIN
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.ingest.schedule import Schedule
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import seal_secrets
from services.ingest.tracking.ports import ORDERS_OF_A_STORE, News, PushLease
from services.ingest.tracking.push import Push, PushOrder
from services.ingest.tracking.runs import PushRunner
from services.ingest.tracking.shipping_news import after_update
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.amazon.shop import SECRETS, order_id
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import ScriptedHttp, answer
from tests.ingest.toolbox import toolbox
from tests.ingest.workbench import SELLER, STORE, Ingestion, linked_store
from tests.simulation.virtual_time import LoopClock

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
#: One in so many was shipped by its seller meanwhile, with a number of their own.
BY_HAND = 250
MARKET = "ATVPDKIKX0DER"
#: How long a call is on its way.
LATENCY = 0.15
_TOO_MANY = answer({"errors": [{"code": "QuotaExceeded", "message": "", "details": ""}]}, status=429)
_REFUSED = answer({"errors": [{"code": "InvalidInput", "message": "Unable to find package to update"}]}, status=400)


class Amazon(ScriptedHttp):
    """A seller's orders, in memory, and how often each operation was called too often."""

    def __init__(self, clock: LoopClock, parcels: int) -> None:
        super().__init__(answer({}))
        self.clock = clock
        self.usage = Usage(now=lambda: clock.now().timestamp())
        usual = json.loads(payload("amazon", "unshipped.json"))
        self.line: str = usual["orderItems"][0]["orderItemId"]
        self.orders = {order_id(number): usual | {"orderId": order_id(number)} for number in range(parcels)}
        #: Ids by the time of their last change, and these times.
        self.changes: list[str] = list(self.orders)
        self.changed_at = [START - timedelta(hours=9)] * parcels
        self.lists: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()
        self.over: Counter[str] = Counter()
        self.confirmed: list[tuple[float, str]] = []
        for number in sorted(by_hand(parcels)):
            self._package(number, {"packageReferenceId": "1", "trackingNumber": f"HAND-{number}"})

    async def request(self, method: str, url: str, **sent: Any) -> HttpAnswer:
        await self.clock.sleep(LATENCY)
        path = urlsplit(url).path
        operation = _operation(path)
        self.calls[operation] += 1
        if not self.usage.admit(operation, seller="A", client="C"):
            self.over[operation] += 1
            return _TOO_MANY
        if operation == "searchOrders":
            return self._search(dict(parse_qsl(urlsplit(url).query)))
        number = path.split("/")[4]
        if operation == "getOrder":
            return answer({"order": self.orders[number]})
        return self._confirm(number, sent["json"]["packageDetail"])

    def _confirm(self, number: str, package: dict[str, Any]) -> HttpAnswer:
        if self.orders[number].get("packages"):
            return _REFUSED
        self.confirmed.append((self.clock.now().timestamp() - START.timestamp(), number))
        self._package(number, package)
        return answer(b"", status=204)

    def _package(self, number: str, package: dict[str, Any]) -> None:
        order = self.orders[number]
        [line] = order["orderItems"]
        shipped = line | {"fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 0}}
        self.orders[number] = order | {
            "fulfillment": order["fulfillment"] | {"fulfillmentStatus": "SHIPPED"},
            "orderItems": [shipped],
            "packages": [package],
            "lastUpdatedTime": self.clock.now().isoformat(),
        }
        self.changes.append(number)
        self.changed_at.append(max(self.clock.now(), START) if self.confirmed else START - timedelta(hours=1))

    def _search(self, query: dict[str, str]) -> HttpAnswer:
        token = query.get("paginationToken")
        found = self.lists.pop(token) if token else self._found(query)
        body: dict[str, Any] = {"orders": [self.orders[number] for number in found[:100]]}
        if found[100:]:
            following = str(len(self.lists)) + str(self.calls["searchOrders"])
            self.lists[following] = found[100:]
            body["pagination"] = {"nextToken": following}
        return answer(body)

    def _found(self, query: dict[str, str]) -> list[str]:
        low = bisect_left(self.changed_at, datetime.fromisoformat(query["lastUpdatedAfter"]))
        until = self.clock.now() - timedelta(minutes=2)
        if "lastUpdatedBefore" in query:
            until = min(until, datetime.fromisoformat(query["lastUpdatedBefore"]))
        found = dict.fromkeys(self.changes[low : bisect_left(self.changed_at, until)])
        statuses = query.get("fulfillmentStatuses", "").split(",")
        return [
            one for one in found if statuses == [""] or self.orders[one]["fulfillment"]["fulfillmentStatus"] in statuses
        ]


def _operation(path: str) -> Operation:
    if path.endswith("/orders"):
        return "searchOrders"
    return "confirmShipment" if path.endswith("/shipmentConfirmation") else "getOrder"


class Waiting(MemoryPushes):
    """One store's pushes, claimed as the others are, in the time that thousands of them need."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.memory = memory
        self.later: list[tuple[datetime, OrderKey]] = []
        self.ready: list[tuple[Any, OrderKey]] = []
        self.busy = 0

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[PushLease]:
        del platforms
        while self.later and self.later[0][0] <= now:
            _, key = heappop(self.later)
            heappush(self.ready, (self.orders[key].rank, key))
        leases: list[PushLease] = []
        while self.ready and len(leases) < limit and self.busy < ORDERS_OF_A_STORE:
            row = self.orders[heappop(self.ready)[1]]
            row.owner, row.number, row.expires_at = owner, row.number + 1, until
            self.busy += 1
            leases.append(PushLease(row.order.order_key, self.memory.stores[STORE], owner, row.number))
        return leases

    async def leave(self, lease: PushLease) -> None:
        await super().leave(lease)
        self.busy -= 1
        self.wait(lease.order_key)

    def wait(self, key: OrderKey) -> None:
        if (due_at := self.orders[key].due_at) is not None:
            heappush(self.later, (due_at, key))

    def told(self) -> Iterator[Push]:
        return (push for row in self.orders.values() for push in row.pushes.values())


class Day:
    """A day on which one seller ships thousands of orders at once, of which some were shipped by hand."""

    def __init__(self, parcels: int) -> None:
        self.clock = LoopClock(START)
        self.amazon = Amazon(self.clock, parcels)
        settings = AmazonSettings(
            _env_file=None,
            amazon_application_id="amzn1.sp.solution.1",
            amazon_client_id="amzn1.application-oa2-client.1",
            amazon_client_secret="secret",
        )
        self.connector = AmazonConnector(settings, toolbox(self.amazon, self.clock))
        self.ingest = Ingestion({"amazon": self.connector}, self.clock)
        self.pushes = Waiting(self.ingest.memory)
        # Not in the order of deadlines.
        self.deadlines = {
            number: START + timedelta(hours=6, seconds=place * 7919 % parcels)
            for place, number in enumerate(self.amazon.orders)
        }

    async def pass_(self) -> None:
        """Until every parcel stands where it stays."""
        store = replace(linked_store(), platform="amazon")
        await self.ingest.stores.add(store)
        secrets = SECRETS | {"expires_at": (START + timedelta(days=9)).isoformat(), "marketplaces": MARKET}
        self.ingest.memory.secrets[STORE] = seal_secrets(self.ingest.vault, STORE, secrets)
        for place, number in enumerate(self.amazon.orders):
            await self._ship(number, place)
        stop = asyncio.Event()
        working = [
            asyncio.create_task(self._schedule().run(stop)),
            asyncio.create_task(self._poll(store, secrets, stop)),
        ]
        while any(push.state in {"queued", "sent", "accepted"} for push in self.pushes.told()):
            await self.clock.sleep(30)
        stop.set()
        await asyncio.gather(*working)

    async def _ship(self, number: str, place: int) -> None:
        key = OrderKey(order_key("amazon", STORE, number))
        shipment = Shipment(
            shipment_id=f"s-{place}",
            carrier="USPS",
            tracking_number=f"94001118992231974{place:05d}",
            shipped_at=START - timedelta(minutes=1),
            items=(ShippedItem(item_id=self.amazon.line, quantity=1),),
        )
        update = UpdateShipped(
            event_id=f"{key}-shipped", occurred_at=START, seller_id=SELLER, order_key=key, shipment=shipment
        )
        order = PushOrder(key, number, STORE, SELLER, "amazon", self.deadlines[number])
        await self.pushes.take([News(order, lambda pushes: after_update(pushes, update, order, now=START))], now=START)
        self.pushes.wait(key)

    def _schedule(self) -> Schedule[PushLease]:
        ingest = self.ingest
        runner = PushRunner(ingest.connectors, ingest.stores, self.pushes, ingest.tokens, self.clock, ingest.metrics)
        return Schedule(
            runner.run,
            self.pushes,
            owner="process-1",
            platforms=["amazon"],
            at_once=12,
            clock=self.clock,
            metrics=ingest.metrics,
            what="push",
        )

    async def _poll(self, store: Store, secrets: dict[str, str], stop: asyncio.Event) -> None:
        """Read what changed, as polls do: its pages are the seller's only searches beside ours."""
        access, pace, cursor = Access(store.ref, secrets), self.connector.pace, START - timedelta(minutes=5)
        while not stop.is_set():
            end = self.clock.now() - pace.settle
            after: str | None = None
            with suppress(TransientError):
                while end > cursor:
                    page = await self.connector.read_page(
                        access, Window(start=cursor - pace.overlap, end=end), after=after, way="poll"
                    )
                    after = page.after
                    if after is None:
                        cursor = page.read_through
                        break
            await self.clock.sleep(pace.interval.total_seconds())

    @property
    def confirmed_in(self) -> float:
        """Seconds until the last confirmation."""
        return self.amazon.confirmed[-1][0]

    @property
    def verified_in(self) -> float:
        """Seconds until the last number was read back."""
        return max((push.verified_at - START).total_seconds() for push in self.pushes.told() if push.verified_at)


async def day_of(parcels: int) -> Day:
    """A day that has passed."""
    day = Day(parcels)
    await day.pass_()
    return day


def by_hand(parcels: int) -> set[str]:
    """The orders that their seller shipped by hand."""
    return {order_id(number) for number in range(0, parcels, BY_HAND)}


def at_best(parcels: int) -> float:
    """Seconds that so many confirmations take: ten at once and two a second, of which we leave a twentieth."""
    return (parcels - 10) / (2 * MARGIN)
