"""Reads what many orders have of packages by one search, where a call for each would use the calls up.

A seller's getOrder calls are few, and one search shows a hundred orders. So while few of them are left, an order is
looked for in what a search showed within two minutes. Two searches know what is wanted here: the one for orders that
are open finds those that are about to be told, and the one for what changed lately finds those that were. Searches
serve polls first: none is made here that would leave them less than half of what they may hold.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.ingest.connector import Access, UnreadablePayload
from services.ingest.parcels import ShownLater, plain_number
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import USAGE_PLANS, AmazonClient, RequestRefused, iso
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.payloads import AmazonDispatch
from services.ingest.platforms.amazon.reading import LATEST, LIMIT, ORDERS, results_of, token_of
from services.kit.clock import Clock
from services.kit.errors import TransientError

log = structlog.get_logger(__name__)

#: What is read of an order here: nothing personal.
INCLUDED = "FULFILLMENT,PACKAGES"
#: How long what a search showed may be told: a confirmation that comes too late Amazon itself refuses.
FRESH = timedelta(minutes=2)
#: While so much of a budget is there, orders are read one by one; and searches leave as much to polls.
HALF = 0.5
#: Pages of one search at most.
MOST_PAGES = 5
#: Between two searches for what changed.
APART = timedelta(seconds=15)
#: How many confirmations share one such search, by the time between the first and the last of them.
GATHERED = timedelta(seconds=60)
#: Amazon lists nothing younger than two minutes, and its clock may differ a little from ours.
_SHOWN_AFTER = LATEST + timedelta(seconds=10)
#: How far back open orders are looked for: as long as making them takes, and Amazon keeps them open.
_OPEN_FOR = timedelta(days=60)
#: Confirmations that are remembered of an account, and for how long: until they were read back for good.
_MOST_WRITES, _REMEMBERED = 10_000, timedelta(minutes=75)
#: What the clocks may differ by that changes and confirmations are told by.
_MARGIN = timedelta(seconds=10)
_OPEN: Mapping[str, str] = {"fulfillmentStatuses": "UNSHIPPED,PARTIALLY_SHIPPED", "fulfilledBy": "MERCHANT"}
_LEAVE = HALF * USAGE_PLANS["searchOrders"][1]
_ENOUGH = HALF * USAGE_PLANS["getOrder"][1]


@dataclass(frozen=True, slots=True)
class _Written:
    """A confirmation of ours; `shown_at` is when a search is expected to show it."""

    at: datetime
    number: str
    shown_at: datetime


@dataclass(slots=True)
class _Search:
    """A search under way: its question, what asks for its next page, and when it began."""

    query: Mapping[str, str]
    since: datetime
    began: datetime
    token: str | None = None
    pages: int = 0
    done: bool = False


@dataclass(slots=True)
class _Known:
    """What is known of one seller's orders."""

    used_at: datetime
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: When it was asked, and what was shown, by order; the oldest first.
    shown: OrderedDict[str, tuple[datetime, AmazonDispatch]] = field(default_factory=OrderedDict)
    written: OrderedDict[str, _Written] = field(default_factory=OrderedDict)
    searches: dict[str, _Search] = field(default_factory=dict)

    def forget(self, now: datetime) -> None:
        """Drop what is of no use any more."""
        while self.shown and now - next(iter(self.shown.values()))[0] > FRESH:
            self.shown.popitem(last=False)
        while self.written and (
            len(self.written) > _MOST_WRITES or now - next(iter(self.written.values())).at > _REMEMBERED
        ):
            self.written.popitem(last=False)


