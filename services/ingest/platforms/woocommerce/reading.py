"""Reads a store's orders by change time, the trash included, with the refunds of those that have some."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import orjson

from schemas.order import RawOrder, Way
from services.ingest.contract.reading import By, Listing, Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.woocommerce.client import NotUnderstood, StoreAnswer, WooCommerceClient
from services.ingest.platforms.woocommerce.mapping import to_raw_order
from services.ingest.platforms.woocommerce.paging import LIMIT, Place, Row, Shelf, Step, continues, is_cut, step
from services.ingest.platforms.woocommerce.payloads import WooOrder
from services.ingest.platforms.woocommerce.signing import Door
from services.ingest.platforms.woocommerce.statuses import read_statuses
from services.ingest.usual import listed_changes
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: Decimals of the amounts that are asked for: a store's own setting may round lines to whole units of money.
DECIMALS = 6
#: A store whose clock is further behind writes change times that the polls' overlap does not reach.
CLOCK_TOLERANCE = timedelta(minutes=5)
_LONGEST_LAG = timedelta(days=1)
_ORDERS = "/wc/v3/orders"
_REFUNDS_A_PAGE = 100
#: What is asked for of each order in a list: all of it, or what tells which it is and when it changed.
_WHOLE: Mapping[str, object] = {"dp": DECIMALS}
_THIN: Mapping[str, object] = {"_fields": "id,date_created_gmt,date_modified_gmt"}


class OrderReader:
    """Reads the orders of any store."""

    def __init__(self, client: WooCommerceClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page, without the orders that earlier pages of this run gave."""
        first, last = _seconds(window)
        if last < first:
            return Page(orders=(), after=None, read_through=window.end, total=0)
        door = Door.of(access.secrets)
        place = Place.parse(after) if after else Place.start(first, last, window.by)
        found, behind = await self._step(door, place, _WHOLE)
        if after is None and behind > CLOCK_TOLERANCE and window.by == "updated":
            place = Place.start(first - math.ceil(min(behind, _LONGEST_LAG).total_seconds()), last)
            found, _ = await self._step(door, place, _WHOLE)
        found = await self._onward(door, place, found, _WHOLE)
        fetched_at = self._clock.now()
        orders = [await self._to_order(access, door, row.value, way=way, fetched_at=fetched_at) for row in found.rows]
        return Page(
            orders=tuple(orders),
            after=found.after.text() if found.after else None,
            read_through=_read_through(found.after, window),
            total=found.total,
        )

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times as pages of whole orders give them.

        A window of the store's own times holds what it holds, however late its clock is.
        """
        first, last = _seconds(window)
        if last < first:
            return Listing((), None, 0)
        door = Door.of(access.secrets)
        place = Place.parse(after) if after else Place.start(first, last, window.by)
        found, _ = await self._step(door, place, _THIN)
        found = await self._onward(door, place, found, _THIN)
        rows = listed_changes([_listed(row) for row in found.rows], window)
        return Listing(rows, found.after.text() if found.after else None, found.total)

    async def count(self, access: Access, window: Window) -> int | None:
        """Return how many orders the store counts in a window, the trash included; None where it counts others, too."""
        first, last = _seconds(window)
        if last < first:
            return 0
        door, counted = Door.of(access.secrets), 0
        for shelf in get_args(Shelf):
            place = replace(Place.start(first, last, window.by), shelf=shelf)
            try:
                rows, answer = await self._list(door, place, {**_THIN, "per_page": 1})
            except NotUnderstood:
                return None
            is_within = all(row.changed is not None and first <= row.changed <= last for row in rows)
            if answer.total is None or not is_within:
                # A store that does not filter by change time says nothing of it and counts everything.
                return None
            counted += answer.total
        return counted

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids in a list; what neither it nor the trash holds is asked for by itself."""
        door, values = Door.of(access.secrets), dict[str, Any]()
        for query in ({}, {"status": "trash"}):
            rest = [number for number in external_ids if number not in values and is_number(number)]
            if rest:
                values |= await self._included(door, rest, query)
        found: dict[str, RawOrder | Unreadable | None] = {}
        for number in external_ids:
            value = values.get(number)
            if value is None:
                # A status that only a plugin knew is in no list.
                found[number] = await self.read_order(access, number, way=way)
            else:
                found[number] = await self._to_order(access, door, value, way=way, fetched_at=self._clock.now())
        return found

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, be it in the trash; None when the store has none of that id."""
        if not is_number(external_id):
            return None
        door, hasty = Door.of(access.secrets), way == "webhook"
        answer = await self._ask(door, f"{_ORDERS}/{external_id}", {"dp": DECIMALS}, hasty=hasty)
        value = answer.value if answer is not None else await self._in_trash(door, external_id, hasty=hasty)
        if value is None:
            return None
        return await self._to_order(access, door, value, way=way, fetched_at=self._clock.now())

    async def _onward(self, door: Door, place: Place, found: Step, shape: Mapping[str, object]) -> Step:
        """Return the next step that gives something.

        An empty trash, or a store that has to be asked in another way, is not worth a page of its own.
        """
        while not found.rows and found.after and (found.after.shelf, found.after.mode) != (place.shelf, place.mode):
            place = found.after
            found, _ = await self._step(door, place, shape)
        return found

    async def _step(self, door: Door, place: Place, shape: Mapping[str, object]) -> tuple[Step, timedelta]:
        """Return what the page at a place gives, and how far the store's clock is behind ours."""
        try:
            found = await self._going_on(door, place, shape)
            if found is None:
                place = place.again()
                found = await self._list(door, place, shape)
        except NotUnderstood as error:
            if place.mode == "all":
                raise TransientError(f"The store cannot list its orders: {error.code}", retry_after=60.0) from error
            # Before 5.8 there is no sorting by change time.
            return Step((), place.whole()), timedelta()
        rows, answer = found
        return step(rows, place, answer.total), -answer.ahead

    async def _going_on(
        self, door: Door, place: Place, shape: Mapping[str, object]
    ) -> tuple[list[Row], StoreAnswer] | None:
        """Return the page if it goes on from the one before; None when orders have left that list.

        Past the end a store shows nothing; some versions refuse to (400).
        """
        try:
            rows, answer = await self._list(door, place, shape)
        except NotUnderstood:
            if place.offset:
                return None
            raise
        return (rows, answer) if continues(rows, place) else None

    async def _list(self, door: Door, place: Place, shape: Mapping[str, object]) -> tuple[list[Row], StoreAnswer]:
        answer = await self._client.ask(door, "GET", _ORDERS, {**place.query(), **shape})
        if answer is None or not isinstance(answer.value, list):
            raise TransientError("The store's list of orders cannot be read")
        rows = [Row(value, _number(value), _second(value, place.by)) for value in answer.value]
        if is_cut(rows, place, answer.total):
            raise TransientError("The store counts orders that it does not show")
        return rows, answer

    async def _included(self, door: Door, numbers: Sequence[str], query: Mapping[str, object]) -> dict[str, Any]:
        """Return those of so many orders that a list shows, as it shows them."""
        asked = {**query, **_WHOLE, "include": ",".join(numbers), "per_page": LIMIT}
        answer = await self._ask(door, _ORDERS, asked, hasty=False)
        if answer is None or not isinstance(answer.value, list):
            raise TransientError("The store's list of orders cannot be read")
        return {str(number): value for value in answer.value if (number := _number(value)) is not None}

    async def _in_trash(self, door: Door, external_id: str, *, hasty: bool) -> Any:
        """Return the order from the trash, for stores that show it nowhere else."""
        query = {"status": "trash", "include": external_id, "dp": DECIMALS}
        answer = await self._ask(door, _ORDERS, query, hasty=hasty)
        found = answer.value if answer is not None and isinstance(answer.value, list) else []
        return next((value for value in found if str(_number(value)) == external_id), None)

    async def _to_order(
        self, access: Access, door: Door, value: Any, *, way: Way, fetched_at: datetime
    ) -> RawOrder | Unreadable:
        value = await self._with_refunds(door, value, hasty=way == "webhook")
        body = orjson.dumps(value).decode()
        statuses = read_statuses(access.secrets.get("statuses", ""))
        try:
            order = parsed(WooOrder, value)
            return to_raw_order(order, access.store, body=body, way=way, fetched_at=fetched_at, statuses=statuses)
        except UnreadablePayload as error:
            number = _number(value)
            external_id = None if number is None else str(number)
            return Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=body)

    async def whole(self, door: Door, external_id: str) -> WooOrder | None:
        """Return an order as the store has it now, with its refunds; None where it has none. Raises TransientError."""
        answer = await self._ask(door, f"{_ORDERS}/{external_id}", _WHOLE, hasty=False)
        value = answer.value if answer is not None else await self._in_trash(door, external_id, hasty=False)
        if value is None:
            return None
        try:
            return parsed(WooOrder, await self._with_refunds(door, value, hasty=False))
        except UnreadablePayload as error:
            raise TransientError(f"The store's order cannot be read: {error.path}", retry_after=60.0) from None

    async def _with_refunds(self, door: Door, value: Any, *, hasty: bool) -> Any:
        if not _has_refunds(value):
            return value
        told = value["refunds"]
        pages = range(1, math.ceil(len(told) / _REFUNDS_A_PAGE) + 1) if isinstance(told, list) else [1]
        read = [await self._refunds(door, value["id"], page, hasty=hasty) for page in pages]
        return {**value, "refund_details": list(itertools.chain.from_iterable(read))}

    async def _refunds(self, door: Door, number: int, page: int, *, hasty: bool) -> list[Any]:
        """Return a page of an order's refunds, which alone tell the lines; none when the order is gone meanwhile."""
        query = {"per_page": _REFUNDS_A_PAGE, "page": page, "dp": DECIMALS}
        answer = await self._ask(door, f"{_ORDERS}/{number}/refunds", query, hasty=hasty)
        if answer is None:
            return []
        if not isinstance(answer.value, list):
            raise TransientError("The store's refunds of an order cannot be read")
        return answer.value

    async def _ask(self, door: Door, path: str, query: Mapping[str, object], *, hasty: bool) -> StoreAnswer | None:
        try:
            return await self._client.ask(door, "GET", path, query, hasty=hasty)
        except NotUnderstood as error:
            raise TransientError(f"The store cannot show an order: {error.code}", retry_after=60.0) from error


