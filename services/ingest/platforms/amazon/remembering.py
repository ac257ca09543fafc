"""What is remembered of a seller's orders: what pages showed of them, and which confirmations wait to be shown."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.ingest.contract.parcels import plain_number
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.payloads import AmazonDispatch
from services.ingest.platforms.amazon.reading import LATEST, LIMIT

#: Amazon lists nothing younger than two minutes, and its clock may differ a little from ours.
SHOWN_AFTER = LATEST + timedelta(seconds=10)
#: How long what a search showed may be told: a confirmation that comes too late Amazon itself refuses.
FRESH = timedelta(minutes=2)
#: Confirmations that are remembered of an account, and for how long: until they were read back for good.
_MOST_WRITES, REMEMBERED = 10_000, timedelta(hours=6)
#: How many orders' marketplaces are remembered of an account.
_MOST_PLACES = 20_000
#: While pages come no further apart than this, they are expected to show the confirmations that wait the longest.
_PAGES_COME = timedelta(minutes=10)
#: What an order is while parcels of it may be told.
OPEN_STATUSES = ("UNSHIPPED", "PARTIALLY_SHIPPED")


@dataclass(slots=True)
class Written:
    """A confirmation of ours; `shown_at` is when a search is expected to show it.

    `wanted`: somebody waits for it to be shown by what is asked `after` a moment; `missed`: a whole search should have
    shown it and did not. `proof` is the order with its number there; `seen`: somebody was given one before.
    """

    at: datetime
    number: str
    shown_at: datetime
    after: datetime
    wanted: bool = True
    missed: bool = False
    seen: bool = False
    proof: AmazonDispatch | None = None

    @property
    def waits(self) -> bool:
        """Whether nothing has shown the number yet to who wants to know."""
        return bool(self.number) and self.wanted and self.proof is None

    def give(self, *, now: datetime) -> AmazonDispatch | None:
        """Give the proof, once: who looks again later wants to know of a later moment."""
        given, self.proof, self.wanted = self.proof, None, self.proof is None
        if given is not None:
            self.after, self.seen = now, True
        return given

    def read_alone(self, order: AmazonDispatch | None, *, now: datetime) -> None:
        """Wait for no page: the order was read by itself."""
        self.wanted, self.after = False, now
        self.seen = self.seen or (order is not None and _has(order, self.number))


@dataclass(slots=True)
class Search:
    """A search under way: its question, what asks for its next page, and when it began."""

    query: Mapping[str, str]
    since: datetime
    began: datetime
    token: str | None = None
    pages: int = 0
    done: bool = False


@dataclass(slots=True)
class Known:
    """What is known of one seller's orders."""

    used_at: datetime
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: When it was asked, and what was shown, by order; the oldest first.
    shown: OrderedDict[str, tuple[datetime, AmazonDispatch]] = field(default_factory=OrderedDict)
    written: OrderedDict[str, Written] = field(default_factory=OrderedDict)
    #: The marketplaces of orders that were open when they were last shown; "" for those that were not.
    places: OrderedDict[str, str] = field(default_factory=OrderedDict)
    searches: dict[str, Search] = field(default_factory=dict)
    #: When a page was read last; how many confirmations waited for one then, and since when the oldest of them.
    paged_at: datetime | None = None
    crowd: int = 0
    oldest: datetime | None = None

    def paged(self, now: datetime) -> None:
        """Note that a page was read."""
        waiting = self.waiting()
        self.paged_at, self.crowd, self.oldest = now, len(waiting), waiting[0].at if waiting else None

    def leaves_to_pages(self, written: Written, now: datetime) -> bool:
        """Tell whether a confirmation is among those that pages, which show the oldest first, will show soon."""
        if self.paged_at is None or now - self.paged_at > _PAGES_COME or self.crowd <= LIMIT or written.missed:
            return False
        newest = next(reversed(self.written.values())).at
        return self.oldest is not None and written.at < self.oldest + (newest - self.oldest) / 2

    def waiting(self) -> list[Written]:
        """Return the confirmations whose numbers nothing has shown yet."""
        return [one for one in self.written.values() if one.waits]

    def forget(self, now: datetime) -> None:
        """Drop what is of no use any more."""
        while self.shown and now - next(iter(self.shown.values()))[0] > FRESH:
            self.shown.popitem(last=False)
        while self.written and (
            len(self.written) > _MOST_WRITES or now - next(iter(self.written.values())).at > REMEMBERED
        ):
            self.written.popitem(last=False)
        while len(self.places) > _MOST_PLACES:
            self.places.popitem(last=False)


def dispatch_of(result: object) -> AmazonDispatch | None:
    """Return an order of a page; None where it cannot be read: it is read by itself, and said what is wrong."""
    try:
        return parsed(AmazonDispatch, result)
    except UnreadablePayload:
        return None


def keep_place(known: Known, order_id: str, result: Mapping[str, Any]) -> None:
    """Keep in which marketplace an order is, as long as it is open."""
    channel, fulfillment = result.get("salesChannel"), result.get("fulfillment")
    place = channel.get("marketplaceId") if isinstance(channel, dict) else None
    status = fulfillment.get("fulfillmentStatus") if isinstance(fulfillment, dict) else None
    known.places.pop(order_id, None)
    known.places[order_id] = place if isinstance(place, str) and status in OPEN_STATUSES else ""


def prove(written: Written, order: AmazonDispatch, asked_at: datetime) -> None:
    """Keep an order that shows the number of our last confirmation: however long ago, it was taken."""
    if asked_at > written.after and _has(order, written.number):
        written.proof = order


def miss(known: Known, search: Search) -> None:
    """Wait no more for what a search that was read to its end should have shown."""
    for one in known.waiting():
        one.missed = one.missed or (search.since <= one.at and search.began >= one.at + SHOWN_AFTER)


def _has(order: AmazonDispatch, tracking_number: str) -> bool:
    wanted = plain_number(tracking_number)
    return bool(wanted) and any(
        plain_number(package.tracking_number or "") == wanted for package in order.packages or ()
    )
