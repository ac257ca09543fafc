"""A platform in memory with many stores, a day's quota, a lagging index, webhooks that die, faults and downtime.

It is the truth that a report is held against: whatever a store's orders are here, they must be in the report.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import orjson

from schemas.ids import order_key
from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import By, Listing, Pace, Page, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, StoreRef
from services.ingest.contract.webhooks import NEVER_PUSHED, Delivery, Mended, OrderTold, Subscribed, WebhookFact
from services.ingest.usual import UsualConnector
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.limits import Limit
from tests.schemas.orders import raw_order

DAY = timedelta(days=1)
OVER_BUDGET = "over budget"


@dataclass(frozen=True, slots=True)
class Sold:
    """An order as it is on the platform now."""

    external_id: str
    placed_at: datetime
    changed_at: datetime
    visible_at: datetime
    note: str = ""
    payment: str = "paid"
    cancelled: bool = False
    shipped: bool = False

    def at(self, by: By) -> datetime:
        """The time that a window is about."""
        return self.placed_at if by == "created" else self.changed_at


class Shelf:
    """The orders of one store, in order of either of their times."""

    def __init__(self) -> None:
        self.orders: dict[str, Sold] = {}
        self._sorted: dict[By, list[tuple[datetime, str]]] = {"created": [], "updated": []}

    def put(self, order: Sold) -> None:
        """Add an order, or what became of one."""
        self.drop(order.external_id)
        self.orders[order.external_id] = order
        for by, places in self._sorted.items():
            insort(places, (order.at(by), order.external_id))

    def drop(self, external_id: str) -> None:
        """Forget an order for good."""
        held = self.orders.pop(external_id, None)
        if held is None:
            return
        for by, places in self._sorted.items():
            del places[bisect_left(places, (held.at(by), external_id))]

    def between(self, window: Window) -> list[tuple[datetime, str]]:
        """The times and ids in a window."""
        places = self._sorted[window.by]
        return places[bisect_left(places, (window.start, "")) : bisect_left(places, (window.end, ""))]


@dataclass
class Chaos:
    """What goes wrong: a share of the calls, and periods in which every call does."""

    chance: random.Random
    share: float = 0.0
    down: tuple[tuple[datetime, datetime], ...] = ()

    def strike(self, now: datetime) -> None:
        """Raise TransientError when it is time to."""
        if any(start <= now < end for start, end in self.down):
            raise TransientError("the platform answered 503")
        if self.share and self.chance.random() < self.share:
            raise TransientError("the platform answered 500", retry_after=1.0)


@dataclass
class Market(UsualConnector):
    """One application on one platform. Fulfils `Connector`.

    `per_day` calls are let through in any 24 hours, over all stores; what comes beyond is refused, and counted in
    `calls` as OVER_BUDGET. With `pushes`, stores can be subscribed; with `silent_cancels`, an order that is cancelled
    keeps its change time.
    """

    tools: Tools
    slug: str
    name: str
    pace: Pace
    chaos: Chaos
    per_day: int | None = None
    pushes: bool = False
    silent_cancels: bool = False
    page_size: int = 100
    listed_for_a_count: int = 100
    #: Brings a delivery to ingest, as the platform would: whether it was taken.
    deliver: Callable[[str, Delivery], Awaitable[bool]] | None = None
    shelves: dict[str, Shelf] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    had_address: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    recent: deque[datetime] = field(default_factory=deque, repr=False)
    #: Whether this task lists for an audit.
    _listing: ContextVar[bool] = field(default=ContextVar("listing", default=False), repr=False)

    def with_tools(self, tools: Tools) -> Market:
        """The same platform, called with other tools."""
        return replace(self, tools=tools)

    @property
    def _clock(self) -> Clock:
        return self.tools.clock

    def shelf(self, shop: str) -> Shelf:
        """A store's orders."""
        return self.shelves.setdefault(shop, Shelf())

    def sell(self, shop: str, number: str, *, lag: timedelta = timedelta(), payment: str = "paid") -> Sold:
        """Create an order now; the index shows it after `lag`."""
        now = self._clock.now()
        order = Sold(number, _second(now), _second(now), now + lag, payment=payment)
        self.shelf(shop).put(order)
        return order

    def change(self, shop: str, number: str, *, note: str) -> None:
        """Edit an order now."""
        held = self.shelf(shop).orders[number]
        self.shelf(shop).put(replace(held, note=note, payment="paid", changed_at=_second(self._clock.now())))

    def ship(self, shop: str, number: str) -> None:
        """Have the seller ship an order now."""
        held = self.shelf(shop).orders[number]
        self.shelf(shop).put(replace(held, shipped=True, changed_at=_second(self._clock.now())))

    def delete(self, shop: str, number: str) -> None:
        """Take an order away for good; nobody is told."""
        self.shelf(shop).drop(number)

    def cancel(self, shop: str, number: str) -> None:
        """Cancel an order now."""
        held = self.shelf(shop).orders[number]
        changed_at = held.changed_at if self.silent_cancels else _second(self._clock.now())
        self.shelf(shop).put(replace(held, cancelled=True, changed_at=changed_at))

    async def push(self, shop: str, number: str) -> bool:
        """Tell whoever is subscribed of an order; whether it was taken. Nobody tries again."""
        address, order = self.addresses.get(shop), self.shelf(shop).orders.get(number)
        if address is None or order is None or self.deliver is None:
            return False
        body = orjson.dumps({"id": number})
        return await self.deliver(address, Delivery(headers={}, body=body, address=address))

    def read(self, store: StoreRef, order: Sold, way: Way) -> RawOrder:
        """The order in our nouns."""
        return raw_order(
            key=order_key(self.slug, store.store_id, order.external_id),
            number=order.external_id,
            platform=self.slug,
            store_id=store.store_id,
            seller_id=store.seller_id,
            placed_at=order.placed_at,
            revised_at=order.changed_at,
            fetched_at=self._clock.now(),
            payment=order.payment,
            note=order.note or None,
            fulfilment="fulfilled" if order.shipped else "unfulfilled",
            cancelled_at=order.changed_at if order.cancelled else None,
            way=way,
        )

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """It may do everything."""
        del access
        return ()

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """One subscription a store, for all that happens to its orders."""
        del app_url, anew
        if not self.pushes:
            return NEVER_PUSHED
        self._call("subscribe")
        shop = access.store.external_id
        was_killed = shop in self.had_address and shop not in self.addresses
        self.addresses[shop] = callback_url
        self.had_address.add(shop)
        return Subscribed(("orders",), (Mended("orders", "missing"),) if was_killed else ())

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Everything is genuine here."""
        del access, delivery, now

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Every webhook carries its order."""
        del now
        order = self.shelf(store.external_id).orders[orjson.loads(delivery.body)["id"]]
        return OrderTold(self.read(store, order, "webhook"))

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """One page in order of time; `after` names the last order before it."""
        await self._counted("list" if self._listing.get() else "page")
        shelf, now = self.shelf(access.store.external_id), self._clock.now()
        places = [place for place in shelf.between(window) if shelf.orders[place[1]].visible_at <= now]
        rest = places
        if after is not None:
            at, number = after.split("|")
            rest = places[bisect_left(places, (datetime.fromisoformat(at), number + "\0")) :]
        shown = rest[: self.page_size]
        more = len(rest) > len(shown)
        return Page(
            orders=tuple(self.read(access.store, shelf.orders[number], way) for _, number in shown),
            after=f"{shown[-1][0].isoformat()}|{shown[-1][1]}" if more else None,
            read_through=shown[-1][0] if more else window.end,
            total=len(places),
        )

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """A page of whole orders, counted apart from those of polls."""
        token = self._listing.set(True)
        try:
            return await super().list_orders(access, window, after=after)
        finally:
            self._listing.reset(token)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """What the index shows of a window."""
        await self._counted("count")
        shelf, now = self.shelf(access.store.external_id), self._clock.now()
        return sum(shelf.orders[number].visible_at <= now for _, number in shelf.between(window))

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | None:
        """One order, seen at once whatever the index shows."""
        await self._counted("order")
        order = self.shelf(access.store.external_id).orders.get(external_id)
        return self.read(access.store, order, way) if order else None

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Nobody links here: stores are put into the tables as linked."""
        raise NotImplementedError

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Nobody links here."""
        raise NotImplementedError

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Nothing ends here."""
        raise NotImplementedError

    async def _counted(self, kind: str) -> None:
        """Take a call from the app's budget as our clients do, and count it as the platform does."""
        if self.per_day is not None:
            share = 0.25
            limit = Limit(self.per_day * share, self.per_day * (1 - share) / DAY.total_seconds())
            await self.tools.limits.take(f"{self.slug}|app|day", limit=limit)
        self._call(kind)

    def _call(self, kind: str) -> None:
        now = self._clock.now()
        while self.recent and self.recent[0] <= now - DAY:
            self.recent.popleft()
        if self.per_day is not None and len(self.recent) >= self.per_day:
            self.calls[OVER_BUDGET] += 1
            raise TransientError("the platform answered 429", retry_after=60.0)
        if self.per_day is not None:
            self.recent.append(now)
        self.calls[kind] += 1
        self.chaos.strike(now)


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
