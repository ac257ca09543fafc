"""What most platforms do alike. A connector says only where its platform does otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from schemas.order import RawOrder, Way
from services.ingest.contract.parcels import ParcelWriter
from services.ingest.contract.reading import ListedChange, Listing, Page, Unreadable, Window
from services.ingest.contract.stores import Access, Grant, LinkingRefused
from services.ingest.contract.webhooks import AppFact, Delivery, Greeting, NotOurs


class _Reads(Protocol):
    """What every connector says itself, by which the others do what they do."""

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None: ...

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page: ...


class UsualConnector:
    """The answers of a platform without peculiarities; see `services.ingest.contract.connector.Connector`."""

    name: str
    ids_at_once = 1
    listed_for_a_count = 100
    pushes_changes = True
    parcels: ParcelWriter | None = None

    def read_state(self, callback: Mapping[str, str]) -> str:
        """Return the query's `state`."""
        return callback.get("state", "")

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        """Refuse: nobody begins to link a store on the platform's side."""
        del query, now
        raise LinkingRefused(f"{self.name} stores are linked from Sync Order: add a store there, by authorization.")

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Refuse: there is nothing that a seller could paste."""
        del credentials, now
        raise LinkingRefused(f"{self.name} stores are linked by authorization: ask for its address and open it.")

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell that it never is: access lasts until it is taken back."""
        del secrets, now
        return False

    async def unsubscribe(self, access: Access) -> None:
        """Do nothing: nothing was subscribed."""
        del access

    async def read_orders(
        self: _Reads, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read one after another."""
        return {number: await self.read_order(access, number, way=way) for number in external_ids}

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return None: the platform's first page tells it for the same price."""
        del access, window
        return None

    async def list_orders(self: _Reads, access: Access, window: Window, *, after: str | None) -> Listing:
        """Read a page of whole orders and keep their ids and times; what cannot be read is listed, too."""
        page = await self.read_page(access, window, after=after, way="poll")
        return Listing(
            listed_changes([_listed(order, window) for order in page.orders], window), page.after, page.total
        )

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer nothing: the platform does not ask whether we are there."""
        del delivery
        return None

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say that it is not ours: each store is told at its own address."""
        del delivery, now
        return NotOurs("this platform tells each store at its own address")


def listed_changes(rows: Iterable[tuple[str | None, datetime | None]], window: Window) -> tuple[ListedChange, ...]:
    """Return the rows of a list, each an id and a time; without an id it cannot be asked for and is left out.

    Where the time cannot be read, the window's start is the least that is certain, and no revision is older.
    """
    return tuple(ListedChange(number, window.start if at is None else at) for number, at in rows if number)


def _listed(order: RawOrder | Unreadable, window: Window) -> tuple[str | None, datetime | None]:
    if isinstance(order, Unreadable):
        return order.external_id, None
    return order.external_id, order.placed_at if window.by == "created" else order.revised_at
