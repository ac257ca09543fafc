"""Reads a shop's orders by change time, slice by slice, and single ones by id."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.order import RawOrder, Way
from services.ingest.contract.reading import Listing, Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.parsing import parsed
from services.ingest.platforms.shopbase.client import ShopbaseClient
from services.ingest.platforms.shopbase.listing import THIN, SliceLister, rows_of
from services.ingest.platforms.shopbase.mapping import POST_PURCHASE, to_raw_order
from services.ingest.platforms.shopbase.payloads import ShopbaseListed, ShopbaseOrder
from services.ingest.platforms.shopbase.slices import Place, Row, start_of
from services.ingest.usual import listed_changes
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: An order in its post-purchase time is read again until that is over, but not for ever.
LONGEST_POST_PURCHASE = timedelta(hours=24)


class OrderReader:
    """Reads the orders of any shop."""

    def __init__(self, client: ShopbaseClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one slice, without the orders that earlier ones gave."""
        first, last = _seconds(window)
        if last < first:
            return Page(orders=(), after=None, read_through=window.end, total=0)
        place = Place.parse(after) if after else Place.start(first, last, window.by)
        rows, place, following = await SliceLister(self._client, access.secrets).step(place)
        fetched_at = self._clock.now()
        orders = tuple(_to_order(row, access.store, way=way, fetched_at=fetched_at) for row in rows)
        # Whoever reads a past window comes once; it is the polls that come back for an order that waits.
        wait_from = None if way == "backfill" else _earliest(place.wait_from, orders, now=fetched_at)
        # What ends here goes on next time where an order still waits for its buyer.
        reached = replace(following or replace(place, second=math.ceil(window.end.timestamp())), wait_from=wait_from)
        return Page(
            orders=orders,
            after=reached.text() if following else None,
            read_through=min(max(window.start, start_of(reached)), window.end),
            total=place.total,
        )

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times, slice by slice as whole orders are read."""
        first, last = _seconds(window)
        if last < first:
            return Listing((), None, 0)
        place = Place.parse(after) if after else Place.start(first, last, window.by)
        rows, place, following = await SliceLister(self._client, access.secrets, fields=THIN).step(place)
        changes = listed_changes([_listed(row, window) for row in rows], window)
        return Listing(changes, following.text() if following else None, place.total)

    async def count(self, access: Access, window: Window) -> int:
        """Return how many orders ShopBase counts in the window."""
        first, last = _seconds(window)
        if last < first:
            return 0
        return await SliceLister(self._client, access.secrets).count(Place.start(first, last, window.by), last)

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids in a list; what it leaves out is asked for by itself, for lists may lag."""
        numbers = [number for number in dict.fromkeys(external_ids) if _is_number(number)]
        rows = await SliceLister(self._client, access.secrets).by_ids(numbers) if numbers else []
        fetched_at, listed = self._clock.now(), {row.number: row for row in rows}
        found: dict[str, RawOrder | Unreadable | None] = {}
        for number in external_ids:
            row = listed.get(number)
            if row is None:
                found[number] = await self.read_order(access, number, way=way)
            else:
                found[number] = _to_order(row, access.store, way=way, fetched_at=fetched_at)
        return found

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, or None when the shop has none of that id."""
        if not _is_number(external_id):
            return None
        answer = await self._client.get(access.secrets, f"/orders/{external_id}.json")
        if answer is None:
            return None
        [row] = rows_of(answer.body, lambda document: [document.get("order")])
        if not isinstance(row.value, dict):
            raise TransientError("ShopBase's answer holds no order", retry_after=1.0)
        return _to_order(row, access.store, way=way, fetched_at=self._clock.now())


def _seconds(window: Window) -> tuple[int, int]:
    """Return the first and last whole second of [start, end)."""
    return max(math.floor(window.start.timestamp()), 1), math.ceil(window.end.timestamp()) - 1


def _is_number(external_id: str) -> bool:
    return external_id.isascii() and external_id.isdecimal()


def _listed(row: Row, window: Window) -> tuple[str | None, datetime | None]:
    """Return an order's id and time, as the mapping reads them."""
    try:
        order = parsed(ShopbaseListed, row.value)
    except UnreadablePayload:
        return row.number, None
    return order.id, (order.processed_at or order.created_at) if window.by == "created" else order.updated_at


def _to_order(row: Row, store: StoreRef, *, way: Way, fetched_at: datetime) -> RawOrder | Unreadable:
    try:
        return to_raw_order(parsed(ShopbaseOrder, row.value), store, body=row.body, way=way, fetched_at=fetched_at)
    except UnreadablePayload as error:
        return Unreadable(external_id=row.number, path=error.path, problem=error.problem, body=row.body)


def _earliest(known: int | None, orders: Sequence[RawOrder | Unreadable], *, now: datetime) -> int | None:
    """Return the second of the first order whose buyer may still add to it without a revision saying so."""
    waiting = [
        math.floor(order.revised_at.timestamp())
        for order in orders
        if isinstance(order, RawOrder)
        and POST_PURCHASE in (order.holds or ())
        and now - order.revised_at < LONGEST_POST_PURCHASE
    ]
    return min([*waiting, *([] if known is None else [known])], default=None)
