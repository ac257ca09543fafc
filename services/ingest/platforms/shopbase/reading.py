"""Reads a shop's orders by change time, slice by slice, and single ones by id."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from schemas.order import RawOrder, Way
from services.ingest.connector import Access, By, Page, StoreRef, Unreadable, UnreadablePayload, Window
from services.ingest.parsing import answer_object, json_object, parsed
from services.ingest.platforms.shopbase.client import ShopbaseClient, TooDeep, answered
from services.ingest.platforms.shopbase.mapping import POST_PURCHASE, to_raw_order
from services.ingest.platforms.shopbase.payloads import ShopbaseOrder
from services.ingest.platforms.shopbase.slices import (
    LIMIT,
    Place,
    Row,
    after_number,
    after_numbers,
    after_slice,
    crowd,
    fresh,
    narrowed,
    start_of,
)
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: How often two crowded seconds are read by number until as many orders came as ShopBase counts there.
PASSES = 4
#: An order in its post-purchase time is read again until that is over, but not for ever.
LONGEST_POST_PURCHASE = timedelta(hours=24)
_ORDERS, _COUNT = "/orders.json", "/orders/count.json"
_TOO_DEEP_WAIT = 600.0


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
        rows, place, following = await self._step(
            access.secrets, Place.parse(after) if after else Place.start(first, last, window.by)
        )
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

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, or None when the shop has none of that id."""
        if not external_id.isascii() or not external_id.isdecimal():
            return None
        answer = await self._client.get(access.secrets, f"/orders/{external_id}.json")
        if answer is None:
            return None
        [row] = _rows(answer.body, lambda document: [document.get("order")])
        if not isinstance(row.value, dict):
            raise TransientError("ShopBase's answer holds no order", retry_after=1.0)
        return _to_order(row, access.store, way=way, fetched_at=self._clock.now())

    async def _step(self, secrets: Mapping[str, str], place: Place) -> tuple[list[Row], Place, Place | None]:
        """Return what a slice holds, which it became, and the one after it."""
        if place.page:
            return await self._by_number(secrets, place)
        while len(rows := await self._list(secrets, place)) >= LIMIT:
            if place.is_narrowest:
                return await self._crowd(secrets, crowd(rows, place))
            first = place.left is None
            if first:
                place = place.counted(await self._count(secrets, place, place.last))
            place = narrowed(rows, place, first=first)
        if not rows and await self._count(secrets, place, place.end):
            raise TransientError("ShopBase counts orders that it does not list", retry_after=1.0)
        found = fresh(rows, place)
        place = replace(place, total=len(found)) if place.total is None else place
        return found, place, after_slice(rows, place, news=len(found))

    async def _crowd(self, secrets: Mapping[str, str], place: Place) -> tuple[list[Row], Place, Place | None]:
        """Begin to read by number."""
        count = await self._count(secrets, place, place.end)
        place = place.counted(count) if place.total is None else place
        return await self._by_number(secrets, place.by_number(count))

    async def _by_number(self, secrets: Mapping[str, str], place: Place) -> tuple[list[Row], Place, Place | None]:
        rows = await self._list(secrets, place)
        found = fresh(rows, place)
        following = after_number(rows, place, news=len(found))
        if following.page:
            return found, place, following
        count = await self._count(secrets, place, place.end)
        if count <= len(following.seen):
            return found, place, after_numbers(following)
        if place.passes >= PASSES:
            raise TransientError("ShopBase counts orders that it does not list", retry_after=60.0)
        return found, place, following.by_number(count)

    async def _list(self, secrets: Mapping[str, str], place: Place) -> list[Row]:
        query = _query(place, place.end) | {"limit": LIMIT, "page": max(place.page, 1)}
        try:
            answer = await self._client.get(secrets, _ORDERS, query)
        except TooDeep as error:
            problem = "More orders changed within two seconds than ShopBase lets anyone list"
            raise TransientError(problem, retry_after=_TOO_DEEP_WAIT) from error
        if answer is None:
            raise TransientError("ShopBase does not find the store's orders", retry_after=60.0)
        return _rows(answer.body, _listed, by=place.by)

    async def _count(self, secrets: Mapping[str, str], place: Place, end: int) -> int:
        answer = await self._client.get(secrets, _COUNT, _query(place, end))
        count = answered(answer).get("count") if answer is not None else None
        if not isinstance(count, int) or isinstance(count, bool):
            raise TransientError("ShopBase's count of orders cannot be read", retry_after=1.0)
        return count


def _query(place: Place, last: int) -> dict[str, object]:
    """Return the filter: both bounds are inclusive, and what `order_status` is by default is not documented."""
    time = f"{place.by}_at"
    return {"order_status": "any", f"{time}_min": _iso(place.second), f"{time}_max": _iso(last)}


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).isoformat()


def _seconds(window: Window) -> tuple[int, int]:
    """Return the first and last whole second of [start, end)."""
    return max(math.floor(window.start.timestamp()), 1), math.ceil(window.end.timestamp()) - 1


def _listed(document: Mapping[str, Any]) -> list[Any]:
    """Return the list of orders, which is null when there are none."""
    orders = document.get("orders", ...)
    if orders is None:
        return []
    if not isinstance(orders, list):
        raise TransientError("ShopBase's list of orders cannot be read", retry_after=1.0)
    return orders


def _rows(body: bytes, pick: Callable[[Mapping[str, Any]], list[Any]], *, by: By = "updated") -> list[Row]:
    """Return the orders of an answer twice: with every number as the text it was written as, and as JSON text.

    Raises TransientError when the answer as a whole cannot be read.
    """
    try:
        exact = pick(json_object(body))
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's answer is {error.problem}", retry_after=1.0) from None
    return [
        Row(value, orjson.dumps(plain).decode(), _number(value), _changed(value, by))
        for value, plain in zip(exact, pick(answer_object(body)), strict=True)
    ]


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


def _number(value: object) -> str | None:
    number = value.get("id") if isinstance(value, dict) else None
    return number if isinstance(number, str) and number.isascii() and number.isdecimal() else None


def _changed(value: object, by: By) -> int | None:
    try:
        return math.floor(datetime.fromisoformat(value[f"{by}_at"]).timestamp()) if isinstance(value, dict) else None
    except (KeyError, TypeError, ValueError):
        return None