class Sweeps:
    """What searches showed of orders, by seller."""

    def __init__(self, client: AmazonClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}

    async def find(self, access: Access, order_id: str) -> AmazonDispatch | None:
        """Return the order as a search showed it after our last confirmation; None: it is to be read by itself.

        Raises ShownLater where a search will show it soon, and few other calls are left; AuthorizationError.
        """
        known = self._of(access)
        if (order := self._shown(known, order_id)) is not None:
            return order
        left = await self._client.left(account_of(access.secrets), "getOrder")
        if left is None or left >= _ENOUGH:
            return None
        written = known.written.get(order_id)
        if written is not None and not written.number:
            return None
        if written is not None and (now := self._clock.now()) < written.shown_at:
            wait = (written.shown_at - now).total_seconds()
            raise ShownLater("Amazon lists what changed two minutes later", retry_after=wait)
        async with known.lock:
            return await self._search_for(access, known, order_id)

    def refused(self, access: Access, order: AmazonDispatch) -> None:
        """Wait for nothing: no parcel of the order was confirmed. It is read by itself from here on."""
        now = self._clock.now()
        written = self._of(access).written
        written.pop(order.order_id, None)
        written[order.order_id] = _Written(now, "", now)

    def wrote(self, access: Access, order: AmazonDispatch, tracking_number: str) -> bool:
        """Take back what was shown of an order: we confirm a parcel of it, or just did.

        Returns whether `order` is what a search showed.
        """
        known, now = self._of(access), self._clock.now()
        _, shown = known.shown.pop(order.order_id, (None, None))
        # Those who were told in one minute are looked for together.
        last = next((one for one in reversed(known.written.values()) if one.number), None)
        known.written.pop(order.order_id, None)
        shown_at = now + _SHOWN_AFTER + GATHERED
        if last is not None and last.shown_at >= now + _SHOWN_AFTER:
            shown_at = last.shown_at
        known.written[order.order_id] = _Written(now, tracking_number, shown_at)
        known.forget(now)
        return shown is order

    def _of(self, access: Access) -> _Known:
        account, now = account_of(access.secrets), self._clock.now()
        name = (account.region, account.seller_id)
        if name not in self._known:
            used = {one: held for one, held in self._known.items() if now - held.used_at <= _REMEMBERED}
            self._known = {**used, name: _Known(now)}
        known = self._known[name]
        known.used_at = now
        return known

    def _shown(self, known: _Known, order_id: str) -> AmazonDispatch | None:
        asked_at, order = known.shown.get(order_id, (None, None))
        if asked_at is None or order is None or self._clock.now() - asked_at > FRESH:
            return None
        written = known.written.get(order_id)
        if written is None:
            return order
        # That a number is not there is believed of the order itself alone: lists lag behind.
        return order if asked_at > written.at and _has(order, written.number) else None

    async def _search_for(self, access: Access, known: _Known, order_id: str) -> AmazonDispatch | None:
        """Return the order from the pages that others had read meanwhile, or that are read now."""
        while (order := self._shown(known, order_id)) is None:
            search = self._search(access, known, order_id)
            if search is None or not await self._turn_page(access, known, search):
                return None
        return order

    def _search(self, access: Access, known: _Known, order_id: str) -> _Search | None:
        """Return the search that may show the order: one that goes on, or a new one if it is time for one."""
        now, written = self._clock.now(), known.written.get(order_id)
        kind = "changed" if written else "open"
        search = known.searches.get(kind)
        if search is not None and now - search.began <= (_rest(search, written) if written else FRESH):
            return None if search.done else search
        since = self._since(known, written, now) if written else now - _OPEN_FOR
        query = dict(_OPEN) if written is None else {}
        if access.secrets.get("marketplaces"):
            query["marketplaceIds"] = access.secrets["marketplaces"]
        query["lastUpdatedAfter"] = iso(since - self._client.ahead - _MARGIN)
        known.searches[kind] = _Search(query, since, now)
        return known.searches[kind]

    def _since(self, known: _Known, written: _Written, now: datetime) -> datetime:
        """Return since when to look, so that all are shown that are waited for."""
        waiting = [one.at for one in known.written.values() if one.shown_at > now - FRESH]
        return min([written.at, *waiting])

    async def _turn_page(self, access: Access, known: _Known, search: _Search) -> bool:
        """Take in one more page of a search; tell whether there was one to be had."""
        asked_at = self._clock.now()
        query = {**search.query, "includedData": INCLUDED, "maxResultsPerPage": str(LIMIT)}
        if search.token:
            query["paginationToken"] = search.token
        search.done, search.pages = True, search.pages + 1
        account = account_of(access.secrets)
        try:
            # No place among those who wait: polls come first.
            answer = await self._client.call(account, "searchOrders", ORDERS, query=query, patience=0.0, leave=_LEAVE)
            results = results_of(answer or {})
        except (TransientError, RequestRefused) as error:
            log.info("amazon.not_swept", problem=str(error))
            return False
        search.token = token_of(answer or {})
        search.done = search.token is None or search.pages >= MOST_PAGES
        known.forget(asked_at)
        for result in results:
            try:
                order = parsed(AmazonDispatch, result)
            except UnreadablePayload:
                continue  # it is read by itself, and said what is wrong with it
            known.shown.pop(order.order_id, None)
            known.shown[order.order_id] = asked_at, order
        return True


def _rest(search: _Search, written: _Written) -> timedelta:
    """Return how long after a search for what changed another one may show the order."""
    covered = search.since <= written.at and search.began >= written.at + _SHOWN_AFTER
    return FRESH if covered else APART


def _has(order: AmazonDispatch, tracking_number: str) -> bool:
    wanted = plain_number(tracking_number)
    return bool(wanted) and any(
        plain_number(package.tracking_number or "") == wanted for package in order.packages or ()
    )
