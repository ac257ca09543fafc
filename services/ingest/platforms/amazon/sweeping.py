"""Reads what many orders have of packages by one search, where a call for each would use the calls up.

A seller's getOrder calls are few, and one search shows a hundred orders. So while few of them are left, an order is
looked for in what a search showed within two minutes. Two searches know what is wanted here: the one for orders that
are open finds those that are about to be told, and the one for what changed lately finds those that were. Searches
serve polls first: none is made here that would leave them less than half of what they may hold. But what polls read
passes here as well: each order that was confirmed is in one of their pages sooner or later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.ingest.contract.parcels import ShownLater
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.client import USAGE_PLANS, AmazonClient, RequestRefused, iso
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.payloads import AmazonDispatch
from services.ingest.platforms.amazon.reading import LIMIT, ORDERS, results_of, token_of
from services.ingest.platforms.amazon.remembering import (
    FRESH,
    OPEN_STATUSES,
    REMEMBERED,
    SHOWN_AFTER,
    Known,
    Search,
    Written,
    dispatch_of,
    keep_place,
    miss,
    prove,
)
from services.kit.clock import Clock
from services.kit.errors import TransientError

log = structlog.get_logger(__name__)

#: What is read of an order here: nothing personal.
INCLUDED = "FULFILLMENT,PACKAGES"
#: While so much of a budget is there, orders are read one by one; and searches leave as much to polls.
HALF = 0.5
#: Pages of one search at most.
MOST_PAGES = 5
#: Between two searches for what changed.
APART = timedelta(seconds=15)
#: How many confirmations share one such search, by the time between the first and the last of them.
GATHERED = timedelta(seconds=60)
#: How far back open orders are looked for: as long as making them takes, and Amazon keeps them open.
_OPEN_FOR = timedelta(days=60)
#: Until a number that nobody could look up now is looked for again: as long as all that wait may take, in seconds.
_LOOKED_FOR_AGAIN, _LONGEST_LOOK = 30.0, 600.0
#: Whoever only makes sure once more lets all others go first, and comes again after so many seconds.
_NO_HURRY = 1_800.0
#: A search that should have shown a number and did not is followed by a reading of the order: nobody waits longer.
_LISTED_WITHIN = timedelta(hours=3)
#: What the clocks may differ by that changes and confirmations are told by.
_MARGIN = timedelta(seconds=10)
_OPEN: Mapping[str, str] = {"fulfillmentStatuses": ",".join(OPEN_STATUSES), "fulfilledBy": "MERCHANT"}
_LEAVE = HALF * USAGE_PLANS["searchOrders"][1]
_ENOUGH = HALF * USAGE_PLANS["getOrder"][1]


class Sweeps:
    """What searches showed of orders, by seller."""

    def __init__(self, client: AmazonClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], Known] = {}

    async def find(self, access: Access, order_id: str) -> AmazonDispatch | None:
        """Return the order as a search showed it after our last confirmation; None: it is to be read by itself.

        Raises ShownLater where a search will show it soon, and few other calls are left; AuthorizationError.
        """
        known = self._of(access)
        if (order := self._shown(known, order_id)) is not None:
            return order
        written, now = known.written.get(order_id), self._clock.now()
        if not await self.saves_calls(access) or (written is not None and not written.number):
            return None
        if written is not None and now < written.shown_at:
            wait = (written.shown_at - now).total_seconds()
            raise ShownLater("Amazon lists what changed two minutes later", retry_after=wait)
        async with known.lock:
            order = await self._search_for(access, known, order_id)
        if order is None and written is not None and (written.seen or known.leaves_to_pages(written, now)):
            raise self.later(access, order_id)
        return order

    def later(self, access: Access, order_id: str) -> ShownLater:
        """Say when an order that nothing can show now may be looked for again."""
        known = self._of(access)
        written = known.written.get(order_id)
        wait = min(max(len(known.written), _LOOKED_FOR_AGAIN), _LONGEST_LOOK)
        if written is not None and written.seen:
            wait = _NO_HURRY
        return ShownLater("Amazon lets us read no more orders at this moment", retry_after=wait)

    def shown(self, access: Access, order_id: str) -> AmazonDispatch | None:
        """Return an order that we never wrote to as a search showed it within two minutes."""
        known = self._of(access)
        return None if order_id in known.written else self._shown(known, order_id)

    def is_refused(self, access: Access, order_id: str) -> bool:
        """Tell whether Amazon refused a confirmation of the order: its reading is waited for."""
        written = self._of(access).written.get(order_id)
        return written is not None and not written.number

    def read_alone(self, access: Access, order_id: str, order: AmazonDispatch | None) -> None:
        """Take in that an order was read by itself."""
        written = self._of(access).written.get(order_id)
        if written is not None:
            written.read_alone(order, now=self._clock.now())

    async def saves_calls(self, access: Access) -> bool:
        """Tell whether few calls are left by which single orders are read."""
        left = await self._left(access)
        return left is not None and left < _ENOUGH

    def place(self, access: Access, order_id: str) -> str | None:
        """Return the marketplace of an order that was open when it was last shown; None where that is not known."""
        chosen = access.secrets.get("marketplaces", "")
        place = self._of(access).places.get(order_id, chosen if "," not in chosen else "")
        return place or None

    def notice(self, access: Access, results: Sequence[Any], *, asked_at: datetime) -> None:
        """Take in what others read at `asked_at`: in which marketplaces orders are, and numbers that are waited for."""
        known = self._of(access)
        for result in results:
            order_id = result.get("orderId") if isinstance(result, dict) else None
            if not isinstance(order_id, str):
                continue
            keep_place(known, order_id, result)
            written = known.written.get(order_id)
            if written is not None and written.waits and (order := dispatch_of(result)) is not None:
                prove(written, order, asked_at)
        known.forget(self._clock.now())
        if len(results) > 1:
            known.paged(self._clock.now())

    def refused(self, access: Access, order_id: str) -> None:
        """Wait for nothing: no parcel of the order was confirmed. It is read by itself from here on."""
        now = self._clock.now()
        written = self._of(access).written
        written.pop(order_id, None)
        written[order_id] = Written(now, "", now, now)

    def wrote(self, access: Access, order_id: str, tracking_number: str) -> None:
        """Take back what was shown of an order: we confirm a parcel of it, or just did."""
        known, now = self._of(access), self._clock.now()
        known.shown.pop(order_id, None)
        known.written.pop(order_id, None)
        # Those who were told in one minute are looked for together.
        last = next((one for one in reversed(known.written.values()) if one.number), None)
        shown_at = now + SHOWN_AFTER + GATHERED
        if last is not None and last.shown_at >= now + SHOWN_AFTER:
            shown_at = last.shown_at
        known.written[order_id] = Written(now, tracking_number, shown_at, now)
        known.forget(now)

    async def _left(self, access: Access) -> float | None:
        return await self._client.left(account_of(access.secrets), "getOrder")

    def _of(self, access: Access) -> Known:
        account, now = account_of(access.secrets), self._clock.now()
        name = (account.region, account.seller_id)
        if name not in self._known:
            used = {one: held for one, held in self._known.items() if now - held.used_at <= REMEMBERED}
            self._known = {**used, name: Known(now)}
        known = self._known[name]
        known.used_at = now
        return known

    def _shown(self, known: Known, order_id: str) -> AmazonDispatch | None:
        written = known.written.get(order_id)
        if written is not None:
            # That a number is not there is believed of the order itself alone: lists lag behind.
            return written.give(now=self._clock.now())
        asked_at, order = known.shown.get(order_id, (None, None))
        return None if asked_at is None or self._clock.now() - asked_at > FRESH else order

    async def _search_for(self, access: Access, known: Known, order_id: str) -> AmazonDispatch | None:
        """Return the order from the pages that others had read meanwhile, or that are read now."""
        while (order := self._shown(known, order_id)) is None:
            search = self._search(access, known, order_id)
            if search is None or not await self._turn_page(access, known, search):
                return None
        return order

    def _search(self, access: Access, known: Known, order_id: str) -> Search | None:
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
        known.searches[kind] = Search(query, since, now)
        return known.searches[kind]

    def _since(self, known: Known, written: Written, now: datetime) -> datetime:
        """Return since when to look, so that all are shown that are waited for."""
        waiting = [one.at for one in known.waiting() if not one.missed and now - one.at < _LISTED_WITHIN]
        return min([written.at, *waiting])

    async def _turn_page(self, access: Access, known: Known, search: Search) -> bool:
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
            order = dispatch_of(result)
            if order is None:
                continue  # it is read by itself, and said what is wrong with it
            keep_place(known, order.order_id, result)
            written = known.written.get(order.order_id)
            if written is not None and written.waits:
                prove(written, order, asked_at)
            known.shown.pop(order.order_id, None)
            known.shown[order.order_id] = asked_at, order
        if search.token is None:
            miss(known, search)
        known.paged(asked_at)
        return True


def _rest(search: Search, written: Written) -> timedelta:
    """Return how long after a search for what changed another one may show the order."""
    covered = search.since <= written.at and search.began >= written.at + SHOWN_AFTER
    return FRESH if covered else APART