def _seconds(window: Window) -> tuple[int, int]:
    """Return the first and last whole second of [start, end)."""
    return max(math.floor(window.start.timestamp()), 1), math.ceil(window.end.timestamp()) - 1


def _read_through(after: Place | None, window: Window) -> datetime:
    """Return up to which change time the window is read; the trash and a store read whole know none before the end."""
    if after is None:
        return window.end
    if after.shelf == "trash" or after.mode == "all":
        return window.start
    return max(window.start, datetime.fromtimestamp(after.second, tz=UTC))


def is_number(external_id: str) -> bool:
    """Tell whether it can be an order's id."""
    return external_id.isascii() and external_id.isdecimal()


def _listed(row: Row) -> tuple[str | None, datetime | None]:
    number = None if row.number is None else str(row.number)
    return number, None if row.changed is None else datetime.fromtimestamp(row.changed, tz=UTC)


def _has_refunds(value: object) -> bool:
    return isinstance(value, dict) and bool(value.get("refunds")) and _number(value) is not None


def _number(value: object) -> int | None:
    number = value.get("id") if isinstance(value, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _second(value: object, by: By) -> int | None:
    """Return the second of the last change or of the creation: of UTC that does not say so."""
    if not isinstance(value, dict):
        return None
    created, changed = value.get("date_created_gmt"), value.get("date_modified_gmt")
    try:
        moment = datetime.fromisoformat((created or changed if by == "created" else changed or created) or "")
    except (TypeError, ValueError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
