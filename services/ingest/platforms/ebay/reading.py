"""Reads an account's orders by change time, and what eBay's list leaves out of an order from where it tells it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog

from schemas.ids import fact_id
from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.reading import By, Listing, Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.ebay import slices
from services.ingest.platforms.ebay.client import SELL, Declined, EbayClient
from services.ingest.platforms.ebay.mapping import to_raw_order
from services.ingest.platforms.ebay.payloads import EbayListed, EbayOrder, EbayShipments
from services.ingest.platforms.ebay.slices import Place, Row
from services.ingest.usual import listed_changes
from services.kit.clock import Clock
from services.kit.errors import TransientError

log = structlog.get_logger(__name__)

#: eBay gives no order that is older than two years; a day less, for the leap year and the clocks.
HISTORY = timedelta(days=729)
#: How far behind eBay's own clock the end of a window is kept once that clock turned out to be behind ours.
BEHIND = timedelta(minutes=1)
#: An order's id, as it may stand in an address.
ORDER_ID = re.compile(r"[0-9A-Za-z!_-]{1,64}")

#: eBay's numbers of: a time in the future, no such order.
_IN_THE_FUTURE, NO_SUCH_ORDER = 30850, 32100
NOT_FOUND = 404
_MILLISECOND = timedelta(milliseconds=1)
#: Only one of the two may be asked for: beside a creation date, eBay takes no notice of the other.
_FILTERED_BY: Mapping[By, str] = {"created": "creationdate", "updated": "lastmodifieddate"}
#: How many single orders are asked for at once.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Listed:
    orders: list[Any]
    held: int
    has_next: bool

    @property
    def rows(self) -> list[Row]:
        return [_row(order) for order in self.orders]


class OrderReader:
    """Reads the orders of any account."""

    def __init__(self, client: EbayClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._details = asyncio.Semaphore(_AT_ONCE)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page, without the revisions that earlier pages of this run gave."""
        place = Place.parse(after) if after else self._first_place(window)
        if place.is_end:
            return Page(orders=(), after=None, read_through=max(place.until, window.start), total=place.total)
        place, fresh, following = await self._step(access, place, window.by)
        orders = await asyncio.gather(*(self._whole(order, access, way=way) for order in fresh))
        return Page(
            orders=tuple(sorted(orders, key=_by_creation if window.by == "created" else _by_change)),
            after=None if following.is_end else following.text(),
            read_through=max(following.until if following.is_end else following.start, window.start),
            total=place.total,
        )

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times by the pages that orders come in, without asking for any order itself."""
        place = Place.parse(after) if after else self._first_place(window)
        if place.is_end:
            return Listing((), None, place.total)
        place, fresh, following = await self._step(access, place, window.by)
        if following.until < window.end:
            raise TransientError("eBay's clock is behind ours: the window's end is listed later", retry_after=60.0)
        changes = listed_changes([_listed(order, window) for order in fresh], window)
        return Listing(changes, None if following.is_end else following.text(), place.total)

    async def count(self, access: Access, window: Window) -> int:
        """Return how many orders eBay says the window holds."""
        place = self._first_place(window)
        return 0 if place.is_end else (await self._list(access, place, window.by, limit=1)).held

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids in a list; what it leaves out is asked for by itself."""
        numbers = [number for number in dict.fromkeys(external_ids) if ORDER_ID.fullmatch(number)]
        listed = await self._by_ids(access, numbers) if numbers else {}

        async def one(number: str) -> RawOrder | Unreadable | None:
            order = listed.get(number)
            if order is None:
                return await self.read_order(access, number, way=way)
            return await self._whole(order, access, way=way)

        return dict(zip(external_ids, await asyncio.gather(*map(one, external_ids)), strict=True))

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, or None when eBay has none of that id (any more)."""
        order = await self._order(access, external_id) if ORDER_ID.fullmatch(external_id) else None
        return await self._mapped(order, access, way=way) if order is not None else None

    def _first_place(self, window: Window) -> Place:
        oldest = self._clock.now() - HISTORY
        return Place(start=max(window.start, oldest), end=window.end, until=window.end)

    async def _step(self, access: Access, place: Place, by: By) -> tuple[Place, list[Any], Place]:
        """Return what a page gave that no earlier one did, the place that it was, and the one after it."""
        place, listed = await self._list_slice(access, place, by)
        place = replace(place, total=listed.held if place.total is None else place.total)
        fresh = {
            row.revision: order
            for row, order in zip(listed.rows, listed.orders, strict=True)
            if place.seen.get(row.id) != row.revision
        }
        following = slices.following(place, listed.rows, held=listed.held, has_next=listed.has_next)
        self._mind_a_gap(access, place, following, listed)
        return place, list(fresh.values()), following

    async def _by_ids(self, access: Access, numbers: Sequence[str]) -> dict[str, Any]:
        """Return those of so many orders that a list shows; eBay takes no notice of anything asked beside their ids."""
        query = {"orderIds": ",".join(numbers)}
        reply = await self._client.call("GET", f"{SELL}/order", token=access.secrets["access_token"], query=query)
        orders = reply.body.get("orders")
        if not isinstance(orders, list):
            raise TransientError("eBay's list of orders cannot be read", retry_after=1.0)
        return {_row(order).id: order for order in orders}

    async def _list_slice(self, access: Access, place: Place, by: By) -> tuple[Place, _Listed]:
        """List the next page; the place may have become a shorter slice, or its beginning."""
        try:
            listed = await self._list(access, place, by)
        except Declined as declined:
            place = _before_the_future(place, declined)
            listed = await self._list(access, place, by)
        while slices.is_too_large(place, listed.held):
            # `total` is of the whole window: only the very first count is.
            total = listed.held if place.total is None else place.total
            place = replace(slices.cut(place, listed.held), total=total)
            listed = await self._list(access, place, by)
        if slices.has_moved(place, listed.rows) and place.round < slices.ROUNDS:
            place = slices.again(place)
            listed = await self._list(access, place, by)
        return place, listed

    async def _list(self, access: Access, place: Place, by: By, *, limit: int = slices.LIMIT) -> _Listed:
        query = {
            "filter": f"{_FILTERED_BY[by]}:[{_stamp(place.start)}..{_stamp(_last_moment(place))}]",
            "limit": limit,
            "offset": place.offset,
        }
        reply = await self._client.call("GET", f"{SELL}/order", token=access.secrets["access_token"], query=query)
        orders, held = reply.body.get("orders"), reply.body.get("total")
        if not isinstance(held, int) or (not isinstance(orders, list) and (orders is not None or held)):
            raise TransientError("eBay's list of orders cannot be read", retry_after=1.0)
        if not orders and place.offset < held:
            # An empty page that its own count contradicts is not the end of the list.
            raise TransientError("eBay's page is empty though more orders follow", retry_after=1.0)
        return _Listed(orders or [], held, has_next=bool(reply.body.get("next")))

    def _mind_a_gap(self, access: Access, place: Place, following: Place, listed: _Listed) -> None:
        if following.start > place.start and len(place.seen | {row.id: "" for row in listed.rows}) < listed.held:
            log.warning("ebay.count_differed", store_id=access.store.store_id, held=listed.held)

    async def _whole(self, order: Any, access: Access, *, way: Way) -> RawOrder | Unreadable:
        """Return a listed order; one that is being cancelled is asked for itself: lists leave the requests out."""
        if _is_cancelling(order) and ORDER_ID.fullmatch(_row(order).id):
            order = await self._detail(order, access)
        return await self._mapped(order, access, way=way)

    async def _detail(self, listed: Any, access: Access) -> Any:
        async with self._details:
            try:
                return await self._order(access, _row(listed).id) or listed
            except Declined:
                # What was listed says that it is being cancelled, if not why.
                return listed

    async def _order(self, access: Access, external_id: str) -> dict[str, Any] | None:
        path = f"{SELL}/order/{external_id}"
        try:
            return (await self._client.call("GET", path, token=access.secrets["access_token"])).body
        except Declined as declined:
            if declined.status == NOT_FOUND or NO_SUCH_ORDER in declined.errors:
                return None
            raise

    async def _mapped(self, order: Any, access: Access, *, way: Way) -> RawOrder | Unreadable:
        body = orjson.dumps(order).decode()
        try:
            read = parsed(EbayOrder, order)
            shipped = await self._shipped(read, access) if _is_partly_shipped(read) else {}
            return to_raw_order(read, access.store, body=body, way=way, fetched_at=self._clock.now(), shipped=shipped)
        except UnreadablePayload as error:
            number = order.get("orderId") if isinstance(order, dict) else None
            external_id = number if isinstance(number, str) and number else None
            return Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=body)

    async def _shipped(self, order: EbayOrder, access: Access) -> dict[str, int]:
        """Return how many units of each line are in parcels: a line says only that some are."""
        if not ORDER_ID.fullmatch(order.id):
            return {}
        path = f"{SELL}/order/{order.id}/shipping_fulfillment"
        async with self._details:
            try:
                reply = await self._client.call("GET", path, token=access.secrets["access_token"])
            except Declined:
                raise UnreadablePayload("fulfillments", "eBay does not tell which units are shipped") from None
        shipped: dict[str, int] = {}
        for shipment in parsed(EbayShipments, reply.body).shipments:
            for line in shipment.lines:
                shipped[line.id] = shipped.get(line.id, 0) + line.quantity
        return shipped


def reaches_back_to(
    secrets: Mapping[str, str], capabilities: tuple[Capability, ...], *, now: datetime
) -> datetime | None:
    """Return since when orders are given."""
    del secrets, capabilities
    return now - HISTORY


def _before_the_future(place: Place, declined: Declined) -> Place:
    """Return the place with an end that eBay's clock has passed: where ours is ahead, the window reaches beyond it."""
    if _IN_THE_FUTURE not in declined.errors:
        raise declined
    until = declined.at - BEHIND if declined.at else place.start
    if until <= place.start:
        raise TransientError("eBay's clock is behind ours: these orders are read later", retry_after=60.0)
    return replace(place, end=min(place.end, until), until=min(place.until, until))


