"""Reads a shop's receipts by change time, so that nothing is missed while receipts go on changing.

Etsy pages by offset, up to 12,000, and only inside a window of whole seconds. A receipt that changes while we read
leaves the closed window, and every later offset shifts by one. So pages are asked for by place in time: the next page
begins at the second of the last receipt read, that second included, at offset 0. Only inside one second with more
receipts than a page are offsets used, each page overlapping the one before; where the overlap does not show, receipts
have left, and that second is read again from its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.order import RawOrder, Way
from services.ingest.contract.reading import By, Listing, Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.parsing import parsed
from services.ingest.platforms.etsy.client import RETRY_AFTER, EtsyClient
from services.ingest.platforms.etsy.mapping import LAST_SECOND, to_raw_order
from services.ingest.platforms.etsy.payloads import EtsyReceipt
from services.ingest.usual import listed_changes
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: Etsy's largest page, its largest offset, and the first second it takes (the year 2000).
LIMIT = 100
LARGEST_OFFSET = 12_000
FIRST_SECOND = 946_684_800
#: How many receipts two pages inside one second have in common.
OVERLAP = 20

#: Reads the second by which receipts are listed: of their creation or their last change.
_When = Callable[[object], int | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: at `second`, after `offset` receipts of it.

    `seen` are the receipts of that second that earlier pages gave, by id; `before` are the ids that must show at
    the beginning of the next page if nothing has left; `total` is the count of the whole window.
    """

    second: int
    offset: int = 0
    seen: frozenset[int] = frozenset()
    before: tuple[int, ...] = ()
    total: int | None = None

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        value = [self.second, self.offset, sorted(self.seen), self.before, self.total]
        return orjson.dumps(value).decode()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `text` wrote."""
        second, offset, seen, before, total = orjson.loads(text)
        return cls(second=second, offset=offset, seen=frozenset(seen), before=tuple(before), total=total)


@dataclass(frozen=True, slots=True)
class _Step:
    """The page at `place`: all of it, what no earlier page gave, and where the next begins (None: nowhere)."""

    place: Place
    results: list[Any]
    fresh: list[Any]
    following: Place | None
    count: int
    total: int

    @property
    def is_cut(self) -> bool:
        """Whether it is the last though Etsy counts more."""
        return self.following is None and self.place.offset + len(self.results) < self.count

    @property
    def is_end(self) -> bool:
        """Whether the window is read. Where Etsy promised more and then shows none, the next poll begins there."""
        was_promised = self.place.total is not None
        return self.following is None and not self.is_cut and not (was_promised and not self.results)


class ReceiptReader:
    """Reads the receipts of any shop."""

    def __init__(self, client: EtsyClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page, without the receipts that earlier pages of this run gave."""
        first, last = _seconds(window)
        place = Place.parse(after) if after else Place(first)
        if place.second > last:
            return Page(orders=(), after=None, read_through=window.end, total=place.total)
        step = await self._step(access, place, last, by=window.by)
        fetched_at = self._clock.now()
        return Page(
            orders=tuple(_to_order(result, access.store, way=way, fetched_at=fetched_at) for result in step.fresh),
            after=step.following.text() if step.following else None,
            read_through=window.end if step.is_end else _start_of(step.following or step.place, window),
            total=step.total,
        )

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times by the pages that receipts come in."""
        first, last = _seconds(window)
        place = Place.parse(after) if after else Place(first)
        if place.second > last:
            return Listing((), None, place.total)
        step = await self._step(access, place, last, by=window.by)
        if step.is_cut:
            raise TransientError("Etsy counts receipts that it does not list", retry_after=RETRY_AFTER)
        changes = listed_changes([_listed(result, window) for result in step.fresh], window)
        return Listing(changes, step.following.text() if step.following else None, step.total)

    async def count(self, access: Access, window: Window) -> int:
        """Return how many receipts Etsy says the window holds, beside a single one of them."""
        first, last = _seconds(window)
        return 0 if first > last else (await self._list(access, Place(first), last, by=window.by, limit=1))[1]

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one receipt, or None when the shop has none of that id."""
        result = await self.receipt(access, external_id)
        return None if result is None else _to_order(result, access.store, way=way, fetched_at=self._clock.now())

    async def receipt(self, access: Access, external_id: str) -> dict[str, Any] | None:
        """Return a receipt as Etsy tells it; None when the shop has none of that id."""
        if not external_id.isdecimal():
            return None
        result = await self._client.get(access.secrets["access_token"], receipt_path(access, external_id))
        if result is None:
            await self._refuse_a_lost_shop(access)
        return result

    async def _refuse_a_lost_shop(self, access: Access) -> None:
        """Refuse to call a receipt gone when all of its shop's are away."""
        path = f"/shops/{access.secrets['shop_id']}/receipts"
        if await self._client.get(access.secrets["access_token"], path, {"limit": 1}) is None:
            raise TransientError("Etsy does not find the shop")

    async def _step(self, access: Access, place: Place, last: int, *, by: By) -> _Step:
        """Return what the page at a place gives; where it does not go on from the page before, from its beginning."""
        results, count = await self._list(access, place, last, by=by)
        if not _continues(results, place):
            place = Place(place.second, seen=place.seen, total=place.total)
            results, count = await self._list(access, place, last, by=by)
        if not results and count > place.offset:
            raise TransientError("Etsy gave a page without receipts though more follow", retry_after=RETRY_AFTER)
        total, when = count if place.total is None else place.total, _TIME_OF[by]
        fresh = [result for result in results if not _is_seen(result, place, when)]
        following = _following(results, place, when, count=count, total=total, progressed=bool(fresh))
        return _Step(place, results, fresh, following, count=count, total=total)

    async def _list(
        self, access: Access, place: Place, last: int, *, by: By, limit: int = LIMIT
    ) -> tuple[list[Any], int]:
        if place.offset > LARGEST_OFFSET:
            raise TransientError("more receipts changed in one second than Etsy lets anyone list")
        bound = "created" if by == "created" else "last_modified"
        query = {
            f"min_{bound}": place.second,
            f"max_{bound}": last,
            "sort_on": by,
            "sort_order": "asc",
            "limit": limit,
            "offset": place.offset,
        }
        path = f"/shops/{access.secrets['shop_id']}/receipts"
        answer = await self._client.get(access.secrets["access_token"], path, query)
        if answer is None:
            raise TransientError("Etsy does not find the shop")
        results, count = answer.get("results"), answer.get("count")
        if not isinstance(results, list) or not isinstance(count, int):
            raise TransientError("Etsy's list of receipts cannot be read")
        return results, count


