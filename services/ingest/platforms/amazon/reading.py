"""Reads a seller's orders by change time, one closed window at a time.

Amazon lists what changed up to two minutes ago, in no order that it documents, a page leading to the next by a token
that lives 24 hours. So a window is read only once its last page is; a window with very many orders is therefore read
in parts, each of which is done before the next. How far Amazon looked it says itself, and there the next poll begins:
its clock counts, not ours. Between two pages we wait for our turn, however long: going on costs a call, and beginning
again costs all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.reading import By, Listing, Page, Unreadable, UnreadablePayload, Window
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import AmazonClient, RequestRefused, iso
from services.ingest.platforms.amazon.custom import Customizations
from services.ingest.platforms.amazon.custom_files import CustomFiles
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.mapping import to_raw_order
from services.ingest.platforms.amazon.payloads import AmazonListed, AmazonOrder
from services.ingest.platforms.amazon.place import Place
from services.ingest.usual import listed_changes
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.limits import PATIENCE

ORDERS = "/orders/2026-01-01/orders"
#: What we read of an order; without FULFILLMENT it would not even have a status.
INCLUDED = "BUYER,RECIPIENT,PROCEEDS,CANCELLATION,FULFILLMENT,PACKAGES"
#: Amazon's largest page.
LIMIT = 100
#: Amazon does not look at what changed within this time.
LATEST = timedelta(minutes=2)
#: How far back orders are given: two years, and in the Far East since 2016; a little less, for the clocks may differ.
HISTORY = timedelta(days=729)
FAR_EAST_SINCE = datetime(2016, 1, 1, tzinfo=UTC)
#: Seconds to wait for our turn in the middle of a window: one call becomes free every three minutes.
PATIENCE_BETWEEN_PAGES = 600.0
#: Seconds until a request that Amazon refused as it is may be tried again: somebody has to change something first.
_REFUSED_WAIT = 900.0
#: An answer tells of a moment that is no longer ago than this: no call takes longer.
_ANSWERED_WITHIN = timedelta(seconds=30)
#: Seconds until orders that are too young to be looked at may be asked for again.
_YOUNG_WAIT = 60.0

#: What a search's bounds are called: exactly one of the two families may be given.
_ASKED_BY: Mapping[By, str] = {"created": "created", "updated": "lastUpdated"}
#: An order's id, as it may stand in an address.
ORDER_ID = re.compile(r"[A-Z0-9]{3}-[0-9]{7}-[0-9]{7}")


class Notice(Protocol):
    """Is told what was read of orders, at which moment it was asked for."""

    def __call__(self, access: Access, results: Sequence[Any], *, asked_at: datetime) -> None:
        """Take in orders as Amazon gave them."""
        ...


class OrderReader:
    """Reads the orders of any seller, and lets others know of them: what is read here need not be read twice."""

    def __init__(self, client: AmazonClient, clock: Clock, notice: Notice, files: CustomFiles) -> None:
        self._client = client
        self._files = files
        self._clock = clock
        self._notice = notice

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page, without the revisions that the page before it gave."""
        place = Place.parse(after) if after else self._first(window, access)
        if place.begin > place.until:
            # Nothing is left that Amazon would look at: all of it is too long past, or not two minutes old.
            return Page(orders=(), after=None, read_through=window.start if place.open else window.end)
        place, fresh, following = await self._step(access, place, window.by, included=INCLUDED, first=not after)
        fetched_at = self._clock.now()
        orders = await self._mapped(fresh, access.store, way=way, fetched_at=fetched_at)
        through = following.begin if following else place.read_to
        return Page(orders, following.text() if following else None, _within(window, through))

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times by the pages that orders come in, with nothing included."""
        place = Place.parse(after) if after else self._first(window, access)
        if place.begin > place.until:
            if place.open:
                raise TransientError("Amazon does not look at so young orders yet", retry_after=_YOUNG_WAIT)
            return Listing((), None)
        place, fresh, following = await self._step(access, place, window.by, included="", first=not after)
        if following is None and place.read_to < math.floor(window.end.timestamp()):
            raise TransientError("Amazon did not look up to the window's end yet", retry_after=_YOUNG_WAIT)
        changes = listed_changes([_listed(result, window) for result in fresh], window)
        return Listing(changes, following.text() if following else None)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order, or None when the seller has none of that id."""
        if not ORDER_ID.fullmatch(external_id):
            return None
        path, query = f"{ORDERS}/{external_id}", {"includedData": INCLUDED}
        try:
            answer = await self._client.call(account_of(access.secrets), "getOrder", path, query=query)
        except RequestRefused as error:
            raise TransientError(str(error), retry_after=_REFUSED_WAIT) from error
        if answer is None:
            return None
        if not isinstance(answer.get("order"), dict):
            raise TransientError("Amazon's answer holds no order")
        self._notice(access, [answer["order"]], asked_at=self._clock.now() - _ANSWERED_WITHIN)
        [order] = await self._mapped([answer["order"]], access.store, way=way, fetched_at=self._clock.now())
        return order

    async def _mapped(
        self, results: Sequence[object], store: StoreRef, *, way: Way, fetched_at: datetime
    ) -> tuple[RawOrder | Unreadable, ...]:
        """Return the orders, with what their buyers had written: its links are good for a short while only."""
        read = [_read(result) for result in results]
        custom = await self._files.of((order for order in read if isinstance(order, AmazonOrder)), way=way)
        return tuple(
            order
            if isinstance(order, Unreadable)
            else to_order(order, result, store, way=way, fetched_at=fetched_at, custom=custom.get(order.order_id, {}))
            for order, result in zip(read, results, strict=True)
        )

    async def _step(
        self, access: Access, place: Place, by: By, *, included: str, first: bool
    ) -> tuple[Place, list[Any], Place | None]:
        """Return the page that was asked for, what it gave that the one before did not, and the one after it."""
        patience = PATIENCE if first else PATIENCE_BETWEEN_PAGES
        place, answer = await self._list(access, place, by, included=included, patience=patience)
        results, token = results_of(answer), token_of(answer)
        if token and token == place.token:
            raise TransientError("Amazon's list of orders leads back to the same page")
        place = place.limited_to(_told(answer, by))
        shown = tuple(_revision(result) for result in results)
        following = place.next_page(token, shown=shown) if token else place.next_part()
        fresh = [
            result
            for result, revision in zip(results, shown, strict=True)
            if not revision or revision not in place.shown
        ]
        return place, fresh, following

    def _first(self, window: Window, access: Access) -> Place:
        """Return the first page of a window, whose times become those of Amazon's clock where ours is ahead of it."""
        now, ahead = self._clock.now(), self._client.ahead
        oldest = _oldest(access.secrets, now=now)
        begin, end = math.floor((window.start - ahead).timestamp()), math.ceil(window.end.timestamp())
        latest = math.floor((now - ahead - LATEST).timestamp())
        begin = max(begin, math.ceil(oldest.timestamp()))
        return Place(begin, end, end) if end <= latest else Place(begin, latest, latest, open=True)

    async def _list(
        self, access: Access, place: Place, by: By, *, included: str, patience: float
    ) -> tuple[Place, dict[str, Any]]:
        """Return the answer, and the place that it answers: a refused question is asked in another way once."""
        try:
            return place, await self._search(access, place, by, included=included, patience=patience)
        except RequestRefused as error:
            other = self._otherwise(place)
            if other is None:
                raise TransientError(str(error), retry_after=_REFUSED_WAIT) from error
        try:
            return other, await self._search(access, other, by, included=included, patience=patience)
        except RequestRefused as error:
            raise TransientError(str(error), retry_after=_REFUSED_WAIT) from error

    def _otherwise(self, place: Place) -> Place | None:
        """Return how to ask again: for a token that is over a day old, or a bound that is too new by Amazon's clock."""
        if place.token:
            return None if place.again else place.from_its_start()
        if place.before is None or place.until < place.end:
            return None
        ahead = self._client.ahead
        until = min(place.until, math.floor((self._clock.now() - ahead - LATEST).timestamp()))
        begin = min(math.floor(place.begin - ahead.total_seconds()), until)
        return Place(begin, until, until, open=True)

    async def _search(self, access: Access, place: Place, by: By, *, included: str, patience: float) -> dict[str, Any]:
        query = {
            f"{_ASKED_BY[by]}After": iso(datetime.fromtimestamp(place.begin, tz=UTC)),
            "maxResultsPerPage": str(LIMIT),
        }
        if included:
            query["includedData"] = included
        if place.before is not None:
            query[f"{_ASKED_BY[by]}Before"] = iso(datetime.fromtimestamp(place.before, tz=UTC))
        if access.secrets.get("marketplaces"):
            query["marketplaceIds"] = access.secrets["marketplaces"]
        if place.token:
            query["paginationToken"] = place.token
        account = account_of(access.secrets)
        answer = await self._client.call(account, "searchOrders", ORDERS, query=query, patience=patience)
        if answer is None:
            raise TransientError("Amazon does not find its list of orders")
        if included:
            # Many calls wait for their turn first: it is the answer's time that is known.
            self._notice(access, results_of(answer), asked_at=self._clock.now() - _ANSWERED_WITHIN)
        return answer