def _last_moment(place: Place) -> datetime:
    """Return the last millisecond of [start, end): eBay's bounds are both inclusive."""
    end = place.end.replace(microsecond=place.end.microsecond // 1000 * 1000)
    return max(end - _MILLISECOND if end == place.end else end, place.start)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row(order: object) -> Row:
    """Return what identifies a listed order; what has no id is known by its content."""
    found = order if isinstance(order, dict) else {}
    number = found.get("orderId")
    if not isinstance(number, str) or not number:
        number = "?" + fact_id(orjson.dumps(order).decode())
    return Row(number, f"{number} {found.get('lastModifiedDate')}")


def _listed(order: object, window: Window) -> tuple[str | None, datetime | None]:
    """Return an order's id and time, as the mapping reads them."""
    try:
        listed = parsed(EbayListed, order)
    except UnreadablePayload:
        number = order.get("orderId") if isinstance(order, dict) else None
        return number if isinstance(number, str) else None, None
    return listed.id, listed.created_at if window.by == "created" else listed.modified_at


def _is_cancelling(order: object) -> bool:
    status = order.get("cancelStatus") if isinstance(order, dict) else None
    state = status.get("cancelState") if isinstance(status, dict) else None
    return state not in (None, "NONE_REQUESTED")


def _is_partly_shipped(order: EbayOrder) -> bool:
    return any(line.fulfilment == "IN_PROGRESS" for line in order.lines)


def _by_change(order: RawOrder | Unreadable) -> float:
    return order.revised_at.timestamp() if isinstance(order, RawOrder) else 0.0


def _by_creation(order: RawOrder | Unreadable) -> float:
    return order.placed_at.timestamp() if isinstance(order, RawOrder) else 0.0
