"""Lists a shop's orders slice by slice, whole or what tells which each is and when it changed, and counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from services.ingest.contract.reading import By, UnreadablePayload
from services.ingest.parsing import answer_object, exact_object
from services.ingest.platforms.shopbase.client import ShopbaseClient, TooDeep, answered
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
)
from services.kit.errors import TransientError

#: The fields that tell which order it is and when it was placed and changed.
THIN = "id,created_at,updated_at,processed_at"
#: How often two crowded seconds are read by number until as many orders came as ShopBase counts there.
PASSES = 4
#: How many orders a list shows when it hears no limit.
UNASKED = 50
#: One order from before the slice may be a slip; two show that the list did not hear what it was asked for.
_STRAYS = 2
_ORDERS, _COUNT = "/orders.json", "/orders/count.json"
_TOO_DEEP_WAIT = 600.0


class SliceLister:
    """Lists the orders of one shop; `fields` are those asked for of each (empty: all)."""

    def __init__(self, client: ShopbaseClient, secrets: Mapping[str, str], *, fields: str = "") -> None:
        self._client = client
        self._secrets = secrets
        self._shape = {"fields": fields} if fields else {}

    async def step(self, place: Place) -> tuple[list[Row], Place, Place | None]:
        """Return what a slice holds, which it became, and the one after it."""
        if place.page:
            return await self._by_number(place)
        while len(rows := await self._list(place)) >= LIMIT:
            if place.is_narrowest:
                return await self._crowd(crowd(rows, place))
            first = place.left is None
            if first:
                place = place.counted(await self.count(place, place.last))
            place = narrowed(rows, place, first=first)
        if not rows and await self.count(place, place.end):
            raise TransientError("ShopBase counts orders that it does not list", retry_after=1.0)
        found = fresh(rows, place)
        place = replace(place, total=len(found)) if place.total is None else place
        return found, place, after_slice(rows, place, news=len(found))

    async def by_ids(self, numbers: Sequence[str]) -> list[Row]:
        """Return those of so many orders that a list shows."""
        query = {"order_status": "any", "ids": ",".join(numbers), "limit": LIMIT, **self._shape}
        answer = await self._client.get(self._secrets, _ORDERS, query)
        if answer is None:
            raise TransientError("ShopBase does not find the store's orders", retry_after=60.0)
        return rows_of(answer.body, _listed)

    async def _crowd(self, place: Place) -> tuple[list[Row], Place, Place | None]:
        """Begin to read by number."""
        count = await self.count(place, place.end)
        place = place.counted(count) if place.total is None else place
        return await self._by_number(place.by_number(count))

    async def _by_number(self, place: Place) -> tuple[list[Row], Place, Place | None]:
        rows = await self._list(place)
        found = fresh(rows, place)
        following = after_number(rows, place, news=len(found))
        if following.page:
            return found, place, following
        count = await self.count(place, place.end)
        if count <= len(following.seen):
            return found, place, after_numbers(following)
        if place.passes >= PASSES:
            raise TransientError("ShopBase counts orders that it does not list", retry_after=60.0)
        return found, place, following.by_number(count)

    async def _list(self, place: Place) -> list[Row]:
        """Return a page, asked for in the query; in a body, too, where the query turns out not to be heard."""
        rows = await self._page(place)
        if await self._is_heard(rows, place):
            return rows
        # Something may have come in between the page and its count.
        rows = await self._page(place)
        if await self._is_heard(rows, place):
            return rows
        asked_in_bodies, self._client.asks_in_bodies = self._client.asks_in_bodies, True
        rows = [] if asked_in_bodies else await self._page(place)
        if asked_in_bodies or not await self._is_heard(rows, place):
            self._client.asks_in_bodies = asked_in_bodies
            raise TransientError("ShopBase lists other orders than it is asked for", retry_after=60.0)
        return rows

    async def _is_heard(self, rows: Sequence[Row], place: Place) -> bool:
        """Tell whether a page is the one that was asked for, and not what anybody is shown who asks for nothing."""
        if sum(row.changed is not None and row.changed < place.second for row in rows) >= _STRAYS:
            return False
        return len(rows) != UNASKED or place.page > 0 or await self.count(place, place.end) <= UNASKED

    async def _page(self, place: Place) -> list[Row]:
        query = _query(place, place.end) | {"limit": LIMIT, "page": max(place.page, 1)} | self._shape
        try:
            answer = await self._client.get(self._secrets, _ORDERS, query)
        except TooDeep as error:
            problem = "More orders changed within two seconds than ShopBase lets anyone list"
            raise TransientError(problem, retry_after=_TOO_DEEP_WAIT) from error
        if answer is None:
            raise TransientError("ShopBase does not find the store's orders", retry_after=60.0)
        return rows_of(answer.body, _listed, by=place.by)

    async def count(self, place: Place, end: int) -> int:
        """Return how many orders ShopBase counts from a place to a second, that included."""
        answer = await self._client.get(self._secrets, _COUNT, _query(place, end))
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


def _listed(document: Mapping[str, Any]) -> list[Any]:
    """Return the list of orders, which is null when there are none."""
    orders = document.get("orders", ...)
    if orders is None:
        return []
    if not isinstance(orders, list):
        raise TransientError("ShopBase's list of orders cannot be read", retry_after=1.0)
    return orders


def rows_of(body: bytes, pick: Callable[[Mapping[str, Any]], list[Any]], *, by: By = "updated") -> list[Row]:
    """Return the orders of an answer twice: with numbers that have lost no digit, and as JSON text.

    Raises TransientError when the answer as a whole cannot be read.
    """
    try:
        plain = answer_object(body)
        exact = exact_object(body, plain=plain)
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's answer is {error.problem}", retry_after=1.0) from None
    return [
        Row(value, orjson.dumps(shown).decode(), _number(value), _changed(value, by))
        for value, shown in zip(pick(exact), pick(plain), strict=True)
    ]


def _number(value: object) -> str | None:
    told = value.get("id") if isinstance(value, dict) else None
    number = str(told) if isinstance(told, int) else told
    return number if isinstance(number, str) and number.isascii() and number.isdecimal() else None


def _changed(value: object, by: By) -> int | None:
    try:
        return math.floor(datetime.fromisoformat(value[f"{by}_at"]).timestamp()) if isinstance(value, dict) else None
    except (KeyError, TypeError, ValueError):
        return None