def reaches_back_to(
    secrets: Mapping[str, str], capabilities: tuple[Capability, ...], *, now: datetime
) -> datetime | None:
    """Return since when orders are given."""
    del capabilities
    return _oldest(secrets, now=now)


def to_order(
    order: AmazonOrder, result: object, store: StoreRef, *, way: Way, fetched_at: datetime, custom: Customizations
) -> RawOrder | Unreadable:
    """Return the order that Amazon listed as `result`, or what is wrong with it."""
    body = orjson.dumps(result).decode()
    try:
        return to_raw_order(order, store, body=body, way=way, fetched_at=fetched_at, custom=custom)
    except UnreadablePayload as error:
        return Unreadable(external_id=order.order_id, path=error.path, problem=error.problem, body=body)


def _read(result: object) -> AmazonOrder | Unreadable:
    try:
        return parsed(AmazonOrder, result)
    except UnreadablePayload as error:
        number = result.get("orderId") if isinstance(result, dict) else None
        external_id = number if isinstance(number, str) and number else None
        body = orjson.dumps(result).decode()
        return Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=body)


def _listed(result: object, window: Window) -> tuple[str | None, datetime | None]:
    """Return an order's id and time, as the mapping reads them."""
    try:
        order = parsed(AmazonListed, result)
    except UnreadablePayload:
        number = result.get("orderId") if isinstance(result, dict) else None
        return number if isinstance(number, str) else None, None
    return order.order_id, order.created_time if window.by == "created" else order.last_updated_time