def receipt_path(access: Access, external_id: str) -> str:
    """Return where a receipt is."""
    return f"/shops/{access.secrets['shop_id']}/receipts/{external_id}"


def _continues(results: list[Any], place: Place) -> bool:
    """Tell whether a page inside one second begins with receipts that the page before ended with."""
    if not place.before:
        return True
    return bool(results) and _id(results[0]) in place.before


def _following(
    results: list[Any], place: Place, when: _When, *, count: int, total: int, progressed: bool
) -> Place | None:
    """Return where the next page begins; None when this was the last."""
    if not results or place.offset + len(results) >= count or (len(results) < LIMIT and not progressed):
        return None
    last = when(results[-1])
    if last is None or last < place.second:
        # Nothing to hold on to in the last receipt: go on by offset, which is right as long as nothing leaves.
        last = place.second
    ids = {number for result in results if when(result) == last and (number := _id(result)) is not None}
    if last > place.second:
        return Place(last, seen=frozenset(ids), total=total)
    overlapping = results[-OVERLAP:]
    return Place(
        last,
        offset=place.offset + len(results) - len(overlapping),
        seen=place.seen | ids,
        before=tuple(number for result in overlapping if (number := _id(result)) is not None),
        total=total,
    )


def _listed(result: object, window: Window) -> tuple[str | None, datetime | None]:
    """Return a receipt's id and time, as the mapping reads them."""
    number, second = _id(result), _TIME_OF[window.by](result)
    at = datetime.fromtimestamp(second, tz=UTC) if second is not None and 0 < second <= LAST_SECOND else None
    return None if number is None else str(number), at


def _seconds(window: Window) -> tuple[int, int]:
    """Return the first and last whole second of [start, end), both included, as Etsy's bounds are."""
    first = math.floor(window.start.timestamp())
    last = math.ceil(window.end.timestamp()) - 1
    return max(first, FIRST_SECOND), last


def _start_of(place: Place, window: Window) -> datetime:
    return max(window.start, datetime.fromtimestamp(place.second, tz=UTC))


def _is_seen(result: object, place: Place, when: _When) -> bool:
    """Tell whether an earlier page gave this very revision; at a later second it would be another."""
    return when(result) == place.second and _id(result) in place.seen


def _to_order(result: object, store: StoreRef, *, way: Way, fetched_at: datetime) -> RawOrder | Unreadable:
    body = orjson.dumps(result).decode()
    try:
        return to_raw_order(parsed(EtsyReceipt, result), store, body=body, way=way, fetched_at=fetched_at)
    except UnreadablePayload as error:
        number = _id(result)
        external_id = None if number is None else str(number)
        return Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=body)


def _id(result: object) -> int | None:
    return _integer(result, "receipt_id")


def _changed(result: object) -> int | None:
    return _integer(result, "updated_timestamp") or _integer(result, "update_timestamp")


def _created(result: object) -> int | None:
    return _integer(result, "created_timestamp") or _integer(result, "create_timestamp")


_TIME_OF: Mapping[By, _When] = {"created": _created, "updated": _changed}


def _integer(result: object, name: str) -> int | None:
    value = result.get(name) if isinstance(result, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