def _oldest(secrets: Mapping[str, str], *, now: datetime) -> datetime:
    return FAR_EAST_SINCE if secrets["region"] == "fe" else now - HISTORY


def results_of(answer: dict[str, Any]) -> list[Any]:
    """Return an answer's orders. Raises TransientError where it has no list of them."""
    results = answer.get("orders")
    if not isinstance(results, list):
        raise TransientError("Amazon's list of orders cannot be read")
    return results


def token_of(answer: dict[str, Any]) -> str | None:
    """Return what asks for the next page; the last page has no `pagination`, or an empty one."""
    pagination = answer.get("pagination")
    token = pagination.get("nextToken") if isinstance(pagination, dict) else None
    return token if isinstance(token, str) and token else None


def _told(answer: dict[str, Any], by: By) -> int | None:
    """Return the second up to which Amazon says it looked."""
    told = answer.get(f"{_ASKED_BY[by]}Before")
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else math.floor(moment.timestamp())


def _revision(result: object) -> str:
    """Return what tells revisions apart; "" where there is no telling."""
    if not isinstance(result, dict) or not result.get("orderId"):
        return ""
    return f"{result['orderId']}|{result.get('lastUpdatedTime')}"


def _within(window: Window, second: int) -> datetime:
    return min(max(window.start, datetime.fromtimestamp(second, tz=UTC)), window.end)
